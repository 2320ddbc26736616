"""Names and messages of strangers: nothing in them is markup, an escape sequence, or breaks a line."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import driving
import fake_run
from driving import detail, opened, playing, screen_text, told
from rich.cells import cell_len
from textual.events import Paste
from textual.pilot import Pilot

from aligndbg.core.findings import Finding, Proof, Status
from aligndbg.core.layers import Call, LayerPair, ParamSpec, TensorSpec
from aligndbg.core.verdict import LayerResult, Verdict
from aligndbg.errors import ChildDied
from aligndbg.tui.apps import HomeApp
from aligndbg.tui.run import Entry, Surroundings
from aligndbg.weights.plan import WeightPlan
from aligndbg.workflows.events import (
    Downloading,
    Event,
    FindingMade,
    LayerDiffed,
    LayersPaired,
    Notice,
    RunEnded,
    RunFailed,
    RunStarted,
    SideProgress,
    SideReady,
    WeightsPlanned,
    WeightsReady,
)

MARKUP = "[red]x[/red]"
ACTION = "[@click=app.quit]x[/]"

NASTY = (
    MARKUP,
    ACTION,
    "[/nope] [",
    "\x1b[31mred\x1b[0m",
    "\x1b]52;c;AAAA\x07",
    "\x9b31m\x90q",
    "a\nb\rc\x0bd",
    "\u202eevil\u2066",
    "\udcff\ud800",
    "e\u0301\u200d\ufe0f" * 20,
    "層の名前" * 30,
    "x" * 1000,
)

ALL = " ".join(NASTY)


def preparing() -> list[Event]:
    """A run's beginning in which every text is a stranger's."""
    return [
        RunStarted(ALL, ALL, ALL),
        SideReady("torch", {"torch": ALL, ALL: ALL}),
        SideProgress("paddle", ALL, ALL),
        Downloading(ALL, 1, 2),
        Notice("warning", ALL, ALL),
    ]


def layer(index: int, nasty: str) -> tuple[LayerPair, LayerResult]:
    spec = TensorSpec((1, 4, 4, 4), nasty)
    call = Call(
        index,
        f"net{index % 3}.{nasty}.{nasty}{index}",
        nasty,
        nasty,
        (spec,),
        attributes={nasty: nasty, "list": [nasty, 1]},
        params=(ParamSpec(nasty, nasty, "o", spec),),
        source=f"{nasty}/{nasty}.py:3",
    )
    other = replace(call, path=f"{call.path}b", attributes={nasty: f"{nasty}!"})
    diff = fake_run.diff((1, 4, 4, 4), 0.5)
    return LayerPair(index, call, other, nasty, nasty), LayerResult(index, Verdict.BORN, True, diff, blame=nasty, note=nasty)


def finding(index: int, nasty: str) -> Finding:
    path = layer(index, nasty)[0].path
    proof = Proof(1.0, 0.0, "experiment")
    status = list(Status)[index % 3]
    return Finding(nasty, path, path, nasty, nasty, nasty, proof, status, f"{nasty}:{index}", nasty, f"{nasty}2", (nasty, nasty))


def hostile_run() -> list[Event]:
    layers, results = zip(*(layer(index, nasty) for index, nasty in enumerate(NASTY)), strict=True)
    findings = tuple(finding(index, nasty) for index, nasty in enumerate(NASTY))
    report = replace(fake_run.report(layers, results), headline=f"{ALL}: mismatch — {ALL}", input=ALL, findings=findings)
    return [
        *preparing(),
        WeightsReady(ALL, ALL),
        LayersPaired(layers),
        WeightsPlanned(WeightPlan((), NASTY, NASTY)),
        *map(LayerDiffed, results),
        *map(FindingMade, findings),
        RunEnded(report),
    ]


def check(pilot: Pilot[Any]) -> str:
    """What stands on the screen, where it is harmless."""
    for strip in pilot.app.screen._compositor.render_strips():
        assert cell_len(strip.text) == pilot.app.size.width
        for segment in strip:
            assert segment.text.isprintable(), repr(segment.text)
            assert segment.style is None or "app.quit" not in str(segment.style.meta)
    return screen_text(pilot)


async def test_a_strangers_model_is_shown_and_does_nothing() -> None:
    async with opened(playing(hostile_run()), size=(140, 45)) as pilot:
        assert MARKUP in check(pilot)
        await pilot.press("g")
        for _ in range(len(NASTY) + 3):
            await pilot.press("n")
            check(pilot)
            assert detail(pilot).plain.replace("\n", "").isprintable()
            await pilot.press("y")
            assert pilot.app.clipboard.isprintable()
        for key in ("tab", "z", "escape", "escape", "s", "s", "E"):
            await pilot.press(key)
            check(pilot)
        assert all(notification.message.isprintable() for notification in pilot.app._notifications)
        await pilot.resize_terminal(60, 20)
        await pilot.pause()
        check(pilot)


async def test_a_strangers_findings_are_shown_and_do_nothing() -> None:
    async with opened(playing(hostile_run()), size=(140, 45)) as pilot:
        await pilot.press("c", "z")
        text = check(pilot)
        assert MARKUP in text and ACTION in text
        for _ in NASTY:
            await pilot.press("j", "y", "o", "w")
            check(pilot)
            assert pilot.app.clipboard.isprintable()
        for _ in NASTY:
            await pilot.press("k", "enter")
            check(pilot)
            await pilot.press("c")
        assert all(message.isprintable() for message in told(pilot))
        await pilot.resize_terminal(60, 20)
        await pilot.pause()
        check(pilot)


async def test_a_strangers_words_on_the_page_of_the_run_do_nothing() -> None:
    async with opened(playing(hostile_run()), size=(140, 60)) as pilot:
        await pilot.press("i")
        text = check(pilot)
        assert MARKUP in text and ACTION in text and r"\x1b[31mred" in text
        await pilot.press("G", "y")
        check(pilot)
        assert pilot.app.clipboard.replace("\n", "").isprintable()


async def test_a_strangers_name_can_be_searched_in_the_palette() -> None:
    async with opened(playing(hostile_run()), size=(140, 45)) as pilot:
        await pilot.press("ctrl+p")
        for text in ("red", "nope", "x1b", "層の名前", "click"):
            pilot.app.screen.query_one("CommandInput").value = text
            await driving.until(pilot, lambda: "go to this layer" in screen_text(pilot))
            check(pilot)


async def test_a_strangers_failure_is_shown_and_does_nothing() -> None:
    failed = RunFailed(ChildDied(ALL, ALL, "\n".join(NASTY)))
    async with opened(playing([*preparing(), failed]), size=(140, 60)) as pilot:
        assert MARKUP in check(pilot)
        await pilot.press("i")
        check(pilot)


async def test_a_strangers_pair_is_listed_and_does_nothing() -> None:
    def entries() -> list[Entry]:
        return [*(Entry(nasty, nasty, nasty, nasty) for nasty in NASTY), *(Entry(nasty, error=nasty) for nasty in NASTY)]

    app = HomeApp(Surroundings(entries, entries))
    async with app.run_test(size=(120, 60), notifications=True) as pilot:
        await driving.until(pilot, lambda: app.screen.query("EntryList") and app.screen.query_one("#sessions").option_count > 2)
        assert MARKUP in check(pilot)
        await pilot.press("tab")
        for _ in range(len(NASTY)):
            await pilot.press("k" if app.screen.query_one("#sessions").highlighted else "G", "enter", "y")
            check(pilot)
            assert app.clipboard.isprintable()
        assert len(told(pilot)) >= len(NASTY)


async def test_what_is_pasted_into_the_filter_does_not_reach_the_terminal() -> None:
    async with opened() as pilot:
        await pilot.press("slash")
        pilot.app.post_message(Paste("\x1b[31mred\x07"))
        await pilot.pause()
        check(pilot)
        pilot.app.post_message(Paste("kind:conv"))
        await driving.until(pilot, lambda: "26 of 66" in screen_text(pilot))
