"""Half precision, told by its effect on float32 values."""

from __future__ import annotations

import numpy as np

from aligndbg.diagnosis.case import Array

NARROW = ("float16", "bfloat16")


def rounded(values: Array, dtype: str) -> Array:
    """float32 values as they are after a way through `dtype`: float16, or bfloat16 rounded to nearest even. Others unchanged."""
    if values.dtype != np.float32:
        return values
    if dtype == "float16":
        with np.errstate(over="ignore"):
            return values.astype(np.float16).astype(np.float32)
    bits = np.ascontiguousarray(values).view(np.uint32)
    nearest = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return np.where(np.isfinite(values), (nearest & np.uint32(0xFFFF0000)).view(np.float32), values)
