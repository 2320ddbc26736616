"""What a run tells of causes: differences between attributes before any number, findings at the end, fixes tried in between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from aligndbg.core.findings import Finding, Status
from aligndbg.core.layers import LayerPair
from aligndbg.diagnosis.catalogue import attribute_differences
from aligndbg.diagnosis.remedy import Remedy
from aligndbg.diagnosis.telling import warning_of
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
        self._fixed: set[tuple[str, str]] = set()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Causes that were found, then faults without one, then what is set differently and does not show."""
        told = {key_of(finding) for finding in self._found} | self._fixed
        order = [Status.FOUND, Status.UNKNOWN]
        return (
            *sorted(self._found, key=lambda finding: order.index(finding.status)),
            *(warning for warning in self._warnings if key_of(warning) not in told),
        )

    def warn(self) -> None:
        for warning in self._warnings:
            if key_of(warning) not in self._fixed:
                self._tell(FindingMade(warning))

    def tell(self, remedies: Iterable[Remedy]) -> None:
        for remedy in remedies:
            self._found.append(remedy.finding)
            self._tell(FindingMade(remedy.finding))

    def try_out(self, sides: Sides, remedies: Sequence[Remedy], wanted: Sequence[str]) -> Iterator[str]:
        """Carry out the fixes that are `wanted` in the live model; a sentence for each. UsageError names what was not found."""
        chosen = [remedy for text in wanted for remedy in _chosen(remedies, text)]
        for remedy in {id(remedy): remedy for remedy in chosen}.values():
            finding = remedy.finding
            apply(sides, remedy.patches)
            self._fixed.add(key_of(finding))
            after = "" if finding.evidence.after is None else f", which leaves {figure(finding.evidence.after)} at the layer"
            yield f"what if: the fix of {finding.layer}:{finding.id} is at work in the live model, its source untouched{after}"


def warnings_of(layers: Sequence[LayerPair]) -> Iterator[Finding]:
    """What both models say differently about their paired layers."""
    for row in layers:
        if row.torch and row.paddle and row.match != "ignored" and not _is_half(row, layers):
            yield from (warning_of(row, difference) for difference in attribute_differences(row.torch, row.paddle))


def key_of(finding: Finding) -> tuple[str, str]:
    return finding.layer, finding.id


def _is_half(row: LayerPair, layers: Sequence[LayerPair]) -> bool:
    """Whether the row is one call of one side against two of the other."""
    return row.index > 0 and layers[row.index - 1].match == "fused"


def _chosen(remedies: Sequence[Remedy], text: str) -> list[Remedy]:
    able = [remedy for remedy in remedies if remedy.patches]
    if text == ALL:
        return able
    layer, _, cause = text.rpartition(":")
    found = [
        remedy
        for remedy in remedies
        if (layer, cause) in {key_of(remedy.finding), (remedy.finding.paddle_layer, remedy.finding.id)}
    ]
    if not found:
        names = ", ".join(f"{remedy.finding.layer}:{remedy.finding.id}" for remedy in able[:6]) or "none that can be tried"
        raise UsageError(f"--what-if: {text!r} is no finding of this run", f"expected LAYER:ID or {ALL}; found: {names}")
    if not any(remedy.patches for remedy in found):
        raise UsageError(f"--what-if: the fix of {text} cannot be tried in the live model", found[0].finding.fix)
    return [remedy for remedy in found if remedy.patches]
