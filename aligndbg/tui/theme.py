"""The two looks. Widgets name Textual's theme variables only, so that its own themes work as well."""

from __future__ import annotations

from textual.theme import Theme

from aligndbg.core.verdict import Verdict

DARK = Theme(
    name="aligndbg-dark",
    primary="#6cb6ff",
    secondary="#8b9eb7",
    accent="#57c7d4",
    foreground="#d3dae3",
    background="#0f1318",
    surface="#141a21",
    panel="#1d2530",
    success="#7cc58a",
    warning="#e3b35a",
    error="#f2777a",
    dark=True,
    variables={"block-cursor-foreground": "#d3dae3", "footer-key-foreground": "#57c7d4", "footer-background": "#0f1318"},
)

LIGHT = Theme(
    name="aligndbg-light",
    primary="#1c66a8",
    secondary="#5a6b7f",
    accent="#0b7285",
    foreground="#1d2733",
    background="#f4f6f8",
    surface="#ffffff",
    panel="#e3e9ef",
    success="#23783f",
    warning="#945c00",
    error="#c02a2f",
    dark=False,
    variables={"block-cursor-foreground": "#1d2733", "footer-key-foreground": "#0b7285", "footer-background": "#f4f6f8"},
)

VERDICT_CLASSES: dict[str, str] = {
    Verdict.OK: "good",
    Verdict.NOISE: "quiet",
    Verdict.BORN: "bad",
    Verdict.INHERITED: "warn",
    Verdict.SHAPE: "bad",
    Verdict.NAN: "bad",
    Verdict.UNPAIRED: "bad",
    Verdict.ERROR: "bad",
    "aligned": "good",
    "mismatch": "bad",
    "within": "good",
    "beyond": "bad",
}
"""Which of the table's component classes a verdict is drawn in."""

MUTED = "$foreground 60%"
"""Textual's own muted colour depends on its background, which text inside a line does not know."""

STYLES = {"good": "$text-success", "quiet": MUTED, "warn": "$text-warning", "bad": "bold $text-error"}


def verdict_class(verdict: str, mismatch: bool = True) -> str:
    """An unpaired layer that does no harm is quiet."""
    return "quiet" if verdict == Verdict.UNPAIRED and not mismatch else VERDICT_CLASSES.get(verdict, "bad")


def verdict_style(verdict: str, mismatch: bool = True) -> str:
    return STYLES[verdict_class(verdict, mismatch)]
