"""PaddleClas's lists of picture operators as a pipeline: `transform_ops:` of its new configs, `transforms:` of its old ones.

Facts on ppcls/data/preprocess/ops/operators.py (release/2.2 to develop) and ppcls/data/imaug/operators.py (release/2.0, 2.1). An
operator, an option or a value that is not reproduced bit for bit is refused: a picture that is merely similar proves nothing.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from aligndbg.core.preprocessing import (
    FILTERS,
    IMAGENET_MEAN,
    IMAGENET_STD,
    Axis,
    Backend,
    CenterCrop,
    Colour,
    Decode,
    Normalise,
    RandomFlip,
    RandomResizedCrop,
    Resize,
    ResizeShort,
    Sampling,
    Step,
    ToCHW,
)
from aligndbg.datasets.pipeline import Pipeline
from aligndbg.errors import InputError, named

LARGEST_CONFIG = 1 << 20
"""Bytes of a config that are read."""

_AUGMENTATIONS = frozenset(
    "AugMix AutoAugment BlurImage ColorJitter CropImageAtRatio CropWithPadding Cutout GridMask HideAndSeek PCALighting Pad Padv2 "
    "RandAugment RandAugmentV2 RandAugmentV3 RandCropImageV2 RandomErasing RandomGrayscale RandomHorizontalFlip "
    "RandomInterpolationAugment RandomResizedCrop RandomRot90 RandomRotation TimmAutoAugment".split()
)
_OPENCV = {0: "nearest", 1: "bilinear", 2: "bicubic", 3: "area", 4: "lanczos"}
_PILLOW = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}
_AXES: dict[int, Axis] = {1: "horizontal", 0: "vertical", -1: "both"}
_FRACTION = re.compile(r"\s*([0-9.]+)\s*/\s*([0-9.]+)\s*")


@dataclass(frozen=True, slots=True)
class _Operator:
    """One item of the list. `old` is the generation, `chw` whether channels are in front by then, `place` where it stands."""

    name: str
    options: Mapping[str, Any]
    old: bool
    chw: bool
    place: str

    def refuse(self, option: str, message: str, hint: str = "") -> InputError:
        return InputError(f"{self.place}.{self.name}{f'.{option}' if option else ''}: {message}", hint)


def pipeline_from_ops(ops: Sequence[Any], old: bool | None = None, place: str = "transform_ops") -> Pipeline:
    """The pipeline of PaddleClas's operators, each `{NAME: {OPTION: VALUE}}`, read from YAML.

    `old` tells the generations apart: in the old one the list itself moves the channels to the front (ToCHWImage), in the new one
    the data set does so; None goes by that. InputError names `PLACE[INDEX].OPERATOR.OPTION`.
    """
    if not isinstance(ops, Sequence) or isinstance(ops, str) or not ops:
        raise InputError(f"{place}: expected a list of operators, found {_shown(ops)}")
    items = [_item(item, f"{place}[{index}]") for index, item in enumerate(ops)]
    moves = any(name == "ToCHWImage" for name, _ in items)
    generation = moves if old is None else old
    if generation and not moves:
        raise InputError(
            f"{place}: there is no ToCHWImage, so pictures stay channels-last", "add `- ToCHWImage:` as the last operator"
        )
    if moves and not generation:
        raise InputError(
            f"{place}: ToCHWImage, and PaddleClas's data set moves the channels to the front itself: twice is wrong", "leave it out"
        )
    steps: list[Step] = []
    for index, (name, options) in enumerate(items):
        chw = any(isinstance(step, ToCHW) for step in steps)
        operator = _Operator(name, options, generation, chw, f"{place}[{index}]")
        try:
            steps += _READERS[name](operator) if name in _READERS else _unknown(operator)
        except InputError as error:
            if error.message.startswith(operator.place):
                raise
            raise operator.refuse("", error.message, error.hint) from None
    if not generation:
        steps.append(ToCHW())
    try:
        return Pipeline(tuple(steps))
    except InputError as error:
        raise InputError(f"{place}: {error.message}", error.hint) from None


def pipeline_from_config(config: Path, training: bool = False) -> Pipeline:
    """The evaluation's pipeline of a PaddleClas config, or its training's. InputError names the file and the key."""
    content = _read(config)
    mode = "Train" if training else "Eval"
    for keys, old in (
        (("DataLoader", mode, "dataset", "transform_ops"), False),
        (("TRAIN" if training else "VALID", "transforms"), True),
    ):
        found: Any = content
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        if found is not None:
            return pipeline_from_ops(found, old, f"{named(config)}: {'.'.join(keys)}")
    raise InputError(
        f"{named(config)} has no transforms",
        f"a PaddleClas config has DataLoader.{mode}.dataset.transform_ops, or {mode.upper() if training else 'VALID'}.transforms",
    )


def _read(config: Path) -> Any:
    shown = named(config)
    try:
        with config.open("rb") as file:
            content = file.read(LARGEST_CONFIG + 1)
    except FileNotFoundError:
        raise InputError(f"{shown} does not exist") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{shown} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(content) > LARGEST_CONFIG:
        raise InputError(f"{shown} has more than the {LARGEST_CONFIG} bytes of a config that are read")
    try:
        return yaml.safe_load(content)
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InputError(f"{shown}{line}: not YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise InputError(f"{shown}: not YAML") from None


def _item(item: Any, place: str) -> tuple[str, Mapping[str, Any]]:
    name, options = next(iter(item.items())) if isinstance(item, dict) and len(item) == 1 else (None, None)
    if not isinstance(name, str) or not isinstance(options, dict | None):
        raise InputError(f"{place}: expected `NAME: {{OPTION: VALUE}}`, found {_shown(item)}")
    return name, options or {}


def _unknown(operator: _Operator) -> list[Step]:
    if operator.name in _AUGMENTATIONS:
        raise operator.refuse(
            "", "this augmentation is not reproduced", "take it out for a comparison; RandCropImage and RandFlipImage are there"
        )
    near = difflib.get_close_matches(operator.name, (*_READERS, *_AUGMENTATIONS), 1, 0.5)
    raise operator.refuse("", "no operator of PaddleClas's is called so", f"did you mean {near[0]}?" if near else "")


def _options(operator: _Operator, **defaults: Any) -> list[Any]:
    """Values in the order of `defaults`; an option that is null has its default, as PaddleClas's own have."""
    for option in operator.options:
        if option not in defaults:
            near = difflib.get_close_matches(str(option), defaults, 1, 0.5)
            told = f"did you mean {near[0]}?" if near else f"it takes {', '.join(defaults) or 'none'}"
            raise operator.refuse(str(option)[:60], "an option that is not known", told)
    return [default if (found := operator.options.get(name)) is None else found for name, default in defaults.items()]


def _decode(operator: _Operator) -> list[Step]:
    to_np, to_rgb, first, backend = _options(operator, to_np=True, to_rgb=True, channel_first=False, backend="cv2")
    by = _backend(operator, backend)
    if operator.old and by == "pil":
        raise operator.refuse("backend", "the old generation decodes by OpenCV alone")
    # The new generation turns to RGB only under to_np; without it PIL's picture is RGB by itself and OpenCV's array stays BGR.
    colour: Colour = "rgb" if (to_rgb if operator.old or to_np else by == "pil") else "bgr"
    if first and (operator.old or to_np):
        raise operator.refuse(
            "channel_first", "the operators after it, and the data set, expect the channels last", "channel_first: False"
        )
    return [Decode(by, colour=colour)]


def _resize(operator: _Operator) -> list[Step]:
    size, short, interpolation, backend, _ = _options(
        operator, size=None, resize_short=None, interpolation=None, backend="cv2", return_numpy=True
    )
    by = _backend(operator, backend)
    kind = _interpolation(operator, interpolation, by)
    if short is not None and _whole(operator, "resize_short", short) > 0:
        return [ResizeShort(short, kind, by, "round")]
    if size is None:
        raise operator.refuse("", "neither size nor resize_short is given")
    width, height = size if isinstance(size, list) and len(size) == 2 else (size, size)
    return [Resize(_whole(operator, "size", height), _whole(operator, "size", width), kind, by)]


def _crop(operator: _Operator) -> list[Step]:
    (size,) = _options(operator, size=None)
    return [CenterCrop(_square(operator, size), "floor", pad=False)]


def _random_crop(operator: _Operator) -> list[Step]:
    size, progress, scale, ratio, interpolation, logarithm, backend = _options(
        operator,
        size=None,
        progress_size=None,
        scale=[0.08, 1.0],
        ratio=[3 / 4, 4 / 3],
        interpolation=None,
        use_log_aspect=False,
        backend="cv2",
    )
    if progress is not None:
        raise operator.refuse("progress_size", "a size that changes with the epoch is not reproduced")
    by = _backend(operator, backend)
    low, high = _numbers(operator, "scale", scale, 2)
    narrow, wide = _numbers(operator, "ratio", ratio, 2)
    kind = _interpolation(operator, interpolation, by)
    sampling: Sampling = "paddleclas-log" if logarithm else "paddleclas"
    return [RandomResizedCrop(_square(operator, size), (low, high), (narrow, wide), kind, by, sampling)]


def _flip(operator: _Operator) -> list[Step]:
    (code,) = _options(operator, flip_code=1)
    if not isinstance(code, int) or code not in _AXES:
        raise operator.refuse("flip_code", f"expected 1, 0 or -1, found {_shown(code)}")
    return [RandomFlip(_AXES[code])]


def _normalise(operator: _Operator) -> list[Step]:
    scale, mean, std, order, half, channels = _options(
        operator, scale=1 / 255, mean=list(IMAGENET_MEAN), std=list(IMAGENET_STD), order="chw", output_fp16=False, channel_num=3
    )
    if channels != 3:
        raise operator.refuse("channel_num", f"expected 3, found {_shown(channels)}: a fourth channel of zeros is not reproduced")
    if half:
        raise operator.refuse("output_fp16", "the model's input is float32 here", "output_fp16: False")
    if (order == "chw") != operator.chw:
        stand = "in front" if operator.chw else "last"
        raise operator.refuse(
            "order", f"{_shown(order)}, and the channels stand {stand} there", "order: ''" if not operator.chw else "order: chw"
        )
    first, second, third = _numbers(operator, "mean", mean, 3)
    one, two, three = _numbers(operator, "std", std, 3)
    return [Normalise((first, second, third), (one, two, three), _scale(operator, scale), divide=False)]


def _to_chw(operator: _Operator) -> list[Step]:
    _options(operator)
    return [ToCHW()]


_READERS: dict[str, Callable[[_Operator], list[Step]]] = {
    "DecodeImage": _decode,
    "ResizeImage": _resize,
    "CropImage": _crop,
    "RandCropImage": _random_crop,
    "RandFlipImage": _flip,
    "NormalizeImage": _normalise,
    "ToCHWImage": _to_chw,
}


def _backend(operator: _Operator, name: Any) -> Backend:
    """PaddleClas takes any other name for cv2, with a warning that the log loses."""
    by = str(name).lower()
    if by in ("cv2", "pil"):
        return "cv2" if by == "cv2" else "pil"
    raise operator.refuse("backend", f"expected cv2 or pil, found {_shown(name)}")


def _interpolation(operator: _Operator, name: Any, backend: str) -> Any:
    numbers = _OPENCV if backend == "cv2" else _PILLOW
    if name is None or (operator.old and name == -1):
        return "bilinear"
    found = numbers.get(name) if isinstance(name, int) else str(name).lower()
    if found == "random":
        raise operator.refuse("interpolation", "a filter drawn at random is not reproduced", "interpolation: bilinear")
    if found not in FILTERS[backend]:
        raise operator.refuse("interpolation", f"{backend} has {', '.join(FILTERS[backend])}, found {_shown(name)}")
    return found


def _square(operator: _Operator, size: Any) -> int:
    if isinstance(size, list) and len(size) == 2 and size[0] == size[1]:
        size = size[0]
    if isinstance(size, list):
        raise operator.refuse("size", f"expected a square, found {_shown(size)}")
    return _whole(operator, "size", size)


def _whole(operator: _Operator, option: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise operator.refuse(option, f"expected a whole number of pixels, found {_shown(value)}")
    return value


def _numbers(operator: _Operator, option: str, values: Any, count: int) -> Iterator[float]:
    if not isinstance(values, list) or len(values) != count or not all(isinstance(each, int | float) for each in values):
        raise operator.refuse(option, f"expected {count} numbers, found {_shown(values)}")
    return (float(each) for each in values)


def _scale(operator: _Operator, value: Any) -> float:
    """A number, or text such as `1.0/255.0`, which PaddleClas evaluates."""
    fraction = _FRACTION.fullmatch(value) if isinstance(value, str) else None
    try:
        if fraction:
            return float(fraction[1]) / float(fraction[2])
        if isinstance(value, str | int | float):
            return float(value)
    except (ValueError, ZeroDivisionError):
        pass
    raise operator.refuse("scale", f"expected a number or a fraction such as 1.0/255.0, found {_shown(value)}")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
