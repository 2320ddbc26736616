"""Columns of made-up pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aligndbg.core.images import NOBODY, ImageColumns, SideColumns


@dataclass(frozen=True)
class Shot:
    """A picture: `torch` and `paddle` are a side's best class, None where it did not judge."""

    name: str
    label: int = 0
    torch: int | None = 0
    paddle: int | None = 0
    max_abs: float = 0.0
    kl: float = 0.0
    certainty: float = 0.5


def columns(shots: Sequence[Shot]) -> ImageColumns:
    both = [math.nan if None in (shot.torch, shot.paddle) else 1.0 for shot in shots]
    return ImageColumns(
        np.arange(len(shots)),
        [shot.name for shot in shots],
        np.array([shot.label for shot in shots], np.int64),
        side([(shot.torch, shot.label, shot.certainty) for shot in shots]),
        side([(shot.paddle, shot.label, shot.certainty / 2) for shot in shots]),
        np.array([shot.max_abs for shot in shots]) * both,
        np.array([shot.kl for shot in shots]) * both,
        ["" if shot.torch is not None or shot.paddle is not None else "is not a picture" for shot in shots],
    )


def side(judged: Sequence[tuple[int | None, int, float]]) -> SideColumns:
    """The label is the second class of those that are wrong."""
    rank = [NOBODY if best is None else int(best != label) for best, label, _ in judged]
    classes = [(NOBODY, NOBODY) if best is None else (best, label if best != label else best + 1) for best, label, _ in judged]
    certainty = [(math.nan, math.nan) if best is None else (value, value / 2) for best, _, value in judged]
    return SideColumns(
        np.array(rank, np.int64),
        np.where(np.array(rank) == NOBODY, math.nan, 1.0),
        np.array(classes, np.int32).reshape(-1, 2),
        np.array(certainty, np.float32).reshape(-1, 2),
    )
