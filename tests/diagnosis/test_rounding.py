"""Ways through narrow dtypes, against what the frameworks' casts do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from aligndbg.diagnosis.rounding import NARROW, rounded

Array = NDArray[np.float32]
FLOATS = ("bfloat16", "float16")
WHOLE = ("int32", "int8", "uint8")

tensors = arrays.arrays(np.float32, arrays.array_shapes(max_side=5), elements=st.floats(width=32))
small = arrays.arrays(np.float32, 8, elements=st.floats(-100, 100, width=32))


def special() -> Array:
    """Every exponent, ties of both parities at bfloat16's and float16's last bit and beside them, and what is not a number."""
    noise = np.random.default_rng(0).integers(0, 1 << 32, 20000, dtype=np.uint64).astype(np.uint32).view(np.float32)
    ties = (np.arange(1 << 16, dtype=np.uint32) << 16) | np.uint32(0x8000)
    beside = [(ties + np.uint32(step)).view(np.float32) for step in (0, 1, 0xFFFFFFFF)]
    halves = np.arange(1 << 15, dtype=np.uint16).view(np.float16).astype(np.float32)
    halves = halves[np.isfinite(halves)]
    between = (halves[:-1] + halves[1:]) / 2
    ends = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 3.4e38, -3.4e38, 65504, 65519, 65520, 1e-45], np.float32)
    return np.concatenate([noise, *beside, between, -between, ends])


@pytest.mark.parametrize("dtype", NARROW)
@given(tensors)
def test_a_second_way_through_a_dtype_changes_nothing(dtype: str, values: Array) -> None:
    with np.errstate(over="ignore"):
        once = rounded(values, dtype)
    assert once.dtype == np.float32 and once.shape == values.shape
    assert np.array_equal(rounded(once, dtype), once, equal_nan=True)


@pytest.mark.parametrize(("dtype", "bits"), [("bfloat16", 8), ("float16", 11)])
@given(small)
def test_rounding_stays_within_half_of_the_last_place(dtype: str, bits: int, values: Array) -> None:
    error = np.abs(rounded(values, dtype) - values)
    assert (error <= np.abs(values) * 2.0**-bits + 2.0**-25).all()
    assert np.array_equal(rounded(-values, dtype), -rounded(values, dtype))


@pytest.mark.parametrize("dtype", ("int32", "int8"))
@given(small)
def test_whole_numbers_are_cut_towards_zero(dtype: str, values: Array) -> None:
    assert np.array_equal(rounded(values, dtype), np.trunc(values) + 0.0)


def test_ties_go_to_the_even_neighbour() -> None:
    step = np.float32(2.0**-7)
    ties = np.array([1 + step / 2, 1 + 3 * step / 2, -1 - step / 2], np.float32)
    assert rounded(ties, "bfloat16").tolist() == [1.0, 1 + 2 * step, -1.0]
    assert rounded(np.array([2049, 2051], np.float32), "float16").tolist() == [2048.0, 2052.0]


def test_what_is_too_large_or_no_number() -> None:
    ends = np.array([np.inf, -np.inf, np.nan, 70000.0, 3.4028235e38], np.float32)
    assert np.array_equal(rounded(ends, "float16"), [np.inf, -np.inf, np.nan, np.inf, np.inf], equal_nan=True)
    assert np.array_equal(rounded(ends, "bfloat16"), [np.inf, -np.inf, np.nan, 70144.0, np.inf], equal_nan=True)


@pytest.mark.parametrize("dtype", NARROW)
def test_other_dtypes_and_views_are_taken(dtype: str) -> None:
    for values in (np.arange(4), np.linspace(0, 1, 5), np.ones(2, bool)):
        assert rounded(values, dtype) is values
    values = np.linspace(-9, 9, 12, dtype=np.float32).reshape(3, 4)
    assert np.array_equal(rounded(values.T, dtype), rounded(values, dtype).T)


CASTS = {
    "torch": "torch.from_numpy(values).to(getattr(torch, dtype)).float().numpy()",
    "paddle": "paddle.to_tensor(values).astype(dtype).astype('float32').numpy()",
}


@pytest.mark.frameworks
@pytest.mark.parametrize("framework", ["torch", "paddle"])
def test_casts_of_the_frameworks_agree(framework: str, tmp_path: Path) -> None:
    finite = np.linspace(-127, 127, 4001, dtype=np.float32)
    given_to: dict[str, Array] = {
        **dict.fromkeys(FLOATS, special()),
        "int32": finite * 1000,
        "int8": finite,
        "uint8": np.abs(finite),
    }
    if framework == "paddle":
        # Paddle 3.3 makes denormals of some values below 1e-23 on the CPU: its own shift goes beyond 32 bits.
        given_to["float16"] = given_to["float16"][~(np.abs(given_to["float16"]) < 1e-20)]
    np.savez(tmp_path / "given.npz", **given_to)  # type: ignore[arg-type]
    script = f"""
import sys, numpy as np, {framework}
given = np.load(sys.argv[1])
np.savez(sys.argv[2], **{{dtype: {CASTS[framework]} for dtype, values in given.items()}})
"""
    places = [str(tmp_path / name) for name in ("given.npz", "made.npz")]
    subprocess.run([sys.executable, "-c", script, *places], check=True, capture_output=True, timeout=120)
    for dtype, made in np.load(tmp_path / "made.npz").items():
        assert np.array_equal(rounded(given_to[dtype], dtype), made, equal_nan=True), dtype
