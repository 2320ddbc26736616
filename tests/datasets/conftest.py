"""What torchvision makes of the same pictures, from one child process for all tests."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import aligndbg

SIZES = ((451, 300), (300, 451), (256, 256), (100, 90), (257, 700), (33, 200), (1, 7), (5, 1), (224, 3))
CLASS_FOLDERS = "b/2.JPG b/10.jpg a/z.png a/deep/y.webp a-b/x.bmp B/u.jpg a/deep.jpg a/deep/z/1.pgm ä/1.ppm a/notes.txt a/v.gif"


def noise(width: int, height: int, seed: int = 1) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.fixture(scope="session")
def torchvision_reference(tmp_path_factory) -> Path:
    """A folder with `pictures/`, `classes/` and `reference.npz` (see picture_reference.py)."""
    if importlib.util.find_spec("torchvision") is None or importlib.util.find_spec("torch") is None:
        pytest.skip("torchvision is not installed")
    root = tmp_path_factory.mktemp("torchvision")
    _save_all_kinds(root / "pictures")
    for name in CLASS_FOLDERS.split():
        (root / "classes" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "classes" / name).touch()
    subprocess.run(
        [sys.executable, str(Path(__file__).with_name("picture_reference.py")), str(root)],
        env={**os.environ, "PYTHONPATH": str(Path(aligndbg.__file__).parents[1])},
        check=True,
        timeout=120,
    )
    return root


def _save_all_kinds(folder: Path) -> None:
    folder.mkdir()
    for width, height in SIZES:
        noise(width, height).save(folder / f"{width}x{height}.png")
    palette = noise(120, 100).quantize(32)
    palette.info["transparency"] = 3
    palette.save(folder / "palette.png")
    noise(120, 100).convert("L").save(folder / "grey.png")
    alpha = noise(120, 100)
    alpha.putalpha(noise(120, 100, 2).convert("L"))
    alpha.save(folder / "alpha.png")
    noise(120, 100).convert("1").save(folder / "bits.png")
    noise(120, 100).convert("L").save(folder / "grey.jpg")
    noise(120, 100).convert("CMYK").save(folder / "cmyk.jpg")
    for orientation in range(1, 9):
        noise(120, 75).save(folder / f"exif{orientation}.jpg", exif=turned(orientation))
