"""What is wrong with a weight, from the values themselves."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from aligndbg.core.layers import ParamSpec
from aligndbg.diagnosis.case import Array, State

_ENOUGH = 1e-6
"""Relative distance within which two weights are the same values."""


@dataclass(frozen=True, slots=True)
class WeightCause:
    cause: str
    told: str


def weight_cause(state: State, torch: ParamSpec, paddle: ParamSpec) -> WeightCause | None:
    """Why Paddle's parameter does not hold what torch's does; None where it does."""
    actual = state.paddle.get(paddle.name)
    if actual is None:
        return None
    planned, source = state.planned.get(paddle.name), state.sources.get(paddle.name)
    if planned is None:
        return WeightCause("weight-missing", f"has a {paddle.role} ({paddle.name}) that no weight of torch's fills")
    if source != torch.name and torch.role == paddle.role:
        return WeightCause("weight-shared", f"uses {paddle.name}, which is filled from {source}; torch's {torch.name} is another")
    if same(planned, actual):
        return None
    if paddle.tied and not torch.tied:
        return WeightCause("weight-shared", f"shares its {paddle.role} with {', '.join(paddle.tied)}; in torch they are apart")
    for words, variant in variants(planned):
        if same(variant, actual):
            return WeightCause(variant_cause(words), f"holds {paddle.name} {words}")
    return WeightCause("weight-value", f"holds values in {paddle.name} that are not torch's{_ratio(planned, actual)}")


def variant_cause(words: str) -> str:
    """The id for what `variants` calls so."""
    return "weight-transposed" if words.startswith("transposed") else "weight-permuted"


def variants(weight: Array) -> Iterator[tuple[str, Array]]:
    """What a port makes of a weight by mistake, in words and as it is then: transposed, flipped, reversed along an axis.

    What leaves it as it is, as a flip of a 1x1 kernel does, is none.
    """
    return ((words, other) for words, other in _rearranged(weight) if not np.array_equal(other, weight, equal_nan=True))


def _rearranged(weight: Array) -> Iterator[tuple[str, Array]]:
    if weight.ndim >= 2 and weight.shape[0] == weight.shape[1]:
        yield "transposed", np.ascontiguousarray(np.swapaxes(weight, 0, 1))
    if weight.ndim >= 4 and weight.shape[-1] == weight.shape[-2] > 1:
        yield "transposed in height and width", np.ascontiguousarray(np.swapaxes(weight, -1, -2))
    if weight.ndim >= 3:
        spatial = tuple(range(2, weight.ndim))
        yield "flipped in space, as a true convolution has it", np.ascontiguousarray(np.flip(weight, spatial))
        for axis in spatial:
            yield f"reversed along axis {axis}", np.ascontiguousarray(np.flip(weight, axis))
    for axis in range(min(weight.ndim, 2)):
        if weight.shape[axis] > 1:
            yield f"reversed along axis {axis}", np.ascontiguousarray(np.flip(weight, axis))
        if weight.shape[axis] > 2:
            for shift in (1, -1):
                yield f"rolled by {shift} along axis {axis}", np.roll(weight, shift, axis)
            yield from _interleaved(weight, axis)
    for axis, parts in itertools.product(range(min(weight.ndim, 2)), (2, 3, 4)):
        if weight.shape[axis] % parts == 0 and weight.shape[axis] > parts:
            for order in list(itertools.permutations(range(parts)))[1:]:
                pieces = np.split(weight, parts, axis)
                yield (
                    f"with its {parts} parts along axis {axis} in the order {list(order)}",
                    np.concatenate([pieces[k] for k in order], axis),
                )


def _interleaved(weight: Array, axis: int) -> Iterator[tuple[str, Array]]:
    """One of each part in turn, and the same undone: what a shuffle in groups makes of channels."""
    size = weight.shape[axis]
    order = np.arange(size)
    for parts in (2, 3, 4, 8):
        if size % parts == 0 and size > parts:
            yield f"interleaved in {parts} along axis {axis}", np.take(weight, order.reshape(parts, -1).T.reshape(-1), axis)
            yield f"interleaved in {size // parts} along axis {axis}", np.take(weight, order.reshape(-1, parts).T.reshape(-1), axis)


def same(one: Array, other: Array) -> bool:
    """Whether two weights are equal but for rounding; NaN is equal to NaN."""
    if one.shape != other.shape:
        return False
    scale = float(np.max(np.abs(one), where=np.isfinite(one), initial=0.0))
    return bool(np.allclose(one, other, rtol=_ENOUGH, atol=_ENOUGH * scale, equal_nan=True))


def _ratio(planned: Array, actual: Array) -> str:
    """That all values are off by one factor, where they are."""
    if planned.shape != actual.shape or not np.any(planned):
        return ""
    one, other = planned.astype(np.float64), actual.astype(np.float64)
    factor = float(np.vdot(one, other)) / float(np.vdot(one, one))
    if factor and math.isfinite(factor) and same(planned * factor, actual):
        return f": they are {factor:.6g} times as large"
    return ""
