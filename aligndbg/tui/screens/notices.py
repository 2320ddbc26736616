"""`i`: everything that the bars have no room for: notices, the failure, a child's last words, weights, environment."""

from __future__ import annotations

from collections.abc import Iterator

from textual.content import Content

from aligndbg.report.text import environment_text, some_of, weights_text
from aligndbg.tui.cells import clean
from aligndbg.tui.run_state import RunState
from aligndbg.tui.screens.pages import Page
from aligndbg.tui.theme import MUTED


class NoticesScreen(Page):
    def __init__(self, state: RunState) -> None:
        super().__init__("Run")
        self._state = state

    def content(self) -> Content:
        blocks = list(self._blocks())
        return Content("\n\n").join(blocks) if blocks else Content.styled("nothing to report", MUTED)

    def _blocks(self) -> Iterator[Content]:
        state = self._state
        if state.error is not None:
            lines = [Content.assemble(("✗ stopped  ", "bold $text-error"), clean(state.error.message))]
            if state.error.hint:
                lines.append(Content.assemble(("  try      ", MUTED), clean(state.error.hint)))
            yield Content("\n").join(lines)
        if state.last_words.strip():
            said = [Content.styled("its last words", "bold $text-accent")]
            said += [Content(f"  {clean(line)}") for line in state.last_words.rstrip().splitlines()]
            yield Content("\n").join(said)
        for notice in state.notices:
            warning = notice.level == "warning"
            mark = ("▲ warning  " if warning else "● note     ", "bold $text-warning" if warning else "$text-accent")
            yield Content.assemble(
                mark, clean(notice.message), (f"\n  try      {clean(notice.hint)}" if notice.hint else "", MUTED)
            )
        for label, text in self._facts():
            yield Content.assemble((f"{label:<11}", MUTED), text)

    def _facts(self) -> Iterator[tuple[str, str]]:
        state = self._state
        for side, environment in state.environments.items():
            yield clean(side), clean(environment_text(environment))
        if state.report is not None:
            if state.report.weights is not None:
                yield "weights", clean(weights_text(state.report.weights))
            if state.report.input:
                yield "input", clean(state.report.input)
        if state.plan is not None:
            if state.plan.unfilled:
                yield "unfilled", clean(f"{len(state.plan.unfilled)}: {some_of(state.plan.unfilled)}")
            if state.plan.unused:
                yield "unused", clean(f"{len(state.plan.unused)}: {some_of(state.plan.unused)}")
        if state.session:
            yield "session", clean(state.session)
