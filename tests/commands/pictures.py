"""Labelled pictures for evaluations of the tiny models of this folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = 5

SECTIONS = {
    "preprocess": {"resize_short": 9, "crop": 8},
    "eval": {"list": "val.txt", "data": "pictures", "batch_size": 4},
}
"""Of a pair.yaml: a model on 8x8 pixels, the pictures beside it."""


def make_pictures(folder: Path, count: int = 22, bad: bool = False) -> Path:
    """`folder`/val.txt and `folder`/pictures; where `bad`, with one that is missing, one cut short, one that is a text, and one of
    no pixels at all."""
    random = np.random.default_rng(0)
    root = folder / "pictures"
    root.mkdir(parents=True, exist_ok=True)
    lines = []
    for index in range(count):
        name = f"a picture {index}.png"
        Image.fromarray(random.integers(0, 255, (12 + index % 5, 16, 3), np.uint8)).save(root / name)
        lines.append(f"{name} {index % CLASSES}")
    if bad:
        whole = (root / "a picture 1.png").read_bytes()
        (root / "cut.png").write_bytes(whole[: len(whole) // 2])
        (root / "text.jpg").write_text("no picture\n")
        (root / "empty.png").write_bytes(b"")
        for place, name in ((17, "empty.png"), (9, "text.jpg"), (5, "cut.png"), (2, "missing.png")):
            lines.insert(place, f"{name} 1")
    (folder / "val.txt").write_text("\n".join(lines) + "\n")
    return folder / "val.txt"
