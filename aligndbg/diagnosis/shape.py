"""What an error looks like: where its cause is unknown, its shape is the best hint."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from aligndbg.diagnosis.case import Array, Arrays

_EXACT = 1e-4
"""Share of the error that a pattern may leave unexplained."""

_FEW = 4


def hints_of(torch: Arrays, paddle: Arrays) -> tuple[str, ...]:
    """Sentences on how Paddle's outputs differ from torch's, on the same inputs."""
    if len(torch) != len(paddle):
        return (f"torch gives {len(torch)} result{'s' * (len(torch) != 1)}, Paddle {len(paddle)}",)
    for one, other in zip(torch, paddle, strict=True):
        if one.shape != other.shape:
            return (f"the result is {list(other.shape)}, torch's is {list(one.shape)}",)
        if one.dtype.kind == "f" and one.size and not np.array_equal(one, other, equal_nan=True):
            return tuple(_hints(one.astype(np.float64), other.astype(np.float64)))
    return ()


def _hints(one: Array, other: Array) -> Iterator[str]:
    finite = np.isfinite(one) & np.isfinite(other)
    unlike = ~finite & (one != other) & ~(np.isnan(one) & np.isnan(other))
    if unlike.any():
        yield f"{int(unlike.sum())} of {unlike.size} elements are NaN or infinite on one side"
        return
    zero = not np.any(other)
    # What both sides mask alike is no part of the error.
    one, other = (np.where(finite, values, 0.0) for values in (one, other))
    error = other - one
    scale = float(np.abs(error).max())
    wrong = np.abs(error) > _EXACT * scale
    if zero:
        yield "Paddle's result is all zero"
    elif (factor := _factor(one, other)) is not None:
        yield f"Paddle's result is {factor:.6g} times torch's, everywhere"
    elif np.allclose(error, error.flat[0], rtol=0, atol=_EXACT * scale):
        yield f"the error is the same everywhere: {error.flat[0]:.6g}"
    elif one.ndim >= 2 and one.shape[1] > 1:
        yield from _by_channel(one, other, error, scale)
    if wrong.any() and not wrong.all():
        yield f"{wrong.sum() / wrong.size:.1%} of the elements are wrong"
        if _border_only(wrong):
            yield "only the border is wrong: look at padding, its mode, and what a pooling counts there"
        if (other[wrong] == 0).all() and (one[wrong] < 0).all():
            yield "only negative values are wrong, and Paddle's are zero there: look for an activation too many"
        elif (one[wrong] <= 0).all() and (one > 0).any():
            yield "only where torch's result is not positive: look at the activation"
    samples = [k for k, sample in enumerate(wrong) if sample.any()] if wrong.ndim else []
    if samples and len(samples) < len(wrong):
        yield f"only in {'sample' if len(samples) == 1 else 'the samples'} {_some(samples)}"
    if np.allclose(np.sort(one, axis=None), np.sort(other, axis=None), rtol=0, atol=_EXACT * scale):
        yield "both results hold the same values in another order"


def _by_channel(one: Array, other: Array, error: Array, scale: float) -> Iterator[str]:
    axes = tuple(axis for axis in range(one.ndim) if axis != 1)
    spread = error.max(axis=axes) - error.min(axis=axes)
    largest = np.abs(error).max(axis=axes)
    wrong = [int(k) for k in np.flatnonzero(largest > _EXACT * scale)]
    if len(wrong) < one.shape[1]:
        yield f"only {'channel' if len(wrong) == 1 else 'the channels'} {_some(wrong)} of {one.shape[1]}"
    if one.ndim > 2 and float(spread.max()) <= _EXACT * scale:
        yield "the error is constant within each channel: look at a bias or at running means"
    elif one.ndim > 2 and all(_factor(one[:, k], other[:, k]) is not None for k in wrong):
        channels = "each channel is" if len(wrong) == one.shape[1] else "each of them is"
        yield f"{channels} off by a factor of its own: look at a norm's weight, variance or epsilon"


def _factor(one: Array, other: Array) -> float | None:
    """c where other = c * one, c not 0 or 1."""
    power = float(np.vdot(one, one))
    if not power:
        return None
    factor = float(np.vdot(one, other)) / power
    scale = float(np.abs(other).max())
    fits = bool(np.abs(other - factor * one).max() <= _EXACT * scale)
    return factor if fits and factor and abs(factor - 1) > _EXACT else None


def _border_only(wrong: Array) -> bool:
    """Whether all wrong elements lie on the outer third of a plane, and there is an inside."""
    if wrong.ndim < 4 or min(wrong.shape[-2:]) < 5:
        return False
    rows, columns = (max(1, size // 6) for size in wrong.shape[-2:])
    return not wrong[..., rows:-rows, columns:-columns].any()


def _some(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:_FEW])) + (", ..." if len(numbers) > _FEW else "")
