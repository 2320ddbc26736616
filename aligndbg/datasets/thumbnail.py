"""A small picture of a picture, for people to look at; hostile files included."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from aligndbg.datasets.decoding import reason
from aligndbg.errors import InputError, named

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PIXELS = 1 << 26
"""Of a file that is decoded to be looked at; ImageNet's largest has 1.8e7."""

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
"""Pillow's others start programs (EPS), or are no photographs."""


def thumbnail(path: Path, side: int) -> tuple[Image, tuple[int, int]]:
    """The picture as RGB, upright and at most `side` pixels wide and high, and the file's own width and height.

    InputError where it cannot be read whole, or is too large to look at.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        if not path.is_file():
            raise InputError(f"{named(path)} {'is not a file' if path.exists() else 'does not exist'}")
        with warnings.catch_warnings():
            # Pillow warns before this limit, and refuses only far beyond it.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as picture:
                size = picture.size
                if size[0] * size[1] > MOST_PIXELS:
                    raise InputError(f"{named(path)} has {size[0]}x{size[1]} pixels, too many to look at")
                # A JPEG is decoded at a fraction of its size where that is enough.
                picture.draft("RGB", (side, side))
                small = ImageOps.exif_transpose(picture).convert("RGB")
        small.thumbnail((side, side))
    except InputError:
        raise
    except UnidentifiedImageError:
        raise InputError(f"{named(path)} is not a picture") from None
    except MemoryError:
        raise InputError(f"{named(path)}: no memory for a picture of this size") from None
    except Exception as error:
        # Pillow's decoders raise whatever the damage leads them to.
        raise InputError(f"{named(path)} cannot be read as a picture: {reason(error)}") from None
    return small, size
