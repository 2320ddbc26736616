"""What torchvision makes of pictures. Run in a child: folder of PNG files, then an .npz to write.

The key of each array is FILE|resize|crop|interpolation. torchvision comes from whatever is installed; its operators may be missing.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from aligndbg.frameworks.torchvision_import import mend

SETTINGS = ((256, 224), (232, 224), (255, 224), (64, 65), (128, 160))


def main(folder: Path, target: Path) -> None:
    transforms = _transforms()
    made = {}
    for path in sorted(folder.glob("*.png")):
        for resize, crop in SETTINGS:
            for interpolation in ("bilinear", "bicubic"):
                preset = transforms.Compose(
                    [
                        transforms.Resize(resize, transforms.InterpolationMode(interpolation)),
                        transforms.CenterCrop(crop),
                        transforms.ToTensor(),
                        transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
                    ]
                )
                made[f"{path.name}|{resize}|{crop}|{interpolation}"] = preset(Image.open(path).convert("RGB")).numpy()
    np.savez(target, **made)


def _transforms():
    while True:
        try:
            return importlib.import_module("torchvision.transforms")
        except RuntimeError as error:
            if not mend(error):
                raise


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
