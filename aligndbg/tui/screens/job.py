"""One job: its curves above its logs, what is wrong with it, and the keys to stop it."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from time import monotonic
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Container
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widgets import Footer

from aligndbg.errors import AligndbgError
from aligndbg.jobs.folder import Job, logs_of, resolve_job
from aligndbg.jobs.reference import read_reference
from aligndbg.jobs.series import Curves
from aligndbg.jobs.violation import Violation
from aligndbg.report.jobs import progress_text, top1_text
from aligndbg.tui.actions import bindings
from aligndbg.tui.cells import clean
from aligndbg.tui.clipboard import copy
from aligndbg.tui.feed import tell
from aligndbg.tui.job_feed import JobFeed
from aligndbg.tui.run import Surroundings
from aligndbg.tui.widgets.curves import CAPACITY, CurvesPane
from aligndbg.tui.widgets.job_bars import JobFigures, JobProblems, JobTitle
from aligndbg.tui.widgets.log_tabs import LogTabs
from aligndbg.workflows.beside import OtherTop1, other_top1
from aligndbg.workflows.checkpoints import EVALUATIONS
from aligndbg.workflows.following import Update

WIDE = 150
"""From this width on curves and logs are beside each other."""

LOG_FIRST_S = 2.0
"""How long the curves of a long log wait for its lines."""

SHORT = 20
"""Below this height one of the two shows at a time."""


class JobScreen(Screen[None]):
    """Follows the job in `path` as long as it shows; leaving leaves the job alone."""

    BINDINGS = bindings("job")
    HELP: ClassVar = ("job", "curves", "log", "log pane", "filter", "page")
    DEFAULT_CSS = """
    JobScreen {
        background: $background;
        & > #panes { height: 1fr; layout: vertical; }
        & CurvesPane { height: 1fr; }
        & LogTabs { height: 1fr; }
        &.-wide > #panes { layout: horizontal; }
        &.-wide CurvesPane, &.-wide LogTabs { width: 1fr; height: 1fr; }
        & #panes.-zoomed CurvesPane, &.-short CurvesPane { display: none; }
        & #panes.-zoomed.-in-curves LogTabs, &.-short #panes.-in-curves LogTabs { display: none; }
        & #panes.-zoomed.-in-curves CurvesPane, &.-short #panes.-in-curves CurvesPane { display: block; }
    }
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]
        self.VERTICAL_BREAKPOINTS = [(0, "-short"), (SHORT, "-tall")]
        self.path = path
        self.latest: Update | None = None
        self._curves = Curves(CAPACITY)
        self._reference: Curves | None = None
        self._reference_name = ""
        self._violations: dict[tuple[str, int | None, float], Violation] = {}
        """All that came to light, also what has got better since: they mark the curve."""
        self._feed: JobFeed | None = None
        self._begun = 0.0
        self._beside: OtherTop1 | None = None
        self._over = False

    def compose(self) -> ComposeResult:
        yield JobTitle(self.path.name)
        yield JobFigures()
        yield JobProblems()
        with Container(id="panes"):
            yield CurvesPane()
            yield LogTabs()
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        self._begun = monotonic()
        self._feed = JobFeed(self.path, self)
        self.query_one(CurvesPane).focus()

    def on_unmount(self) -> None:
        if self._feed is not None:
            self._feed.stop()

    @property
    def job(self) -> Job | None:
        return self.latest.job if self.latest is not None else None

    # -- what comes in ------------------------------------------------------------------------------------------------

    @on(JobFeed.Came)
    async def _on_came(self, message: JobFeed.Came) -> None:
        if message.fault:
            self.query_one(JobProblems).fault = message.fault
            return
        for update in message.updates:
            for sample in update.samples:
                self._curves.add(sample)
            for violation in update.fresh:
                self._violations[violation.rule, violation.rank, violation.since] = violation
        update = self.latest = message.updates[-1]
        job = update.job
        self.query_one(JobTitle).show(update)
        self.query_one(JobProblems).show(update)
        await self.query_one(LogTabs).show(logs_of(job))
        self._draw()
        self._show_figures(update)
        # What else came meanwhile is dealt with before more is read.
        self.call_later(self._go_on)

    def _go_on(self) -> None:
        """Read on. A log that shows is numbered first, which takes a second at most a GB: both at once would take many."""
        view = self.query_one(LogTabs).view
        first = self.latest is not None and self.latest.more and view is not None and not view.numbered
        if first and monotonic() < self._begun + LOG_FIRST_S:
            self.set_timer(0.05, self._go_on)
        elif self._feed is not None:
            self._feed.go_on()

    def _show_figures(self, update: Update) -> None:
        """Of an evaluation; what is known elsewhere is looked up once, and again when the job is over."""
        spec, state = update.job.spec, update.job.state
        if spec is None or state is None or spec.pair is None or spec.kind not in EVALUATIONS:
            return
        around: Surroundings | None = getattr(self.app, "around", None)
        settings = around.settings if around is not None else None
        if settings is not None and (self._beside is None or (state.final and not self._over)):
            self._over = state.final
            self._beside = self._beside or OtherTop1()
            self.run_worker(partial(self._look_beside, spec.pair, settings.sessions), thread=True, group="beside")
        if self._beside is not None:
            self.query_one(JobFigures).text = top1_text(update, self._beside)

    def _look_beside(self, pair: str, sessions: Path) -> None:
        def found(other: OtherTop1) -> None:
            self._beside = other
            if self.latest is not None:
                self.query_one(JobFigures).text = top1_text(self.latest, other)

        try:
            other = other_top1(pair, sessions)
        except AligndbgError as error:
            words = error.message
            tell(self, events.Callback(callback=lambda: self.notify(words, severity="warning")))
        else:
            tell(self, events.Callback(callback=lambda: found(other)))

    def _draw(self) -> None:
        self.query_one(CurvesPane).show(
            self._curves,
            reference=self._reference,
            reference_name=self._reference_name,
            violations=tuple(self._violations.values()),
            target_top1=self.latest.expectation.target_top1 if self.latest else None,
        )

    # -- panes --------------------------------------------------------------------------------------------------------

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        self.query_one("#panes").set_class(self.query_one(CurvesPane).has_focus_within, "-in-curves")

    def action_next_pane(self) -> None:
        tabs, curves = self.query_one(LogTabs), self.query_one(CurvesPane)
        to_log = curves.has_focus_within
        # What does not show takes no focus.
        self.query_one("#panes").set_class(not to_log, "-in-curves")
        if to_log and tabs.view is not None:
            tabs.view.focus()
        else:
            curves.focus()

    def action_previous_pane(self) -> None:
        self.action_next_pane()

    def action_zoom(self) -> None:
        self.query_one("#panes").toggle_class("-zoomed")

    async def action_next_log(self) -> None:
        await self.query_one(LogTabs).turn(1)

    async def action_previous_log(self) -> None:
        await self.query_one(LogTabs).turn(-1)

    def action_back(self) -> None:
        if self.query_one("#panes").has_class("-zoomed"):
            self.action_zoom()
        else:
            self.app.leave()  # type: ignore[attr-defined]

    # -- the job ------------------------------------------------------------------------------------------------------

    def action_details(self) -> None:
        from aligndbg.tui.screens.job_pages import DetailsPage

        if self.latest is not None:
            self.app.push_screen(DetailsPage(self.latest, tuple(self._violations.values())))

    def action_stop_job(self) -> None:
        from aligndbg.tui.screens.job_pages import StopPage

        job = self.job
        if job is None or job.state is None or job.state.final:
            self.notify(f"{self.path.name} is over", severity="warning")
        else:
            self.app.push_screen(StopPage(job))

    def action_reference(self) -> None:
        from aligndbg.tui.screens.ask import AskScreen

        hint = "a job's folder or id, a log file, or a CSV; empty takes the reference away"
        self.app.push_screen(AskScreen("Reference curve", hint, self._reference_name), self._take_reference)

    def _take_reference(self, text: str | None) -> None:
        if text is None:
            return
        if not text.strip():
            self._reference, self._reference_name = None, ""
            self._draw()
            return
        self.run_worker(partial(self._read_reference, text.strip()), thread=True, exclusive=True, group="reference")

    def _read_reference(self, text: str) -> None:
        """`text` is a path, or names a job as on the command line."""
        path = Path(text).expanduser()

        def took(curves: Curves) -> None:
            self._reference, self._reference_name = curves, path.name
            self._draw()

        try:
            if not path.exists() and os.sep not in text:
                path = resolve_job(self.path.parent, text).path
            curves = read_reference(path)
        except AligndbgError as error:
            words = f"{error.message}: {error.hint}" if error.hint else error.message
            tell(self, events.Callback(callback=lambda: self.notify(words, severity="warning")))
        else:
            tell(self, events.Callback(callback=lambda: took(curves)))

    def action_copy(self) -> None:
        if self.latest is not None:
            state = self.latest.job.state
            parts = (self.path.name, state.status if state else "", progress_text(self.latest), state.reason if state else "")
            copy(self, " · ".join(clean(part) for part in parts if part), "the job's line")

    @property
    def places(self) -> dict[str, DOMNode]:
        curves, tabs = self.query_one(CurvesPane), self.query_one(LogTabs)
        log: dict[str, DOMNode] = {"log": tabs.view, "log pane": tabs.pane} if tabs.view and tabs.pane else {}
        ordered = {"curves": curves, **log} if curves.has_focus_within else {**log, "curves": curves}
        return {**ordered, "job": self}
