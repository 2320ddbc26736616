"""One run: the layer table, the details of the selected layer, and the state of the six checkpoints."""

from __future__ import annotations

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.dom import DOMNode
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Footer

from aligndbg.core.query import parse_while_typing
from aligndbg.errors import UsageError
from aligndbg.tui.actions import bindings
from aligndbg.tui.feed import Feed
from aligndbg.tui.run import Target
from aligndbg.tui.run_state import RunState
from aligndbg.tui.watch import Watcher
from aligndbg.tui.widgets.bars import FactsLine, FailureBanner, NoticeLines, StateLine, StatusLines, TitleLine, Waiting
from aligndbg.tui.widgets.filter_bar import FilterBar
from aligndbg.tui.widgets.layer_detail import LayerDetail
from aligndbg.tui.widgets.layer_table import LayerTable
from aligndbg.workflows.events import LayerDiffed, LayersPaired

BEAT = 0.05
"""Seconds between two looks at the run's events: a hundred layers in them cost one drawing."""

WIDE, TALL = 100, 40
"""Below this width the panes are one over the other, or one at a time where the terminal is not this high."""


class CompareScreen(Screen[None]):
    BINDINGS = bindings("compare")
    AUTO_FOCUS = "LayerTable"
    CSS_PATH = "compare.tcss"

    def __init__(self, target: Target, watching: bool = False) -> None:
        super().__init__()
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]
        self.VERTICAL_BREAKPOINTS = [(0, "-short"), (TALL, "-tall")]
        self.target = target
        self.state = RunState(target.name)
        self._watching = watching and target.watch_paths is not None
        self._feed: Feed | None = None
        self._watcher: Watcher | None = None
        self._beat: Timer | None = None
        self._wrong_term: UsageError | None = None

    def compose(self) -> ComposeResult:
        yield TitleLine()
        yield FactsLine()
        yield NoticeLines()
        yield FailureBanner()
        with Container(id="panes"):
            with Vertical(id="layers"):
                yield Waiting()
                yield LayerTable()
                yield FilterBar("text, *.cat, !kind:relu, max>1e-3, verdict:born, shape:1x64")
            yield LayerDetail()
        yield StatusLines()
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        self.query_one("#layers").border_title = "Layers"
        self.query_one(LayerDetail).border_title = "Detail"
        if self.target.read_only:
            self.query_one(FailureBanner).again = self.target.read_only
        # The first frame is on the screen before the run's imports compete with it.
        self.call_after_refresh(self.start)
        if self._watching:
            self._watch()
        self._show_mode()
        self._show_state()

    # -- the run ------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin a fresh run. What the last one showed stays in the table until the new layers are known."""
        self.state = RunState(self.target.name, description=self.state.description)
        self.query_one(LayerTable).touched = False
        self._feed = Feed(self.target.start, self)
        self._show_state()

    def stop(self) -> Feed | None:
        """End the run and the watching, at once; the feed may still be ending."""
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher = None
        if self._feed is not None:
            self._feed.cancel()
        return self._feed

    def on_unmount(self) -> None:
        self.stop()

    @on(Feed.Ready)
    def _on_ready(self, message: Feed.Ready) -> None:
        if message.feed is self._feed and self._beat is None:
            self._take(message.feed)

            def again() -> None:
                self._beat = None
                if self._feed is not None:
                    self._take(self._feed)

            # Until the beat is over, what comes is left to lie.
            self._beat = self.set_timer(BEAT, again)

    def _take(self, feed: Feed) -> None:
        batch, ended = feed.take()
        if not batch and not (ended and self.state.phase == "running"):
            return
        table = self.query_one(LayerTable)
        self.state.apply(batch)
        if ended and self.state.phase == "running":
            self.state.phase = "stopped"
        for event in batch:
            if isinstance(event, LayersPaired):
                table.load(event.layers)
        results = [event.result for event in batch if isinstance(event, LayerDiffed)]
        if results:
            table.update_results(results)
        if self.state.phase == "ended" and not table.touched:
            first = table.outline.first()
            if first is not None:
                table.go_to(first)
        self._show_state()

    def _show_state(self) -> None:
        for line in self.query(StateLine):
            line.show(self.state)
        table = self.query_one(LayerTable)
        known = bool(table.outline.rows)
        self.query_one(Waiting).display = not known
        table.display = known
        if known and self.focused is None:
            table.focus()
        if self.state.report is not None:
            self.query_one(LayerDetail).tolerance = self.state.report.tolerance.get("atol")
        self._show_place()

    def _show_place(self) -> None:
        """How many rows there are, and how many of them a filter lets through."""
        table = self.query_one(LayerTable)
        outline = table.outline
        pane = self.query_one("#layers")
        place = f"{table.cursor + 1}/{len(table.shown)}" if table.shown else ""
        wrong = sum(result is not None and result.mismatch for result in outline.results)
        pane.border_subtitle = " · ".join(part for part in (f"{wrong} mismatch" if wrong else "", place) if part)
        wrong_term = self._wrong_term
        if wrong_term is not None:
            text = f"{wrong_term.message}: {wrong_term.hint}" if wrong_term.hint else wrong_term.message
            self.query_one(FilterBar).tell(text, wrong=True)
        else:
            self.query_one(FilterBar).tell(f"{outline.matches} of {len(outline.layers)}" if outline.filtered else "")

    @on(LayerTable.Moved)
    def _on_moved(self, message: LayerTable.Moved) -> None:
        self.query_one(LayerDetail).show(self.query_one(LayerTable).outline, message.row)
        self._show_place()

    # -- panes --------------------------------------------------------------------------------------------------------

    @property
    def _panes(self) -> Container:
        return self.query_one("#panes", Container)

    def _go_to_pane(self, detail: bool) -> None:
        self._panes.set_class(detail, "-detail")
        self.query_one(LayerDetail if detail else LayerTable).focus()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        self._panes.set_class(self.query_one(LayerDetail).has_focus_within, "-detail")

    @on(LayerTable.Opened)
    def action_next_pane(self) -> None:
        self._go_to_pane(not self.query_one(LayerDetail).has_focus_within)

    def action_previous_pane(self) -> None:
        self.action_next_pane()

    def action_zoom(self) -> None:
        self._panes.toggle_class("-zoomed")

    async def action_back(self) -> None:
        """One step out of whatever one is in."""
        table = self.query_one(LayerTable)
        if self._panes.has_class("-zoomed"):
            self.action_zoom()
        elif self.query_one(LayerDetail).has_focus_within:
            self._go_to_pane(False)
        elif table.outline.filtered:
            self.action_clear_filter()
        elif table.sorted:
            self.action_sort()
        elif len(self.app.screen_stack) > 2:
            self.stop()
            self.app.pop_screen()

    # -- finding ------------------------------------------------------------------------------------------------------

    def action_next_mismatch(self) -> None:
        self._seek(1)

    def action_previous_mismatch(self) -> None:
        self._seek(-1)

    def _seek(self, step: int) -> None:
        table = self.query_one(LayerTable)
        table.touched = True
        found, round_the_end = table.next_mismatch(step)
        if found is None:
            self.notify("no mismatch among the rows shown" if table.outline.filtered else "no mismatch")
            return
        if round_the_end:
            self.notify("from the beginning again" if step > 0 else "from the end again", timeout=2)
        table.go_to(found)

    def action_first(self) -> None:
        table = self.query_one(LayerTable)
        table.touched = True
        first = table.outline.first()
        if first is None:
            self.notify("no mismatch")
        elif table.outline.takes(first):
            table.go_to(first)
        else:
            self.notify("the filter hides the first mismatch")

    def action_filter(self) -> None:
        self._go_to_pane(False)
        self.query_one(FilterBar).open()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While a filter is typed, the keys are letters."""
        return not (action == "filter" and self.query_one(FilterBar).has_focus_within)

    def action_clear_filter(self) -> None:
        self.query_one(FilterBar).close()
        self._wrong_term = None
        self.query_one(LayerTable).filter(None)
        self._go_to_pane(False)
        self._show_place()

    @on(FilterBar.Changed)
    def _on_filter_changed(self, message: FilterBar.Changed) -> None:
        keep, self._wrong_term = parse_while_typing(message.text)
        self.query_one(LayerTable).filter(keep)
        self._show_place()

    @on(FilterBar.Done)
    def _on_filter_done(self, message: FilterBar.Done) -> None:
        if message.cleared:
            self.action_clear_filter()
        else:
            self._go_to_pane(False)

    def action_fold_all(self) -> None:
        self.query_one(LayerTable).fold_all()

    @on(LayerTable.SortAsked)
    def action_sort(self) -> None:
        table = self.query_one(LayerTable)
        table.sort(not table.sorted)

    def go_to_layer(self, position: int) -> None:
        table = self.query_one(LayerTable)
        table.touched = True
        row = table.outline.row_of(position)
        if not table.outline.takes(row):
            self.action_clear_filter()
        table.go_to(row)
        self._go_to_pane(False)

    # -- running, copying ---------------------------------------------------------------------------------------------

    def action_rerun(self) -> None:
        if self.target.read_only:
            self.notify(self.target.read_only, severity="warning")
            return
        if self._feed is not None:
            self._feed.cancel()
        self.start()

    def action_watch(self) -> None:
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher = None
        elif self.target.watch_paths is None:
            self.notify(self.target.read_only or "there are no files to watch", severity="warning")
        else:
            self._watch()
        self._show_mode()

    def _watch(self) -> None:
        assert self.target.watch_paths is not None

        def changed() -> None:
            self.app.call_later(self.action_rerun)

        self._watcher = Watcher(self.target.watch_paths, changed)

    def _show_mode(self) -> None:
        self.query_one(StatusLines).mode = "watching" if self._watcher else "stored run" if self.target.read_only else ""

    def action_copy(self) -> None:
        selected = self.get_selected_text()
        table, detail = self.query_one(LayerTable), self.query_one(LayerDetail)
        if selected:
            text, what = selected, "the selection"
        elif table.row is None:
            self.notify("nothing to copy yet")
            return
        elif detail.has_focus_within:
            text, what = detail.plain, f"the details of {table.path}"
        else:
            text, what = table.line_text(table.row), f"the line of {table.path}"
        self._copy(text, what)

    def action_copy_report(self) -> None:
        if self.state.report is None:
            self._copy(self.state.headline()[0], "the headline; there is no report yet")
            return
        from aligndbg.report.markdown import markdown

        self._copy(markdown([self.state.report]), "the report as Markdown")

    def _copy(self, text: str, what: str) -> None:
        self.app.copy_to_clipboard(text)
        self.notify(f"copied {what}", timeout=3, markup=False)

    def action_notices(self) -> None:
        from aligndbg.tui.screens.notices import NoticesScreen

        self.app.push_screen(NoticesScreen(self.state))

    @property
    def places(self) -> dict[str, DOMNode]:
        """Where the actions of each place are carried out."""
        return {"compare": self, "table": self.query_one(LayerTable)}
