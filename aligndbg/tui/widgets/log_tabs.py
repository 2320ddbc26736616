"""The logs of a job, one tab for each rank and one for all of them together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import ContentSwitcher, Static, Tab, Tabs

from aligndbg.tui.widgets.log_pane import LogPane
from aligndbg.tui.widgets.log_view import LogView

ALL, LAUNCHER = "all-ranks", "launcher"


class LogTabs(Vertical):
    """Logs appear while a job starts: `show` takes those that there are now. A log is opened when its tab is."""

    DEFAULT_CSS = """
    LogTabs {
        height: 1fr;
        & > Tabs { height: 1; display: none; }
        & > Tabs #tabs-list-bar { height: 1; }
        & > Tabs Underline { display: none; }
        & Tab { height: 1; padding: 0 1; color: $foreground 60%; }
        & Tab.-active { color: $text-accent; text-style: bold reverse; }
        &.-several > Tabs { display: block; }
        & > ContentSwitcher { height: 1fr; }
        & .empty { color: $foreground 60%; padding: 1 2; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._logs: dict[str, Mapping[int, Path]] = {}
        self._chosen = False
        """Whether the user did; until then the tab of most ranks is shown."""
        self._wanted = ""
        """The tab that was asked for last: Textual tells of its own choices as well, and late."""

    def compose(self) -> ComposeResult:
        tabs = Tabs()
        tabs.can_focus = False
        yield tabs
        with ContentSwitcher():
            yield Static("no log yet", classes="empty", markup=False, id="none")

    def on_mount(self) -> None:
        self._switcher.current = "none"

    @property
    def _switcher(self) -> ContentSwitcher:
        return self.query_one(ContentSwitcher)

    @property
    def view(self) -> LogView | None:
        """The log that shows."""
        current = self._switcher.current
        return self._switcher.get_child_by_id(current, LogPane).view if current in self._logs else None

    @property
    def pane(self) -> LogPane | None:
        current = self._switcher.current
        return self._switcher.get_child_by_id(current, LogPane) if current in self._logs else None

    async def show(self, files: Sequence[Path]) -> None:
        """`files`: the launcher's log, then those of the ranks in their order."""
        logs: dict[str, Mapping[int, Path]] = {}
        ranks = dict(enumerate(files[1:]))
        if len(ranks) > 1:
            logs[ALL] = ranks
        if files:
            logs[LAUNCHER] = {0: files[0]}
        logs |= {f"rank-{rank}": {rank: path} for rank, path in ranks.items()}
        if logs == self._logs:
            return
        before, self._logs = self._logs, logs
        self._wanted = self._wanted or next(iter(logs), "")
        tabs = self.query_one(Tabs)
        for name, log in logs.items():
            if name not in before:
                await tabs.add_tab(Tab(Content(_label(name)), id=name), before=LAUNCHER if name == ALL and before else None)
            elif log != before[name] and self._switcher.query(f"#{name}"):
                await self._switcher.get_child_by_id(name).remove()
        for name in before.keys() - logs.keys():
            await tabs.remove_tab(name)
        self.set_class(len(logs) > 1, "-several")
        if not self._chosen or self._switcher.current not in logs:
            await self._open(next(iter(logs), "none"))
        elif not self._switcher.query(f"#{self._switcher.current}"):
            await self._open(self._switcher.current)

    async def _open(self, name: str) -> None:
        focused = self.has_focus_within
        self._wanted = name
        if name in self._logs:
            if not self._switcher.query(f"#{name}"):
                await self._switcher.mount(LogPane(self._logs[name], id=name))
            self.query_one(Tabs).active = name
        self._switcher.current = name
        if focused and self.view is not None:
            self.view.focus()

    async def turn(self, step: int) -> None:
        """To the next tab, or the one before."""
        names = list(self._logs)
        if len(names) > 1 and self._switcher.current in names:
            self._chosen = True
            await self._open(names[(names.index(self._switcher.current) + step) % len(names)])

    @on(Tabs.TabActivated)
    async def _on_tab(self, event: Tabs.TabActivated) -> None:
        event.stop()
        if event.tab.id is not None and event.tab.id != self._wanted:
            self._chosen = True
            await self._open(event.tab.id)


def _label(name: str) -> str:
    return name.replace("-", " ")
