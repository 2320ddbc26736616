"""Findings in words: causes first, each kind of fault once however many layers have it, the place to change and the proof."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from aligndbg.core.findings import Finding, Status
from aligndbg.report.document import Block, Paragraph, Span, Style, line
from aligndbg.workflows.wording import counted, figure

MOST_CAUSES = 12
"""Blocks of the text; the report and the app hold the rest."""

MOST_WARNINGS = 5

MOST_LAYERS = 3
"""Named of those that share a finding."""

ORDER = (Status.FOUND, Status.UNKNOWN, Status.WARNING)
"""What a reader can act on comes first."""

MARKS: dict[Status, str] = {Status.FOUND: "✗ found", Status.UNKNOWN: "? unknown", Status.WARNING: "▲ warning"}

STYLES: dict[Status, Style] = {Status.FOUND: "bad", Status.UNKNOWN: "bad", Status.WARNING: "warn"}

UNKNOWN = "unknown"
"""The id that its status says already."""

INDENT = 4
"""Cells in front of what belongs to a finding's first line."""


@dataclass(frozen=True, slots=True)
class Group:
    """The same fault at one layer or at several, in the order in which they were found."""

    members: tuple[Finding, ...]

    @property
    def first(self) -> Finding:
        return self.members[0]

    @property
    def layers(self) -> tuple[str, ...]:
        return tuple(finding.layer for finding in self.members)

    @property
    def others(self) -> str:
        """`a, b, c and 91 more`: the layers after the first; `""` where there is none."""
        names = self.layers[1:]
        more = f" and {len(names) - MOST_LAYERS} more" if len(names) > MOST_LAYERS else ""
        return ", ".join(names[:MOST_LAYERS]) + more

    @property
    def proof(self) -> str:
        """The largest |d| before the fix, where the shapes are equal, and with it; `""` where neither was measured."""
        before, after = (_largest(getattr(finding.evidence, when) for finding in self.members) for when in ("before", "after"))
        if after is None:
            return "" if before is None else f"max|d| {figure(before)}"
        if before is None:
            return f"shapes differ -> max|d| {figure(after)} with the fix"
        return f"max|d| {figure(before)} -> {figure(after)} with the fix"


def grouped(findings: Iterable[Finding]) -> list[Group]:
    """Causes, then faults without one, then warnings."""
    groups: dict[tuple[object, ...], list[Finding]] = {}
    for finding in sorted(findings, key=lambda finding: ORDER.index(finding.status)):
        groups.setdefault(kind_of(finding), []).append(finding)
    return [Group(tuple(members)) for members in groups.values()]


def kind_of(finding: Finding) -> tuple[object, ...]:
    """What the findings of one group have in common: an argument, or, where none is at fault, all but the layer's name."""
    head = (finding.status, finding.id, finding.side, finding.old, finding.new)
    if finding.old or finding.new:
        return head
    return (*head, _nameless(finding, finding.message), _nameless(finding, finding.fix), finding.hints)


def counts_text(groups: Sequence[Group]) -> str:
    """`3 causes, 1 unknown, 2 warnings`."""
    numbers = [sum(group.first.status is status for group in groups) for status in ORDER]
    words = [counted(numbers[0], "cause"), f"{numbers[1]} unknown", counted(numbers[2], "warning")]
    return ", ".join(word for number, word in zip(numbers, words, strict=True) if number)


def place_text(source: str | None) -> str:
    """`file:line` as the user would type it from the working folder; `""` where there is none."""
    if not source:
        return ""
    path, here = Path(source), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else source


def change(finding: Finding) -> str:
    """What to type: `ceil_mode=False -> ceil_mode=True`, or the fix in words; `""` where none is known."""
    return f"{finding.old} -> {finding.new}" if finding.old and finding.new else finding.fix or finding.new


def fix_line(finding: Finding) -> str:
    """Where and what to change, in one line that can be copied; `""` where nothing is known."""
    return "  ".join(part for part in (place_text(finding.source), change(finding)) if part)


def finding_line(finding: Finding) -> str:
    """`found: features.2: ceil-mode: ...`, while the run goes on."""
    return f"{finding.status}: {finding.layer}: {finding.id}: {finding.message}"


class News:
    """Which findings are news to one who has seen those before: of a fault at many layers, the first."""

    def __init__(self) -> None:
        self._told: set[tuple[object, ...]] = set()

    def take(self, finding: Finding) -> str:
        """The line to show; `""` for one that repeats."""
        kind = kind_of(finding)
        if kind in self._told:
            return ""
        self._told.add(kind)
        return finding_line(finding)


def findings_blocks(findings: Sequence[Finding]) -> Iterator[Block]:
    """Blocks of the text report, with no empty line around them."""
    groups = grouped(findings)
    warnings = [group for group in groups if group.first.status is Status.WARNING]
    causes = groups[: len(groups) - len(warnings)]
    for group in causes[:MOST_CAUSES]:
        yield from _cause(group)
    if len(causes) > MOST_CAUSES:
        yield line(f"… and {counted(len(causes) - MOST_CAUSES, 'more fault')}")
    yield from (_warning(group) for group in warnings[:MOST_WARNINGS])
    if len(warnings) > MOST_WARNINGS:
        yield line(f"… and {counted(len(warnings) - MOST_WARNINGS, 'more warning')}")


def _cause(group: Group) -> Iterator[Block]:
    finding = group.first
    named = f" ({finding.id})" if finding.id != UNKNOWN else ""
    yield _hanging(
        Span(f"{MARKS[finding.status]}: ", STYLES[finding.status]), Span(finding.layer, "strong"), f"{named}: {finding.message}"
    )
    if fix := fix_line(finding):
        yield _under("fix: ", fix)
    if proof := group.proof:
        yield _under("", proof)
    yield from (_under("hint: ", hint) for hint in finding.hints)
    if others := group.others:
        yield _under("also at ", others)


def _warning(group: Group) -> Block:
    finding = group.first
    parts = [f": {finding.message}", fix_line(finding), f"also at {group.others}" if group.others else ""]
    said = " · ".join(part for part in parts if part)
    return _hanging(Span(f"{MARKS[finding.status]}: ", "warn"), Span(finding.layer, "strong"), f" ({finding.id}){said}")


def _hanging(label: Span, *pieces: str | Span) -> Paragraph:
    return Paragraph((label, *line(*pieces).spans), INDENT)


def _under(label: str, text: str) -> Paragraph:
    return _hanging(Span(" " * INDENT + label, "dim"), text)


def _nameless(finding: Finding, text: str) -> str:
    for name in (finding.layer, finding.paddle_layer):
        text = text.replace(name, "") if name else text
    return text


def _largest(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return max(known, key=lambda value: (math.isnan(value), value)) if known else None
