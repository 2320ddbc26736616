"""What is said of an error's shape, and that none of it is untrue."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from aligndbg.diagnosis.shape import hints_of

Array = NDArray[np.float32]
NOISE = np.random.default_rng(0)
TORCH = NOISE.standard_normal((2, 6, 9, 9)).astype(np.float32)
ERROR = NOISE.standard_normal(TORCH.shape).astype(np.float32)
CHANNEL = NOISE.standard_normal((1, 6, 1, 1)).astype(np.float32)
RELU = np.maximum(TORCH, 0)
FACTORS = np.arange(2, 8, dtype=np.float32).reshape(1, 6, 1, 1)


def hints(paddle: Array, torch: Array = TORCH) -> tuple[str, ...]:
    return hints_of([torch], [paddle])


def at(index: object, values: Array = ERROR) -> Array:
    """torch's output with an error at some places alone."""
    made = TORCH.copy()
    made[index] += values[index]  # type: ignore[index]
    return made


BORDER = np.ones((9, 9), bool)
BORDER[1:-1, 1:-1] = False


@pytest.mark.parametrize(
    ("paddle", "said"),
    [
        (TORCH * 0, ("Paddle's result is all zero",)),
        (TORCH * np.float32(0.5), ("Paddle's result is 0.5 times torch's, everywhere",)),
        (TORCH + np.float32(0.25), ("the error is the same everywhere: 0.25",)),
        (TORCH + CHANNEL, ("the error is constant within each channel: look at a bias or at running means",)),
        (
            TORCH * FACTORS,
            ("each channel is off by a factor of its own: look at a norm's weight, variance or epsilon",),
        ),
        (TORCH + ERROR, ()),
        (TORCH[::-1], ("both results hold the same values in another order",)),
    ],
)
def test_an_error_everywhere_is_told_by_its_form(paddle: Array, said: tuple[str, ...]) -> None:
    # That a few elements are right by chance is no hint of its own.
    assert tuple(hint for hint in hints(paddle) if "of the elements are wrong" not in hint) == said


@pytest.mark.parametrize(
    ("index", "said"),
    [
        (np.s_[:, 3], ["only channel 3 of 6", "16.7% of the elements are wrong"]),
        (np.s_[:, [1, 4]], ["only the channels 1, 4 of 6", "33.3% of the elements are wrong"]),
        (np.s_[:, :5], ["only the channels 0, 1, 2, 3, ... of 6", "83.3% of the elements are wrong"]),
        (np.s_[1], ["50.0% of the elements are wrong", "only in sample 1"]),
        (
            np.s_[..., BORDER],
            [
                "39.5% of the elements are wrong",
                "only the border is wrong: look at padding, its mode, and what a pooling counts there",
            ],
        ),
        (
            np.s_[..., 0, :],
            [
                "11.1% of the elements are wrong",
                "only the border is wrong: look at padding, its mode, and what a pooling counts there",
            ],
        ),
        (np.s_[..., 4, 4], ["1.2% of the elements are wrong"]),
        (np.s_[..., :2, :], ["22.2% of the elements are wrong"]),
    ],
)
def test_an_error_at_some_places_is_told_by_them(index: object, said: list[str]) -> None:
    assert list(hints(at(index))) == said


def test_the_border_is_not_blamed_where_the_inside_is_wrong_too() -> None:
    made = at(np.s_[..., BORDER])
    assert any("border" in hint for hint in hints(made))
    made[0, 2, 4, 4] += 1
    assert not any("border" in hint for hint in hints(made))


def test_a_plane_without_an_inside_has_no_border() -> None:
    small = TORCH[..., :3, :3]
    made = small.copy()
    made[..., 0, :] += ERROR[..., 0, :3]
    assert not any("border" in hint for hint in hints(made, small))


@pytest.mark.parametrize(("factors", "words"), [([2, 3, 4, 5, 6, 7], "each channel is"), ([1, 1, 3, 1, 0.5, 1], "each of them is")])
def test_channels_that_are_right_are_not_said_to_be_off(factors: list[float], words: str) -> None:
    said = hints(TORCH * np.array(factors, np.float32).reshape(1, 6, 1, 1))
    assert f"{words} off by a factor of its own: look at a norm's weight, variance or epsilon" in said
    assert ("only the channels 2, 4 of 6" in said) == (words == "each of them is")


def test_activations_are_known_by_the_sign_of_what_is_wrong() -> None:
    too_many = "only negative values are wrong, and Paddle's are zero there: look for an activation too many"
    other = "only where torch's result is not positive: look at the activation"
    assert too_many in hints(RELU) and other not in hints(RELU)
    missing = hints(TORCH, RELU)
    assert other in missing and too_many not in missing
    leaky = np.where(TORCH > 0, TORCH, 0.1 * TORCH).astype(np.float32)
    assert other in hints(leaky) and too_many not in hints(leaky)
    both = TORCH.copy()
    both[0, 0] += 1
    assert not any("activation" in hint for hint in hints(both))


def test_shapes_and_numbers_of_results() -> None:
    assert hints_of([TORCH], [TORCH, TORCH]) == ("torch gives 1 result, Paddle 2",)
    assert hints_of([TORCH, TORCH], [TORCH]) == ("torch gives 2 results, Paddle 1",)
    assert hints(TORCH[:1]) == ("the result is [1, 6, 9, 9], torch's is [2, 6, 9, 9]",)
    assert hints(TORCH.copy()) == ()
    assert hints_of([], []) == ()


def test_of_several_results_the_first_that_differs_is_told() -> None:
    counts = np.arange(4)
    assert hints_of([counts, TORCH, TORCH], [counts + 1, TORCH, TORCH * np.float32(2)]) == (
        "Paddle's result is 2 times torch's, everywhere",
    )


def test_a_single_number_has_no_channels_and_no_samples() -> None:
    one = np.float32(3.0).reshape(())
    assert hints(one * np.float32(2), one) == ("Paddle's result is 2 times torch's, everywhere",)
    assert hints(np.zeros_like(one), one) == ("Paddle's result is all zero",)


def test_what_is_broken_on_one_side_is_counted() -> None:
    made = TORCH.copy()
    made[0, 0, 0, :3] = np.nan, np.inf, -np.inf
    assert hints(made) == (f"3 of {TORCH.size} elements are NaN or infinite on one side",)
    assert hints(TORCH, made) == hints(made)
    turned = np.where(np.isinf(made), -made, made)
    assert hints(turned, made) == (f"2 of {TORCH.size} elements are NaN or infinite on one side",)


def test_what_both_sides_mask_alike_is_no_part_of_the_error() -> None:
    torch = TORCH.copy()
    torch[..., -1] = -np.inf
    torch[0, 0, 0, 0] = np.nan
    made = np.where(np.isfinite(torch), torch * 2, torch)
    assert hints(made, torch)[0] == "Paddle's result is 2 times torch's, everywhere"
    masked = np.where(np.isfinite(torch), 0, torch).astype(np.float32)
    assert "Paddle's result is all zero" not in hints(masked, torch)
    assert hints(torch.copy(), torch) == ()


values = st.floats(-8, 8, width=32)
pairs = arrays.array_shapes(min_dims=0, max_dims=4, max_side=7).flatmap(
    lambda shape: st.tuples(arrays.arrays(np.float32, shape, elements=values), arrays.arrays(np.float32, shape, elements=values))
)


@given(pairs)
def test_no_hint_is_untrue(pair: tuple[Array, Array]) -> None:
    torch, paddle = (each.astype(np.float64) for each in pair)
    said = hints_of(*([each] for each in pair))
    error = paddle - torch
    scale = np.abs(error).max(initial=0.0)
    wrong = np.abs(error) > 1e-4 * scale
    if not scale:
        assert said == ()
    for hint in said:
        if "all zero" in hint:
            assert not paddle.any()
        elif "everywhere" in hint and "times" in hint:
            factor = float(hint.split(" times")[0].rpartition(" ")[2])
            assert np.allclose(paddle, factor * torch, atol=1e-3 * np.abs(paddle).max(), rtol=0)
        elif "the same everywhere" in hint:
            assert np.ptp(error) <= 1e-3 * scale
        elif "border" in hint:
            assert not wrong[..., 1:-1, 1:-1].all()
            assert not wrong[..., 2:-2, 2:-2].any()
        elif hint.startswith(("only channel", "only the channels")) and "..." not in hint:
            named = [int(word) for word in hint.split("channel")[1].lstrip("s ").partition(" of")[0].split(", ")]
            assert not np.delete(wrong, named, axis=1).any() and all(wrong[:, k].any() for k in named)
        elif "sample" in hint and "..." not in hint:
            named = [int(word) for word in hint.partition("sample")[2].lstrip("s ").split(", ")]
            assert not np.delete(wrong, named, axis=0).any() and all(wrong[k].any() for k in named)
        elif "same values" in hint:
            assert np.allclose(np.sort(torch, axis=None), np.sort(paddle, axis=None), atol=1e-3 * scale, rtol=0)
        elif "negative" in hint:
            assert (torch[wrong] < 0).all() and not paddle[wrong].any()
        elif "not positive" in hint:
            assert (torch[wrong] <= 0).all() and not wrong.all()
        elif "constant within" in hint:
            axes = tuple(axis for axis in range(torch.ndim) if axis != 1)
            assert np.ptp(error, axis=axes).max() <= 1e-3 * scale
