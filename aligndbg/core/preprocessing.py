"""The steps from a picture to a model's tensor, as data; `datasets/pipeline.py` takes them.

Every step says what the two worlds do differently. torchvision's classification presets are PIL's decoder without EXIF, a longer
side that is truncated, a crop offset that is rounded half to even, and a division by 255; PaddleClas's are OpenCV's decoder, which
turns the picture as EXIF says, a longer side that is rounded, a crop offset that is floored, and a multiplication by 1/255.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Literal, TypeAlias

from aligndbg.errors import InputError

Backend = Literal["pil", "cv2"]
Colour = Literal["rgb", "bgr"]
Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos", "area", "box", "hamming"]
Axis = Literal["horizontal", "vertical", "both"]
Sampling = Literal["torchvision", "paddleclas", "paddleclas-log"]
Triple = tuple[float, float, float]

IMAGENET_MEAN: Triple = (0.485, 0.456, 0.406)
IMAGENET_STD: Triple = (0.229, 0.224, 0.225)
LARGEST_SIDE = 1 << 15
"""Pixels of a resized or cropped side; more is a slip of the keyboard."""

FILTERS: dict[str, tuple[str, ...]] = {
    "pil": ("nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"),
    "cv2": ("nearest", "bilinear", "bicubic", "lanczos", "area"),
}
"""The interpolations of each back-end. PIL's widen with the scale (antialias), OpenCV's do not, but for `area`; `nearest` never."""


@dataclass(frozen=True, slots=True)
class Decode:
    """A file's picture as 8-bit [height, width, 3]. `exif`: whether its orientation is obeyed; None is the back-end's own way."""

    backend: Backend = "pil"
    exif: bool | None = None
    colour: Colour = "rgb"

    @property
    def turns(self) -> bool:
        """Whether the EXIF orientation is obeyed: OpenCV does so unless told otherwise, PIL only on request."""
        return self.backend == "cv2" if self.exif is None else self.exif


@dataclass(frozen=True, slots=True)
class ResizeShort:
    """The shorter side becomes `size` pixels; the longer one follows, truncated (torchvision) or rounded (PaddleClas)."""

    size: int
    interpolation: Interpolation = "bilinear"
    backend: Backend = "pil"
    rounding: Literal["truncate", "round"] = "truncate"

    def __post_init__(self) -> None:
        _check_side("size", self.size)
        _check_filter(self.interpolation, self.backend)


@dataclass(frozen=True, slots=True)
class Resize:
    """Both sides become what is given, whatever the picture's proportions."""

    height: int
    width: int
    interpolation: Interpolation = "bilinear"
    backend: Backend = "pil"

    def __post_init__(self) -> None:
        _check_side("height", self.height)
        _check_side("width", self.width)
        _check_filter(self.interpolation, self.backend)


@dataclass(frozen=True, slots=True)
class CenterCrop:
    """The middle `size` x `size`. An odd rest puts the offset half to even (torchvision) or down (PaddleClas).

    A smaller picture is set on black (`pad`, torchvision) or refused (PaddleClas fails on it).
    """

    size: int
    rounding: Literal["half-even", "floor"] = "half-even"
    pad: bool = True

    def __post_init__(self) -> None:
        _check_side("size", self.size)


@dataclass(frozen=True, slots=True)
class RandomResizedCrop:
    """A random part of the picture, resized to `size` x `size`.

    `scale` bounds its share of the area, `ratio` its width / height. How it is drawn is torchvision's way (ten tries, the logarithm
    of the ratio uniform, then the middle), PaddleClas's (one draw; the share bounded so that it fits; the side ratio's square root
    uniform in the ratio) or the same with the logarithm uniform (`use_log_aspect`).
    """

    size: int
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    interpolation: Interpolation = "bilinear"
    backend: Backend = "pil"
    sampling: Sampling = "torchvision"

    def __post_init__(self) -> None:
        _check_side("size", self.size)
        _check_filter(self.interpolation, self.backend)
        if not 0 < self.scale[0] <= self.scale[1] <= 1:
            raise InputError(f"scale: expected two shares of the area, 0 < low <= high <= 1, found {list(self.scale)}")
        if not 0 < self.ratio[0] <= self.ratio[1]:
            raise InputError(f"ratio: expected two ratios width / height, 0 < low <= high, found {list(self.ratio)}")


@dataclass(frozen=True, slots=True)
class RandomFlip:
    """The picture mirrored left to right (`horizontal`), top to bottom (`vertical`) or both, with a probability."""

    axis: Axis = "horizontal"
    probability: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise InputError(f"probability: expected 0 to 1, found {self.probability:g}")


@dataclass(frozen=True, slots=True)
class Normalise:
    """(value * scale - mean) / std in float32, channel by channel in the order that they have by then.

    `divide` divides by 1 / scale instead, as torch's ToTensor does: the same number but for the last bit.
    """

    mean: Triple = IMAGENET_MEAN
    std: Triple = IMAGENET_STD
    scale: float = 1 / 255
    divide: bool = True

    def __post_init__(self) -> None:
        if not all(math.isfinite(value) for value in self.mean):
            raise InputError(f"mean: expected three finite numbers, found {list(self.mean)}")
        if not all(0 < value < math.inf for value in self.std):
            raise InputError(f"std: expected three numbers over 0, found {list(self.std)}")
        if not 0 < self.scale < math.inf:
            raise InputError(f"scale: expected a number over 0, found {self.scale:g}")


@dataclass(frozen=True, slots=True)
class ToCHW:
    """Channels to the front: [height, width, 3] becomes [3, height, width]."""


Step: TypeAlias = Decode | ResizeShort | Resize | CenterCrop | RandomResizedCrop | RandomFlip | Normalise | ToCHW


@dataclass(frozen=True, slots=True)
class StepChoice:
    """One step under its name, as a file spells it: exactly one field is set."""

    decode: Decode | None = None
    resize_short: ResizeShort | None = None
    resize: Resize | None = None
    center_crop: CenterCrop | None = None
    random_resized_crop: RandomResizedCrop | None = None
    random_flip: RandomFlip | None = None
    normalise: Normalise | None = None
    to_chw: ToCHW | None = None

    def __post_init__(self) -> None:
        if sum(getattr(self, field.name) is not None for field in fields(self)) != 1:
            raise InputError("expected one step", "one name and its settings in an item, for example `- center_crop: {size: 224}`")

    @property
    def step(self) -> Step:
        found: Step = next(value for field in fields(self) if (value := getattr(self, field.name)) is not None)
        return found


def check_order(steps: tuple[Step, ...]) -> None:
    """InputError where the steps cannot be taken in this order: decode, then what works on pictures, then numbers and layout."""
    if not steps or not isinstance(steps[0], Decode):
        raise InputError("the first step is to be decode")
    if any(isinstance(step, Decode) for step in steps[1:]):
        raise InputError("decode stands there a second time")
    numbers = chw = False
    for step in steps[1:]:
        if isinstance(step, ToCHW):
            if chw:
                raise InputError("to_chw stands there a second time")
            chw = True
        elif isinstance(step, Normalise):
            if numbers:
                raise InputError("normalise stands there a second time")
            numbers = True
        elif numbers or chw:
            raise InputError(f"{name_of(step)} stands after {'normalise' if numbers else 'to_chw'}, and it works on pictures")
    if not chw:
        raise InputError("to_chw is missing: the model takes channels first", "add `- to_chw: {}` as the last step")


def name_of(step: Step) -> str:
    """The step's name in a file."""
    return _NAMES[type(step)]


def step_text(step: Step) -> str:
    """The step as a file spells it, without what is usual: `resize_short {size: 256, interpolation: bilinear, backend: pil}`."""
    settings = [
        f"{one.name}: {_spelled(value)}"
        for one in fields(step)
        if (value := getattr(step, one.name)) != one.default or one.name in _ALWAYS_TOLD
    ]
    return f"{name_of(step)} {{{', '.join(settings)}}}" if settings else name_of(step)


_ALWAYS_TOLD = frozenset(("interpolation", "backend", "mean", "std"))
"""Settings that ports get wrong most."""


def _spelled(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_spelled, value))}]"
    return f"{value:.9g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)


_NAMES: dict[type, str] = {
    Decode: "decode",
    ResizeShort: "resize_short",
    Resize: "resize",
    CenterCrop: "center_crop",
    RandomResizedCrop: "random_resized_crop",
    RandomFlip: "random_flip",
    Normalise: "normalise",
    ToCHW: "to_chw",
}


def _check_side(name: str, pixels: int) -> None:
    if not 1 <= pixels <= LARGEST_SIDE:
        raise InputError(f"{name}: expected 1 to {LARGEST_SIDE} pixels, found {pixels}")


def _check_filter(interpolation: str, backend: str) -> None:
    if backend not in FILTERS:
        raise InputError(f"backend: expected pil or cv2, found {backend!r}")
    if interpolation not in FILTERS[backend]:
        raise InputError(f"interpolation: {backend} has {', '.join(FILTERS[backend])}, found {interpolation!r}")
