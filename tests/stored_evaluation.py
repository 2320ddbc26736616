"""An evaluation's session, written as a run would write it, with its pictures beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from aligndbg.pairs.schema import EvalSpec, ModelSpec, PairSpec
from aligndbg.store.images import CLASSES, ImageRow, ImageWriter, SideScores
from aligndbg.store.writer import SessionWriter

REPORT = b'{"verdict": "beyond", "headline": "beyond 0.2 points", "exit_code": 1}'

Top = Sequence[tuple[int, float]]


@dataclass(frozen=True)
class Judged:
    """A picture: no `torch` and no `paddle` is one that could not be read. `pixels` are its file's, None for no file."""

    name: str
    label: int
    torch: Top = ()
    paddle: Top = ()
    max_abs: float = 0.0
    kl: float = 0.0
    problem: str = ""
    pixels: tuple[int, int] | None = (48, 32)


ORDINARY = (
    Judged("val/tench.png", 0, [(0, 0.91), (1, 0.05), (2, 0.01)], [(0, 0.9), (1, 0.06), (2, 0.01)], 2e-6, 1e-9),
    Judged("val/tabby.png", 281, [(281, 0.41), (282, 0.3), (285, 0.1)], [(282, 0.44), (281, 0.29), (285, 0.1)], 0.9, 0.21),
    Judged("val/shark.png", 2, [(3, 0.5), (2, 0.4), (4, 0.05)], [(2, 0.55), (3, 0.4), (4, 0.02)], 0.4, 0.11),
    Judged("val/hen.png", 8, [(8, 0.7), (7, 0.2), (9, 0.02)], [(8, 0.6), (7, 0.3), (9, 0.02)], 1.3, 0.04),
    Judged("val/jay.png", 17, problem="val/jay.png is not a picture", pixels=None),
)
"""Two flips, one of them right by torch alone and one by Paddle alone; one picture that could not be read."""


def pair_of(root: Path, **sections: Any) -> PairSpec:
    """A pair that is evaluated on `root`/data."""
    spec = {"eval": EvalSpec(data=str(root / "data")), **sections}
    return PairSpec("tiny", ModelSpec("torch_model.py:tiny"), ModelSpec("paddle_model.py:tiny"), root=root, **spec)


def write_evaluation(
    root: Path,
    judged: Sequence[Judged] = ORDINARY,
    *,
    pair: PairSpec | None = None,
    options: Mapping[str, Any] | None = None,
    classes: int = 1000,
    finished: bool = True,
) -> Path:
    """The session's folder, under `root`/sessions; the pictures' files are under `root`/data."""
    for number, one in enumerate(judged):
        if one.pixels is not None:
            path = root / "data" / one.name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pattern(number, *one.pixels)).save(path, "PNG")
    writer = SessionWriter.create(root / "sessions", pair or pair_of(root), options or {}, kind="eval")
    images = ImageWriter(writer.path)
    images.set_facts({CLASSES: str(classes), "device": "cpu"})
    rows = [row_of(number, one) for number, one in enumerate(judged)]
    images.write(0, rows, {})
    images.close()
    if finished:
        writer.finish(REPORT)
    writer.close()
    return writer.path


def pattern(seed: int, width: int, height: int) -> np.ndarray[Any, Any]:
    """A picture that is not like the next one's: a gradient with a disc."""
    y, x = np.mgrid[:height, :width]
    disc = (x - width / 2) ** 2 + (y - height / 2) ** 2 < (min(width, height) / 3) ** 2
    planes = [255 * x / width, 255 * y / height, np.full_like(x, 40 * (seed % 6))]
    return np.where(disc[..., None], 255 - np.stack(planes, -1), np.stack(planes, -1)).astype(np.uint8)


def row_of(number: int, one: Judged) -> ImageRow:
    torch, paddle = _scores(one.torch, one.label), _scores(one.paddle, one.label)
    gaps = (one.max_abs, one.kl) if torch and paddle else (None, None)
    return ImageRow(number, 0, None, one.name, one.label, torch, paddle, *gaps, one.problem)


def _scores(top: Top, label: int) -> SideScores | None:
    if not top:
        return None
    classes = [number for number, _ in top]
    return SideScores(classes.index(label) if label in classes else len(top), 0.5, tuple(top))
