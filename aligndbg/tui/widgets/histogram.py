"""Bars drawn with eighths of a block."""

from __future__ import annotations

import math
from collections.abc import Sequence

from textual.content import Content

from aligndbg.core.stats import DiffDetail
from aligndbg.tui.theme import MUTED
from aligndbg.workflows.wording import figure, tolerance_text

EIGHTHS = " ▁▂▃▄▅▆▇█"

HEIGHT = 5
"""Lines of a histogram."""


def exponent_histogram(detail: DiffDetail, width: int, tolerance: float | None) -> Content:
    """How many elements differ by how much: one bar a power of two, its height the logarithm of the count.

    Bars over `tolerance` are drawn as wrong. Powers are pooled where they do not fit into `width`.
    """
    step = max(1, math.ceil(len(detail.exponents) / width))
    counts = [sum(detail.exponents[start : start + step]) for start in range(0, len(detail.exponents), step)]
    firsts = [detail.first_exponent + step * place for place in range(len(counts))]
    wide = max(1, min(3, width // max(1, len(counts))))
    tall = math.log10(max(counts) + 1)
    eighths = [math.ceil(8 * HEIGHT * math.log10(count + 1) / tall) if count else 0 for count in counts]
    over = [tolerance is not None and 2.0**first >= tolerance for first in firsts]
    lines = []
    for line in reversed(range(HEIGHT)):
        # A gap between wide bars lets them be counted.
        pieces = [
            (
                EIGHTHS[min(8, max(0, height - 8 * line))] * max(1, wide - 1) + (" " if wide > 1 else ""),
                "$text-error" if bad else "$text-primary",
            )
            for height, bad in zip(eighths, over, strict=True)
        ]
        lines.append(Content.assemble(*pieces))
    lines.append(Content.styled(_axis(firsts, step, wide), MUTED))
    if tolerance is not None:
        lines.append(_tolerance(firsts, step, wide, tolerance))
    return Content("\n").join(lines)


def _axis(firsts: list[int], step: int, wide: int) -> str:
    """The decades under the bars that they fall into, where there is room for them."""
    axis = [" "] * (wide * len(firsts) + 6)
    free = 0
    decades: dict[int, int] = {}
    for place, first in enumerate(firsts):
        decade = math.ceil(first * math.log10(2))
        if 10.0**decade < 2.0 ** (first + step):
            decades[decade] = place
    for decade, place in decades.items():
        text = f"1e{decade}" if decade else "1"
        if place * wide >= free:
            axis[place * wide : place * wide + len(text)] = text
            free = place * wide + len(text) + 1
    return "".join(axis).rstrip()


def _tolerance(firsts: list[int], step: int, wide: int, tolerance: float) -> Content:
    text = f"tolerance {tolerance_text(tolerance)}"
    if not 2.0 ** firsts[0] <= tolerance < 2.0 ** (firsts[-1] + step):
        side = "all below" if tolerance >= 2.0 ** firsts[0] else "all above"
        return Content.styled(f"{side} the {text}", MUTED)
    place = next(position for position, first in enumerate(firsts) if tolerance < 2.0 ** (first + step))
    before = " " * (wide * place)
    if wide * (len(firsts) - place) < len(text) + 2 and wide * place > len(text) + 1:
        return Content.styled(f"{text} ▲".rjust(wide * place + 1), MUTED)
    return Content.styled(f"{before}▲ {text}", MUTED)


def sparkline(values: Sequence[float], width: int) -> str:
    """One line of bars on a linear scale from 0; values are pooled by their largest where they do not fit."""
    if not values:
        return ""
    columns = min(width, len(values))
    pooled = [
        max(values[len(values) * place // columns : max(len(values) * (place + 1) // columns, len(values) * place // columns + 1)])
        for place in range(columns)
    ]
    finite = [value for value in pooled if math.isfinite(value)]
    top = max(finite, default=0.0)
    return "".join(_eighth(value, top) for value in pooled)


def _eighth(value: float, top: float) -> str:
    if math.isnan(value):
        return "?"
    if value <= 0.0 or top <= 0.0:
        return "▁" if value == 0.0 else EIGHTHS[-1]
    return EIGHTHS[min(8, max(1, math.ceil(8 * value / top)))] if math.isfinite(value) else EIGHTHS[-1]


def scale_text(top: float) -> str:
    return f"0 … {figure(top)}"
