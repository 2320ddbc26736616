"""Top-k, losses and divergences of images, and what two sides' results on the same images say of each other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

TOP = 5
"""Classes of an image that are kept."""

EXACT_BELOW = 25
"""Images right on one side alone; from there on chi-squared is close enough (McNemar 1947; Agresti, Categorical Data Analysis)."""

NORMAL_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Scores:
    """Of n images: the best `k` classes [n, k] and their probabilities, the cross-entropy [n], and the rank [n] of the label, 0 for
    the best class. A NaN among an image's logits makes it wrong and its loss NaN."""

    top: NDArray[np.int32]
    probability: NDArray[np.float32]
    loss: NDArray[np.float64]
    rank: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PairedCounts:
    """How many images both sides have right, one alone, neither."""

    both: int
    only_torch: int
    only_paddle: int
    neither: int

    @property
    def images(self) -> int:
        return self.both + self.only_torch + self.only_paddle + self.neither

    @property
    def discordant(self) -> int:
        return self.only_torch + self.only_paddle


@dataclass(frozen=True, slots=True)
class Gap:
    """Paddle's accuracy minus torch's in points (hundredths), its standard error and the 95 % interval of the normal law."""

    points: float
    error: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class McNemar:
    """Whether two sides that are equally good could differ so much: `p` is two-sided. `statistic` is None where it is exact."""

    method: Literal["exact", "chi2"]
    statistic: float | None
    p: float


def score(logits: NDArray[Any], labels: NDArray[Any], k: int = TOP) -> Scores:
    """`logits` [n, classes], `labels` [n]. Of equal logits the lower class comes first. ValueError where a label is no class."""
    values = logits.astype(np.float64)
    count, classes = values.shape
    labels = labels.astype(np.int64)
    if count and (labels.min() < 0 or labels.max() >= classes):
        raise ValueError(f"labels are 0 to {classes - 1}, found {int(labels.min())} to {int(labels.max())}")
    logs = log_softmax(values)
    top = np.argsort(-values, axis=1, kind="stable")[:, :k]
    own = np.take_along_axis(values, labels[:, None], 1)
    before = (values > own) | ((values == own) & (np.arange(classes) < labels[:, None]))
    broken = np.isnan(values).any(axis=1)
    return Scores(
        top.astype(np.int32),
        np.exp(np.take_along_axis(logs, top, 1)).astype(np.float32),
        np.where(broken, np.nan, -np.take_along_axis(logs, labels[:, None], 1)[:, 0]),
        np.where(broken, classes, before.sum(axis=1)),
    )


def log_softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Along the last axis, in float64. Infinite logits give what the limit gives where there is one, else NaN."""
    values = logits.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        shifted = values - values.max(axis=-1, keepdims=True, initial=-math.inf)
        shifted[values == -math.inf] = -math.inf
        result: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result


def divergence(torch: NDArray[Any], paddle: NDArray[Any]) -> NDArray[np.float64]:
    """KL(torch || paddle) in nats of each image's class probabilities, from logits [n, classes]; never below 0."""
    one, other = log_softmax(torch), log_softmax(paddle)
    with np.errstate(invalid="ignore"):
        terms = np.where(one == -math.inf, 0.0, np.exp(one) * (one - other))
    result: NDArray[np.float64] = np.maximum(terms.sum(axis=1), 0.0)
    return result


def largest_difference(torch: NDArray[Any], paddle: NDArray[Any]) -> NDArray[np.float64]:
    """The largest |torch - paddle| of each image; equal infinities differ by 0, a NaN on either side gives NaN."""
    one, other = torch.astype(np.float64), paddle.astype(np.float64)
    with np.errstate(invalid="ignore"):
        gaps = np.where(one == other, 0.0, np.abs(one - other))
    result: NDArray[np.float64] = gaps.max(axis=1, initial=0.0)
    return result


def paired(torch_right: NDArray[Any], paddle_right: NDArray[Any]) -> PairedCounts:
    """From two arrays of booleans over the same images."""
    one, other = torch_right.astype(bool), paddle_right.astype(bool)
    if one.shape != other.shape:
        raise ValueError(f"{one.size} images on one side, {other.size} on the other")
    counts = ((one & other).sum(), (one & ~other).sum(), (~one & other).sum(), (~one & ~other).sum())
    return PairedCounts(*map(int, counts))


def gap(counts: PairedCounts) -> Gap:
    """The standard error is of paired proportions: images that both sides judge alike carry no chance (Agresti, section 11.1)."""
    n = counts.images
    if n == 0:
        return Gap(0.0, 0.0, 0.0, 0.0)
    difference = counts.only_paddle - counts.only_torch
    points = 100 * difference / n
    error = 100 * math.sqrt(max(0.0, counts.discordant - difference * difference / n)) / n
    return Gap(points, error, points - NORMAL_95 * error, points + NORMAL_95 * error)


def mcnemar(counts: PairedCounts) -> McNemar:
    """Exact binomial below `EXACT_BELOW` discordant images, else chi-squared with Edwards's continuity correction."""
    n = counts.discordant
    if n < EXACT_BELOW:
        less = min(counts.only_torch, counts.only_paddle)
        tail = sum(math.comb(n, k) for k in range(less + 1))
        return McNemar("exact", None, min(1.0, 2 * tail / 2**n))
    statistic = max(0, abs(counts.only_torch - counts.only_paddle) - 1) ** 2 / n
    return McNemar("chi2", statistic, math.erfc(math.sqrt(statistic / 2)))


def is_within(counts: PairedCounts, max_gap: float) -> bool:
    """The field's rule: the accuracies differ by at most `max_gap` points. No image tells nothing."""
    return counts.images > 0 and abs(gap(counts).points) <= max_gap
