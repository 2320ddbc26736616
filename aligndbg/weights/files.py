"""Checkpoint files: .pdparams, .npz and .safetensors. torch's own .pth is read in the torch child."""

from __future__ import annotations

import contextlib
import hashlib
import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from aligndbg.errors import EnvironmentFault, InputError
from aligndbg.pairs.decode import named
from aligndbg.weights import pdparams

Array = NDArray[Any]

_SAFETENSORS: Mapping[str, str] = {
    **{f"F{bits}": f"<f{bits // 8}" for bits in (16, 32, 64)},
    **{f"I{bits}": f"<i{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"U{bits}": f"<u{bits // 8}" for bits in (8, 16, 32, 64)},
    "BOOL": "|b1",
    "BF16": "<u2",
}
"""numpy's name of each dtype of the format; source: the README of huggingface/safetensors. bfloat16 is widened afterwards."""


def read_checkpoint(path: Path) -> Mapping[str, Array]:
    """Every tensor of a checkpoint by name; bfloat16 as float32. Nothing in the file is executed.

    InputError: the file is missing, of another format, cut short, or asks for code to be run.
    """
    shown = named(path)
    read = _READERS.get(path.suffix.lower())
    if read is None:
        hint = (
            "a torch checkpoint is read by the torch side: name it under `weights: source:`"
            if path.suffix.lower() in (".pth", ".pt", ".bin")
            else f"known: {', '.join(_READERS)}"
        )
        raise InputError(f"{shown} is not a checkpoint that can be read here", hint)
    try:
        with path.open("rb") as file:
            tensors = read(file)
    except FileNotFoundError:
        raise InputError(f"{shown} does not exist") from None
    except OSError as error:
        raise InputError(f"{shown} cannot be read: {error.strerror or error}") from None
    except pdparams.Refused as error:
        raise InputError(
            f"{shown} is refused: it wants {str(error)[:80]}, and a checkpoint needs arrays and containers only",
            "loading it could run code; save it again with paddle.save(model.state_dict(), FILE)",
        ) from None
    except (Exception, MemoryError) as error:
        # A damaged file makes pickle, zipfile and safetensors raise almost anything.
        detail = " ".join(str(error).split())[:100] or type(error).__name__
        raise InputError(
            f"{shown} is not a {path.suffix} checkpoint, or is cut short: {detail}", "write or fetch it again"
        ) from error
    if not tensors:
        raise InputError(f"{shown} holds no tensors by name", "save a state dict: one tensor for each parameter's name")
    return tensors


def write_pdparams(path: Path, tensors: Mapping[str, Array]) -> None:
    """For `paddle.load`. Each writer replaces `path` at once, or leaves it alone and raises EnvironmentFault."""
    _write(path, lambda file: pdparams.dump(file, _plain(tensors)))


def write_npz(path: Path, tensors: Mapping[str, Array]) -> None:
    """For `numpy.load`; uncompressed."""

    def write(file: BinaryIO) -> None:
        # numpy.savez takes names as keyword arguments, and so has none for a tensor called `file`.
        with zipfile.ZipFile(file, "w") as archive:
            for name, array in _plain(tensors).items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                    np.lib.format.write_array(entry, array, allow_pickle=False)

    _write(path, write)


def write_safetensors(path: Path, tensors: Mapping[str, Array]) -> None:
    """For `safetensors`; C order, little endian."""
    import safetensors.numpy

    _write(path, lambda file: file.write(safetensors.numpy.save(_plain(tensors))))


def digest(path: Path) -> str:
    """SHA-256 of the file's bytes in hexadecimal. InputError: the file cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{named(path)} cannot be read: {error.strerror or error}") from None


def _read_npz(file: BinaryIO) -> dict[str, Array]:
    loaded = np.load(file, allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        raise ValueError("it holds a single array, not an archive")
    return {name: array for name in loaded.files if isinstance(array := loaded[name], np.ndarray)}


def _read_safetensors(file: BinaryIO) -> dict[str, Array]:
    import safetensors

    tensors: dict[str, Array] = {}
    for name, entry in safetensors.deserialize(file.read()):  # type: ignore[no-untyped-call]
        dtype = _SAFETENSORS.get(entry["dtype"])
        if dtype is None:
            raise ValueError(f"{name} has dtype {entry['dtype']}, which numpy does not know")
        array: Array = np.frombuffer(entry["data"], dtype).reshape(entry["shape"])
        tensors[name] = (array.astype(np.uint32) << 16).view(np.float32) if entry["dtype"] == "BF16" else array
    return tensors


_READERS: Mapping[str, Callable[[BinaryIO], dict[str, Array]]] = {
    ".pdparams": pdparams.load,
    ".npz": _read_npz,
    ".safetensors": _read_safetensors,
}

READABLE = frozenset(_READERS)
"""Suffixes of the checkpoints that are read here."""


def _plain(tensors: Mapping[str, Array]) -> dict[str, Array]:
    """The tensors as the formats want them: C order, the machine's byte order."""
    return {name: np.asarray(array, array.dtype.newbyteorder("="), order="C") for name, array in tensors.items()}


def _write(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write beside `path` and put the finished file in its place."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise EnvironmentFault(
            f"{named(path)} cannot be written: {error.strerror or error}", "check that its folder exists, is writable and has space"
        ) from None
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()
