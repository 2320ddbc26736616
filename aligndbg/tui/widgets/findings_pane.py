"""What is wrong and why: the run's findings, causes first, to go to, to copy, to mend and to try."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from textual import on
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from aligndbg.core.findings import Finding, Status
from aligndbg.report.findings import Group, counts_text, fix_line, grouped
from aligndbg.tui.actions import bindings
from aligndbg.tui.cells import clean
from aligndbg.tui.clipboard import copy
from aligndbg.tui.editor import edit
from aligndbg.tui.theme import MUTED
from aligndbg.tui.widgets.choice_list import ChoiceList
from aligndbg.tui.widgets.finding_text import group_text

KEYS = "enter to the layer · [@click=what_if]w what if[/] · [@click=edit]o edits[/] · [@click=copy]y copies the fix[/]"


class FindingsPane(ChoiceList):
    """One entry for each fault, however many layers have it."""

    BINDINGS = bindings("findings")

    @dataclass
    class Chosen(Message):
        """The layer of this finding was asked for."""

        finding: Finding

    @dataclass
    class WhatIf(Message):
        """A run with the fixes of these findings was asked for."""

        findings: tuple[Finding, ...]

        @property
        def fixes(self) -> tuple[str, ...]:
            """Each as `layer:id`."""
            return tuple(f"{finding.layer}:{finding.id}" for finding in self.findings)

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.border_title = "Findings"
        self._findings: tuple[Finding, ...] = ()
        self._groups: list[Group] = []
        self._empty = ""
        self._width = 0
        self.summary = ""
        """How many causes there are, or warnings where there is no cause; `""` where there is neither."""

    def show(self, findings: Iterable[Finding], empty: str) -> None:
        """`empty` says why there is none. While the pane is in use, the highlight stays on its finding."""
        findings = tuple(findings)
        if (findings, empty) == (self._findings, self._empty):
            return
        before = self.group if self.has_focus else None
        self._findings, self._empty = findings, empty
        self._groups = grouped(findings)
        counts = counts_text(self._groups)
        self.border_title = f"Findings: {counts}" if counts else "Findings"
        self.border_subtitle = KEYS if counts else ""
        self.summary = counts_text([group for group in self._groups if group.first.status is not Status.WARNING] or self._groups)
        keys = [{(finding.id, finding.layer) for finding in group.members} for group in self._groups]
        known = (before.first.id, before.first.layer) if before else None
        self._fill(next((place for place, key in enumerate(keys) if known in key), 0))

    @property
    def group(self) -> Group | None:
        """The highlighted one."""
        return self._groups[self.highlighted] if self._groups and self.highlighted is not None else None

    def on_resize(self) -> None:
        if self._width != self.scrollable_content_region.width:
            self._fill(self.highlighted or 0)

    def _fill(self, highlighted: int) -> None:
        self._width = self.scrollable_content_region.width
        self.clear_options()
        if not self._groups:
            self.add_option(Option(Content.styled(self._empty, MUTED), disabled=True))
            return
        self.add_options([Option(group_text(group, max(20, self._width - 2))) for group in self._groups])
        self.highlighted = highlighted

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.post_message(self.Chosen(self._groups[event.option_index].first))

    def action_copy(self) -> None:
        if self.group is None:
            self.notify(self._empty)
            return
        finding = self.group.first
        copy(self.screen, clean(fix_line(finding) or finding.message), f"the fix of {clean(finding.layer)}")

    def action_edit(self) -> None:
        if self.group is None:
            self.notify(self._empty)
        elif self.group.first.source is None:
            self.notify("this finding is at no line of a file", severity="warning")
        elif trouble := edit(self.app, self.group.first.source):
            self.notify(trouble, severity="warning")

    def action_what_if(self) -> None:
        if self.group is None:
            self.notify(self._empty)
        elif self.group.first.status is Status.UNKNOWN:
            self.notify("its cause is unknown: there is no fix to try", severity="warning")
        elif self.group.first.status is Status.WARNING:
            self.notify("this run does not show it: there is nothing to try", severity="warning")
        else:
            self.post_message(self.WhatIf(self.group.members))
