"""A difference between two pipelines in a sentence, and what to type to be rid of it."""

from __future__ import annotations

from typing import Any

from aligndbg.core.preprocessing import CenterCrop, Decode, Normalise, Resize, ResizeShort, Step, Triple, name_of
from aligndbg.datasets.differences import Setting

_LIBRARY = {"pil": "Pillow", "cv2": "OpenCV"}


def sentence(setting: Setting, reference: str, other: str) -> str:
    """What each of the two sides, called by these names, does."""
    one, two = setting.reference, setting.other
    if one is None or two is None:
        return f"{reference} {_does(one)}, {other} {_does(two)}"
    match setting.cause:
        case "exif":
            turning, leaving = (reference, other) if _of(one, "exif") else (other, reference)
            return f"{turning} turns a picture upright as its EXIF orientation says, {leaving} does not"
        case "resize-filter":
            by = [_LIBRARY[_of(step, "backend")] for step in (one, two)]
            kinds = [_of(step, "interpolation") for step in (one, two)]
            if "area" in kinds or "nearest" in kinds:
                return f"{reference} resizes {kinds[0]} by {by[0]}, {other} {kinds[1]} by {by[1]}"
            why = "Pillow's filter widens as a picture shrinks, OpenCV's reads the nearest pixels alone"
            return f"{reference} resizes by {by[0]}, {other} by {by[1]}: {why}"
        case "layout":
            return f"{reference} and {other} normalise on different sides of moving the channels to the front"
        case cause:
            return f"{reference} {_VALUES[cause](one)}, {other} {_VALUES[cause](two)}"


def remedy(setting: Setting) -> str:
    """What to write in a `steps:` list, and in PaddleClas's config where its operators can do it."""
    step = setting.reference
    if step is None:
        return f"take `{name_of(setting.other)}` out" if setting.other is not None else ""
    if setting.cause == "layout":
        return "`normalise` before `to_chw` on both sides, or after it"
    theirs = _paddleclas(setting, step)
    own = f"`{name_of(step)}: {{{', '.join(_own(setting, step))}}}`"
    return f"{own}; {theirs}" if theirs else own


def _own(setting: Setting, step: Step) -> list[str]:
    match setting.cause, step:
        case "resize-size", Resize(height, width):
            return [f"height: {height}", f"width: {width}"]
        case (("resize-size" | "crop-size"), _):
            return [f"size: {_of(step, 'size')}"]
        case (("decoder" | "resize-filter"), _):
            return [f"backend: {_of(step, 'backend')}"]
        case "crop-rounding", CenterCrop(_, rounding, pad):
            return [f"rounding: {rounding}", f"pad: {str(pad).lower()}"]
        case "scale", Normalise(scale=scale, divide=divide):
            return [f"scale: {scale:.9g}", f"divide: {str(divide).lower()}"]
        case (("mean" | "std"), _):
            return [f"{setting.cause}: {_triple(_of(step, setting.cause))}"]
        case cause, _:
            field = {"channel-order": "colour", "resize-rounding": "rounding"}.get(cause, cause)
            value = _of(step, field)
            return [f"{field}: {str(value).lower()}"]


def _paddleclas(setting: Setting, step: Step) -> str:
    match setting.cause, step:
        case "resize-size", ResizeShort(size):
            told = f"ResizeImage: {{resize_short: {size}}}"
        case "resize-size", Resize(height, width):
            told = f"ResizeImage: {{size: [{width}, {height}]}}"
        case "crop-size", CenterCrop(size):
            told = f"CropImage: {{size: {size}}}"
        case "decoder", Decode(backend):
            told = f"DecodeImage: {{backend: {backend}}}"
        case "exif", Decode(exif=exif):
            # Its only way to leave a picture as it lies is the decoder that never turns one.
            told = f"DecodeImage: {{backend: {'cv2' if exif else 'pil'}}}"
        case "channel-order", Decode(colour=colour):
            return f"in PaddleClas `DecodeImage: {{to_rgb: {colour == 'rgb'}}}` without `to_np: False`"
        case (("resize-filter" | "interpolation"), ResizeShort() | Resize()):
            told = f"ResizeImage: {{backend: {step.backend}, interpolation: {step.interpolation}}}"
        case "resize-rounding", ResizeShort(rounding="truncate"):
            return "PaddleClas's ResizeImage always rounds, paddle.vision.transforms.Resize truncates"
        case "crop-rounding", CenterCrop(rounding="half-even"):
            return "PaddleClas's CropImage always floors, paddle.vision.transforms.CenterCrop does not"
        case (("mean" | "std"), _):
            told = f"NormalizeImage: {{{setting.cause}: {_triple(_of(step, setting.cause))}}}"
        case "scale", Normalise(scale=scale):
            told = f"NormalizeImage: {{scale: {_fraction(scale)}}}"
        case _:
            return ""
    return f"in PaddleClas `{told}`"


def _does(step: Step | None) -> str:
    match step:
        case ResizeShort(size):
            return f"resizes the shorter side to {size}"
        case Resize(height, width):
            return f"resizes to {width}x{height}"
        case CenterCrop(size):
            return f"crops to {size}"
        case None:
            return "does not"
        case _:
            return f"has {name_of(step)}"


def _crops(step: Any) -> str:
    offset = "rounds the offset of the crop half to even" if step.rounding == "half-even" else "floors it"
    return f"{offset} and {'pads' if step.pad else 'refuses'} a smaller picture"


_VALUES: dict[str, Any] = {
    "resize-size": _does,
    "crop-size": _does,
    "decoder": lambda step: f"decodes by {_LIBRARY[step.backend]}",
    "channel-order": lambda step: f"gives the model {step.colour.upper()}",
    "resize-rounding": lambda step: f"{'truncates' if step.rounding == 'truncate' else 'rounds'} the longer side",
    "interpolation": lambda step: f"resizes {step.interpolation}",
    "crop-rounding": _crops,
    "scale": lambda step: f"{'divides by' if step.divide else 'multiplies by'} {_scale(step)}",
    "mean": lambda step: f"subtracts the mean {_triple(step.mean)}",
    "std": lambda step: f"divides by the standard deviation {_triple(step.std)}",
}


def _of(step: Step, name: str) -> Any:
    return getattr(step, name)


def _triple(values: Triple) -> str:
    return f"[{', '.join(f'{value:.6g}' for value in values)}]"


def _scale(step: Normalise) -> str:
    return f"{1 / step.scale:.6g}" if step.divide else _fraction(step.scale)


def _fraction(scale: float) -> str:
    return "1.0/255.0" if abs(scale * 255 - 1) < 1e-9 else f"{scale:.9g}"
