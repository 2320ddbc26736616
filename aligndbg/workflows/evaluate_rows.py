"""From logits to rows of pictures, from rows to running figures and to the report."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

import aligndbg
from aligndbg.core.accuracy import PairedCounts, divergence, gap, is_within, largest_difference, mcnemar, paired, score
from aligndbg.errors import InputError
from aligndbg.pairs.schema import PairSpec
from aligndbg.store.images import ImageRow, SideScores
from aligndbg.workflows.evaluate_model import (
    DifferenceReport,
    EvalReport,
    ExcludedPicture,
    PairedReport,
    PictureReport,
    SideReport,
)
from aligndbg.workflows.evaluate_pictures import Batch
from aligndbg.workflows.wording import counted

MOST_DIFFERING = 50
"""Pictures that are told in the report; the session holds all."""

Logits = NDArray[np.float32]


def rows_of(
    batch: Batch, places: Sequence[int], problems: Mapping[int, str], logits: Mapping[str, Logits], first_row: int
) -> list[ImageRow]:
    """Of every picture of the batch: `logits` [n, classes] are of its n `places`, in order; the others have a problem."""
    labels = np.array([batch.pictures[place].label for place in places], np.int64)
    judged = {side: _side_scores(side, values, labels) for side, values in logits.items()}
    gaps = divergences = None
    if len(logits) == 2 and places:
        torch, paddle = logits["torch"], logits["paddle"]
        gaps, divergences = largest_difference(torch, paddle), divergence(torch, paddle)
    rows: list[ImageRow] = []
    index = {place: position for position, place in enumerate(places)}
    for place, picture in enumerate(batch.pictures):
        about = (batch.start + place, batch.number)
        label = picture.label if picture.label is not None else -1
        at = index.get(place)
        if at is None:
            rows.append(ImageRow(*about, None, picture.name, label, problem=problems[place]))
            continue
        rows.append(
            ImageRow(
                *about,
                first_row + at,
                picture.name,
                label,
                judged["torch"][at] if "torch" in judged else None,
                judged["paddle"][at] if "paddle" in judged else None,
                float(gaps[at]) if gaps is not None else None,
                float(divergences[at]) if divergences is not None else None,
            )
        )
    return rows


def check_logits(logits: Mapping[str, NDArray[Any]], count: int) -> dict[str, Logits]:
    """float32 [count, classes] of each side; InputError where a model gives something else, or the sides not the same."""
    found: dict[str, Logits] = {}
    for side, values in logits.items():
        if values.ndim != 2 or values.shape[0] != count:
            shape = "x".join(map(str, values.shape))
            raise InputError(
                f"{side}: the model's first output is {shape}, expected {count}xCLASSES", "an evaluation is of classifiers"
            )
        found[side] = values.astype(np.float32, copy=False)
    widths = {side: values.shape[1] for side, values in found.items()}
    if len(set(widths.values())) > 1:
        raise InputError(f"torch gives {widths['torch']} classes, Paddle {widths['paddle']}", "align the last layer first")
    return found


@dataclass(slots=True)
class Tally:
    """Running figures over the rows that were added, in any order."""

    images: int = 0
    excluded: int = 0
    flips: int = 0
    right1: dict[str, int] = field(default_factory=dict)
    right5: dict[str, int] = field(default_factory=dict)
    losses: dict[str, float] = field(default_factory=dict)

    def add(self, rows: Iterable[ImageRow]) -> None:
        for row in rows:
            if row.row is None:
                self.excluded += 1
                continue
            self.images += 1
            for side, scores in (("torch", row.torch), ("paddle", row.paddle)):
                if scores is not None:
                    self.right1[side] = self.right1.get(side, 0) + (scores.rank < 1)
                    self.right5[side] = self.right5.get(side, 0) + (scores.rank < 5)
                    self.losses[side] = self.losses.get(side, 0.0) + scores.loss
            self.flips += _flipped(row)

    def percent(self, right: Mapping[str, int]) -> dict[str, float]:
        return {side: 100 * count / self.images for side, count in right.items()}

    def loss(self) -> dict[str, float]:
        return {side: total / self.images for side, total in self.losses.items()}


def summarise(pair: PairSpec, rows: Sequence[ImageRow], sides: Sequence[str], excluded: Sequence[tuple[str, str]]) -> EvalReport:
    """The report of all pictures; `excluded` are those that were left out before any was decoded. What only the run knows is
    left for it to set. The same whatever order the pictures came in, and however often the run was stopped."""
    judged = [row for row in rows if row.row is not None]
    left_out = (*excluded, *((row.name, row.problem) for row in rows if row.row is None))
    found = {side: _side_report([scores for row in judged if (scores := row.of(side)) is not None]) for side in sides}
    both = len(sides) == 2
    top1 = _paired(judged, 1) if both else None
    verdict: Literal["within", "beyond"] | None = None
    if top1 is not None:
        # What is not a number on both sides alike makes no gap, and is no port that is right.
        sound = not any(side.nan for side in found.values())
        verdict = "within" if sound and is_within(top1, pair.eval.max_gap) else "beyond"
    return EvalReport(
        aligndbg=aligndbg.__version__,
        pair=pair.name,
        verdict=verdict,
        exit_code=1 if verdict == "beyond" else 0,
        headline=headline(pair, found, top1, verdict, len(judged)),
        images=len(judged),
        max_gap=pair.eval.max_gap,
        target_top1=pair.eval.target_top1,
        sides=found,
        top1=_paired_report(top1) if top1 else None,
        top5=_paired_report(_paired(judged, 5)) if both else None,
        difference=_difference(judged) if both else None,
        differing=_differing(judged)[:MOST_DIFFERING] if both else (),
        excluded=tuple(ExcludedPicture(name, problem) for name, problem in left_out),
    )


def headline(pair: PairSpec, sides: Mapping[str, SideReport], counts: PairedCounts | None, verdict: str | None, images: int) -> str:
    names = {"torch": "torch", "paddle": "Paddle"}
    tops = ", ".join(f"{names[side]} {report.top1:.2f} %" for side, report in sides.items())
    pictures = counted(images, "picture")
    nan = ", ".join(f"{names[side]} {report.nan}" for side, report in sides.items() if report.nan)
    broken = f", NaN in the logits of {nan}" if nan else ""
    if counts is None:
        return f"{pair.name}: top-1 {tops} on {pictures}{broken}"
    found = gap(counts)
    judged = "NaN" if nan and is_within(counts, pair.eval.max_gap) else f"{verdict} {pair.eval.max_gap:g} points"
    return f"{pair.name}: {judged} — top-1 {tops} on {pictures}, gap {found.points:+.2f} ± {found.error:.2f}{broken}"


def _side_scores(side: str, logits: Logits, labels: NDArray[np.int64]) -> list[SideScores]:
    try:
        scores = score(logits, labels)
    except ValueError as error:
        one_off = labels.size and labels.max() == logits.shape[1]
        raise InputError(f"{side}: {error}", "the labels start at 1: subtract 1 from each" if one_off else "") from None
    return [
        SideScores(int(rank), float(loss), tuple(zip(map(int, top), map(float, probability), strict=True)))
        for rank, loss, top, probability in zip(scores.rank, scores.loss, scores.top, scores.probability, strict=True)
    ]


def _side_report(scores: Sequence[SideScores]) -> SideReport:
    count = len(scores)
    right1, right5 = sum(one.rank < 1 for one in scores), sum(one.rank < 5 for one in scores)
    loss = _sum([one.loss for one in scores]) / count if count else math.nan
    shares = (100 * right1 / count, 100 * right5 / count) if count else (0.0, 0.0)
    return SideReport(*shares, _finite(loss), right1, right5, sum(math.isnan(one.loss) for one in scores))


def _paired(rows: Sequence[ImageRow], top: int) -> PairedCounts:
    return paired(*(np.array([_is_right(row.of(side), top) for row in rows], bool) for side in ("torch", "paddle")))


def _is_right(scores: SideScores | None, top: int) -> bool:
    return scores is not None and scores.rank < top


def _paired_report(counts: PairedCounts) -> PairedReport:
    found, test = gap(counts), mcnemar(counts)
    return PairedReport(
        counts.both,
        counts.only_torch,
        counts.only_paddle,
        counts.neither,
        found.points,
        found.error,
        found.low,
        found.high,
        test.method,
        test.statistic,
        test.p,
    )


def _difference(rows: Sequence[ImageRow]) -> DifferenceReport:
    gaps = [row.max_abs for row in rows if row.max_abs is not None]
    divergences = [row.divergence for row in rows if row.divergence is not None]
    mean = _sum(divergences) / len(divergences) if divergences else math.nan
    return DifferenceReport(sum(map(_flipped, rows)), _finite(_largest(gaps)), _finite(mean), _finite(_largest(divergences)))


def _differing(rows: Sequence[ImageRow]) -> tuple[PictureReport, ...]:
    """The pictures with another best class, the most divergent first."""
    flipped = [row for row in rows if _flipped(row)]
    return tuple(
        PictureReport(
            row.name,
            row.label,
            row.torch.top[0][0],
            row.paddle.top[0][0],
            row.torch.top[0][1],
            row.paddle.top[0][1],
            _finite(row.max_abs),
            _finite(row.divergence),
        )
        for row in sorted(flipped, key=lambda row: (-_ordered(row.divergence), row.position))
        if row.torch is not None and row.paddle is not None
    )


def _flipped(row: ImageRow) -> bool:
    if row.torch is None or row.paddle is None or not row.torch.top or not row.paddle.top:
        return False
    return row.torch.top[0][0] != row.paddle.top[0][0]


def _sum(values: Sequence[float]) -> float:
    """The same in whatever order: rounded once. Infinities of both signs have no sum."""
    try:
        return math.fsum(values)
    except (ValueError, OverflowError):
        return math.nan


def _largest(values: Sequence[float]) -> float:
    return math.nan if not values or any(map(math.isnan, values)) else max(values)


def _ordered(value: float | None) -> float:
    return math.inf if value is None or math.isnan(value) else value


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
