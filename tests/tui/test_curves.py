"""The curves pane: what is drawn, what the cursor says, and that nothing in a log gets at the terminal."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest
from driving import screen_text, told, until
from textual.app import App, ComposeResult
from textual.color import Color
from textual.pilot import Pilot
from textual.widgets import Static

from aligndbg.jobs.metrics import Phase, Sample
from aligndbg.jobs.series import Curves
from aligndbg.jobs.violation import Violation
from aligndbg.tui.actions import actions_of
from aligndbg.tui.cells import clean
from aligndbg.tui.theme import DARK, LIGHT
from aligndbg.tui.widgets import curves as curves_module
from aligndbg.tui.widgets.curve_metrics import MetricRow
from aligndbg.tui.widgets.curve_plot import MARGIN, CurvePlot
from aligndbg.tui.widgets.curves import CurvesPane

SnapCompare = Callable[..., bool]


def sample(
    epoch: float | None, step: int | None, rank: int | None = None, phase: Phase = "train", total: int | None = 32, **values: float
) -> Sample:
    return Sample(0, None, rank, phase, epoch, step, total, values)


def curves_of(samples: Iterable[Sample]) -> Curves:
    curves = Curves()
    for one in samples:
        curves.add(one)
    return curves


def trained(epochs: int = 3, ranks: int = 1, lower: float = 0.0, steps: int = 32) -> Curves:
    """A loss that falls by 0.01 a step from 7, of rank r 0.5 * r higher; evaluations after each epoch."""
    curves = Curves()
    for epoch in range(epochs):
        for step in range(steps):
            loss = 7.0 - lower - 0.01 * (epoch * steps + step)
            for rank in range(ranks):
                values = {"ips": 800.0, "loss": loss + 0.5 * rank, "lr": 0.1, "top1": 10.0 + epoch}
                curves.add(sample(epoch, step, rank if ranks > 1 else None, total=steps, **values))
        curves.add(sample(epoch, None, phase="eval", total=None, loss=6.0 - lower - 0.1 * epoch, top1=20.0 + 10 * epoch))
    return curves


def broken_rule(rule: str, epoch: float | None, step: int | None, phase: Phase = "train") -> Violation:
    return Violation(rule, "it went wrong", "the log", 0.0, {}, None, phase, epoch, step)


class CurvesApp(App[None]):
    BINDINGS: ClassVar = [("escape", "go_away", "away")]

    def __init__(self, curves: Curves, light: bool = False, **options: Any) -> None:
        super().__init__()
        self.shown = curves
        self.options = options
        self.away = 0
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        self.theme = (LIGHT if light else DARK).name

    def notify(self, message: str, **options: Any) -> None:
        """As in the app itself."""
        super().notify(clean(message), **{**options, "markup": False})

    def action_go_away(self) -> None:
        self.away += 1

    def compose(self) -> ComposeResult:
        yield CurvesPane()

    def on_mount(self) -> None:
        pane = self.query_one(CurvesPane)
        pane.focus()
        pane.show(self.shown, **self.options)


@asynccontextmanager
async def opened(curves: Curves, size: tuple[int, int] = (100, 30), **options: Any) -> AsyncIterator[Pilot[None]]:
    app = CurvesApp(curves, **options)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: drawn(pilot))
        yield pilot


def pane(pilot: Pilot[Any]) -> CurvesPane:
    return pilot.app.query_one(CurvesPane)


def drawn(pilot: Pilot[Any]) -> bool:
    return "no metric yet" in screen_text(pilot) or (bool(pane(pilot).plot.picture.lines) and "┃" in screen_text(pilot))


def values(pilot: Pilot[Any]) -> str:
    return str(pilot.app.query_one(".values", Static).content)


async def pressed(pilot: Pilot[Any], *keys: str) -> str:
    await pilot.press(*keys)
    return values(pilot)


def plot_rows(pilot: Pilot[Any]) -> list[str]:
    """What stands within the frame of the plot."""
    lines = [line.split("┃") for line in screen_text(pilot).replace("┫", "┃").replace("┣", "┃").splitlines()]
    return [line[1] for line in lines if len(line) == 3]


def ticks(pilot: Pilot[Any]) -> list[float]:
    """The numbers below the plot."""
    lines = screen_text(pilot).splitlines()
    frame = max(y for y, line in enumerate(lines) if "━" in line)
    return [float(word) for word in lines[frame + 1].strip("│ ").split()]


def column_of(pilot: Pilot[Any], mark: str) -> int:
    return next(row.index(mark) for row in plot_rows(pilot) if mark in row)


# -- what is drawn ------------------------------------------------------------------------------------------------------


async def test_the_loss_is_shown_first_with_its_latest_values_and_both_phases() -> None:
    async with opened(trained()) as pilot:
        text = screen_text(pilot)
        assert "loss · train 6.05 · eval 5.8" in text.splitlines()[0]
        assert "[loss] top1  lr  ips" in text.splitlines()[1]
        assert "⠒⠒⠒ train   ⠒◆⠒ eval" in text.splitlines()[2]
        assert text.splitlines()[-1].rstrip("╯─ ").endswith("epochs")
        assert sum(row.count("◆") for row in plot_rows(pilot)) == 3
        rows = plot_rows(pilot)
        assert any("⠀" < cell <= "⣿" for cell in rows[1][:4]), "the loss begins at the top left"


async def test_metrics_are_chosen_by_key_and_by_mouse_and_go_round() -> None:
    async with opened(trained()) as pilot:
        await pilot.press("right_square_bracket")
        assert pane(pilot).metric == "top1"
        assert "top1 · train 12 % · eval 40 %" in screen_text(pilot)
        await pilot.press("left_square_bracket", "left_square_bracket")
        assert pane(pilot).metric == "ips"
        await pilot.press("right_square_bracket")
        assert pane(pilot).metric == "loss"
        await pilot.click(MetricRow, offset=(screen_text(pilot).splitlines()[1].index("lr") - 1, 0))
        await until(pilot, lambda: pane(pilot).metric == "lr")
        assert "[lr]" in screen_text(pilot)


async def test_many_metrics_are_shown_around_the_chosen_one() -> None:
    names = {f"metric_{index}": float(index) for index in range(60)}
    async with opened(curves_of([sample(0, 0, **names), sample(0, 1, **names)])) as pilot:
        assert "[metric_0] metric_1 " in screen_text(pilot)
        assert screen_text(pilot).splitlines()[1].rstrip("│ ").endswith("›")
        await pilot.press("left_square_bracket")
        row = screen_text(pilot).splitlines()[1]
        assert row.startswith("│‹")
        assert "[metric_59]" in row
        await pilot.click(MetricRow, offset=(0, 0))
        assert "metric_5" in pane(pilot).metric
        assert f"[{pane(pilot).metric}]" in screen_text(pilot)


async def test_steps_and_epochs_along_the_axis() -> None:
    async with opened(trained()) as pilot:
        assert ticks(pilot) == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0]
        await pilot.press("u")
        await until(pilot, lambda: "steps ─" in screen_text(pilot))
        assert ticks(pilot) == [0, 20, 40, 60, 80]


async def test_without_steps_an_axis_of_steps_is_not_made_up() -> None:
    async with opened(curves_of([sample(0, None, phase="eval", top1=40.0), sample(1, None, phase="eval", top1=50.0)])) as pilot:
        await pilot.press("u")
        assert told(pilot) == ["the log does not say how many steps an epoch has"]
        assert pane(pilot).axis == "epoch"


async def test_a_logarithmic_scale_marks_what_it_has_no_place_for() -> None:
    curves = curves_of(sample(0, step, loss=10.0 ** (step - 3)) for step in range(5))
    curves.add(sample(0, 5, loss=0.0))
    async with opened(curves) as pilot:
        await pilot.press("s")
        await until(pilot, lambda: "log scale" in screen_text(pilot))
        labels = [line[1 : MARGIN + 1].split("┫")[0].strip() for line in screen_text(pilot).splitlines() if "┫" in line]
        assert labels == ["10", "1", "0.1", "0.01", "0.001"]
        assert "▽" in plot_rows(pilot)[-1]
        assert "0 or less" in screen_text(pilot)
        await pilot.press("right_square_bracket", "left_square_bracket")
        assert "log scale" in screen_text(pilot)
        await pilot.press("s")
        await until(pilot, lambda: "log scale" not in screen_text(pilot))


async def test_ranks_are_averaged_or_told_apart_by_letters() -> None:
    async with opened(trained(ranks=3)) as pilot:
        assert "mean of 3 ranks" in screen_text(pilot)
        assert "train 6.55" in screen_text(pilot)
        await pilot.press("a")
        await until(pilot, lambda: "each rank" in screen_text(pilot))
        assert "⠒0⠒ ⠒1⠒ ⠒2⠒ ranks   ⠒◆⠒ eval" in screen_text(pilot)
        rows = plot_rows(pilot)
        heights = [next(y for y, row in enumerate(rows) if str(rank) in row[:8]) for rank in (0, 1, 2)]
        assert heights == sorted(heights, reverse=True), "the lower the loss, the lower the letter"
        assert len(set(heights)) == 3
        await pilot.press("home")
        assert "loss 7 (rank 0) · 7.5 (rank 1) · 8 (rank 2)" in values(pilot)


async def test_of_many_ranks_the_first_are_drawn_and_it_says_so() -> None:
    async with opened(trained(ranks=20, epochs=1)) as pilot:
        await pilot.press("a")
        await until(pilot, lambda: "ranks 0 to 7 of 20" in screen_text(pilot))
        assert "⠒7⠒ ranks" in screen_text(pilot)
        assert "(rank 7)" in (await pressed(pilot, "right"))
        assert "rank 8" not in values(pilot)


async def test_one_rank_alone_is_not_split() -> None:
    async with opened(trained()) as pilot:
        await pilot.press("a")
        assert told(pilot) == ["loss is of one rank alone"]


async def test_a_reference_is_dotted_and_read_beside_the_run() -> None:
    async with opened(trained(2), reference=trained(9, lower=1.0), reference_name="the paper") as pilot:
        assert "⠂⠂⠂ the paper" in screen_text(pilot)
        assert sum(row.count("◇") for row in plot_rows(pilot)) == 2, "its evaluations within the run's epochs"
        # The run fills the axis, however long the reference is.
        assert max(ticks(pilot)) == 2.0
        await pilot.press("home", "right")
        assert values(pilot).endswith("· loss 6.99 (train) · the paper 5.99 (train)")


async def test_a_reference_is_drawn_where_the_run_has_nothing_yet() -> None:
    async with opened(curves_of([sample(0, 0, loss=math.nan)]), reference=trained()) as pilot:
        assert "✗" in screen_text(pilot)
        assert "loss · train NaN" in screen_text(pilot)


async def test_the_target_is_a_line_with_its_label_on_top1_alone() -> None:
    async with opened(trained(), target_top1=71.88) as pilot:
        assert "target" not in screen_text(pilot)
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: "╌╌╌ target 71.88" in screen_text(pilot))
        rows = plot_rows(pilot)
        line = next(y for y, row in enumerate(rows) if row.count("╌") > 60)
        assert any("target 71.88" in row for row in rows[max(0, line - 2) : line + 3])


async def test_what_rules_found_is_marked_where_it_began() -> None:
    found = [broken_rule("loss-rising", 1.0, 16), broken_rule("below-target", None, None), broken_rule("lr-off", 2.0, 0)]
    async with opened(trained(), violations=found) as pilot:
        text = "\n".join(plot_rows(pilot))
        assert text.count("▲") == 2
        assert "loss-rising" in text
        assert "lr-off" in text
        assert "below-target" not in text
        width = len(plot_rows(pilot)[0])
        assert sorted(row.index("▲") for row in plot_rows(pilot) if "▲" in row) == pytest.approx([width / 2, width * 2 / 3], abs=1)


async def test_what_is_not_finite_is_marked_at_the_edge() -> None:
    curves = trained(1)
    for step in range(32):
        curves.add(sample(1, step, loss=math.nan if step == 16 else 6.0))
    async with opened(curves) as pilot:
        rows = plot_rows(pilot)
        assert "✗" in rows[0]
        assert rows[0].index("✗") == pytest.approx(len(rows[0]) * 48 / 63, abs=2)
        assert "NaN or infinite" in "\n".join(rows)
        assert "✗ NaN or infinite" in screen_text(pilot)
        pane(pilot).cursor = 1.5
        await pilot.press("left", "right")
        assert "loss NaN or infinite (train)" in values(pilot)


async def test_it_says_honestly_that_there_is_nothing_and_draws_what_comes() -> None:
    curves = Curves()
    async with opened(curves) as pilot:
        assert "no metric yet: " in screen_text(pilot)
        assert "┃" not in screen_text(pilot)
        await pilot.press("left", "u", "a", "s", "y", "Y", "right_square_bracket")
        curves.add(sample(0, 0, loss=7.0))
        pane(pilot).show(curves)
        await until(pilot, lambda: "┃" in screen_text(pilot) and "loss · train 7" in screen_text(pilot))
        assert "no metric yet" not in screen_text(pilot)
        assert len(plot_rows(pilot)[0]) > 80


# -- while a job runs ---------------------------------------------------------------------------------------------------


async def test_a_growing_curve_is_drawn_as_it_grows_and_what_did_not_change_is_not_drawn_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(curves_module, "SHARE", 1.0)
    curves = trained(1)
    async with opened(curves) as pilot:
        times = 0
        render = CurvePlot._render_plot

        def counting(plot: CurvePlot) -> None:
            nonlocal times
            times += 1
            render(plot)

        monkeypatch.setattr(CurvePlot, "_render_plot", counting)
        for _ in range(5):
            pane(pilot).show(curves)
            await pilot.pause()
        assert times == 0
        curves.add(sample(1, 0, loss=2.5))
        pane(pilot).show(curves)
        await until(pilot, lambda: times > 0)
        assert "train 2.5" in screen_text(pilot)


async def test_reading_takes_a_small_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now, reads = 100.0, []
    monkeypatch.setattr(curves_module, "monotonic", lambda: now)
    read = curves_module.lines_of

    def slow(*arguments: Any) -> Any:
        nonlocal now
        reads.append(now)
        now += 0.01
        return read(*arguments)

    async with opened(trained(1)) as pilot:
        monkeypatch.setattr(curves_module, "lines_of", slow)
        pane(pilot)._next = 0.0
        for _ in range(20):
            pane(pilot).show(trained(2))
            now += 0.01
        assert [round(at - 100, 2) for at in reads] == [0.0, 0.1, 0.2]
        # The last of them is drawn when its time has come, though nobody asks again.
        await until(pilot, lambda: "eval 5.9" in screen_text(pilot))


# -- the cursor ---------------------------------------------------------------------------------------------------------


async def test_the_cursor_goes_over_the_points_and_says_what_is_there() -> None:
    async with opened(trained(), reference=trained(lower=0.5)) as pilot:
        assert "a cursor" in values(pilot)
        await pilot.press("right")
        assert values(pilot) == "epoch 0 · step 0 · loss 7 (train) · reference 6.5 (train)"
        await pilot.press("l", "right", "h")
        assert values(pilot).startswith("epoch 0.031 · step 1 · loss 6.99 (train)")
        await pilot.press("pagedown", "shift+right", "pageup", *["l"] * 21)
        assert values(pilot).startswith("epoch 1 · step 32 · loss 6.68 (train) · 6 (eval)")
        await pilot.press("l", *["right"] * 7)
        assert values(pilot).startswith("epoch 1.25 · step 40 · loss 6.6 (train) · 6 (eval, epoch 1) · reference 6.1 (train)")
        assert len({row.index("│") for row in plot_rows(pilot) if "│" in row}) == 1
        assert "●" in "\n".join(plot_rows(pilot))
        await pilot.press("end")
        assert values(pilot).startswith("epoch 3 · step 96")
        await pilot.press("home", "left")
        assert values(pilot).startswith("epoch 0 ")


async def test_the_first_step_to_the_left_begins_at_the_end() -> None:
    async with opened(trained()) as pilot:
        await pilot.press("left")
        assert values(pilot).startswith("epoch 3 · step 96")


async def test_escape_takes_the_cursor_away_and_then_is_the_screens() -> None:
    async with opened(trained()) as pilot:
        await pilot.press("left", "escape")
        assert "a cursor" in values(pilot)
        assert "│" not in "".join(plot_rows(pilot))
        assert pilot.app.away == 0
        await pilot.press("escape")
        assert pilot.app.away == 1


async def test_the_mouse_puts_the_cursor_and_focuses_the_pane() -> None:
    async with opened(trained()) as pilot:
        pilot.app.set_focus(None)
        width = pane(pilot).plot.columns
        await pilot.click(CurvePlot, offset=(MARGIN + 1 + width // 2, 5))
        await until(pilot, lambda: pane(pilot).cursor is not None)
        assert pane(pilot)._at() == pytest.approx(1.5, abs=0.05)
        assert column_of(pilot, "│") == pytest.approx(width // 2, abs=1)
        assert pane(pilot).has_focus
        await pilot.mouse_down(CurvePlot, offset=(MARGIN + 10, 5))
        await pilot.hover(CurvePlot, offset=(MARGIN + 1, 5))
        assert pane(pilot)._at() == pytest.approx(0.3, abs=0.05), "only a press or a drag moves it"


async def test_the_cursor_stays_at_its_point_when_the_axis_or_the_metric_changes() -> None:
    async with opened(trained()) as pilot:
        await pilot.press("right", *["l"] * 40, "u")
        assert values(pilot).startswith("epoch 1.25 · step 40 ")
        await pilot.press("right_square_bracket")
        assert values(pilot).startswith("epoch 1.25 · step 40 · top1 11 % (train)")
        await pilot.press("u")
        assert values(pilot).startswith("epoch 1.25 · step 40 ")


async def test_the_plots_own_keys_and_wheel_do_nothing() -> None:
    async with opened(trained()) as pilot:
        before = screen_text(pilot)
        await pilot.press("plus", "minus", "up", "down", "r")
        plot = pane(pilot).plot
        assert not plot.can_focus
        assert list(plot._bindings) == []
        assert screen_text(pilot) == before


def test_keys_of_the_curves_and_of_their_screen_mean_the_same() -> None:
    keys = [key for action in actions_of(("curves",)) for key in action.keys]
    others = {key: action.name for action in actions_of(("app", "job")) for key in action.keys}
    # Where the curves have them, they mean the same, or fall through while there is no cursor.
    assert {others[key] for key in keys if key in others} <= {"copy", "back"}


# -- copying ------------------------------------------------------------------------------------------------------------


async def test_the_values_and_the_points_are_copied() -> None:
    async with opened(trained()) as pilot:
        await pilot.press("y")
        assert pilot.app.clipboard == "loss · train 6.05 · eval 5.8"
        await pilot.press("right", "y")
        assert pilot.app.clipboard == "epoch 0 · step 0 · loss 7 (train)"
        await pilot.press("Y")
        lines = pilot.app.clipboard.splitlines()
        assert lines[:2] == ["epoch,step,train_loss,eval_loss", "0,0,7.0,"]
        assert "0,,,6.0" in lines
        assert told(pilot)[-1] == f"copied loss as CSV, {len(lines) - 1} rows"


# -- small, hostile, absurd ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(40, 8), (80, 24), (60, 12), (30, 7), (12, 5), (200, 60)])
async def test_any_size_shows_what_there_is_room_for(size: tuple[int, int]) -> None:
    found = [broken_rule("loss-rising", 1.0, 16)]
    async with opened(trained(ranks=2), size=(100, 30), reference=trained(), violations=found) as pilot:
        await pilot.resize_terminal(*size)
        await pilot.pause()
        await pilot.press("left", "a", "u")
        await pilot.pause()
        lines = screen_text(pilot).splitlines()
        assert all(len(line) <= size[0] for line in lines)
        if size[0] >= 30:
            assert any("⠀" < cell <= "⣿" for cell in "".join(plot_rows(pilot)))
            assert "loss · train" in lines[0]
        if size == (40, 8):
            assert "steps" not in lines[-1], "the values at the cursor take that place"
            assert "epoch 3 · step 96" in lines[-1]
            assert len(plot_rows(pilot)) == 3
        await pilot.resize_terminal(100, 30)
        await until(pilot, lambda: len(plot_rows(pilot)[0]) > 85)


HOSTILE = "\x1b[2Jevil[bold red]\u202e\x9bname"


async def test_names_from_a_log_are_neither_obeyed_nor_taken_for_markup() -> None:
    curves = curves_of([sample(0, step, **{HOSTILE: float(step)}) for step in range(5)])
    found = [broken_rule(HOSTILE + "漢", 0.0, 2)]
    async with opened(curves, reference=curves, reference_name=HOSTILE, violations=found) as pilot:
        text = screen_text(pilot)
        assert not set("\x1b\x9b\u202e") & set(text)
        assert "[bold red]" in text
        await pilot.press("left", "a", "Y")
        assert not set("\x1b\x9b\u202e") & set(screen_text(pilot) + pilot.app.clipboard)


@pytest.mark.parametrize(
    "numbers",
    [
        [0.0, 0.0],
        [1e99, -1e99],
        [1e-300, 2e-300],
        [math.inf, -math.inf, math.nan],
        [5.0],
        [1.0, 1.0 + 1e-15],
        [-3.0, -1.0],
        [1e16, 1e16 + 2],
        [1e300, 1.0],
    ],
)
async def test_absurd_numbers_are_drawn_or_marked(numbers: list[float]) -> None:
    async with opened(curves_of(sample(0, step, loss=number) for step, number in enumerate(numbers))) as pilot:
        for key in ("s", "u", "left", "s", "u", "home"):
            await pilot.press(key)
            await pilot.pause()
        assert "loss" in values(pilot)
        assert any(cell not in "│ " for cell in "".join(plot_rows(pilot)))


async def test_colours_are_those_of_the_theme_now_and_readable_on_its_ground() -> None:
    def colours(pilot: Pilot[Any]) -> dict[str, tuple[Color, Color]]:
        """Of the letters, dots and marks in the plot, on what they stand."""
        strips = pilot.app.screen._compositor.render_strips()
        segments = [
            segment for strip in strips[4:-5] for segment in strip if segment.style and segment.text.strip(" │┃┫┣0123456789.")
        ]
        found = {}
        for one in segments:
            assert one.style is not None
            assert one.style.color is not None
            assert one.style.bgcolor is not None
            found[one.text] = Color.from_rich_color(one.style.color), Color.from_rich_color(one.style.bgcolor)
        return found

    found = [broken_rule("loss-rising", 1.0, 16)]
    async with opened(trained(ranks=2), reference=trained(lower=1.0), violations=found) as pilot:
        for theme in (LIGHT, DARK):
            pilot.app.theme = theme.name
            for _ in range(4):
                await pilot.pause()
            seen = colours(pilot)
            assert len({colour for colour, _ in seen.values()}) >= 4
            assert all(ground == Color.parse(theme.background or "") for _, ground in seen.values())
            assert all(contrast(colour, ground) > 3 for colour, ground in seen.values()), seen


def contrast(one: Color, other: Color) -> float:
    """WCAG 2's contrast ratio, of which 3 is asked for graphics."""

    def luminance(colour: Color) -> float:
        parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour.normalized]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


# -- the look -----------------------------------------------------------------------------------------------------------


def wavy(ranks: int = 1, lower: float = 0.0) -> Curves:
    curves = Curves()
    for epoch in range(6):
        for step in range(0, 100, 2):
            at = epoch * 100 + step
            loss = 1.5 - lower + 5.4 * math.exp(-at / 200) + 0.2 * math.sin(at * 1.7)
            values = {
                "loss": math.nan if 330 <= at < 340 else loss,
                "lr": 0.1,
                "top1": 70 * (1 - math.exp(-at / 200)),
                "ips": 812.0,
            }
            for rank in range(ranks):
                curves.add(sample(epoch, step, rank if ranks > 1 else None, total=100, **values))
        curves.add(
            sample(epoch, None, phase="eval", total=None, loss=2.0 - lower + 4 * math.exp(-(epoch + 1) / 2), top1=12.0 * epoch)
        )
    return curves


def test_the_look_in_the_dark(snap_compare: SnapCompare) -> None:
    found = [broken_rule("loss-not-finite", 3.0, 30), broken_rule("lr-off", 4.0, 40)]
    app = CurvesApp(wavy(), reference=wavy(lower=0.6), reference_name="torch's own", violations=found)

    async def before(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: drawn(pilot))
        await pilot.press("end", *["shift+left"] * 9)

    assert snap_compare(app, terminal_size=(100, 30), run_before=before)


def test_the_look_in_a_narrow_place(snap_compare: SnapCompare) -> None:
    async def before(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: drawn(pilot))
        await pilot.press("right_square_bracket")

    assert snap_compare(CurvesApp(wavy(), light=True, target_top1=71.88), terminal_size=(40, 10), run_before=before)
