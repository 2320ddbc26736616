"""Two pipelines on the same pictures: where they part, and which setting is to blame for how much of it.

A cause is found by trying it: the other pipeline takes over the reference's settings one after the other, and what goes with each
is its share. What is written differently and changes no pixel is a note.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from aligndbg.core.preprocessing import CenterCrop, Decode, Normalise, Step, ToCHW
from aligndbg.datasets.difference_words import remedy, sentence
from aligndbg.datasets.differences import Cause, Setting, differing_settings
from aligndbg.datasets.differences import mended as mended
from aligndbg.datasets.differences import variants as variants
from aligndbg.datasets.listing import BadPicture
from aligndbg.datasets.pipeline import Pipeline, Raster, perform
from aligndbg.errors import InputError

SAME = 1e-5
"""Largest |difference| that is float32's rounding alone, of values up to 1 (and as much more of larger ones); one grey level of a
normalised tensor is 1.7e-2."""
STAGES = ("decode", "exif", "colour", "resize", "crop", "normalise")
_EXAMPLES = 5
_ORDERED_BY = 24
"""Pictures that decide which setting is tried first."""


@dataclass(frozen=True, slots=True)
class StageDifference:
    """How far the pictures are apart after a stage: on the scale 0..255, after `normalise` on the model's.

    `resized` of the `differing` ones have another size there, and no part in the numbers. `mean_abs` is the mean over the pictures,
    the alike ones too, of each one's mean.
    """

    stage: str
    pictures: int
    differing: int
    resized: int
    mean_abs: float
    max_abs: float


@dataclass(frozen=True, slots=True)
class PreprocessCause:
    """A setting that differs, and what came of taking the reference's.

    `before` and `after` are the mean |d| to the reference's tensors over all pictures, before and after it was changed; those above
    it were changed already. `share` is its part of the whole, below 0 where another cause had hidden it. `alone` is the mean |d|
    that the other's value makes in the reference's pipeline. Each is None where it compares tensors of different sizes. `pictures`
    are those whose tensor it changed, `examples` the ones that it changed most.
    `found`: it changed some, and the difference went down by it or comes of it alone.
    """

    id: Cause
    found: bool
    message: str
    fix: str
    share: float | None
    pictures: int
    before: float | None
    after: float | None
    alone: float | None
    examples: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class PipelineComparison:
    """`identical` of `pictures` have the same tensor, but for float32's rounding; `mean_abs` and `max_abs` are of the tensors.

    `left` is the mean |d| once all settings are the reference's: 0 where the causes explain everything. Those found are `causes`,
    in the order in which they were tried; the others are `notes`. None where tensors have different sizes.
    """

    pictures: int
    identical: int
    mean_abs: float | None
    max_abs: float | None
    left: float | None
    stages: tuple[StageDifference, ...]
    causes: tuple[PreprocessCause, ...]
    notes: tuple[PreprocessCause, ...]
    problems: tuple[BadPicture, ...]


def compare_pipelines(
    reference: Pipeline, other: Pipeline, paths: Iterable[Path], names: tuple[str, str] = ("torch", "paddle")
) -> PipelineComparison:
    """Both pipelines on every picture, and `other` mended setting by setting. `names` are the two sides' in messages.

    A picture that either cannot use is a problem and counts nowhere else. The setting that takes most away, of the first pictures,
    is tried first. InputError for pipelines with random steps.
    """
    settings = differing_settings(reference, other)
    back = {setting.cause: setting.change for setting in differing_settings(other, reference)}
    measured: list[_Measured] = []
    problems = []
    listed = list(paths)
    ordered = _in_order(settings, reference, other, listed[:_ORDERED_BY])
    chain = [other]
    for setting in ordered:
        chain.append(setting.change(chain[-1]))
    alone = [back[setting.cause](reference) if setting.cause in back else reference for setting in ordered]
    for path in listed:
        try:
            measured.append(_measure(path, reference, chain, alone))
        except InputError as error:
            problems.append(BadPicture(path.name, path, error.message))
    causes = [_cause(place, setting, measured, names) for place, setting in enumerate(ordered)]
    return PipelineComparison(
        pictures=len(measured),
        identical=sum(not each.chain[0].differs for each in measured),
        mean_abs=_finite(_mean(each.chain[0].mean for each in measured)),
        max_abs=_finite(max((each.chain[0].largest for each in measured), default=0.0)),
        left=_finite(_mean(each.chain[-1].mean for each in measured)),
        stages=tuple(_stage(name, [each.stages[place] for each in measured]) for place, name in enumerate(STAGES)),
        causes=tuple(cause for cause in causes if cause.found),
        notes=tuple(cause for cause in causes if not cause.found),
        problems=tuple(problems),
    )


@dataclass(frozen=True, slots=True)
class _Distance:
    """Mean and largest |difference| of two arrays, infinite where their shapes differ; `differs` by more than rounding."""

    mean: float
    largest: float
    differs: bool


@dataclass(frozen=True, slots=True)
class _Measured:
    """One picture: after each stage, to the reference after each change, from change to change, and of each setting alone."""

    path: Path
    stages: tuple[_Distance, ...]
    chain: tuple[_Distance, ...]
    moved: tuple[_Distance, ...]
    alone: tuple[_Distance, ...]


class _Picture:
    """One picture through many pipelines that have most of their steps in common: each step is taken once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._decoded: dict[Decode, Raster] = {}
        self._made: dict[tuple[int, tuple[Step, ...]], Raster] = {}

    def decoded(self, step: Decode) -> Raster:
        """The raster of the first way to decode that gave the same pixels."""
        key = replace(step, exif=step.turns)
        if key not in self._decoded:
            found = Pipeline((step, ToCHW())).decoded(self._path)
            alike = (other for other in self._decoded.values() if np.array_equal(np.asarray(other), np.asarray(found)))
            self._decoded[key] = next(alike, found)
        return self._decoded[key]

    def after(self, steps: Sequence[Step]) -> Raster:
        """What the first steps of a pipeline make."""
        first = steps[0]
        assert isinstance(first, Decode)
        raster = self.decoded(first)
        start, chw = id(raster), False
        for count, step in enumerate(steps[1:], 2):
            key = start, tuple(steps[1:count])
            if key not in self._made:
                try:
                    self._made[key] = perform(step, raster, chw)
                except MemoryError:
                    raise InputError("no memory for a picture of this size") from None
            raster = self._made[key]
            chw = chw or isinstance(step, ToCHW)
        return raster


def _in_order(settings: Sequence[Setting], reference: Pipeline, other: Pipeline, paths: Sequence[Path]) -> list[Setting]:
    """Whichever takes most away comes first, then whichever takes most of what is left; ties stay in the order of the pipeline."""
    pictures = [_Picture(path) for path in paths]
    current, left, ordered = other, list(settings), []
    while left:
        tried = [(_apart(pictures, reference, setting.change(current)), setting) for setting in left]
        _, best = min(tried, key=lambda each: each[0])
        ordered.append(best)
        left.remove(best)
        current = best.change(current)
    return ordered


def _apart(pictures: Sequence[_Picture], reference: Pipeline, other: Pipeline) -> tuple[int, float]:
    """Pictures whose tensors have different shapes, and the sum of the others' mean |d|, without what is rounding."""
    shapes, total = 0, 0.0
    for picture in pictures:
        try:
            distance = _distance(picture.after(reference.steps), picture.after(other.steps))
        except InputError:
            continue
        shapes += not math.isfinite(distance.mean)
        total += distance.mean if math.isfinite(distance.mean) and distance.differs else 0.0
    return shapes, total


def _measure(path: Path, reference: Pipeline, chain: Sequence[Pipeline], alone: Sequence[Pipeline]) -> _Measured:
    picture = _Picture(path)
    wanted = picture.after(reference.steps)
    made = [picture.after(pipeline.steps) for pipeline in chain]
    stages = [_distance(*(picture.after(_until(pipeline, stage)) for pipeline in (reference, chain[0]))) for stage in STAGES]
    return _Measured(
        path,
        tuple(stages),
        tuple(_distance(each, wanted) for each in made),
        tuple(_distance(one, two) for one, two in pairwise(made)),
        tuple(_distance(picture.after(pipeline.steps), wanted) for pipeline in alone),
    )


def _until(pipeline: Pipeline, stage: str) -> tuple[Step, ...]:
    """The steps up to a stage's end; decoding is three of them: as the file lies, turned, and in the model's colour order."""
    first = pipeline.steps[0]
    assert isinstance(first, Decode)
    match stage:
        case "decode":
            return (replace(first, exif=False, colour="rgb"),)
        case "exif":
            return (replace(first, colour="rgb"),)
        case "colour":
            return (first,)
        case "normalise":
            return pipeline.steps
    left_out = (Normalise, ToCHW) if stage == "crop" else (Normalise, ToCHW, CenterCrop)
    return tuple(step for step in pipeline.steps if not isinstance(step, left_out))


def _distance(one: Raster, two: Raster) -> _Distance:
    if one is two:
        return _Distance(0.0, 0.0, False)
    first, second = np.asarray(one), np.asarray(two)
    if first.shape != second.shape:
        return _Distance(math.inf, math.inf, True)
    apart = np.maximum(first, second) - np.minimum(first, second)
    largest = float(apart.max())
    rounding = SAME * max(1.0, float(first.max()), -float(first.min())) if largest else 0.0
    return _Distance(float(apart.mean(dtype=np.float64)), largest, largest > rounding)


def _stage(name: str, distances: Sequence[_Distance]) -> StageDifference:
    compared = [each for each in distances if math.isfinite(each.largest)]
    return StageDifference(
        name,
        len(distances),
        sum(each.differs for each in distances),
        len(distances) - len(compared),
        _mean(each.mean for each in compared),
        max((each.largest for each in compared), default=0.0),
    )


def _cause(place: int, setting: Setting, measured: Sequence[_Measured], names: tuple[str, str]) -> PreprocessCause:
    levels = [_mean(each.chain[index].mean for each in measured) for index in range(place + 2)]
    before, after = levels[-2:]
    whole = next((level for level in levels if math.isfinite(level)), math.inf)
    moved = sorted((each for each in measured if each.moved[place].differs), key=lambda each: each.moved[place].mean, reverse=True)
    return PreprocessCause(
        id=setting.cause,
        found=bool(moved) and (after < before or any(each.alone[place].differs for each in measured)),
        message=sentence(setting, *names),
        fix=remedy(setting),
        share=(before - after) / whole if whole and math.isfinite(before) else None,
        pictures=len(moved),
        before=_finite(before),
        after=_finite(after),
        alone=_finite(_mean(each.alone[place].mean for each in measured)),
        examples=tuple(each.path for each in moved[:_EXAMPLES]),
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return math.fsum(listed) / len(listed) if listed else 0.0
