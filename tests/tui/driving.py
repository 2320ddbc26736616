"""Driving the app: open it, wait for a state, read what is on the screen."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import fake_run
from textual.events import MouseScrollDown, MouseScrollUp
from textual.pilot import Pilot
from textual.widgets import Input

from aligndbg.core.layers import Call, LayerPair, TensorSpec
from aligndbg.core.verdict import LayerResult, Verdict
from aligndbg.tui.app import AligndbgApp
from aligndbg.tui.apps import InspectApp
from aligndbg.tui.run import Run
from aligndbg.tui.screens.compare import CompareScreen
from aligndbg.tui.widgets.layer_detail import LayerDetail
from aligndbg.tui.widgets.layer_table import LayerTable
from aligndbg.workflows.events import Event, LayerDiffed, LayersPaired, RunStarted

TRIES = 2000
"""Looks at the state, 5 ms apart, before a test gives up."""


async def until(pilot: Pilot[Any], condition: Callable[[], Any]) -> None:
    """Let the app work until the condition holds and all it has to do is done."""
    for _ in range(TRIES):
        if condition():
            await pilot.pause()
            return
        await pilot.pause(0.005)
    raise AssertionError(f"it never came to that; the screen shows\n{screen_text(pilot)}")


def screen_text(pilot: Pilot[Any]) -> str:
    """The top screen's cells as lines of text."""
    strips = pilot.app.screen._compositor.render_strips()
    return "\n".join(strip.text.rstrip() for strip in strips)


@asynccontextmanager
async def opened(
    start: Callable[[], Run] | None = None, size: tuple[int, int] = (120, 30), wait: bool = True, **options: Any
) -> AsyncIterator[Pilot[Any]]:
    """The app on a pair, at the end of its run."""
    app = InspectApp(fake_run.PAIR, start or fake_run.starting(), **options)
    async with app.run_test(size=size, notifications=True) as pilot:
        if wait:
            await ended(pilot)
        yield pilot


async def ended(pilot: Pilot[Any]) -> None:
    await until(pilot, lambda: isinstance(pilot.app.screen, CompareScreen) and compare(pilot).state.phase != "running")


def compare(pilot: Pilot[Any]) -> CompareScreen:
    return next(screen for screen in pilot.app.screen_stack if isinstance(screen, CompareScreen))


def table(pilot: Pilot[Any]) -> LayerTable:
    return compare(pilot).query_one(LayerTable)


def detail(pilot: Pilot[Any]) -> LayerDetail:
    return compare(pilot).query_one(LayerDetail)


def rows(pilot: Pilot[Any]) -> list[str]:
    """Paths of the rows that no fold and no filter hides."""
    shown = table(pilot)
    return [shown.outline.rows[index].path for index in shown.shown]


def told(pilot: Pilot[Any]) -> list[str]:
    """What the app has said in passing."""
    return [notification.message for notification in pilot.app._notifications]


async def type_filter(pilot: Pilot[Any], text: str) -> None:
    await pilot.press("slash")
    pilot.app.screen.query_one(Input).value = text
    await pilot.pause()
    await pilot.pause()


def small(*paths: str, kind: str = "relu", verdicts: str = "") -> list[Event]:
    """A run on a few layers. One letter a layer: `b`orn, `i`nherited, `u`npaired, anything else is ok."""
    layers = []
    results = []
    for index, path in enumerate(paths):
        call = Call(index, path, kind, "ReLU", (TensorSpec((1, 8, 4, 4)),))
        letter = (verdicts + " " * len(paths))[index]
        verdict = {"b": Verdict.BORN, "i": Verdict.INHERITED, "u": Verdict.UNPAIRED}.get(letter, Verdict.OK)
        layers.append(LayerPair(index, call, None if letter == "u" else call, "type+order", "next in both orders"))
        figure = {"b": 0.5, "i": 0.25}.get(letter, 1e-8 * (index + 1))
        propagated = None if letter == "u" else fake_run.diff((1, 8, 4, 4), figure)
        results.append(LayerResult(index, verdict, verdict is not Verdict.OK, propagated))
    return [RunStarted("small", "", ""), LayersPaired(tuple(layers)), *map(LayerDiffed, results)]


def playing(*runs: list[Event] | fake_run.FakeRun) -> Callable[[], fake_run.FakeRun]:
    """Each start plays the next of these runs; the last one again and again."""
    left = list(runs)

    def start() -> fake_run.FakeRun:
        run = left.pop(0) if len(left) > 1 else left[0]
        return run if isinstance(run, fake_run.FakeRun) else fake_run.FakeRun(run)

    return start


def app_of(pilot: Pilot[Any]) -> AligndbgApp:
    assert isinstance(pilot.app, AligndbgApp)
    return pilot.app


def line_of(pilot: Pilot[Any], text: str) -> int:
    """The first line of the screen that holds the text."""
    lines = screen_text(pilot).splitlines()
    return next((y for y, line in enumerate(lines) if text in line), -1)


async def wheel(pilot: Pilot[Any], at: tuple[int, int], down: bool) -> None:
    x, y = at
    event = (MouseScrollDown if down else MouseScrollUp)(None, x, y, 0, 0, 0, False, False, False, x, y)
    pilot.app.screen._forward_event(event)
    await pilot.pause()
