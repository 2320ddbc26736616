"""Paddle's own checkpoint format: a pickle, read without executing anything in it.

Source of the layout: paddle 3.3, `paddle/framework/io.py` and `io_utils.py`.
"""

from __future__ import annotations

import pickle
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

WRAPPERS = ("state_dict", "model", "net")
"""Keys under which training scripts keep the state."""

_NAME_TABLE = "StructuredToParameterName@@"
_SLICES = "UnpackBigParamInfor@@"


class Refused(Exception):
    """The pickle asks for something that a checkpoint does not need: its argument names it."""


def load(file: BinaryIO) -> dict[str, Array]:
    """The tensors of a .pdparams file by name; empty if it holds none. bfloat16, which Paddle writes as uint16, comes as float32.

    Refused: the pickle names a global other than numpy's arrays and plain containers. Whatever else is wrong with the file comes
    as any exception that `pickle` raises.
    """
    loaded = _Unpickler(file, encoding="latin1").load()
    if not isinstance(loaded, Mapping):
        return {}
    for key in WRAPPERS:
        if isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    tensors = {name: array for name, value in loaded.items() if isinstance(name, str) and (array := _array(value)) is not None}
    slices = loaded.get(_SLICES)
    for name, big in slices.items() if isinstance(slices, Mapping) else ():
        parts = [tensors.pop(part) for part in big["slices"]]
        tensors[name] = np.concatenate(parts).reshape(big["OriginShape"])
    return {name: _widened(array) for name, array in tensors.items()}


def dump(file: BinaryIO, tensors: Mapping[str, Array]) -> None:
    """Write `tensors` so that `paddle.load` gives them back by name."""
    pickle.dump(dict(tensors), file, protocol=4)


class _Dtype:
    """Stands for numpy.dtype, whose own `__setstate__` believes whatever a file says."""

    def __init__(self, code: str, *_: object) -> None:
        if not isinstance(code, str) or not re.fullmatch(r"[<>=|]?(?:[biufc][0-9]{1,2}|\?)", code):
            raise Refused(f"numpy.dtype({code!r})")
        self.value = np.dtype(code)

    def __setstate__(self, state: Sequence[Any]) -> None:
        if state[1] in ("<", ">"):
            self.value = self.value.newbyteorder(state[1])


class _Array:
    """Stands for numpy.ndarray, for the same reason."""

    value: Array | None = None

    def __setstate__(self, state: Sequence[Any]) -> None:
        _, shape, dtype, fortran, data = state
        self.value = _from_buffer(data, dtype, shape, "F" if fortran else "C").value


def _from_buffer(data: Any, dtype: _Dtype, shape: Sequence[int], order: Any) -> _Array:
    made = _Array()
    raw = data.encode("latin1") if isinstance(data, str) else data
    made.value = np.frombuffer(raw, dtype.value).reshape(shape, order=order)
    return made


def _reconstruct(*_: object) -> _Array:
    return _Array()


def _scalar(dtype: _Dtype, data: Any) -> _Array:
    return _from_buffer(data, dtype, (), "C")


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise Refused(f"_codecs.encode to {encoding!r}")
    return text.encode("latin1")


_GLOBALS: Mapping[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _from_buffer for core in ("core", "_core")},
    ("_codecs", "encode"): _encode,
    ("collections", "OrderedDict"): OrderedDict,
    **{
        (module, kind.__name__): kind
        for module in ("builtins", "__builtin__")
        for kind in (tuple, list, dict, set, frozenset, bytearray, bytes)
    },
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        found = _GLOBALS.get((module, name))
        if found is None:
            raise Refused(f"{module}.{name}")
        return found


def _array(value: Any) -> Array | None:
    """The tensor in an entry: an array, or Paddle's (name, array)."""
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str):
        value = value[1]
    return value.value if isinstance(value, _Array) else None


def _widened(array: Array) -> Array:
    if array.dtype == np.uint16:
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
