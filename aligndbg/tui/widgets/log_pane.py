"""A log with the line where a search is typed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical

from aligndbg.errors import UsageError
from aligndbg.jobs.log_search import Needle
from aligndbg.tui.actions import bindings
from aligndbg.tui.widgets.filter_bar import FilterBar
from aligndbg.tui.widgets.log_view import LogView


class LogPane(Vertical):
    """What is typed is highlighted at once and searched for at Enter: from the end back while the log is followed, else on."""

    BINDINGS = bindings("log pane")

    DEFAULT_CSS = """
    LogPane { height: 1fr; & > LogView { height: 1fr; } }
    """

    def __init__(self, files: Mapping[int, Path], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._files = files

    def compose(self) -> ComposeResult:
        yield FilterBar("text, or /regular expression/")
        yield LogView(self._files)

    @property
    def view(self) -> LogView:
        return self.query_one(LogView)

    @property
    def bar(self) -> FilterBar:
        return self.query_one(FilterBar)

    def action_search(self) -> None:
        self.bar.open()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Where there is nothing to clear, Escape is the screen's."""
        return action != "back" or self.bar.has_class("-open") or self.view.text_filter is not None

    def action_back(self) -> None:
        self.bar.close()
        self.view.highlight(None)
        if self.view.text_filter is not None:
            self.view.filter(self.view.level)

    def action_only_hits(self) -> None:
        view = self.view
        view.filter(view.level, view.needle if view.text_filter is None else None)

    @on(FilterBar.Changed)
    def _typed(self, event: FilterBar.Changed) -> None:
        event.stop()
        needle, wrong = None, ""
        try:
            needle = Needle(event.text) if event.text else None
        except UsageError as error:
            wrong = error.message
        self.bar.tell("", wrong)
        self.view.highlight(needle)

    @on(FilterBar.Done)
    def _done(self, event: FilterBar.Done) -> None:
        event.stop()
        self.view.focus()
        if event.cleared:
            self.action_back()
        else:
            self.view.search(-1 if self.view.following else 1)

    @on(LogView.Searched)
    def _searched(self, event: LogView.Searched) -> None:
        event.stop()
        if event.line is None:
            self.bar.tell("in no line")
        else:
            self.bar.tell(f"line {event.line:,}{', round the end' if event.wrapped else ''}")
