"""The pictures of an evaluation as columns, and the orders in which to look at them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Order = Literal["flips", "max", "kl", "position"]

ORDERS: tuple[Order, ...] = ("flips", "max", "kl", "position")

Side = Literal["torch", "paddle"]

Right = Literal["both", "torch", "paddle", "neither"]

NOBODY = -1
"""In place of a class or a rank where a side has none."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class SideColumns:
    """One side's judgement of n pictures: the label's rank [n], 0 for the best class; its cross-entropy [n] in nats; the best k
    classes [n, k] and their probabilities. A rank of NOBODY is of a picture that this side did not judge."""

    rank: NDArray[np.int64]
    loss: NDArray[np.float64]
    classes: NDArray[np.int32]
    probabilities: NDArray[np.float32]

    @cached_property
    def judged(self) -> Mask:
        return _mask(self.rank != NOBODY)

    @cached_property
    def best(self) -> NDArray[np.int32]:
        """[n]; NOBODY where there is none."""
        return self.classes[:, 0] if self.classes.shape[1] else np.full(len(self.rank), NOBODY, np.int32)

    @cached_property
    def certainty(self) -> NDArray[np.float64]:
        """Probability of the best class [n]; NaN where there is none."""
        first = self.probabilities[:, 0].astype(np.float64) if self.classes.shape[1] else np.full(len(self.rank), np.nan)
        return np.where(self.best == NOBODY, np.nan, first)

    def top(self, place: int) -> list[tuple[int, float]]:
        """The best classes of a picture with their probabilities."""
        pairs = zip(self.classes[place].tolist(), self.probabilities[place].tolist(), strict=True)
        return [(number, probability) for number, probability in pairs if number != NOBODY]


@dataclass(frozen=True, eq=False)
class ImageColumns:
    """Of n pictures in the order of their list. `max_abs` and `divergence` (KL, nats) are between the two sides' logits; NaN
    where these are NaN, and where only one side ran. `problems` says why a picture could not be judged, `""` of one that was."""

    positions: NDArray[np.int64]
    names: Sequence[str]
    labels: NDArray[np.int64]
    torch: SideColumns
    paddle: SideColumns
    max_abs: NDArray[np.float64]
    divergence: NDArray[np.float64]
    problems: Sequence[str]

    def __len__(self) -> int:
        return len(self.names)

    def of(self, side: Side) -> SideColumns:
        return self.torch if side == "torch" else self.paddle

    @cached_property
    def lowered(self) -> Sequence[str]:
        return [name.lower() for name in self.names]

    @cached_property
    def judged(self) -> Mask:
        """By any side."""
        return _mask(self.torch.judged | self.paddle.judged)

    @cached_property
    def compared(self) -> Mask:
        """Judged by both sides."""
        return _mask(self.torch.judged & self.paddle.judged)

    @cached_property
    def flips(self) -> Mask:
        """Pictures whose best class is another on the other side."""
        return _mask(self.compared & (self.torch.best != self.paddle.best))

    @cached_property
    def only_torch(self) -> Mask:
        return _mask(self.compared & (self.torch.rank == 0) & (self.paddle.rank != 0))

    @cached_property
    def only_paddle(self) -> Mask:
        return _mask(self.compared & (self.paddle.rank == 0) & (self.torch.rank != 0))

    @cached_property
    def wrong(self) -> Mask:
        """Pictures that a side judges wrongly."""
        return _mask((self.torch.judged & (self.torch.rank != 0)) | (self.paddle.judged & (self.paddle.rank != 0)))

    def right(self, place: int) -> Right:
        """Which sides' best class is the label."""
        torch, paddle = bool(self.torch.rank[place] == 0), bool(self.paddle.rank[place] == 0)
        return "both" if torch and paddle else "torch" if torch else "paddle" if paddle else "neither"


def ranked(images: ImageColumns, order: Order = "flips", keep: Mask | None = None) -> NDArray[np.int64]:
    """Places of the pictures, the ones to look at first in front: of those that `keep` holds, or of all.

    Differences of NaN come before the largest; flips come by their divergence, and what does not flip after them. Pictures that
    were not compared come last, ties in the order of the list.
    """
    places = np.arange(len(images)) if keep is None else np.flatnonzero(keep)
    compared = images.compared[places]
    keys: list[NDArray[Any]] = []
    if order != "position":
        values = (images.max_abs if order == "max" else images.divergence)[places]
        worst = np.where(np.isnan(values), np.inf, values)
        keys = [~compared, -np.where(compared, worst, 0.0)]
        if order == "flips":
            keys.insert(1, ~images.flips[places])
    # lexsort takes its most important key last.
    found: NDArray[np.int64] = places[np.lexsort([images.positions[places], *reversed(keys)])]
    return found


def _mask(values: Any) -> Mask:
    return np.asarray(values, np.bool_)
