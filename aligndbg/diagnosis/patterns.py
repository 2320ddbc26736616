"""What Paddle's output alone tells, held against torch's: patterns that one mistake leaves in every element."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aligndbg.core.layers import Call
from aligndbg.core.program import Program
from aligndbg.diagnosis.case import Array, Case

NORMS = frozenset("batch_norm sync_batch_norm layer_norm group_norm instance_norm rms_norm".split())

_MANY = 64
"""So many elements at least tell a function of single elements from chance."""

_TURNS = 6
"""How often a function of one number may cross its whole range."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """A cause found in what Paddle's call computes. `told` follows the layer's name. `program` mends the layer and leaves `after`
    where torch's call could not be computed in Paddle."""

    cause: str
    told: str
    old: str = ""
    new: str = ""
    program: Program | None = None
    after: float | None = None


def single(case: Case) -> tuple[Array, Array] | None:
    """The only output of either side, in float64, where their shapes are equal and all is finite."""
    if len(case.torch) != 1 or len(case.paddle) != 1:
        return None
    torch, paddle = case.torch[0].astype(np.float64), case.paddle[0].astype(np.float64)
    same = torch.shape == paddle.shape and torch.size > 0 and np.isfinite(torch).all() and np.isfinite(paddle).all()
    return (torch, paddle) if same else None


def dropped(case: Case, repeats: bool) -> Hidden | None:
    """Elements dropped at random, and the others scaled up."""
    if repeats or len(case.paddle) != 1:
        return None
    torch, paddle = case.torch[0].astype(np.float64), case.paddle[0].astype(np.float64)
    if torch.shape != paddle.shape:
        return None
    alive = torch != 0
    gone = alive & (paddle == 0)
    kept = alive & ~gone
    if not gone.any() or not kept.any():
        return None
    share = gone.sum() / alive.sum()
    factor = float(np.median(paddle[kept] / torch[kept]))
    if np.abs(paddle[kept] - factor * torch[kept]).max() > max(case.limit * abs(factor), 1e-5 * np.abs(paddle).max()):
        return None
    return Hidden("dropout-active", f"drops {share:.0%} of its elements at random and scales the rest by {factor:.4g}, in eval")


def pattern(case: Case) -> Hidden | None:
    """Other patterns of Paddle's output against torch's alone."""
    if (both := single(case)) is None:
        return None
    torch, paddle = both
    limit = case.limit
    for words, made in (
        ("the absolute value of its result", np.abs(torch)),
        (f"its result cut to {paddle.min():.6g}..{paddle.max():.6g}", np.clip(torch, paddle.min(), paddle.max())),
        ("its result turned in sign", -torch),
    ):
        if np.abs(made - paddle).max() <= limit:
            return Hidden("extra-layer", f"gives {words}, torch does not")
    if torch.ndim < 2 or torch.shape[1] < 2:
        return None
    for axis in range(1, torch.ndim):
        if torch.shape[axis] > 1 and np.abs(_scaled_along(torch, paddle, axis) - paddle).max() <= limit:
            return Hidden("extra-layer", f"normalises its result over axis {axis}, torch does not")
    axes = tuple(axis for axis in range(torch.ndim) if axis != 1)
    error = paddle - torch
    if torch.size > torch.shape[1] and np.all(error.max(axis=axes) - error.min(axis=axes) <= 2 * limit):
        if case.like.kind in NORMS:
            return Hidden("weight-value", "computes with another bias or running mean than torch's")
        return Hidden("bias-extra", "adds a constant to each channel that torch does not add")
    order = _order(torch, paddle, limit)
    if order is not None:
        return Hidden("weight-permuted", f"gives its channels in another order: {_some(order)}")
    return None


def factor_of(torch: Array, paddle: Array, limit: float) -> float | None:
    """c where Paddle's output is c times torch's; None where it is not, or c is 0 or 1."""
    power = float(np.vdot(torch, torch))
    factor = float(np.vdot(torch, paddle)) / power if power else 1.0
    if not np.isfinite(factor) or not factor or abs(factor - 1) < 1e-4:
        return None
    return factor if np.abs(paddle - factor * torch).max() <= limit * max(1.0, abs(factor)) else None


def _order(torch: Array, paddle: Array, limit: float) -> list[int] | None:
    """Which of torch's channels each of Paddle's is, where that is a true permutation."""
    one, other = (np.moveaxis(values, 1, 0).reshape(values.shape[1], -1) for values in (torch, paddle))
    keys = [(float(row.sum()), k) for k, row in enumerate(one)]
    found: list[int] = []
    for row in other:
        total = float(row.sum())
        nearest = sorted(keys, key=lambda key: abs(key[0] - total))[:8]
        place = next((k for _, k in nearest if k not in found and np.abs(one[k] - row).max() <= limit), None)
        if place is None:
            return None
        found.append(place)
    return found if found != sorted(found) else None


def _scaled_along(torch: Array, paddle: Array, axis: int) -> Array:
    """torch's output times the number that fits Paddle's best, one for all along `axis`."""
    power = (torch * torch).sum(axis=axis, keepdims=True)
    factors: Array = (torch * paddle).sum(axis=axis, keepdims=True) / np.where(power > 0, power, 1.0)
    return np.asarray(torch * factors)


def is_affine_by_channel(torch: Array, paddle: Array, call: Call, limit: float) -> bool:
    """Whether Paddle's output is torch's times a number plus another for each channel; of a layer norm, for each place of its last
    axes."""
    shape = call.attributes.get("normalized_shape")
    inner = len(shape) if isinstance(shape, list) else 1
    if call.kind in ("layer_norm", "rms_norm"):
        one, other = (values.reshape(-1, int(np.prod(values.shape[values.ndim - inner :]))).T for values in (torch, paddle))
    else:
        one, other = (np.moveaxis(values, 1, 0).reshape(values.shape[1], -1) for values in (torch, paddle))
    means = one.mean(axis=1, keepdims=True), other.mean(axis=1, keepdims=True)
    power = ((one - means[0]) ** 2).sum(axis=1, keepdims=True)
    factor = ((one - means[0]) * (other - means[1])).sum(axis=1, keepdims=True) / np.where(power > 0, power, 1.0)
    fitted = means[1] + factor * (one - means[0])
    return bool(np.all(np.abs(fitted - other) <= limit * np.maximum(1.0, 2 * np.abs(factor))))


def is_pointwise(torch: Array, paddle: Array) -> bool:
    """Whether equal elements of torch's output are equal in Paddle's: in torch's order, Paddle's go up and down but a few times."""
    order = np.argsort(torch, axis=None, kind="stable")
    values = paddle.reshape(-1)[order]
    span = float(values.max() - values.min())
    return values.size >= _MANY and bool(np.abs(np.diff(values)).sum() <= _TURNS * span) and span > 0


def _some(order: Sequence[int]) -> str:
    return ", ".join(map(str, order[:6])) + (", ..." if len(order) > 6 else "")
