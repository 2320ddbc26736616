"""One run: the layer table, the details of the selected layer, and the state of the six checkpoints."""

from __future__ import annotations

from functools import partial
from time import monotonic
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.dom import DOMNode
from textual.screen import Screen
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Footer

from aligndbg.core.query import parse_while_typing
from aligndbg.errors import UsageError
from aligndbg.tui.actions import bindings
from aligndbg.tui.copying import copy_layer, copy_report
from aligndbg.tui.feed import Feed, tell
from aligndbg.tui.run import Target
from aligndbg.tui.run_state import RunState
from aligndbg.tui.seeking import to_first, to_mismatch
from aligndbg.tui.watch import Watcher
from aligndbg.tui.widgets.bars import FactsLine, FailureBanner, NoticeLines, StateLine, StatusLines, TitleLine, Waiting
from aligndbg.tui.widgets.filter_bar import FilterBar, FilterInput
from aligndbg.tui.widgets.findings_pane import FindingsPane
from aligndbg.tui.widgets.jobs_line import JobsLine
from aligndbg.tui.widgets.layer_detail import LayerDetail
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
    HELP: ClassVar = ("compare", "table", "detail", "findings", "filter", "page")
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
        self._fixes: tuple[str, ...] = ()
        """`layer:id` of the findings whose fixes this run has applied."""

    def compose(self) -> ComposeResult:
        yield TitleLine()
        yield FactsLine()
        yield NoticeLines()
        yield FailureBanner()
        with Container(id="panes"):
            yield FindingsPane()
            with Vertical(id="layers"):
                yield Waiting()
                yield NetworkStrip()
                yield LayerTable()
                yield FilterBar("text, *.cat, !kind:relu, max>1e-3, verdict:born, shape:1x64")
            yield LayerDetail()
        yield StatusLines()
        yield JobsLine()
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
        what_if = self.target.what_if
        self._feed = Feed(partial(what_if, self._fixes) if what_if and self._fixes else self.target.start, self)
        self._show_mode()
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
        self.query_one(FindingsPane).show(self.state.findings.values(), self.state.no_findings(bool(self._fixes)))
        if self.state.layers:
            self.query_one(LayerDetail).findings = tuple(self.state.findings.values())
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
        causes = self.query_one(FindingsPane).summary
        parts = (f"[@click=screen.findings]{causes} (c)[/]" if causes else "", f"{wrong} mismatch" if wrong else "", place)
        pane.border_subtitle = " · ".join(part for part in parts if part)
        found = f"{outline.matches} of {len(outline.layers)}" if outline.filtered else ""
        slip = self._wrong_term
        self.query_one(FilterBar).tell(found, ": ".join(part for part in (slip.message, slip.hint) if part) if slip else "")

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

    def _go_to_pane(self, pane: type[Widget]) -> None:
        self._panes.set_class(pane is LayerDetail, "-detail")
        self._panes.set_class(pane is FindingsPane, "-in-findings")
        self.query_one(pane).focus()

    def _in_pane(self, pane: type[Widget]) -> bool:
        return self.query_one(pane).has_focus_within

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        self._panes.set_class(self._in_pane(LayerDetail), "-detail")
        self._panes.set_class(self._in_pane(FindingsPane), "-in-findings")

    @on(LayerTable.Opened)
    def _on_opened(self) -> None:
        self._go_to_pane(LayerDetail)

    def action_next_pane(self) -> None:
        self._turn(1)

    def action_previous_pane(self) -> None:
        self._turn(-1)

    def _turn(self, step: int) -> None:
        panes = [LayerTable, LayerDetail, *([FindingsPane] if self._panes.has_class("-findings") else [])]
        here = next((place for place, pane in enumerate(panes) if self._in_pane(pane)), 0)
        self._go_to_pane(panes[(here + step) % len(panes)])

    def action_findings(self) -> None:
        """To the findings; from them, away with them."""
        leaving = self._in_pane(FindingsPane)
        self._panes.set_class(not leaving, "-findings")
        self._go_to_pane(LayerTable if leaving else FindingsPane)

    def action_zoom(self) -> None:
        self._panes.toggle_class("-zoomed")

    async def action_back(self) -> None:
        """One step out of whatever one is in."""
        table = self.query_one(LayerTable)
        if self._panes.has_class("-zoomed"):
            self.action_zoom()
        elif self._in_pane(LayerDetail):
            self._go_to_pane(LayerTable)
        elif self._panes.has_class("-findings"):
            self._panes.remove_class("-findings")
            self._go_to_pane(LayerTable)
        elif table.outline.filtered:
            self.action_clear_filter()
        elif table.sorted:
            self.action_sort()
        else:
            self.app.leave()  # type: ignore[attr-defined]

    # -- finding ------------------------------------------------------------------------------------------------------

    def action_next_mismatch(self) -> None:
        to_mismatch(self.query_one(LayerTable), 1, self.state.phase == "running")

    def action_previous_mismatch(self) -> None:
        to_mismatch(self.query_one(LayerTable), -1, self.state.phase == "running")

    def action_first(self) -> None:
        to_first(self.query_one(LayerTable), self.state.phase == "running")

    def action_filter(self) -> None:
        self._go_to_pane(LayerTable)
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
        self._go_to_pane(LayerTable)
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
            self._go_to_pane(LayerTable)

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

    @on(FindingsPane.Chosen)
    def _on_finding_chosen(self, message: FindingsPane.Chosen) -> None:
        path = message.finding.layer
        layers = self.query_one(LayerTable).outline.layers
        position = next((place for place, layer in enumerate(layers) if layer.path == path), None)
        if position is None:
            self.notify(f"{path} is none of the layers shown", severity="warning")
        else:
            self.go_to_layer(position)

    def go_to_layer(self, position: int) -> None:
        table = self.query_one(LayerTable)
        table.touched = True
        row = table.outline.row_of(position)
        if not table.outline.takes(row):
            self.action_clear_filter()
        table.go_to(row)
        self._go_to_pane(LayerTable)

    # -- running, copying ---------------------------------------------------------------------------------------------

    def action_rerun(self) -> None:
        self._run_again(())

    @on(FindingsPane.WhatIf)
    def _on_what_if(self, message: FindingsPane.WhatIf) -> None:
        """With these fixes beside those that the run has already."""
        self._run_again(tuple(dict.fromkeys((*self._fixes, *message.fixes))))

    def _run_again(self, fixes: tuple[str, ...]) -> None:
        obstacle = self.target.read_only or ("no fix can be tried on this pair" if fixes and not self.target.what_if else "")
        if obstacle:
            self.notify(obstacle, severity="warning")
            return
        if self._feed is not None:
            self._feed.cancel()
        self._fixes = fixes
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
        # Posted to this screen, which may be gone by then.
        self._watcher = Watcher(self.target.watch_paths, lambda: tell(self, events.Callback(callback=self.action_rerun)))

    def _show_mode(self) -> None:
        self.query_one(TitleLine).show_mode(len(self._fixes), self._watcher is not None, bool(self.target.read_only))

    def action_copy(self) -> None:
        copy_layer(self, self.query_one(LayerTable), self.query_one(LayerDetail), self.state)

    def action_copy_report(self) -> None:
        copy_report(self, self.state)

    def action_notices(self) -> None:
        from aligndbg.tui.screens.notices import NoticesScreen

        self.app.push_screen(NoticesScreen(self.state))

    @property
    def places(self) -> dict[str, DOMNode]:
        """Where the actions of each place are carried out; the focused pane comes first."""
        line, findings = self.query_one(FilterBar), self.query_one(FindingsPane)
        first: dict[str, DOMNode] = {"detail": self.query_one(LayerDetail)} if self._in_pane(LayerDetail) else {}
        if findings.has_focus:
            first = {"findings": findings}
        elif line.has_focus_within:
            first = {"filter": line.query_one(FilterInput)}
        return first | {"table": self.query_one(LayerTable), "compare": self, "findings": findings}
