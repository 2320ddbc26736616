"""What is told of a weight that does not hold what torch's does."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from aligndbg.core.findings import CAUSES
from aligndbg.core.layers import ParamSpec, TensorSpec
from aligndbg.diagnosis.case import State
from aligndbg.diagnosis.weights import WeightCause, same, variant_cause, variants, weight_cause

TORCH = ParamSpec("conv.weight", "weight", "oihw", TensorSpec((4, 4, 3, 3)))
PADDLE = replace(TORCH, name="stem.weight")
VALUES = np.random.default_rng(0).standard_normal((4, 4, 3, 3)).astype(np.float32)

shapes = arrays.array_shapes(min_dims=1, max_dims=5, min_side=1, max_side=4)
distinct = shapes.map(lambda shape: np.arange(1, np.prod(shape) + 1, dtype=np.float32).reshape(shape))
weights = shapes.flatmap(
    lambda shape: arrays.arrays(np.float32, shape, elements=st.floats(-4, 4, width=32) | st.just(float("nan")))
)


def cause(actual: NDArray[np.float32], planned: NDArray[np.float32] = VALUES) -> WeightCause | None:
    state = State({}, {PADDLE.name: actual}, {PADDLE.name: planned}, {PADDLE.name: TORCH.name})
    return weight_cause(state, TORCH, PADDLE)


@pytest.mark.parametrize(
    ("actual", "cause_id", "words"),
    [
        (VALUES.swapaxes(0, 1), "weight-transposed", "holds stem.weight transposed"),
        (VALUES.swapaxes(2, 3), "weight-transposed", "holds stem.weight transposed in height and width"),
        (VALUES[:, :, ::-1, ::-1], "weight-permuted", "holds stem.weight flipped in space, as a true convolution has it"),
        (VALUES[:, :, ::-1], "weight-permuted", "holds stem.weight reversed along axis 2"),
        (VALUES[:, ::-1], "weight-permuted", "holds stem.weight reversed along axis 1"),
        (VALUES[[2, 3, 0, 1]], "weight-permuted", "holds stem.weight with its 2 parts along axis 0 in the order [1, 0]"),
        (VALUES / 3, "weight-value", "holds values in stem.weight that are not torch's: they are 0.333333 times as large"),
        (-VALUES, "weight-value", "holds values in stem.weight that are not torch's: they are -1 times as large"),
        (VALUES + 1, "weight-value", "holds values in stem.weight that are not torch's"),
        (VALUES * 0, "weight-value", "holds values in stem.weight that are not torch's"),
        (VALUES[:, :1], "weight-value", "holds values in stem.weight that are not torch's"),
    ],
)
def test_wrong_values_are_told_by_what_makes_them_of_torchs(actual: NDArray[np.float32], cause_id: str, words: str) -> None:
    assert cause(actual) == WeightCause(cause_id, words)


def test_rounding_is_no_cause_and_a_changed_element_is_one() -> None:
    assert cause(VALUES) is None
    assert cause(np.nextafter(VALUES, np.float32(np.inf))) is None
    changed = VALUES.copy()
    changed[1, 2, 0, 0] += 1e-4
    assert cause(changed) is not None


def test_a_broken_weight_is_equal_to_itself_and_to_no_other() -> None:
    for broken in (np.nan, np.inf):
        planned = VALUES.copy()
        planned[0, 0, 0, 0] = broken
        assert cause(planned.copy(), planned) is None
        assert cause(planned * 2, planned) is not None
        assert cause(VALUES, planned) is not None


def test_a_weight_is_missing_shared_or_tied_before_its_values_count() -> None:
    known = State({}, {PADDLE.name: VALUES}, {PADDLE.name: VALUES}, {PADDLE.name: TORCH.name})
    other = replace(known, sources={PADDLE.name: "head.weight"})
    tied = replace(PADDLE, tied=("head.weight", "tail.weight"))
    assert weight_cause(replace(known, paddle={}), TORCH, PADDLE) is None
    assert weight_cause(replace(known, planned={}, sources={}), TORCH, PADDLE) == WeightCause(
        "weight-missing", "has a weight (stem.weight) that no weight of torch's fills"
    )
    assert weight_cause(other, TORCH, PADDLE) == WeightCause(
        "weight-shared", "uses stem.weight, which is filled from head.weight; torch's conv.weight is another"
    )
    assert weight_cause(other, replace(TORCH, role="bias"), PADDLE) is None
    assert weight_cause(known, TORCH, tied) is None
    wrong = replace(known, paddle={PADDLE.name: VALUES * 2})
    assert weight_cause(wrong, TORCH, tied) == WeightCause(
        "weight-shared", "shares its weight with head.weight, tail.weight; in torch they are apart"
    )
    found = weight_cause(wrong, replace(TORCH, tied=("decoder.weight",)), tied)
    assert found is not None and found.cause == "weight-value"


@given(distinct)
def test_a_variant_holds_the_weights_elements_in_another_order(weight: NDArray[np.float32]) -> None:
    for words, variant in variants(weight):
        assert variant.shape == weight.shape and variant.flags.c_contiguous
        assert not np.array_equal(variant, weight), words
        assert np.array_equal(np.sort(variant, axis=None), np.sort(weight, axis=None))
        assert variant_cause(words) in CAUSES


@given(weights)
def test_no_variant_is_the_weight_itself(weight: NDArray[np.float32]) -> None:
    assert not any(np.array_equal(variant, weight, equal_nan=True) for _, variant in variants(weight))


@given(distinct, st.data())
def test_each_variant_is_found_again(weight: NDArray[np.float32], data: st.DataObject) -> None:
    made = list(variants(weight))
    if not made:
        assert cause(weight, weight) is None
        return
    words, variant = data.draw(st.sampled_from(made))
    first = next(other for other, values in made if np.array_equal(values, variant))
    assert cause(variant, weight) == WeightCause(variant_cause(words), f"holds stem.weight {first}")


def test_a_kernel_of_one_has_no_variants_in_space() -> None:
    words = [words for words, _ in variants(VALUES[:, :, :1, :1])]
    assert "transposed" in words and not any("space" in text or "axis 2" in text or "axis 3" in text for text in words)


def test_a_large_weight_is_known_as_scaled() -> None:
    large = np.random.default_rng(1).standard_normal((512, 512, 3, 3)).astype(np.float32)
    found = cause((large * np.float32(1.7)).astype(np.float32), large)
    assert found is not None and found.told.endswith(": they are 1.7 times as large")


@given(weights)
def test_sameness_knows_itself_and_shapes(weight: NDArray[np.float32]) -> None:
    assert same(weight, weight.copy())
    assert not same(weight, weight[None])


def test_parts_are_told_for_two_three_and_four() -> None:
    weight = np.arange(12.0, dtype=np.float32)
    orders = [words for words, _ in variants(weight) if "parts" in words]
    assert len(orders) == sum(len(list(itertools.permutations(range(parts)))) - 1 for parts in (2, 3, 4))
