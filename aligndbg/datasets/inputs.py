"""The tensors that both sides run on."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aligndbg.core.preprocessing import CenterCrop, RandomResizedCrop, Resize, ResizeShort, Step
from aligndbg.errors import InputError, named
from aligndbg.pairs.load import GENERATED
from aligndbg.pairs.schema import InputSpec, PairSpec

Array = NDArray[Any]
_KEPT = frozenset(("float32", "int32", "int64"))
_NARROWED = frozenset(("float64", "float16"))


def make_inputs(spec: PairSpec) -> tuple[tuple[Array, ...], str]:
    """Every input of the pair's model, in call order, and what they are in words.

    Generated tensors are float32: `randn` and `rand` come from numpy's PCG64 seeded with the seed, from the second input on
    with (seed, index), so that two inputs are never alike. Array files give float32, int32 or int64 as they are; float64 and
    float16 become float32. A file's array has the shape asked for, or a batch of any size where the batch asked for is 1. Of
    an .npz, the n-th array is the n-th input. Pictures go through the steps of `preprocess`, repeated to fill the batch.

    InputError names the file and what was expected.
    """
    made = [_make(spec, one, index) for index, one in enumerate(spec.model_inputs)]
    return tuple(array for array, _ in made), "; ".join(text for _, text in made)


def _make(spec: PairSpec, one: InputSpec, index: int) -> tuple[Array, str]:
    try:
        if one.kind in GENERATED:
            seeded = f" (seed {one.seed})" if one.kind.startswith("rand") else ""
            return _generated(one, index), f"{one.kind} {_dims(one.shape)}{seeded}"
        path = spec.root / Path(one.kind).expanduser()
        if path.suffix in (".npy", ".npz"):
            return _from_arrays(path, one, index)
        return _from_picture(path, spec, one)
    except MemoryError:
        raise InputError(f"no memory for an input of {_dims(one.shape)}", "a smaller --shape") from None


def _generated(one: InputSpec, index: int) -> Array:
    if one.kind == "ones":
        return np.ones(one.shape, np.float32)
    if one.kind == "zeros":
        return np.zeros(one.shape, np.float32)
    generator = np.random.Generator(np.random.PCG64([one.seed, index] if index else one.seed))
    if one.kind == "randn":
        return generator.standard_normal(one.shape, np.float32)
    return generator.random(one.shape, np.float32)


def _from_arrays(path: Path, one: InputSpec, index: int) -> tuple[Array, str]:
    shown = named(path)
    if path.exists() and not path.is_file():
        raise InputError(f"{shown} is not a file")
    try:
        found = _read_npy(path) if path.suffix == ".npy" else _read_npz(path, index)
    except FileNotFoundError:
        raise InputError(f"{shown} does not exist") from None
    except OSError as error:
        raise InputError(f"{shown} cannot be read: {error.strerror or error}") from None
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        words = " ".join(str(error).split())[:160]
        raise InputError(
            f"{shown} is not a readable {path.suffix} file: {words if words.isprintable() else type(error).__name__}",
            "write it with numpy.save or numpy.savez",
        ) from None
    kind = found.dtype.name
    if kind not in _KEPT | _NARROWED:
        raise InputError(f"{shown} holds {kind}, expected float32", "convert it with .astype('float32'), pictures normalised")
    if found.shape != one.shape and (one.shape[0] != 1 or found.ndim != len(one.shape) or found.shape[1:] != one.shape[1:]):
        raise InputError(
            f"{shown} holds {_dims(found.shape)}, the model's input is {_dims(one.shape)}", "reshape it, or say so with --shape"
        )
    if found.size == 0:
        raise InputError(f"{shown} holds no element: its shape is {_dims(found.shape)}")
    with np.errstate(over="ignore"):
        values = np.array(found, dtype="float32" if kind in _NARROWED else kind, order="C")
    text = f"{named(Path(path.name))} {_dims(values.shape)}"
    if kind in _NARROWED:
        text += f", from {kind}"
    bad = values.size - int(np.count_nonzero(np.isfinite(values)))
    return values, f"{text}, {bad} values not finite" if bad else text


def _read_npy(path: Path) -> Array:
    """Mapped, so that a header cannot ask for more memory than the file has bytes."""
    found: Array = np.lib.format.open_memmap(path, mode="r")
    return found


def _read_npz(path: Path, index: int) -> Array:
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".npy")]
        if index >= len(names):
            raise ValueError(f"it holds {len(names)} arrays, input {index + 1} is asked for")
        with archive.open(names[index]) as file:
            found: Array = np.lib.format.read_array(file, allow_pickle=False)
            return found


def _from_picture(path: Path, spec: PairSpec, one: InputSpec) -> tuple[Array, str]:
    """Through the torch side's steps where the sides' differ: both models run on one tensor here."""
    from aligndbg.datasets.pair_pipelines import pipelines_of

    pipelines = pipelines_of(spec)
    values = pipelines.torch.apply(path, np.random.Generator(np.random.PCG64(one.seed)))
    if one.shape[1:] != values.shape:
        raise InputError(
            f"{named(path)} gives {_dims(values.shape)} after preprocessing, the model's input is {_dims(one.shape)}",
            "set preprocess.crop in pair.yaml to the input's size" if len(one.shape) == 4 and one.shape[1] == 3 else "",
        )
    count = one.shape[0]
    batch = np.ascontiguousarray(np.broadcast_to(values, (count, *values.shape)))
    how = [f"picture {named(Path(path.name))}", *(told for step in pipelines.torch.steps if (told := _told(step)))]
    if not pipelines.are_equal:
        how.append("as torch's side does")
    if count > 1:
        how.append(f"repeated {count} times")
    return batch, ", ".join(how)


def _told(step: Step) -> str:
    """What changes the picture's size, and how; nothing of the other steps."""
    match step:
        case ResizeShort(size) | RandomResizedCrop(size):
            made = f"resized {size}"
        case Resize(height, width):
            made = f"resized {width}x{height}"
        case CenterCrop(size):
            return f"cropped {size}"
        case _:
            return ""
    filter = f", {step.interpolation}" if step.interpolation != "bilinear" else ""
    return f"{made}{filter}{', by cv2' if step.backend == 'cv2' else ''}"


def _dims(shape: tuple[int, ...]) -> str:
    return "x".join(str(size) for size in shape) or "a single number"
