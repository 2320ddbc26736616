"""Narrow dtypes, told by their effect on float32 values."""

from __future__ import annotations

import numpy as np

from aligndbg.diagnosis.case import Array

NARROW = ("float16", "bfloat16", "int32", "int8", "uint8")
"""Dtypes that a float32 tensor loses by on a way through them."""


def rounded(values: Array, dtype: str) -> Array:
    """float32 values as they are after a way through `dtype`; bfloat16 rounds to nearest even. Others unchanged."""
    if values.dtype != np.float32:
        return values
    if dtype.endswith(("int8", "int32")):
        with np.errstate(invalid="ignore"):
            return values.astype(np.int64).astype(dtype).astype(np.float32)
    if dtype == "float16":
        with np.errstate(over="ignore"):
            return values.astype(np.float16).astype(np.float32)
    bits = np.ascontiguousarray(values).view(np.uint32)
    nearest = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return np.where(np.isfinite(values), (nearest & np.uint32(0xFFFF0000)).view(np.float32), values)
