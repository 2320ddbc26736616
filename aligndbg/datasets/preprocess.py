"""From a picture to the model's tensor, bit for bit as torchvision's classification presets (PIL) or PaddleClas (cv2) do it."""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from aligndbg.errors import EnvironmentFault, InputError
from aligndbg.pairs.decode import named
from aligndbg.pairs.schema import PreprocessSpec

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = NDArray[np.uint8]
"""RGB, [height, width, 3]."""


def picture_tensor(path: Path, spec: PreprocessSpec) -> NDArray[np.float32]:
    """The picture as float32 [3, crop, crop], RGB, normalised. InputError where it cannot be read."""
    if spec.backend == "cv2":
        return _as_paddleclas(path, spec)
    return normalise(cropped(resized(read_picture(path), spec), spec.crop), spec)


def read_picture(path: Path) -> Image:
    """The picture as 8-bit RGB; EXIF orientation is ignored, as torchvision does. InputError where it cannot be read."""
    from PIL import Image, UnidentifiedImageError

    shown = named(path)
    if not path.is_file():
        raise InputError(f"{shown} {'is not a file, expected a picture' if path.exists() else 'does not exist'}")
    try:
        with warnings.catch_warnings():
            # A large picture is the user's own; one that is too large is an error all the same.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as picture:
                return picture.convert("RGB")
    except UnidentifiedImageError:
        raise InputError(f"{shown} is not a picture", "expected JPEG, PNG or another format that Pillow reads") from None
    except Exception as error:
        # Pillow's decoders raise whatever the damage leads them to.
        raise InputError(f"{shown} cannot be read as a picture: {_reason(error)}") from None


def resized(picture: Image, spec: PreprocessSpec) -> Image:
    """The shorter side becomes `resize_short`; the longer one is truncated, as torchvision's Resize does."""
    from PIL import Image

    width, height = picture.size
    short, long = sorted((width, height))
    if short == spec.resize_short:
        return picture
    other = int(spec.resize_short * long / short)
    size = (spec.resize_short, other) if width <= height else (other, spec.resize_short)
    return picture.resize(size, Image.Resampling.BICUBIC if spec.interpolation == "bicubic" else Image.Resampling.BILINEAR)


def cropped(picture: Image, crop: int) -> Image:
    """The middle, crop x crop, black where the picture is smaller; offsets round half to even, as by torchvision's CenterCrop."""
    from PIL import Image

    width, height = picture.size
    if width < crop or height < crop:
        left, top = max(crop - width, 0) // 2, max(crop - height, 0) // 2
        padded = Image.new("RGB", (max(width, crop), max(height, crop)))
        padded.paste(picture, (left, top))
        picture = padded
        width, height = picture.size
    left, top = round((width - crop) / 2), round((height - crop) / 2)
    return picture.crop((left, top, left + crop, top + crop))


def normalise(picture: Image, spec: PreprocessSpec) -> NDArray[np.float32]:
    """RGB pixels as float32 [3, height, width]: (value / 255 - mean) / std, each step rounded to float32 as torch does."""
    values = np.asarray(picture, dtype=np.float32).transpose(2, 0, 1) / np.float32(255)
    return np.ascontiguousarray((values - _per_channel(spec.mean)) / _per_channel(spec.std))


def _per_channel(values: tuple[float, float, float]) -> NDArray[np.float32]:
    return np.asarray(values, dtype=np.float32).reshape(3, 1, 1)


def _as_paddleclas(path: Path, spec: PreprocessSpec) -> NDArray[np.float32]:
    """PaddleClas's evaluation transforms: cv2 decodes (and obeys EXIF), both sides are rounded, the offset is floored."""
    try:
        cv2 = importlib.import_module("cv2")
    except ImportError:
        raise EnvironmentFault(
            "preprocess.backend is cv2, which is not installed", "pip install opencv-python-headless, or set backend: pil"
        ) from None
    shown = named(path)
    try:
        content = np.fromfile(path, dtype=np.uint8)
    except FileNotFoundError:
        raise InputError(f"{shown} does not exist") from None
    except OSError as error:
        raise InputError(f"{shown} cannot be read as a picture: {_reason(error)}") from None
    try:
        decoded: Any = cv2.imdecode(content, cv2.IMREAD_COLOR) if content.size else None
    except cv2.error as error:
        raise InputError(f"{shown} cannot be read as a picture: {_reason(error)}") from None
    if decoded is None:
        raise InputError(f"{shown} is not a picture", "expected JPEG, PNG or another format that OpenCV reads")
    height, width = decoded.shape[:2]
    scale = spec.resize_short / min(width, height)
    filter = cv2.INTER_CUBIC if spec.interpolation == "bicubic" else cv2.INTER_LINEAR
    pixels = cv2.resize(decoded[:, :, ::-1], (round(width * scale), round(height * scale)), interpolation=filter)
    height, width = pixels.shape[:2]
    if spec.crop > min(height, width):
        raise InputError(f"preprocess.crop {spec.crop} is larger than the picture resized to {width}x{height}")
    left, top = (width - spec.crop) // 2, (height - spec.crop) // 2
    middle: Pixels = pixels[top : top + spec.crop, left : left + spec.crop]
    values = middle.astype(np.float32).transpose(2, 0, 1) * np.float32(1 / 255)
    return np.ascontiguousarray((values - _per_channel(spec.mean)) / _per_channel(spec.std))


def _reason(error: BaseException) -> str:
    """The first line of an error's own words."""
    text = (error.strerror or "") if isinstance(error, OSError) and error.strerror else str(error)
    line = " ".join(text.split())[:200]
    return line if line.isprintable() and line else type(error).__name__
