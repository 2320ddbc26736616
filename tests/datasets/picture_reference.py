"""What torchvision makes of pictures. Run in a child: a folder with `pictures/` and `classes/`, where `reference.npz` is written.

Keys: `preset|FILE|resize|crop|interpolation`, `box|FILE|interpolation`, `weights|NAME`; as JSON `presets`, every preset's settings,
and `classes`, ImageFolder's samples. torchvision comes from whatever is installed; its operators may be missing.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from aligndbg.frameworks.torchvision_import import mend

SETTINGS = ((256, 224), (232, 224), (255, 224), (64, 65), (128, 160))
BOX = (3, 2, 20, 31)
"""Top, left, height and width of a crop that is resized to SIDE."""
SIDE = 48
RUN = ("MobileNet_V2_Weights.IMAGENET1K_V2", "EfficientNet_V2_L_Weights.IMAGENET1K_V1", "VGG16_Weights.IMAGENET1K_FEATURES")


def main(root: Path) -> None:
    folder = root / "pictures"
    transforms, models = _module("torchvision.transforms"), _module("torchvision.models")
    made = {}
    weights = {str(each): each for name in models.list_models() for each in models.get_model_weights(name)}
    for path in sorted(folder.iterdir()):
        picture = Image.open(path).convert("RGB")
        for interpolation in ("bilinear", "bicubic", "nearest", "lanczos", "box", "hamming"):
            mode = transforms.InterpolationMode(interpolation)
            for resize, crop in SETTINGS if interpolation in ("bilinear", "bicubic") else SETTINGS[:1]:
                preset = transforms.Compose(
                    [
                        transforms.Resize(resize, mode),
                        transforms.CenterCrop(crop),
                        transforms.ToTensor(),
                        transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
                    ]
                )
                made[f"preset|{path.name}|{resize}|{crop}|{interpolation}"] = preset(picture).numpy()
            if picture.width > 40 and picture.height > 40:
                part = transforms.functional.resized_crop(picture, *BOX, [SIDE, SIDE], mode)
                made[f"box|{path.name}|{interpolation}"] = np.asarray(part)
    for name in RUN:
        made[f"weights|{name}"] = weights[name].transforms()(Image.open(folder / "451x300.png").convert("RGB")).numpy()
    made["presets"] = np.array(
        json.dumps({name: found for name, each in weights.items() if (found := _settings(each.transforms()))})
    )
    found = _module("torchvision.datasets.folder")
    _, numbers = found.find_classes(str(root / "classes"))
    made["classes"] = np.array(json.dumps(found.make_dataset(str(root / "classes"), numbers, found.IMG_EXTENSIONS)))
    np.savez(root / "reference.npz", **made)


def _settings(preset) -> list | None:
    if type(preset).__name__ != "ImageClassification":
        return None
    return [preset.resize_size[0], preset.crop_size[0], preset.interpolation.value, list(preset.mean), list(preset.std)]


def _module(name: str):
    while True:
        try:
            return importlib.import_module(name)
        except RuntimeError as error:
            if not mend(error):
                raise


if __name__ == "__main__":
    main(Path(sys.argv[1]))
