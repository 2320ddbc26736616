"""How the app looks, as pictures: `pytest tests/tui/test_look.py --snapshot-update` accepts what has changed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import driving
import fake_run
import pytest
from test_home import PAIRS, SESSIONS
from test_runs import killed
from textual.pilot import Pilot

from aligndbg.tui.apps import HomeApp, InspectApp
from aligndbg.tui.run import Surroundings

SnapCompare = Callable[..., bool]
"""Compares an app's picture with the one that was accepted."""


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """No clock, no blinking."""
    monkeypatch.setattr("aligndbg.tui.screens.compare.monotonic", lambda: 0.0)
    monkeypatch.setattr("textual.widgets.Input.cursor_blink", False)


def after(*keys: str, layers: int | None = None) -> Callable[[Pilot[Any]], Awaitable[None]]:
    """Press keys when the run has ended, or so many layers are compared."""

    async def run_before(pilot: Pilot[Any]) -> None:
        if layers is None:
            await driving.ended(pilot)
        else:
            await driving.until(pilot, lambda: len(driving.compare(pilot).state.results) == layers)
        await pilot.press(*keys)
        await pilot.pause()

    return run_before


def inspect() -> InspectApp:
    return InspectApp(fake_run.PAIR, fake_run.starting())


def test_a_run(snap_compare: SnapCompare) -> None:
    assert snap_compare(inspect(), terminal_size=(120, 36), run_before=after())


def test_a_narrow_terminal(snap_compare: SnapCompare) -> None:
    assert snap_compare(inspect(), terminal_size=(80, 24), run_before=after())


def test_the_findings(snap_compare: SnapCompare) -> None:
    app = InspectApp(fake_run.PAIR, driving.playing(fake_run.found_events()))
    assert snap_compare(app, terminal_size=(120, 36), run_before=after("c", "j"))


def test_the_light_theme_with_zoomed_details(snap_compare: SnapCompare) -> None:
    assert snap_compare(inspect(), terminal_size=(140, 32), run_before=after("ctrl+t", "tab", "z"))


def test_no_colour(snap_compare: SnapCompare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert snap_compare(inspect(), terminal_size=(120, 30), run_before=after("tab", "pagedown"))


def test_help(snap_compare: SnapCompare) -> None:
    assert snap_compare(inspect(), terminal_size=(100, 40), run_before=after("question_mark"))


def test_a_killed_child(snap_compare: SnapCompare) -> None:
    app = InspectApp(fake_run.PAIR, driving.playing(killed()))
    assert snap_compare(app, terminal_size=(120, 36), run_before=after())


def test_a_run_that_goes_on_under_a_filter_with_a_slip(snap_compare: SnapCompare) -> None:
    run = fake_run.FakeRun(fake_run.events(), hold=45)
    app = InspectApp(fake_run.PAIR, lambda: run)
    assert snap_compare(app, terminal_size=(120, 30), run_before=after("slash", *"!kind:relu ver:born", layers=25))
    run.cancel()


def test_home(snap_compare: SnapCompare) -> None:
    async def listed(pilot: Pilot[Any]) -> None:
        await driving.until(pilot, lambda: all(entries.option_count == 3 for entries in pilot.app.screen.query("EntryList")))

    assert snap_compare(HomeApp(Surroundings(lambda: PAIRS, lambda: SESSIONS)), terminal_size=(120, 24), run_before=listed)
