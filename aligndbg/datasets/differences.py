"""What two pipelines do differently, one setting at a time, each as a change that can be tried."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from aligndbg.core.preprocessing import CenterCrop, Decode, Normalise, Resize, ResizeShort, Step, ToCHW, Triple
from aligndbg.datasets.pipeline import Pipeline
from aligndbg.errors import InputError

Cause = Literal[
    "resize-size",
    "crop-size",
    "decoder",
    "exif",
    "channel-order",
    "resize-rounding",
    "resize-filter",
    "interpolation",
    "crop-rounding",
    "scale",
    "mean",
    "std",
    "layout",
]
Change = Callable[[Pipeline], Pipeline]

_SIZES = ("size", "height", "width")
_FIELDS: tuple[tuple[Cause, tuple[type[Step], ...], tuple[str, ...]], ...] = (
    ("resize-size", (ResizeShort, Resize), _SIZES),
    ("crop-size", (CenterCrop,), _SIZES),
    ("decoder", (Decode,), ("backend",)),
    ("exif", (Decode,), ("exif",)),
    ("channel-order", (Decode,), ("colour",)),
    ("resize-rounding", (ResizeShort,), ("rounding",)),
    ("resize-filter", (ResizeShort, Resize), ("backend",)),
    ("interpolation", (ResizeShort, Resize), ("interpolation",)),
    ("crop-rounding", (CenterCrop,), ("rounding", "pad")),
)
"""In the order in which they are tried: sizes first, since tensors of different sizes cannot be compared."""
_CLOSE = 1e-6
"""Relative: two ways to write one number, such as 0.00392157 and 1/255."""
_AS_IT_IS = Normalise((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 1.0, divide=False)


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting that differs. `change` gives a pipeline the reference's value of it and leaves all else as it is.

    `reference` and `other` are the steps that hold it, with each side's value; a pipeline that lacks the step has None.
    """

    cause: Cause
    change: Change
    reference: Step | None
    other: Step | None


def differing_settings(reference: Pipeline, other: Pipeline) -> tuple[Setting, ...]:
    """The settings in which `other` is not as `reference`, each cause once, in the order in which they are to be tried.

    All changes one after the other make `other` do what `reference` does. Where one of them lacks a step, that comes first, and
    the rest is what differs once it is there. InputError for pipelines with random steps: two runs of one differ.
    """
    if reference.is_random or other.is_random:
        raise InputError("pipelines with random steps cannot be compared picture by picture", "compare the evaluation's")
    wanted, own = _explicit(reference), _explicit(other)
    found = list(_structure(wanted, own))
    for setting in found:
        own = setting.change(own)
    for cause, kinds, fields in _FIELDS:
        found += _setting(cause, wanted, own, kinds, _taking(wanted, kinds, fields))
    found += _normalisation(wanted, own)
    if _moves_first(wanted) != _moves_first(own):
        found.append(Setting("layout", lambda pipeline: _with_tail(pipeline, _moves_first(wanted)), ToCHW(), ToCHW()))
    return tuple(replace(setting, change=_on_explicit(setting.change)) for setting in found)


def variants(reference: Pipeline, other: Pipeline) -> Iterator[tuple[Cause, Pipeline]]:
    """`other` with one setting of the reference's at a time, all else its own: what each cause alone would mend."""
    for setting in differing_settings(reference, other):
        yield setting.cause, setting.change(other)


def mended(reference: Pipeline, other: Pipeline) -> Iterator[tuple[Cause, Pipeline]]:
    """`other` with the reference's settings one after the other, each kept: the last one does what the reference does."""
    current = other
    for setting in differing_settings(reference, other):
        current = setting.change(current)
        yield setting.cause, current


def _explicit(pipeline: Pipeline) -> Pipeline:
    """The same pipeline with nothing left to a default: EXIF said, pixels that are not normalised normalised by one."""
    first, *rest = pipeline.steps
    assert isinstance(first, Decode)
    steps: tuple[Step, ...] = (replace(first, exif=first.turns), *rest)
    if not any(isinstance(step, Normalise) for step in steps):
        place = steps.index(ToCHW())
        steps = (*steps[:place], _AS_IT_IS, *steps[place:])
    return Pipeline(steps)


def _on_explicit(change: Change) -> Change:
    return lambda pipeline: change(_explicit(pipeline))


def _structure(reference: Pipeline, other: Pipeline) -> Iterator[Setting]:
    """Pictures go through other kinds of steps: the reference's, with what `other` says of their settings but for the size."""
    kinds = [[type(step) for step in _picture_steps(each)] for each in (reference, other)]
    if kinds[0] == kinds[1]:
        return
    one, two = ([kind for kind in each if kind is not CenterCrop] for each in kinds)
    cause: Cause = "crop-size" if one == two else "resize-size"

    def change(pipeline: Pipeline) -> Pipeline:
        left = _picture_steps(pipeline)
        made = [
            _like(step, left, sized=isinstance(step, CenterCrop) == (cause == "crop-size")) for step in _picture_steps(reference)
        ]
        return Pipeline((pipeline.steps[0], *made, *pipeline.steps[-2:]))

    yield Setting(cause, change, _first_of(reference, cause), _first_of(other, cause))


def _like(step: Step, left: list[Step], sized: bool) -> Step:
    """`step` with the settings of the first of `left` that does such a thing, which is taken out; `sized`: but for the size."""
    resizes = isinstance(step, ResizeShort | Resize)
    own = next((each for each in left if isinstance(each, ResizeShort | Resize) == resizes), None)
    if own is None:
        return step
    left.remove(own)
    if type(step) is type(own):
        return _with_fields(own, step, _SIZES) if sized else own
    return _with_fields(step, own, ("backend", "interpolation"))


def _first_of(pipeline: Pipeline, cause: Cause) -> Step | None:
    return next((step for step in _picture_steps(pipeline) if isinstance(step, CenterCrop) == (cause == "crop-size")), None)


def _picture_steps(pipeline: Pipeline) -> list[Step]:
    return list(pipeline.steps[1:-2])


def _setting(
    cause: Cause, reference: Pipeline, other: Pipeline, kinds: tuple[type[Step], ...], change: Change
) -> Iterator[Setting]:
    """One where the change changes anything."""
    changed = change(other)
    for one, two, three in zip(reference.steps, other.steps, changed.steps, strict=True):
        if two != three and isinstance(two, kinds):
            yield Setting(cause, change, one, two)
            return


def _taking(reference: Pipeline, kinds: tuple[type[Step], ...], fields: tuple[str, ...]) -> Change:
    """The change that takes `fields` of the n-th step of these kinds from the reference's n-th."""

    def change(pipeline: Pipeline) -> Pipeline:
        left = iter([step for step in reference.steps if isinstance(step, kinds)])
        steps = []
        for own in pipeline.steps:
            wanted = next(left, None) if isinstance(own, kinds) else None
            steps.append(own if wanted is None else _with_fields(own, wanted, fields))
        return Pipeline(tuple(steps))

    return change


def _with_fields(own: Any, wanted: Any, fields: tuple[str, ...]) -> Step:
    taken = {name: getattr(wanted, name) for name in fields if hasattr(wanted, name) and hasattr(own, name)}
    try:
        step: Step = replace(own, **taken)
    except InputError:
        # A filter that the other back-end does not have: they change together.
        step = replace(own, backend=wanted.backend, interpolation=wanted.interpolation)
    return step


def _normalisation(reference: Pipeline, other: Pipeline) -> Iterator[Setting]:
    """Compared as functions of a pixel: a scale of 1 with a mean of 127.5 is 1/255 with 0.5."""
    wanted, own = _normalise(reference), _normalise(other)
    scaled = _scaled(own, wanted)
    if (own.scale, own.divide) != (wanted.scale, wanted.divide) or scaled == wanted != own:
        yield Setting("scale", lambda pipeline: _with_normalise(pipeline, _scaled(_normalise(pipeline), wanted)), wanted, own)
    if scaled.mean != wanted.mean:
        yield Setting(
            "mean",
            lambda pipeline: _with_normalise(pipeline, replace(_scaled(_normalise(pipeline), wanted), mean=wanted.mean)),
            wanted,
            scaled,
        )
    if scaled.std != wanted.std:
        yield Setting(
            "std",
            lambda pipeline: _with_normalise(pipeline, replace(_scaled(_normalise(pipeline), wanted), std=wanted.std)),
            wanted,
            scaled,
        )


def _scaled(own: Normalise, wanted: Normalise) -> Normalise:
    """`own` with the scale of `wanted`: the same function, or, where mean and std are the same already, the scale alone."""
    if _near(own.mean, wanted.mean) and _near(own.std, wanted.std):
        return wanted
    factor = wanted.scale / own.scale
    mean, std = (_times(each, factor) for each in (own.mean, own.std))
    mean, std = wanted.mean if _near(mean, wanted.mean) else mean, wanted.std if _near(std, wanted.std) else std
    return Normalise(mean, std, wanted.scale, wanted.divide)


def _times(values: Triple, factor: float) -> Triple:
    return values[0] * factor, values[1] * factor, values[2] * factor


def _near(one: Triple, two: Triple) -> bool:
    return all(math.isclose(first, second, rel_tol=_CLOSE) for first, second in zip(one, two, strict=True))


def _normalise(pipeline: Pipeline) -> Normalise:
    return next(step for step in pipeline.steps if isinstance(step, Normalise))


def _with_normalise(pipeline: Pipeline, step: Normalise) -> Pipeline:
    return Pipeline(tuple(step if isinstance(each, Normalise) else each for each in pipeline.steps))


def _moves_first(pipeline: Pipeline) -> bool:
    return isinstance(pipeline.steps[-1], Normalise)


def _with_tail(pipeline: Pipeline, moves_first: bool) -> Pipeline:
    tail = (ToCHW(), _normalise(pipeline)) if moves_first else (_normalise(pipeline), ToCHW())
    return Pipeline((*pipeline.steps[:-2], *tail))
