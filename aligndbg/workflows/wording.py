"""The words, glyphs and figures that every front end uses for the same thing."""

from __future__ import annotations

import math
from collections.abc import Sequence

from aligndbg.core.verdict import Verdict

GLYPHS: dict[str, str] = {
    Verdict.OK: "✓",
    Verdict.NOISE: "≈",
    Verdict.BORN: "✗",
    Verdict.INHERITED: "▼",
    Verdict.SHAPE: "≠",
    Verdict.NAN: "●",
    Verdict.UNPAIRED: "○",
    Verdict.ERROR: "◆",
    "aligned": "✓",
    "mismatch": "✗",
    "cannot-pair": "◆",
    "within": "✓",
    "beyond": "✗",
}
"""One cell each and present in the usual terminal fonts; always shown beside the word, so that no meaning hangs on colour."""

GUIDE_TOLERANCE = 1e-4
"""What the porting guide asks of the model's output."""


def verdict_text(verdict: str) -> str:
    """Glyph and word: `✗ born`."""
    return f"{GLYPHS.get(verdict, '◆')} {verdict}"


def figure(value: float | None) -> str:
    """A difference in at most seven cells: `7.5e-08`, `0.71`, `13.3`, `371`; `-` where there is none."""
    if value is None:
        return "-"
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Inf" if value > 0 else "-Inf"
    if value == 0.0:
        return "0"
    if 1e-3 <= abs(value) < 99.95:
        return f"{value:.3g}"
    return f"{value:.0f}" if 99.95 <= abs(value) < 1e5 else f"{value:.1e}"


def counted(number: int, noun: str) -> str:
    """`1 picture`, `2 pictures`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def tolerance_text(value: float) -> str:
    """`1e-4`, as the guide writes it."""
    short = f"{value:.0e}"
    return short.replace("e-0", "e-") if value and float(short) == value < 0.1 else f"{value:g}"


def shape_text(shape: Sequence[int] | None) -> str:
    """`1x96x54x54`; `scalar` for a tensor without axes, `-` where there is no tensor."""
    if shape is None:
        return "-"
    return "x".join(map(str, shape)) or "scalar"


def share(value: float) -> str:
    """A share 0..1 as a percentage that rounds neither to 0 nor to 100 what is not."""
    if 0.0 < value < 0.0005:
        return "<0.1 %"
    if 0.9995 < value < 1.0:
        return ">99.9 %"
    return f"{100 * value:.1f} %"
