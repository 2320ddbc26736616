"""Ticks of an axis, as many as there is room for."""

from __future__ import annotations

import math
from collections.abc import Sequence

from textual_plot.axis_formatter import AxisFormatter

WIDEST = 7
"""Cells of a label."""


class Ticks(AxisFormatter):
    """At most `most` ticks at 1, 2 or 5 times a power of ten. `log`: the axis holds decimal logarithms; `whole`: whole numbers."""

    def __init__(self, most: int, log: bool = False, whole: bool = False) -> None:
        self.most = max(2, most)
        self.log = log
        self.whole = whole

    def get_ticks(self, min_: float, max_: float, max_ticks: int = 8) -> list[float]:
        if not self.log:
            return linear_ticks(min_, max_, self.most, 1.0 if self.whole else 0.0)
        low, high = math.ceil(min_), math.floor(max_)
        decades = list(range(low, high + 1, max(1, math.ceil((high - low + 1) / self.most))))
        between = [decade + math.log10(digit) for decade in range(math.floor(min_), high + 1) for digit in (1, 2, 5)]
        fine = [tick for tick in between if min_ <= tick <= max_]
        if 2 < len(fine) <= self.most:
            return fine
        if len(decades) > 2 or max_ - min_ > 1:
            return [float(tick) for tick in decades]
        return [math.log10(value) for value in linear_ticks(10.0**min_, 10.0**max_, self.most) if value > 0]

    def get_labels_for_ticks(self, ticks: Sequence[float]) -> list[str]:
        if self.log:
            return [short(10.0**tick) for tick in ticks]
        gap = min((after - before for before, after in zip(ticks, ticks[1:], strict=False)), default=1.0)
        decimals = max(0, -math.floor(math.log10(gap) + 1e-9)) if gap > 0 else 0
        labels = [f"{tick + 0.0:.{min(decimals, 20)}f}" for tick in ticks]
        return labels if max(map(len, labels), default=0) <= WIDEST else [short(tick) for tick in ticks]


def linear_ticks(low: float, high: float, most: int, least: float = 0.0) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten, which is no less than `least`; no more than `most` but where that is 1."""
    rough = max((high - low) / most, least)
    if not 0.0 < rough < math.inf:
        return []
    power = 10.0 ** math.floor(math.log10(rough))
    gap = next(power * digit for digit in (1, 2, 5, 10) if power * digit >= rough * (1 - 1e-9))
    first, last = math.ceil(low / gap - 1e-9), math.floor(high / gap + 1e-9)
    return [number * gap for number in range(first, min(last, first + most) + 1)]


def short(value: float) -> str:
    """In at most seven cells, most often exact: `0.05`, `12000`, `1e-5`, `2.5e7`."""
    text = f"{value:.3g}" if abs(value) < 1000 or abs(value) >= 99999.5 else f"{value:.0f}"
    mantissa, exponent, power = text.partition("e")
    return f"{mantissa}e{int(power)}" if exponent else text
