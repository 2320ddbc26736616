"""`i`: everything that the bars have no room for: headline, notices, failure, a child's last words, weights, environment."""

from __future__ import annotations

from collections.abc import Iterator

from textual.content import Content

from aligndbg.report.text import environment_text, some_of, weights_text
from aligndbg.tui.cells import clean, hanging
from aligndbg.tui.run_state import RunState
from aligndbg.tui.screens.pages import Page
from aligndbg.tui.theme import MUTED
from aligndbg.tui.widgets.bars import headline_text, notice_mark


class NoticesScreen(Page):
    def __init__(self, state: RunState) -> None:
        super().__init__("Run")
        self._state = state

    def content(self, width: int) -> Content:
        return Content("\n\n").join(list(self._blocks(width)))

    def _blocks(self, width: int) -> Iterator[Content]:
        state = self._state
        text, verdict = state.headline()
        if state.error is None:
            yield headline_text(text, verdict)
        else:
            lines = [hanging("✗ stopped", "bold $text-error", clean(state.error.message), width)]
            if state.error.hint:
                lines.append(hanging("  try", MUTED, clean(state.error.hint), width))
            yield Content("\n").join(lines)
        if state.last_words.strip():
            said = [Content.styled("its last words", "bold $text-accent")]
            said += [Content(f"  {clean(line)}") for line in state.last_words.rstrip().splitlines()]
            yield Content("\n").join(said)
        for notice in state.notices:
            lines = [hanging(*notice_mark(notice), clean(notice.message), width)]
            if notice.hint:
                lines.append(hanging("  try", MUTED, clean(notice.hint), width))
            yield Content("\n").join(lines)
        facts = [hanging(label, MUTED, text, width) for label, text in self._facts()]
        if facts:
            yield Content("\n").join(facts)

    def _facts(self) -> Iterator[tuple[str, str]]:
        state = self._state
        if state.description:
            yield "pair", clean(f"{state.pair}: {state.description}")
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
