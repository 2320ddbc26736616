"""Ticks of an axis, as many as there is room for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

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
            return labels([10.0**tick for tick in ticks])
        gap = min((after - before for before, after in pairwise(ticks)), default=1.0)
        decimals = max(0, -math.floor(math.log10(gap) + 1e-9)) if gap > 0 else 0
        texts = [f"{tick + 0.0:.{min(decimals, 20)}f}" for tick in ticks]
        return texts if max(map(len, texts), default=0) <= WIDEST else labels(ticks)


def linear_ticks(low: float, high: float, most: int, least: float = 0.0) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten, which is no less than `least`; no more than `most` but where that is 1."""
    rough = max((high - low) / most, least)
    if not 0.0 < rough < math.inf:
        return []
    power = 10.0 ** math.floor(math.log10(rough))
    gap = next(power * digit for digit in (1, 2, 5, 10) if power * digit >= rough * (1 - 1e-9))
    first, last = math.ceil(low / gap - 1e-9), math.floor(high / gap + 1e-9)
    return [number * gap for number in range(first, min(last, first + most) + 1)]


def labels(values: Sequence[float]) -> list[str]:
    """As short as tells them apart: `0.05`, `12000`, `1e-5`, `2.5e7`."""
    best = [_short(value, 1) for value in values]
    for digits in range(2, WIDEST):
        texts = [_short(value, digits) for value in values]
        if max(map(len, texts), default=0) > WIDEST:
            break
        if len(set(texts)) > len(set(best)):
            best = texts
    return best


def _short(value: float, digits: int) -> str:
    text = f"{value:.{digits}g}"
    if abs(value) < 99999.5 and "e+" in text:
        text = f"{value:.0f}"
    mantissa, exponent, power = text.partition("e")
    return f"{mantissa}e{int(power)}" if exponent else text
