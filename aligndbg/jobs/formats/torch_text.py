"""What the torch world's three loggers have in common: `name value (average)`, and a summary that starts with a star.

Accuracies are percents. In an evaluation the average so far is taken, as it ends at the result; in training the step's own value.
"""

from __future__ import annotations

import re

from aligndbg.jobs.formats.parser import Memory, Reading
from aligndbg.jobs.formats.text import NUMBER, with_eta
from aligndbg.jobs.metrics import Phase, canonical, is_accuracy

_METER = re.compile(
    rf"(?<![A-Za-z0-9_@/])([A-Za-z][A-Za-z0-9_@/]{{0,31}}):?[ \t]{{1,8}}({NUMBER})(?:s?[ \t]{{0,4}}\([ \t]{{0,8}}({NUMBER}))?"
)
_SUMMARY = re.compile(
    rf"\*[ \t]{{1,8}}Acc@1[ \t]{{1,8}}({NUMBER})(?:[ \t]{{1,4}}\({NUMBER}\))?[ \t]{{1,8}}Acc@5[ \t]{{1,8}}({NUMBER})"
)


def meters(text: str, phase: Phase) -> dict[str, float]:
    """Values under their canonical names, the first where a name comes twice."""
    found: dict[str, float] = {}
    for name, value, average in _METER.findall(text):
        known = canonical(name)
        averaged = phase == "eval" and average and (known == "loss" or is_accuracy(known))
        found.setdefault(known, float(average if averaged else value))
    return with_eta(found, text)


def summary(text: str, memory: Memory) -> Reading | None:
    """` * Acc@1 83.900 Acc@5 96.400`, with or without the errors in parentheses that timm adds."""
    if "Acc@1" not in text or (found := _SUMMARY.search(text)) is None:
        return None
    return Reading("eval", {"top1": float(found[1]), "top5": float(found[2])}, memory.epoch)
