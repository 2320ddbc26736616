"""Where one begins without a pair: the pairs that there are, the sessions of earlier runs, and the jobs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.content import Content
from textual.dom import DOMNode
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Footer, Static

from aligndbg.errors import AligndbgError
from aligndbg.tui.actions import bindings
from aligndbg.tui.cells import clean
from aligndbg.tui.clipboard import copy
from aligndbg.tui.feed import tell
from aligndbg.tui.run import Entry, List, Surroundings
from aligndbg.tui.screens.compare import CompareScreen
from aligndbg.tui.theme import MUTED
from aligndbg.tui.widgets.entry_list import EntryList, entry_text
from aligndbg.tui.widgets.filter_bar import FilterBar, FilterInput
from aligndbg.tui.widgets.jobs_line import job_entry
from aligndbg.workflows.board import JobRow

LOG = logging.getLogger(__name__)

WIDE = 120


class HomeScreen(Screen[None]):
    """The lists are made in threads, after the first frame; they are made again when one comes back from a run."""

    BINDINGS = bindings("home")
    HELP: ClassVar = ("home", "list", "filter", "page")
    AUTO_FOCUS = None
    DEFAULT_CSS = """
    HomeScreen {
        background: $background;
        & > #title { height: 1; background: $panel; padding: 0 1; }
        & > #lists { height: 1fr; layout: vertical; }
        & > FilterBar { dock: none; }
        &.-wide > #lists { layout: horizontal; }
        & #lists > Vertical { height: 2fr; }
        &.-wide #lists > Vertical { width: 1fr; height: 1fr; }
        &.-wide EntryList { width: 1fr; }
    }
    """

    @dataclass
    class Listed(Message):
        list_id: str
        entries: tuple[Entry, ...]

    def __init__(self, around: Surroundings, first: str = "pairs") -> None:
        super().__init__()
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]
        self._makers: dict[str, List] = {"pairs": around.pairs, "sessions": around.sessions}
        self._lists = ("pairs", "sessions") if around.jobs is None else ("pairs", "sessions", "jobs")
        self._used = first

    def compose(self) -> ComposeResult:
        subtitle = "a torch image classifier against its Paddle port, layer by layer"
        yield Static(Content.assemble(("aligndbg", "bold $text-accent"), (f"  {subtitle}", MUTED)), id="title")
        with Container(id="lists"):
            yield EntryList("Pairs", "no pair in models/: `aligndbg pairs new` makes one", id="pairs")
            with Vertical():
                yield EntryList("Sessions", "no session yet: every run of a pair is kept here", tall=True, id="sessions")
                if "jobs" in self._lists:
                    yield EntryList("Jobs", "no job yet: L launches one", tall=True, id="jobs")
        yield FilterBar("part of a name")
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        self._list.focus()
        self.watch(self.app, "board", self._show_jobs)

    def _show_jobs(self, rows: Sequence[JobRow]) -> None:
        if "jobs" in self._lists:
            # What runs comes first: a long training must not sink below what was tried since.
            order = sorted(rows, key=lambda row: row.job.state is None or row.job.state.final)
            self._load("jobs", [job_entry(row) for row in order])

    def on_screen_resume(self) -> None:
        # The first frame is on the screen before the folders are read.
        self.call_after_refresh(self.action_reload)

    def action_reload(self) -> None:
        for list_id, make in self._makers.items():
            threading.Thread(target=self._make, args=(list_id, make), name=list_id, daemon=True).start()

    def _make(self, list_id: str, make: List) -> None:
        try:
            entries = tuple(make())
        except AligndbgError as error:
            entries = (_unlisted(list_id, ": ".join(part for part in (error.message, error.hint) if part)),)
        except Exception as error:
            LOG.exception("the list of %s failed", list_id)
            entries = (_unlisted(list_id, f"{type(error).__name__}: {error}"),)
        tell(self, self.Listed(list_id, entries))

    @on(Listed)
    def _on_listed(self, message: Listed) -> None:
        self._load(message.list_id, message.entries)

    def _load(self, list_id: str, made: Sequence[Entry]) -> None:
        self.query_one(f"#{list_id}", EntryList).load(made)

    @on(EntryList.Chosen)
    def _on_chosen(self, message: EntryList.Chosen) -> None:
        entry = message.entry
        if entry.job is not None:
            self.app.open_job(entry.job)  # type: ignore[attr-defined]
        elif entry.screen is not None:
            self.app.push_screen(entry.screen())
        elif entry.target is None:
            self.notify(entry.error or "this cannot be opened", severity="warning")
        else:
            self.app.push_screen(CompareScreen(entry.target))

    @property
    def _list(self) -> EntryList:
        """The list in use."""
        return self.query_one(f"#{self._used}", EntryList)

    def go_to_list(self, list_id: str) -> None:
        self._used = list_id
        self._list.focus()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        if isinstance(event.widget, EntryList) and event.widget.id:
            self._used = event.widget.id

    def action_next_pane(self) -> None:
        self._turn(1)

    def action_previous_pane(self) -> None:
        self._turn(-1)

    def _turn(self, step: int) -> None:
        self.go_to_list(self._lists[(self._lists.index(self._used) + step) % len(self._lists)])

    def action_filter(self) -> None:
        self.query_one(FilterBar).open()

    def action_clear_filter(self) -> None:
        self.query_one(FilterBar).close()
        self._filter("")
        self._list.focus()

    def action_back(self) -> None:
        self.action_clear_filter()

    def action_copy(self) -> None:
        entry = self._list.entry
        if entry is not None:
            copy(self, entry_text(entry), f"the line of {clean(entry.name)}")

    def _filter(self, text: str) -> int:
        return sum(entries.filter(text) for entries in self.query(EntryList))

    @on(FilterBar.Changed)
    def _on_filter_changed(self, message: FilterBar.Changed) -> None:
        found = self._filter(message.text)
        self.query_one(FilterBar).tell(f"{found} found" if message.text.strip() else "")

    @on(FilterBar.Done)
    def _on_filter_done(self, message: FilterBar.Done) -> None:
        if message.cleared:
            self.action_clear_filter()
        else:
            found = [list_id for list_id in self._lists if self.query_one(f"#{list_id}", EntryList).entry is not None]
            self.go_to_list(self._used if self._used in found or not found else found[0])

    @property
    def places(self) -> dict[str, DOMNode]:
        line = self.query_one(FilterBar)
        first: dict[str, DOMNode] = {"filter": line.query_one(FilterInput)} if line.has_focus_within else {}
        return {**first, "list": self._list, "home": self}


def _unlisted(list_id: str, why: str) -> Entry:
    return Entry(f"the {list_id} cannot be listed", error=why)
