"""From a picture's file to the model's tensor, bit for bit as torchvision's presets (PIL) or PaddleClas's operators (cv2) do it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from aligndbg.core.preprocessing import (
    CenterCrop,
    Decode,
    Normalise,
    RandomFlip,
    RandomResizedCrop,
    Resize,
    ResizeShort,
    Step,
    ToCHW,
    check_order,
)
from aligndbg.datasets.decoding import Pixels, decode, opencv, reason
from aligndbg.datasets.sampling import random_box
from aligndbg.errors import InputError, named

if TYPE_CHECKING:
    from PIL.Image import Image

    from aligndbg.pairs.schema import PreprocessSpec

Raster = Any
"""A picture on its way: a PIL Image or an array, whichever the last step made, since to change one into the other is to copy."""

MOST_PIXELS = 1 << 26
"""Of a resized picture: one that is a single pixel wide grows without end."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Steps that are taken one after the other. InputError where they cannot be taken in this order."""

    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        check_order(self.steps)

    @property
    def is_random(self) -> bool:
        """Whether two runs over one picture may differ, so that a generator is needed."""
        return any(isinstance(step, RandomResizedCrop | RandomFlip) for step in self.steps)

    def apply(self, path: Path, rng: np.random.Generator | None = None) -> NDArray[np.float32]:
        """The picture as contiguous float32 [3, height, width]. InputError where it cannot be read or is too small."""
        return self.tensor(self.decoded(path), path, rng)

    def stages(self, path: Path, rng: np.random.Generator | None = None) -> Iterator[tuple[Step, NDArray[Any]]]:
        """Every step and what it made: uint8 [height, width, 3], float32 from Normalise on, [3, height, width] from ToCHW on."""
        first = self.decoded(path)
        yield self.steps[0], np.asarray(first)
        for step, raster in self._rest(first, path, rng):
            yield step, np.asarray(raster)

    def decoded(self, path: Path) -> Raster:
        """What the first step makes of the file."""
        step = self.steps[0]
        assert isinstance(step, Decode)
        try:
            return decode(path, step)
        except MemoryError:
            raise InputError(f"{named(path)}: no memory for a picture of this size") from None

    def tensor(self, raster: Raster, path: Path, rng: np.random.Generator | None = None) -> NDArray[np.float32]:
        """What the other steps make of the decoded picture; `path` is for messages."""
        made = [each for _, each in self._rest(raster, path, rng)]
        return np.ascontiguousarray(made[-1], dtype=np.float32)

    def _rest(self, raster: Raster, path: Path, rng: np.random.Generator | None) -> Iterator[tuple[Step, Raster]]:
        chw = False
        for step in self.steps[1:]:
            try:
                raster = perform(step, raster, chw, rng)
            except MemoryError:
                raise InputError(f"{named(path)}: no memory for a picture of this size") from None
            except InputError as error:
                raise InputError(f"{named(path)}: {error.message}", error.hint) from None
            chw = chw or isinstance(step, ToCHW)
            yield step, raster


def pipeline_of(spec: PreprocessSpec) -> Pipeline:
    """The short form of pair.yaml: torchvision's way by `pil`, PaddleClas's by `cv2`."""
    if spec.backend == "pil":
        return Pipeline(
            (
                Decode(),
                ResizeShort(spec.resize_short, spec.interpolation),
                CenterCrop(spec.crop),
                Normalise(spec.mean, spec.std),
                ToCHW(),
            )
        )
    return Pipeline(
        (
            Decode("cv2"),
            ResizeShort(spec.resize_short, spec.interpolation, "cv2", "round"),
            CenterCrop(spec.crop, "floor", pad=False),
            Normalise(spec.mean, spec.std, divide=False),
            ToCHW(),
        )
    )


def resized_sides(width: int, height: int, step: ResizeShort) -> tuple[int, int]:
    """Width and height after `step`.

    torchvision: int(size * long / short) of the longer side; PaddleClas: both sides times size / short, rounded half to even.
    """
    short, long = sorted((width, height))
    if step.rounding == "round":
        factor = step.size / short
        return round(width * factor), round(height * factor)
    other = int(step.size * long / short)
    return (step.size, other) if width <= height else (other, step.size)


def perform(step: Step, raster: Raster, chw: bool, rng: np.random.Generator | None = None) -> Raster:
    """What a step after the first makes of `raster`, which it leaves as it is; `chw`: ToCHW was taken before."""
    match step:
        case ResizeShort():
            return _resized(raster, *resized_sides(*_sides(raster), step), step)
        case Resize():
            return _resized(raster, step.width, step.height, step)
        case CenterCrop():
            return _cropped(raster, step)
        case RandomResizedCrop():
            width, height = _sides(raster)
            left, top, right, bottom = random_box(step, width, height, _required(rng))
            return _resized(_part(raster, left, top, right, bottom), step.size, step.size, step)
        case RandomFlip():
            return _flipped(raster, step) if _required(rng).random() < step.probability else raster
        case Normalise():
            return _normalised(np.asarray(raster), step, chw)
        case ToCHW():
            return np.asarray(raster).transpose(2, 0, 1)
        case Decode():
            raise AssertionError("a pipeline decodes once")


def _required(rng: np.random.Generator | None) -> np.random.Generator:
    if rng is None:
        raise ValueError("a pipeline with random steps needs a generator")
    return rng


def _sides(raster: Raster) -> tuple[int, int]:
    """Width and height."""
    width, height = (raster.shape[1], raster.shape[0]) if isinstance(raster, np.ndarray) else raster.size
    return width, height


def _resized(raster: Raster, width: int, height: int, step: ResizeShort | Resize | RandomResizedCrop) -> Raster:
    if width * height > MOST_PIXELS:
        before = "x".join(map(str, _sides(raster)))
        raise InputError(f"a picture of {before} would be resized to {width}x{height}, more than {MOST_PIXELS} pixels")
    if step.backend == "cv2":
        cv2 = opencv()
        names = {"bilinear": "LINEAR", "bicubic": "CUBIC", "lanczos": "LANCZOS4"}
        kind = getattr(cv2, f"INTER_{names.get(step.interpolation, step.interpolation.upper())}")
        try:
            return cv2.resize(np.asarray(raster), (width, height), interpolation=kind)
        except cv2.error as error:
            raise InputError(f"OpenCV cannot resize it to {width}x{height}: {reason(error)}") from None
    from PIL import Image

    return _image(raster).resize((width, height), Image.Resampling[step.interpolation.upper()])


def _image(raster: Raster) -> Image:
    from PIL import Image

    return Image.fromarray(raster) if isinstance(raster, np.ndarray) else raster


def _part(raster: Raster, left: int, top: int, right: int, bottom: int) -> Raster:
    return raster[top:bottom, left:right] if isinstance(raster, np.ndarray) else raster.crop((left, top, right, bottom))


def _cropped(raster: Raster, step: CenterCrop) -> Raster:
    width, height = _sides(raster)
    size = step.size
    if (width < size or height < size) and not step.pad:
        raise InputError(
            f"a crop of {size} is larger than the picture, {width}x{height} by then", "a larger resize, or a smaller crop"
        )
    if width < size or height < size:
        pixels = np.asarray(raster)
        left, top = max(size - width, 0) // 2, max(size - height, 0) // 2
        raster = np.zeros((max(height, size), max(width, size), 3), pixels.dtype)
        raster[top : top + height, left : left + width] = pixels
        width, height = _sides(raster)
    if step.rounding == "floor":
        left, top = (width - size) // 2, (height - size) // 2
    else:
        left, top = round((width - size) / 2), round((height - size) / 2)
    return _part(raster, left, top, left + size, top + size)


def _flipped(raster: Raster, step: RandomFlip) -> Pixels:
    pixels = np.asarray(raster)
    if step.axis != "horizontal":
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels if step.axis == "vertical" else pixels[:, ::-1])


def _normalised(values: NDArray[Any], step: Normalise, chw: bool) -> NDArray[np.float32]:
    """In the layout of `values`; of pictures, the memory is channels first, which ToCHW then need not move."""
    planes = values if chw else values.transpose(2, 0, 1)
    made = np.empty(planes.shape, np.float32)
    for plane, table, target in zip(planes, _tables(step), made, strict=True):
        table.take(plane, out=target, mode="clip")
    return made if chw else made.transpose(1, 2, 0)


@lru_cache(maxsize=16)
def _tables(step: Normalise) -> NDArray[np.float32]:
    """What each of the 256 values becomes, [3, 256]; every operation rounds to float32, as both worlds do."""
    values = np.arange(256, dtype=np.float32)
    scaled = values / np.float32(1 / step.scale) if step.divide else values * np.float32(step.scale)
    mean, std = (np.asarray(each, np.float32).reshape(3, 1) for each in (step.mean, step.std))
    return (scaled - mean) / std
