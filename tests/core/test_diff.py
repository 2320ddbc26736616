from __future__ import annotations

import sys
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from aligndbg.core import kernel
from aligndbg.core.diff import diff
from aligndbg.core.stats import Diff, DiffStats
from aligndbg.core.tally import BLOCK

sys.path.insert(0, str(Path(__file__).parent))
from naive_diff import assert_agree, cosine, naive, not_above

Array = NDArray[Any]
KERNELS = [None, *filter(None, [kernel._load()])]
"""numpy's, and the compiled one where there is numba."""


def diffs(torch: Array, paddle: Array, atol: float = 1e-4, rtol: float = 0.0) -> list[Diff]:
    """By every kernel."""
    found = []
    for compiled in KERNELS:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(kernel, "_load", lambda compiled=compiled: compiled)
            found.append(diff(torch, paddle, atol, rtol))
    return found


def noise(shape: tuple[int, ...], seed: int = 0, dtype: str = "float32") -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


SHAPES = st.one_of(
    st.lists(st.integers(1, 7), max_size=5).map(tuple),
    st.sampled_from(
        [(BLOCK - 1,), (BLOCK + 1,), (2, 4099), (130, 300), (3, 65, 129), (2, 260, 5, 7), (7, 3, 2, 11, 13), (2, 9, 1, 1)]
    ),
)
FLOATS = ("float32", "float64", "float16")
SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, 1e-40, 1e-13, 1e15, 6e4, 1e20, -3e38, 3e38)


@st.composite
def tensors(draw: st.DrawFn) -> tuple[Array, Array]:
    """Two tensors of one shape, equal, unrelated, or with differences everywhere or here and there."""
    shape, random = draw(SHAPES), np.random.default_rng(draw(st.integers(0, 1 << 32)))
    one = draw(st.sampled_from((*FLOATS[:1] * 3, *FLOATS, "int32", "int64", "uint8", "bool", "complex64", "complex128")))
    other = one if draw(st.integers(0, 3)) else draw(st.sampled_from(FLOATS))
    values = random.standard_normal(shape) * 10.0 ** draw(st.integers(-3, 4)) + draw(st.sampled_from((0.0, 0.0, 100.0)))
    how = draw(st.sampled_from(["equal", "everywhere", "sparse", "unrelated"]))
    change = random.standard_normal(shape) * 10.0 ** draw(st.integers(-8, 0))
    if how == "sparse":
        change = np.where(random.random(shape) < 0.1, change, 0.0)
    changed = random.standard_normal(shape) if how == "unrelated" else values if how == "equal" else values * (1 + change)
    with np.errstate(all="ignore"):
        a, b = (np.asarray(x.clip(0, 200) if dtype == "uint8" else x, dtype) for x, dtype in ((values, one), (changed, other)))
        for place, value, sides in draw(
            st.lists(st.tuples(st.integers(0), st.sampled_from(SPECIAL), st.integers(1, 3)), max_size=5)
        ):
            for side, x in ((1, a), (2, b)):
                if sides & side and x.dtype.kind in "fc":
                    x.reshape(-1)[place % x.size] = value
    return a, b


@given(tensors(), st.sampled_from([0.0, 1e-6, 1e-4, 1e-2]), st.sampled_from([0.0, 0.0, 1e-5, 1e-1]))
@settings(max_examples=150, deadline=None)
def test_every_field_is_what_plain_numpy_finds(pair: tuple[Array, Array], atol: float, rtol: float) -> None:
    expected = naive(*pair, atol, rtol)
    for found in diffs(*pair, atol, rtol):
        assert_agree(found, expected)
        assert sum(found.detail.exponents) + found.detail.exact + np.count_nonzero(broken(*pair)) == found.torch.count


def broken(torch: Array, paddle: Array) -> Array:
    """Elements that are not finite and do not agree, of complex ones their parts."""
    wide = np.result_type(torch, paddle, np.float16)
    a, b = (x.astype(wide).reshape(-1).view(np.dtype(wide.char.lower())) for x in (torch, paddle))
    return ~(np.isfinite(a) & np.isfinite(b)) & (a != b) & ~(np.isnan(a) & np.isnan(b))


@pytest.mark.parametrize("size", [BLOCK, 2 * BLOCK + 1, kernel.RANGE - 1, kernel.RANGE, kernel.RANGE + 1, 2 * kernel.RANGE + 5])
def test_no_element_is_lost_where_blocks_and_ranges_meet(size: int) -> None:
    a, b = noise((size,)), noise((size,))
    borders = np.array([0, BLOCK - 1, BLOCK, kernel.RANGE - 1, kernel.RANGE, size - 1])
    b[borders[borders < size]] += np.float32(1.0)
    expected = naive(a, b, 1e-4, 0.0)
    assert len(expected.detail.worst) == np.unique(borders[borders < size]).size
    for found in diffs(a, b):
        assert_agree(found, expected)


@pytest.mark.parametrize("shape", [(1100, 1001), (1, 2000, 700), (3, 500_000), (500_000, 3), (1, 2, 1030, 1031), (1 << 20) + 3])
def test_planes_too_large_to_copy_are_pooled_on_the_way(shape: tuple[int, ...]) -> None:
    a = np.zeros(shape, np.float32)
    b = a.copy()
    random = np.random.default_rng(0)
    places = random.integers(0, a.size, 500)
    b.reshape(-1)[places] = random.standard_normal(500)
    b.reshape(-1)[-1] = 1e-20
    expected = naive(a, b, 1e-4, 0.0)
    for found in diffs(a, b):
        assert_agree(found, expected)


@pytest.mark.parametrize("apart", [1e-7, 1e-6, 1e-4, 1e-2, 1.0])
def test_the_cosine_keeps_the_digits_of_its_distance_from_one(apart: float) -> None:
    a = noise((1000, 1001))
    b = a + np.float32(apart) * noise(a.shape, 1)
    expected = cosine(a.astype(np.float64), b.astype(np.float64))
    assert expected is not None
    for found in diffs(a, b):
        assert found.stats.cosine is not None and found.stats.cosine <= 1.0
        assert 1.0 - found.stats.cosine == pytest.approx(1.0 - expected, 1e-4, 3e-16)


def test_cosines_that_are_known() -> None:
    a = noise((77, 1000))
    zero = np.zeros_like(a)
    for other, expected, apart in ((a, 1.0, 0.0), (-a, -1.0, 1e-6), (a * np.float32(1.25), 1.0, 1e-7), (a * 1024, 1.0, 1e-6)):
        for found in diffs(a, other):
            assert found.stats.cosine == pytest.approx(expected, abs=apart)
            assert diff(a, zero, 1e-4, 0.0).stats.cosine is None
    one, other = np.eye(2, dtype=np.float32)
    assert [found.stats.cosine for found in diffs(one, other)] == pytest.approx([0.0] * len(KERNELS), abs=1e-12)


def test_worst_elements_are_the_first_ones_of_equals_in_every_block() -> None:
    a = np.zeros((4, 2 * BLOCK), np.float32)
    b = np.zeros_like(a)
    b[:, ::500] = 2.0
    b[3, 7] = 3.0
    a[0, BLOCK + 1] = b[0, BLOCK + 1] = 1e30
    for found in diffs(a, b):
        assert [element.index for element in found.detail.worst] == [(3, 7), *((0, place) for place in range(0, 7500, 500))]
        assert found.stats.argmax == (3, 7)
    a[1, 1] = np.nan
    for found in diffs(a, b):
        assert [element.index for element in found.detail.worst][:3] == [(1, 1), (3, 7), (0, 0)]
        assert found.stats.max_abs == 3.0


@pytest.mark.parametrize("extreme", [1.0, np.nan, 1e20])
@pytest.mark.parametrize(("atol", "rtol"), [(1e-4, 0.0), (1e-3, 0.0), (0.0, 0.3), (1e-4, 0.3), (0.7, 0.1)])
def test_the_tolerance_holds_to_the_last_bit(atol: float, rtol: float, extreme: float) -> None:
    a = np.append(np.abs(noise((3000,))) * np.float32(rtol > 0), np.float32(extreme))
    limit = not_above(atol, np.float32) + np.float32(rtol) * a
    with np.errstate(invalid="ignore"):
        b = a - limit
        assert rtol == 0.0 or np.count_nonzero(a - b == limit) > 100
        for other in (b, *(np.nextafter(b, np.float32(to)) for to in (-np.inf, np.inf))):
            over = np.count_nonzero(np.abs(a - other) > limit) / a.size
            assert [found.stats.over_tolerance for found in diffs(a, other, atol, rtol)] == [over] * len(KERNELS)


@pytest.mark.parametrize("atol", [1e-4, 1e-3, 1e-50, 0.1])
def test_an_absolute_tolerance_is_not_rounded(atol: float) -> None:
    near = np.float32(atol)
    b = np.array([np.nextafter(near, np.float32(0)), near, np.nextafter(near, np.float32(1)), np.inf], np.float32)
    over = sum(float(value) > atol for value in b) / 4
    for found in diffs(np.zeros(4, np.float32), b, atol):
        assert found.stats.over_tolerance == over


def test_sums_keep_their_digits_beside_an_outlier() -> None:
    a = noise((8 * BLOCK,))
    b = a.copy()
    a[0] = b[1] = 9e14
    for found in diffs(a, b):
        assert found.torch.std == pytest.approx(float(a.astype(float).std()), 5e-6)
        assert found.stats.cosine == pytest.approx(0.0, abs=5e-6)


def test_moments_keep_their_digits_beside_an_outlier() -> None:
    a = noise((BLOCK * 3,)) * np.float32(1e-3) + np.float32(1.0)
    a[0] = 3000.0
    for x in (a, a[1:], a[1:] * 0 + np.float32(1e4)):
        for found in diffs(x, x):
            assert found.torch.mean == pytest.approx(float(x.astype(float).mean()), 1e-7)
            assert found.torch.std == pytest.approx(float(x.astype(float).std()), 1e-5)
            assert found.torch == found.paddle


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_figures_of_huge_tensors_are_finite(dtype: str) -> None:
    top = np.finfo(dtype).max
    a, b = np.full((3, 5000), top, dtype), np.full((3, 5000), -top / 2, dtype)
    b[1, 4500] = -top
    for found in diffs(a, b, 1e-4, 1e-3):
        figures = [value for value in (*astuple(found.torch), *astuple(found.stats)) if isinstance(value, float)]
        assert np.isfinite(figures).all()
        assert (found.stats.max_abs, found.stats.over_tolerance, found.stats.argmax) == (top, 1.0, (0, 0))
        assert found.stats.cosine is None if dtype == "float64" else found.stats.cosine == pytest.approx(-1.0, abs=0.01)
        assert found.stats.max_rel == pytest.approx(1.0 if dtype == "float64" else 2.0)
        assert (found.torch.min, found.torch.max, found.paddle.min) == (top, top, -top)


def test_layouts_and_byte_orders_are_seen_through() -> None:
    base, change = noise((12, 7, 10)), noise((12, 7, 10), 1)
    views = {
        "transposed": lambda x: x.transpose(2, 0, 1),
        "strided": lambda x: x[::3, 1::2],
        "reversed": lambda x: x[:, ::-1],
        "broadcast": lambda x: np.broadcast_to(x[0, 0], (4, 10)),
        "read-only": lambda x: np.frombuffer(x.tobytes(), np.float32),
        "unaligned": lambda x: np.frombuffer(b"?" + x.tobytes(), np.float32, offset=1),
        "big-endian": lambda x: x.astype(">f4"),
    }  # fmt: skip
    for view in views.values():
        a, b = view(base), view(change)
        for found, expected in zip(diffs(a, b), diffs(np.array(a, np.float32), np.array(b, np.float32)), strict=True):
            assert found == expected


def test_complex_tensors_are_compared_by_their_parts() -> None:
    a, b = (noise((3, 4, 2), seed).view("complex64")[..., 0] for seed in (0, 1))
    assert diff(a, b, 1e-4, 0.0) == diff(a.view("float32").reshape(3, 4, 2), b.view("float32").reshape(3, 4, 2), 1e-4, 0.0)


@pytest.mark.parametrize("shape", [(0,), (2, 0, 3), (0, 3, 4, 5)])
def test_empty_tensors_agree(shape: tuple[int, ...]) -> None:
    for found in diffs(np.zeros(shape), np.zeros(shape)):
        assert found.stats == DiffStats(0.0, 0.0, 0.0, 0.0, None, 0.0, 0, 0, (0,) * len(shape))
        assert (found.torch.count, found.detail.exact, found.detail.exponents, found.detail.heatmap) == (0, 0, (), None)


def test_other_shapes_and_what_is_no_number_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shapes \[2, 3\] and \[3, 2\] cannot be compared"):
        diff(np.zeros((2, 3)), np.zeros((3, 2)), 1e-4, 0.0)
    for strange in (np.array(["a"]), np.array([None]), np.array(["2020"], "M8[D]"), np.zeros(1, "V2")):
        for pair in ((strange, np.zeros(1)), (np.zeros(1, np.float32), strange), (strange[:0], strange[:0])):
            with pytest.raises(ValueError, match="cannot be compared as numbers"):
                diff(*pair, 1e-4, 0.0)


def test_the_relative_difference_of_a_layer() -> None:
    one, zero = np.ones(3, np.float32), np.zeros(3, np.float32)
    assert [diff(*pair, 1e-4, 0.0).relative for pair in ((one, one * 3), (zero, one), (zero, zero))] == [2.0, np.inf, 0.0]
