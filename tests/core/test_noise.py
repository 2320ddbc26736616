from __future__ import annotations

import numpy as np
import pytest

from aligndbg.core.noise import FACTOR, LEAST_ULPS, largest_gap, noise_floor

EPS = float(np.finfo(np.float32).eps)


def test_the_floor_grows_with_torchs_own_rounding() -> None:
    assert noise_floor(1e-3, 1.0) == FACTOR * 1e-3


def test_the_floor_is_a_few_ulps_where_torch_is_exact() -> None:
    assert noise_floor(0.0, 371.0) == pytest.approx(LEAST_ULPS * EPS * 371.0)
    assert noise_floor(0.0, 0.0) == 0.0


@pytest.mark.parametrize("size", [1, 7, 1 << 16, (1 << 17) + 3])
def test_the_largest_gap_is_found_wherever_it_is(size: int) -> None:
    one = np.zeros(size, np.float32)
    for place in {0, size // 2, size - 1}:
        other = one.copy()
        other[place] = -0.25
        assert largest_gap(one, other) == 0.25


def test_what_is_not_finite_is_passed_over() -> None:
    one = np.array([np.nan, np.inf, 1.0, 2.0], np.float32)
    assert largest_gap(one, np.array([0.0, 0.0, 1.5, 2.0], np.float32)) == 0.5
    assert largest_gap(one[:2], np.zeros(2, np.float32)) == 0.0
    assert largest_gap(one[:0], one[:0]) == 0.0


def test_axes_do_not_matter() -> None:
    one = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    assert largest_gap(one, one.transpose(0, 1, 2) + np.float32(0.5)) == 0.5
