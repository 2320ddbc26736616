"""Which torch tensor fills which Paddle tensor, by what rule, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class WeightRule:
    """One Paddle tensor and how it is made from torch's.

    `rule` is `copy`, `transpose` (axes permuted by `axes`) or `split` (`part` of `parts` along axis 0, then `axes` if any).
    `flags` warn: `square` (a transposed matrix whose shape cannot tell), `by-name` (the layer never ran, so its class was not
    paired), `by-shape` (the class is unknown).
    """

    torch: str
    paddle: str
    rule: str
    reason: str
    axes: tuple[int, ...] = ()
    part: int = 0
    parts: int = 1
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WeightPlan:
    """The whole conversion. `unfilled` are Paddle keys nothing fills, `unused` torch keys nothing reads.

    `reasons` says why, for each of them: `side:key`, side `torch` or `paddle`, -> sentence.
    """

    rules: tuple[WeightRule, ...]
    unfilled: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)
