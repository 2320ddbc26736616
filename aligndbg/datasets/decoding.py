"""A picture's file as pixels, by Pillow or by OpenCV."""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from aligndbg.core.preprocessing import Decode
from aligndbg.errors import EnvironmentFault, InputError, named

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels: TypeAlias = NDArray[np.uint8]
"""[height, width, 3], contiguous."""


def decode(path: Path, step: Decode) -> Image | Pixels:
    """All of the picture as `step` says; an Image only where that is RGB by Pillow. InputError where it cannot be read."""
    if step.backend == "cv2":
        return _by_opencv(path, step)
    picture = _by_pillow(path, step.turns)
    return picture if step.colour == "rgb" else np.ascontiguousarray(np.asarray(picture)[:, :, ::-1])


def opencv() -> Any:
    """The module cv2; EnvironmentFault where it is not installed."""
    try:
        return importlib.import_module("cv2")
    except ImportError:
        raise EnvironmentFault(
            "the preprocessing's backend is cv2, which is not installed",
            "pip install opencv-python-headless, or set backend: pil",
        ) from None


def reason(error: BaseException) -> str:
    """The first line of an error's own words."""
    text = (error.strerror or "") if isinstance(error, OSError) and error.strerror else str(error)
    line = " ".join(text.split())[:200]
    return line if line.isprintable() and line else type(error).__name__


def _by_pillow(path: Path, turns: bool) -> Image:
    from PIL import Image, ImageOps, UnidentifiedImageError

    _check_file(path)
    try:
        with warnings.catch_warnings():
            # A large picture is the user's own; one that is too large is an error all the same.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as picture:
                return (ImageOps.exif_transpose(picture) if turns else picture).convert("RGB")
    except UnidentifiedImageError:
        raise InputError(f"{named(path)} is not a picture", "expected JPEG, PNG or another format that Pillow reads") from None
    except Exception as error:
        # Pillow's decoders raise whatever the damage leads them to.
        raise InputError(f"{named(path)} cannot be read as a picture: {reason(error)}") from None


def _by_opencv(path: Path, step: Decode) -> Pixels:
    cv2 = opencv()
    _check_file(path)
    try:
        content = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise InputError(f"{named(path)} cannot be read as a picture: {reason(error)}") from None
    flags = cv2.IMREAD_COLOR if step.turns else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        decoded = cv2.imdecode(content, flags) if content.size else None
        if decoded is not None and step.colour == "rgb":
            decoded = cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)
    except cv2.error as error:
        raise InputError(f"{named(path)} cannot be read as a picture: {reason(error)}") from None
    if decoded is None:
        raise InputError(f"{named(path)} is not a picture", "expected JPEG, PNG or another format that OpenCV reads, to its end")
    pixels: Pixels = decoded
    return pixels


def _check_file(path: Path) -> None:
    try:
        if path.is_file():
            return
        told = "is not a file, expected a picture" if path.exists() else "does not exist"
    except OSError as error:
        told = f"cannot be read as a picture: {reason(error)}"
    raise InputError(f"{named(path)} {told}")
