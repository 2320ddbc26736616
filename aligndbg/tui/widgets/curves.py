"""The curves of a run, one metric at a time, beside those of a reference."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Static

from aligndbg.jobs.series import Axis, Curves
from aligndbg.jobs.violation import Violation
from aligndbg.tui.actions import bindings
from aligndbg.tui.cells import clean
from aligndbg.tui.clipboard import copy
from aligndbg.tui.theme import MUTED
from aligndbg.tui.widgets.curve_lines import MOST_RANKS, Line, Scale, lines_of, marks_of, metrics_of, rank_count, scale_of, stops
from aligndbg.tui.widgets.curve_looks import legend
from aligndbg.tui.widgets.curve_metrics import MetricRow
from aligndbg.tui.widgets.curve_plot import CurvePlot, Picture
from aligndbg.tui.widgets.curve_readout import csv_text, latest_text, readout

CAPACITY = 1024
"""Buckets of a trace that are enough for any screen: `Curves(CAPACITY)` are read in a quarter of the time."""
SHARE = 0.1
"""Of the time, that reading the curves of a running job may take."""
FAR = 10
"""Points of a long step of the cursor."""
TINY, SHORT, TALL = 9, 12, 18
"""Lines of the pane below which it is only a plot, below which the cursor's values stand in the border, and from which there are a
legend and two lines of values."""
NARROW = 60
"""Cells below which there is no legend."""

NOTHING = (
    "no metric yet: nothing that the log says so far is a loss, an accuracy, a learning rate or a speed in a format that is known"
)


HINT = "← → or a click sets a cursor"


class CurvesPane(Vertical, can_focus=True):
    """`show` hands it the curves, at most twice a second while a job runs; it draws anew where they have changed."""

    BINDINGS = bindings("curves")

    DEFAULT_CSS = """
    CurvesPane {
        height: 1fr;
        background: $background;
        border: round $foreground 25%;
        border-title-color: $text-muted;
        border-subtitle-color: $text-muted;
        &:focus { border: round $accent; border-title-color: $text-accent; }
        & > Static { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
        & > .values { text-wrap: wrap; }
        &.-tall > .values { height: 2; }
        & > .nothing { height: 1fr; display: none; color: $text-muted; text-wrap: wrap; padding: 1 2; }
        &.-nothing > * { display: none; }
        &.-nothing > .nothing { display: block; }
        &.-tiny > MetricRow, &.-short > .values { display: none; }
        &.-plain > .legend { display: none; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.metric = ""
        self.axis: Axis = "epoch"
        self.by_rank = False
        self.cursor: float | None = None
        self._logarithmic: set[str] = set()
        self._curves = Curves()
        self._reference: Curves | None = None
        self._reference_name = ""
        self._violations: tuple[Violation, ...] = ()
        self._target: float | None = None
        self._metrics: tuple[str, ...] = ()
        self._lines: tuple[Line, ...] = ()
        self._thin: tuple[Line, ...] = ()
        """The same with no more points than are drawn."""
        self._reference_lines: tuple[Line, ...] = ()
        self._reference_of: tuple[object, ...] = ()
        self._scale: Scale | None = None
        self._titles = ("", "")
        self._next = 0.0
        self._waiting: Timer | None = None

    def compose(self) -> ComposeResult:
        yield MetricRow()
        yield Static(classes="legend")
        yield CurvePlot()
        yield Static(classes="values")
        yield Static(Content(NOTHING), classes="nothing")

    def show(
        self,
        curves: Curves,
        *,
        reference: Curves | None = None,
        reference_name: str = "",
        violations: Sequence[Violation] = (),
        target_top1: float | None = None,
    ) -> None:
        """Draw these curves. Reading those of a long run takes a while: it is put off where it was done just now.

        `target_top1` is in percent. `curves` may grow after the call, and are read again at the next one.
        """
        self._curves, self._reference, self._reference_name = curves, reference, reference_name
        self._violations, self._target = tuple(violations), target_top1
        if not self.is_mounted or not self.size.width:
            return
        if (wait := self._next - monotonic()) <= 0:
            self._read()
        elif self._waiting is None:
            self._waiting = self.set_timer(wait, self._read)

    @property
    def plot(self) -> CurvePlot:
        return self.query_one(CurvePlot)

    def on_resize(self) -> None:
        height, width = self.size.height, self.size.width
        self.set_class(height < TINY - 2, "-tiny")
        self.set_class(height < SHORT - 2, "-short")
        self.set_class(height >= TALL - 2, "-tall")
        self.set_class(height < TALL - 2 or width < NARROW - 2, "-plain")
        self.call_after_refresh(self._read)

    # -- drawing ------------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        """Ask the curves for the lines, and draw them."""
        begun = monotonic()
        if self._waiting is not None:
            self._waiting.stop()
            self._waiting = None
        self._metrics = metrics_of(self._curves)
        if self.metric not in self._metrics:
            self.metric, self.cursor = next(iter(self._metrics), ""), None
        if self.has_class("-nothing") and self._metrics:
            # There is a plot from now on, whose width is known once it is laid out.
            self.call_after_refresh(self._read)
        self.set_class(not self._metrics, "-nothing")
        self._scale = scale_of(self._curves, self.metric)
        self._lines = lines_of(self._curves, self.metric, self.axis, self.by_rank, self._scale)
        self._thin = tuple(line.thinned(max(8, self.plot.columns)) for line in self._lines)
        of = (self._reference, self.metric, self.axis)
        if len(self._reference_of) != len(of) or any(one is not other for one, other in zip(of, self._reference_of, strict=True)):
            self._reference_lines = () if self._reference is None else lines_of(self._reference, self.metric, self.axis, False)
            self._reference_of = of
        self._next = monotonic() + (monotonic() - begun) * (1 / SHARE - 1)
        self._draw()

    def _draw(self) -> None:
        plot = self.plot
        at = self._at()
        picture = Picture(
            self._thin,
            self._reference_lines,
            marks_of(self._violations, self.axis, self._scale),
            self._target if self.metric == "top1" else None,
            self.metric in self._logarithmic,
            self.axis == "step",
            at,
            () if at is None else tuple(line.at(at) for line in self._lines),
        )
        plot.show(picture)
        self.query_one(MetricRow).show(self._metrics, self.metric)
        values = self._values()
        self.query_one(".values", Static).update(Content.styled(values or HINT, "" if values else MUTED), layout=False)
        name = self._reference_name if self._reference_lines else None
        signs = legend(picture.lines, name, picture.target, bool(picture.marks))
        self.query_one(".legend", Static).update(signs, layout=False)
        name = clean(self.metric)
        title = f"{name} · {latest_text(self._curves, self.metric)}" if name else "Curves"
        subtitle = values if values and self.has_class("-short") else self._state() if name else ""
        # Setting them draws the whole pane anew, whatever they were.
        if (title, subtitle) != self._titles:
            self._titles = title, subtitle
            self.border_title, self.border_subtitle = Content(title), Content(subtitle)

    def _state(self) -> str:
        count = rank_count(self._curves, self.metric)
        ranks = "each rank" if count <= MOST_RANKS else f"ranks 0 to {MOST_RANKS - 1} of {count}"
        return " · ".join(
            [
                "steps" if self.axis == "step" else "epochs",
                *(["log scale"] if self.metric in self._logarithmic else []),
                *([ranks if self.by_rank else f"mean of {count} ranks"] if count > 1 else []),
            ]
        )

    # -- the cursor ---------------------------------------------------------------------------------------------------

    def _at(self) -> float | None:
        """The stop that is nearest to the cursor: what is drawn of a growing curve changes."""
        places = stops(self._thin) if self.cursor is not None else []
        return min(places, key=lambda x: abs(x - (self.cursor or 0.0)), default=None)

    def _values(self) -> str:
        at = self._at()
        if at is None:
            return ""
        return readout(self.metric, at, self._lines, self._reference_lines, self.axis, self._scale, self._reference_name)

    def _move(self, by: int) -> None:
        """The cursor comes in from the side that it moves away from."""
        places = stops(self._thin)
        if not places:
            return
        at = self._at()
        place = (-1 if by > 0 else len(places)) if at is None else places.index(at)
        self._go(places[max(0, min(len(places) - 1, place + by))])

    def _go(self, x: float | None) -> None:
        came_or_went = (self.cursor is None) != (x is None)
        self.cursor = x
        self._draw()
        if came_or_went:
            self.refresh_bindings()

    @on(CurvePlot.Pointed)
    def _pointed(self, event: CurvePlot.Pointed) -> None:
        event.stop()
        self._go(event.x)

    def action_cursor_left(self) -> None:
        self._move(-1)

    def action_cursor_right(self) -> None:
        self._move(1)

    def action_cursor_far_left(self) -> None:
        self._move(-FAR)

    def action_cursor_far_right(self) -> None:
        self._move(FAR)

    def action_cursor_first(self) -> None:
        self._go(min(stops(self._thin), default=None))

    def action_cursor_last(self) -> None:
        self._go(max(stops(self._thin), default=None))

    def action_cursor_away(self) -> None:
        self._go(None)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Without a cursor, Escape is the screen's."""
        return self.cursor is not None if action == "cursor_away" else True

    # -- what is drawn ------------------------------------------------------------------------------------------------

    def choose(self, metric: str) -> None:
        """Draw another metric; the cursor stays where it is."""
        self.metric = metric
        self._read()

    @on(MetricRow.Chosen)
    def _chosen(self, event: MetricRow.Chosen) -> None:
        event.stop()
        self.choose(event.metric)

    def action_next_metric(self, by: int = 1) -> None:
        if self._metrics:
            self.choose(self._metrics[(self._metrics.index(self.metric) + by) % len(self._metrics)])

    def action_previous_metric(self) -> None:
        self.action_next_metric(-1)

    def action_ranks(self) -> None:
        if rank_count(self._curves, self.metric) < 2:
            self.notify(f"{clean(self.metric) or 'the log'} is of one rank alone", markup=False)
            return
        self.by_rank = not self.by_rank
        self._read()

    def action_axis(self) -> None:
        if self._scale is None:
            self.notify("the log does not say how many steps an epoch has")
            return
        at, scale = self._at(), self._scale
        self.axis = "epoch" if self.axis == "step" else "step"
        if at is not None:
            self.cursor = scale.epoch(at) if self.axis == "epoch" else scale.step(at)
        self._read()

    def action_scale(self) -> None:
        self._logarithmic ^= {self.metric}
        self._draw()

    # -- copying ------------------------------------------------------------------------------------------------------

    def action_copy(self) -> None:
        name = clean(self.metric)
        if values := self._values():
            copy(self.screen, values, "the values at the cursor")
        elif name:
            copy(self.screen, f"{name} · {latest_text(self._curves, self.metric)}", f"the latest of {name}")

    def action_copy_csv(self) -> None:
        if self.metric:
            text = csv_text(self._curves, self.metric, self.by_rank)
            copy(self.screen, text, f"{clean(self.metric)} as CSV, {text.count(chr(10)) - 1:,} rows")
