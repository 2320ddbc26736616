"""One run: the layer table, the details of the selected layer, and the state of the six checkpoints."""

from __future__ import annotations

from time import monotonic
from typing import ClassVar

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
from aligndbg.tui.cells import clean
from aligndbg.tui.clipboard import copy
from aligndbg.tui.feed import Feed, tell
from aligndbg.tui.run import Target
from aligndbg.tui.run_state import RunState
from aligndbg.tui.watch import Watcher
from aligndbg.tui.widgets.bars import FactsLine, FailureBanner, NoticeLines, StateLine, StatusLines, TitleLine, Waiting
from aligndbg.tui.widgets.filter_bar import FilterBar, FilterInput
from aligndbg.tui.widgets.layer_detail import LayerDetail
from aligndbg.tui.widgets.layer_lines import line_text
from aligndbg.tui.widgets.layer_table import LayerTable
from aligndbg.tui.widgets.network_strip import NetworkStrip
from aligndbg.workflows.events import LayerDiffed, LayersPaired

BEAT = 0.05
"""Seconds between two looks at the run's events: a hundred layers in them cost one drawing."""

WIDE, TALL = 100, 40
"""Below this width the panes are one over the other, or one at a time where the terminal is not this high."""

BROAD = 140
"""From this width on the details get more of it: the table's own columns fit into the rest."""

SMALL = 16
"""Below this height only what the rows need stays."""

BORN = "verdict:born"
"""What is typed to see the born layers alone."""


class CompareScreen(Screen[None]):
    BINDINGS = bindings("compare")
    HELP: ClassVar = ("compare", "table", "detail", "filter", "page")
    AUTO_FOCUS = "LayerTable"
    CSS_PATH = "compare.tcss"

    def __init__(self, target: Target, watching: bool = False) -> None:
        super().__init__()
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide"), (BROAD, "-broad")]
        self.VERTICAL_BREAKPOINTS = [(0, "-small"), (SMALL, "-short"), (TALL, "-tall")]
        self.target = target
        self.state = RunState(target.name)
        self._watching = watching and target.watch_paths is not None
        self._feed: Feed | None = None
        self._watcher: Watcher | None = None
        self._beat: Timer | None = None
        self._began = 0.0
        self._wrong_term: UsageError | None = None

    def compose(self) -> ComposeResult:
        yield TitleLine()
        yield FactsLine()
        yield NoticeLines()
        yield FailureBanner()
        with Container(id="panes"):
            with Vertical(id="layers"):
                yield Waiting()
                yield NetworkStrip()
                yield LayerTable()
                yield FilterBar("text, *.cat, !kind:relu, max>1e-3, verdict:born, shape:1x64")
            yield LayerDetail()
        yield StatusLines()
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        if self.target.read_only:
            self.query_one(FailureBanner).again = self.target.read_only
        # The first frame is on the screen before the run's imports compete with it.
        self.call_after_refresh(self.start)
        self.set_interval(1.0, self._tick)
        if self._watching:
            self._watch()
        self._show_mode()
        self._show_state()

    # -- the run ------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin a fresh run. What the last one showed stays in the table until the new layers are known."""
        self.state = RunState(self.target.name, description=self.state.description)
        self._began = monotonic()
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
        if self.state.phase != "running" and not table.touched:
            first = table.outline.first()
            if first is not None:
                table.go_to(first)
        self._show_state()

    def _tick(self) -> None:
        if self.state.phase == "running":
            self.state.seconds = int(monotonic() - self._began)
            self.query_one(FactsLine).show(self.state)

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
        last = " of the last run" if outline.rows and not self.state.layers else ""
        pane.border_title = f"Layers{last}{' by max|d|' if table.sorted else ''}"
        place = f"{table.cursor + 1}/{len(table.shown)}" if table.shown else ""
        wrong = sum(result is not None and result.mismatch for result in outline.results)
        pane.border_subtitle = " · ".join(part for part in (f"{wrong} mismatch" if wrong else "", place) if part)
        wrong_term = self._wrong_term
        self.query_one(FilterBar).tell(
            f"{outline.matches} of {len(outline.layers)}" if outline.filtered else "",
            ": ".join(part for part in (wrong_term.message, wrong_term.hint) if part) if wrong_term else "",
        )

    @on(LayerTable.Moved)
    def _on_moved(self, message: LayerTable.Moved) -> None:
        outline = self.query_one(LayerTable).outline
        self.query_one(LayerDetail).show(outline, message.row)
        self.query_one(NetworkStrip).show(outline, message.row)
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
        found, round_the_end = table.next_mismatch(step)
        if found is None:
            self._say_none()
            return
        if round_the_end:
            self.notify("from the beginning again" if step > 0 else "from the end again", timeout=2)
        table.touched = True
        table.go_to(found)

    def action_first(self) -> None:
        table = self.query_one(LayerTable)
        first = table.outline.first()
        if first is None:
            self._say_none()
        elif table.outline.takes(first):
            table.touched = True
            table.go_to(first)
        else:
            self.notify("the filter hides it: \\ shows all again")

    def _say_none(self) -> None:
        among = " among the rows shown" if self.query_one(LayerTable).outline.filtered else ""
        so_far = " so far" if self.state.phase == "running" else ""
        self.notify(f"no mismatch{among}{so_far}")

    def action_filter(self) -> None:
        self._go_to_pane(False)
        self.query_one(FilterBar).open()

    def action_born_only(self) -> None:
        bar = self.query_one(FilterBar)
        if bar.text == BORN:
            self.action_clear_filter()
        else:
            self.query_one(LayerTable).touched = True
            bar.set(BORN)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While a filter is typed, the keys are letters; sorted layers are no tree."""
        if action == "fold_all" and self.query_one(LayerTable).sorted:
            return None
        return not (action in ("filter", "born_only") and self.query_one(FilterBar).has_focus_within)

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

    @on(NetworkStrip.Chosen)
    def _on_chosen(self, message: NetworkStrip.Chosen) -> None:
        self.go_to_layer(message.position)

    @on(LayerTable.SortAsked)
    def action_sort(self) -> None:
        table = self.query_one(LayerTable)
        table.sort(not table.sorted)
        self._show_place()

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
            # Posted to this screen, which may be gone by then.
            tell(self, events.Callback(callback=self.action_rerun))

        self._watcher = Watcher(self.target.watch_paths, changed)

    def _show_mode(self) -> None:
        self.query_one(TitleLine).mode = "watching" if self._watcher else "stored run" if self.target.read_only else ""

    def action_copy(self) -> None:
        table, detail = self.query_one(LayerTable), self.query_one(LayerDetail)
        if table.row is None:
            copy(self, self.state.headline()[0], "the headline")
        elif detail.has_focus_within:
            copy(self, detail.plain, f"the details of {clean(table.path)}")
        else:
            copy(self, line_text(table.outline, table.row), f"the line of {clean(table.path)}")

    def action_copy_report(self) -> None:
        if self.state.report is None:
            copy(self, self.state.headline()[0], "the headline; there is no report yet")
            return
        from aligndbg.report.markdown import markdown

        copy(self, markdown([self.state.report]), "the report as Markdown")

    def action_notices(self) -> None:
        from aligndbg.tui.screens.notices import NoticesScreen

        self.app.push_screen(NoticesScreen(self.state))

    @property
    def places(self) -> dict[str, DOMNode]:
        """Where the actions of each place are carried out; the focused pane comes first."""
        detail, line = self.query_one(LayerDetail), self.query_one(FilterBar)
        first: dict[str, DOMNode] = {"detail": detail} if detail.has_focus_within else {}
        if line.has_focus_within:
            first = {"filter": line.query_one(FilterInput)}
        return {**first, "table": self.query_one(LayerTable), "compare": self}
