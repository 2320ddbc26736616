"""What a run tells of causes: differences between attributes before any number, findings at the end, fixes tried in between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from aligndbg.core.findings import Finding, Status
from aligndbg.core.layers import Call, LayerPair
from aligndbg.core.verdict import LayerResult
from aligndbg.diagnosis.catalogue import attribute_differences
from aligndbg.diagnosis.remedy import Remedy
from aligndbg.diagnosis.telling import dropout_warning, idle_warning, warning_of
from aligndbg.errors import UsageError
from aligndbg.workflows.diagnose import apply
from aligndbg.workflows.events import FindingMade
from aligndbg.workflows.sides import Sides
from aligndbg.workflows.stream import Tell
from aligndbg.workflows.wording import figure

ALL = "all"
"""In place of `LAYER:ID`: every finding that has a fix."""


class Causes:
    """The findings of one run."""

    def __init__(self, layers: Sequence[LayerPair], tell: Tell) -> None:
        self._tell = tell
        self._found: list[Finding] = []
        self._warnings = tuple(warnings_of(layers))
        self._fixed: dict[tuple[str, str], Finding] = {}

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Causes that were found, then faults without one, then what is set differently and does not show."""
        told = {key_of(finding) for finding in self._found} | self._fixed.keys()
        order = [Status.FOUND, Status.UNKNOWN]
        return (
            *sorted(self._found, key=lambda finding: order.index(finding.status)),
            *(warning for warning in self._warnings if key_of(warning) not in told),
        )

    def warn(self) -> None:
        for warning in self._warnings:
            if key_of(warning) not in self._fixed:
                self._tell(FindingMade(warning))

    def tell(self, remedies: Iterable[Remedy], layers: Sequence[LayerPair], results: Mapping[int, LayerResult]) -> None:
        """What was found, and which calls of one side alone make no difference here."""
        for remedy in remedies:
            self._found.append(remedy.finding)
            self._tell(FindingMade(remedy.finding))
        known = {key_of(finding) for finding in (*self._found, *self._warnings)} | self._fixed.keys()
        for row in layers:
            if not results[row.index].mismatch and (idle := idle_warning(row)) is not None and key_of(idle) not in known:
                self._warnings += (idle,)
                self._tell(FindingMade(idle))

    def try_out(self, sides: Sides, remedies: Sequence[Remedy], wanted: Sequence[str]) -> tuple[str, ...]:
        """Carry out the fixes that are `wanted` in the live model; those that these remedies do not have are given back.

        UsageError where they have none of them, or one that cannot be tried.
        """
        left = tuple(text for text in wanted if not _chosen(remedies, text))
        if len(left) == len(wanted) and ALL not in wanted:
            able = ", ".join(f"{remedy.finding.layer}:{remedy.finding.id}" for remedy in remedies[:6] if remedy.patches)
            hint = f"expected LAYER:ID or {ALL}; found: {able or 'none that can be tried'}"
            raise UsageError(f"--what-if: {left[0]!r} is no finding of this run", hint)
        for remedy in {id(each): each for text in wanted for each in _chosen(remedies, text)}.values():
            finding = remedy.finding
            if not remedy.patches:
                raise UsageError(f"--what-if: the fix of {_text(finding)} cannot be tried in the live model", finding.fix)
            apply(sides, remedy.patches)
            self._fixed[key_of(finding)] = finding
        return tuple(text for text in left if text != ALL)

    @property
    def fixed(self) -> tuple[str, ...]:
        """The findings whose fixes are at work, as `LAYER:ID`."""
        return tuple(_text(finding) for finding in self._fixed.values())

    @property
    def tried(self) -> tuple[str, ...]:
        """A sentence for each of them."""
        return tuple(_tried(finding) for finding in self._fixed.values())


def warnings_of(layers: Sequence[LayerPair]) -> Iterator[Finding]:
    """What both models say differently about their paired layers, and a Dropout that only one of them has."""
    apart = {row.torch is None for row in layers if _is_lone_dropout(row)}
    for before, row in zip((None, *layers), layers, strict=False):
        if row.match == "ignored":
            continue
        # Where both sides have one without a partner, they are each other's.
        if len(apart) < 2 and (alone := dropout_warning(row)) is not None:
            yield alone
        elif row.torch and row.paddle:
            torch: Call | None = row.torch
            if before is not None and before.match == "fused":
                # One call of one side against two of the other: only halves of one kind can be held against each other.
                torch = before.torch if before.torch and before.torch.kind == row.paddle.kind else None
            for difference in attribute_differences(torch, row.paddle) if torch else ():
                if torch is row.torch or difference.name != "activation":
                    yield warning_of(row, difference)


def _is_lone_dropout(row: LayerPair) -> bool:
    return row.kind == "dropout" and (row.torch is None or row.paddle is None)


def key_of(finding: Finding) -> tuple[str, str]:
    return finding.layer, finding.id


def _chosen(remedies: Sequence[Remedy], text: str) -> list[Remedy]:
    if text == ALL:
        return [remedy for remedy in remedies if remedy.patches]
    layer, _, cause = text.rpartition(":")
    return [
        remedy for remedy in remedies if remedy.finding.id == cause and layer in (remedy.finding.layer, remedy.finding.paddle_layer)
    ]


def _text(finding: Finding) -> str:
    return f"{finding.layer}:{finding.id}"


def _tried(finding: Finding) -> str:
    after = "" if finding.evidence.after is None else f", which leaves {figure(finding.evidence.after)} at the layer"
    return f"what if: the fix of {_text(finding)} is at work in the live model, its source untouched{after}"
