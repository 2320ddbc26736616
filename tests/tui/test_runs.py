"""Runs that go on, end, fail, are begun again; watching; stored runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import driving
import fake_run
import pytest
from driving import compare, detail, opened, playing, rows, screen_text, small, table, told

from aligndbg.errors import AligndbgError, CannotPair, ChildDied
from aligndbg.tui.apps import InspectApp
from aligndbg.tui.run import Run
from aligndbg.tui.screens.notices import NoticesScreen
from aligndbg.tui.widgets.bars import FailureBanner, NoticeLines
from aligndbg.workflows.events import Event, LayerDiffed, LayersPaired, Notice, RunFailed, SideProgress

WORDS = "\n".join(f"line {index} of the log" for index in range(40)) + "\nFatalError: Segmentation fault\n"

DIED = ChildDied("the paddle child was killed by signal 9", "the machine may be out of memory", WORDS)


def killed(after: int = 20) -> list[Event]:
    """A run whose Paddle child is killed when so many layers are compared."""
    events = fake_run.events()
    first = next(place for place, event in enumerate(events) if isinstance(event, LayerDiffed))
    return [*events[: first + after], SideProgress("paddle", "failed"), RunFailed(DIED)]


async def test_what_the_children_do_is_shown_stage_by_stage() -> None:
    run = fake_run.FakeRun(fake_run.events(), hold=8)
    async with opened(lambda: run, wait=False) as pilot:
        await driving.until(pilot, lambda: compare(pilot).state.download)
        text = screen_text(pilot)
        assert "torch    ✓ starting  ✓ importing  ✓ ready  ▶ building" in text
        assert "paddle   ✓ starting  ▶ importing" in text
        assert "2.0 of 4.8 MiB" in text
        assert "▶ downloading squeezenet1_0-b66bff10.pth" in text
        assert "▶ weights running" in text
        run.go()
        await driving.ended(pilot)


async def test_a_side_that_waits_for_the_other_has_done_its_part() -> None:
    run = fake_run.FakeRun([*fake_run.opening(), *fake_run.preparing()], hold=12)
    async with opened(lambda: run, wait=False) as pilot:
        await driving.until(pilot, lambda: compare(pilot).state.stages.get("paddle") == ("built", ""))
        assert "paddle   ✓ starting  ✓ importing  ✓ ready  ✓ building  ✓ built" in screen_text(pilot)
        run.cancel()


async def test_layers_fill_in_while_the_run_goes_on() -> None:
    run = fake_run.FakeRun(fake_run.events(), hold=45)
    async with opened(lambda: run, wait=False) as pilot:
        await driving.until(pilot, lambda: len(compare(pilot).state.results) == 25)
        text = screen_text(pilot)
        assert "24/64" in text
        assert "▶ 24 of 64 layers compared, max|d| so far 1.28" in text
        assert "▶ layers running" in text
        await pilot.press("G")
        assert "· waiting" in screen_text(pilot)
        run.go()
        await driving.ended(pilot)
        assert "· waiting" not in screen_text(pilot)
        assert table(pilot).path == "flatten"


async def test_seconds_are_counted_while_the_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("aligndbg.tui.screens.compare.monotonic", lambda: clock[0])
    run = fake_run.FakeRun(fake_run.events(), hold=8)
    async with opened(lambda: run, wait=False) as pilot:
        await driving.until(pilot, lambda: compare(pilot).state.download)
        clock[0] = 107.2
        compare(pilot)._tick()
        await pilot.pause()
        assert "7 s" in screen_text(pilot)
        run.go()
        await driving.ended(pilot)
        assert "7 s" not in screen_text(pilot).splitlines()[1]


async def test_the_end_says_what_it_ran_with() -> None:
    async with opened() as pilot:
        lines = screen_text(pilot).splitlines()
        assert lines[0].split() == (
            "aligndbg broken/squeezenet1_0 SqueezeNet 1.0 with three mistakes in the port torch 2.13.0+cpu · paddle 3.3.1".split()
        )
        assert lines[1].strip() == "input ones 1x3x224x224 · weights Kaiming-normal from seed 0 · 52 tensors mapped · 2.3 s"
        assert "✓ weights done   ✗ forward failed   ✗ layers failed   ○ eval not yet" in screen_text(pilot)


async def test_a_killed_child_leaves_the_app_its_layers_and_its_last_words() -> None:
    async with opened(playing(killed())) as pilot:
        text = screen_text(pilot)
        assert "✗ stopped  the paddle child was killed by signal 9" in text
        assert "try      the machine may be out of memory" in text
        assert "it said  line 38 of the log" in text
        assert "FatalError: Segmentation fault" in text
        assert "i shows its last words · r runs again" in text
        assert "stopped after 19 of 64 layers" in text
        assert "✓ weights done   ■ forward stopped   ■ layers stopped" in text
        assert len(rows(pilot)) == 76
        await pilot.press("n")
        assert table(pilot).path == "features.3.squeeze"


async def test_a_run_after_a_killed_child_recovers() -> None:
    async with opened(playing(killed(), fake_run.events())) as pilot:
        assert compare(pilot).query_one(FailureBanner).display
        await pilot.press("r")
        await driving.until(pilot, lambda: compare(pilot).state.report is not None)
        assert not compare(pilot).query_one(FailureBanner).display
        assert "63 mismatch" in screen_text(pilot)


async def test_all_last_words_are_on_the_page_of_the_run_and_can_be_copied() -> None:
    async with opened(playing(killed())) as pilot:
        await pilot.press("i")
        page = pilot.app.screen
        assert isinstance(page, NoticesScreen)
        assert "line 0 of the log" in screen_text(pilot)
        await pilot.press("G")
        await driving.until(pilot, lambda: "session" in screen_text(pilot))
        assert "line 0 of the log" not in screen_text(pilot)
        for key in ("g", "j", "k", "ctrl+d", "ctrl+u", "pagedown", "pageup", "end", "home"):
            await pilot.press(key)
        await pilot.press("y")
        copied = pilot.app.clipboard
        assert "line 0 of the log" in copied and "FatalError" in copied and "▲ warning" in copied
        assert "torch      torch 2.13.0+cpu · numpy 2.4.6" in copied
        await pilot.press("escape")
        assert pilot.app.screen is compare(pilot)


async def test_the_page_of_a_run_that_is_well_has_headline_and_facts() -> None:
    async with opened(fake_run.starting(broken=False)) as pilot:
        await pilot.press("i")
        text = screen_text(pilot)
        assert "✓ squeezenet1_0: aligned — 65 of 65 layers agree" in text
        assert "input      ones 1x3x224x224" in text
        await pilot.press("question_mark")
        assert pilot.app.screen is compare(pilot)


async def test_a_page_is_left_by_a_click_beside_it_or_on_its_edge() -> None:
    async with opened() as pilot:
        await pilot.press("i")
        await pilot.click(offset=(0, 0))
        assert pilot.app.screen is compare(pilot)
        await pilot.press("i")
        line = driving.line_of(pilot, "esc closes")
        x = screen_text(pilot).splitlines()[line].index("esc closes")
        await pilot.click(offset=(x + 2, line))
        await driving.until(pilot, lambda: pilot.app.screen is compare(pilot))
        await pilot.press("i")
        await pilot.click("PageText")
        assert isinstance(pilot.app.screen, NoticesScreen)


async def test_warnings_come_first_and_the_rest_is_a_key_away() -> None:
    notices: list[Event] = [Notice("info", f"note {index}") for index in range(4)]
    async with opened(playing([*small("a"), *notices, Notice("warning", "mind this", "do that")])) as pilot:
        text = screen_text(pilot)
        assert text.index("▲ warning  mind this — do that") < text.index("● note     note 0")
        assert "and 3 more: press i" in text
        await pilot.click(NoticeLines)
        await driving.until(pilot, lambda: isinstance(pilot.app.screen, NoticesScreen))
        assert "note 3" in screen_text(pilot)


async def test_a_notice_that_is_cut_says_where_the_rest_is() -> None:
    async with opened(size=(80, 24)) as pilot:
        line = screen_text(pilot).splitlines()[driving.line_of(pilot, "▲ warning")]
        assert line.rstrip().endswith("(i)")
        await pilot.press("i")
        assert "pass --weights FILE" in screen_text(pilot)


async def test_models_that_cannot_be_paired_are_no_defect_of_the_weights() -> None:
    failed = RunFailed(CannotPair("3 of 120 calls are shared", "check that both are the same architecture"))
    async with opened(playing([*fake_run.opening(), *fake_run.preparing(), failed])) as pilot:
        text = screen_text(pilot)
        assert "◆ cannot be paired — 3 of 120 calls are shared" in text
        assert "○ weights not yet   ○ forward not yet   ✗ layers failed" in text
        assert "■ tracing" in text


async def test_a_run_that_cannot_begin_says_why() -> None:
    def start() -> Run:
        raise AligndbgError("models/mine/pair.yaml:3: unknown key wieghts", "did you mean weights?")

    async with opened(start) as pilot:
        assert "✗ stopped  models/mine/pair.yaml:3: unknown key wieghts" in screen_text(pilot)
        assert "did you mean weights?" in screen_text(pilot)


async def test_a_run_begun_again_cancels_the_one_before() -> None:
    first = fake_run.FakeRun(fake_run.events(), hold=30)
    async with opened(playing(first, fake_run.FakeRun(fake_run.events(broken=False))), wait=False) as pilot:
        await driving.until(pilot, lambda: compare(pilot).state.layers)
        await pilot.press("r")
        await driving.ended(pilot)
        assert first.cancelled
        assert "aligned" in screen_text(pilot)


async def test_until_the_new_layers_are_known_the_old_ones_stay_and_are_marked() -> None:
    second = fake_run.FakeRun(fake_run.events(), hold=6)
    async with opened(playing(fake_run.FakeRun(fake_run.events()), second)) as pilot:
        assert "Layers of the last run" not in screen_text(pilot)
        await pilot.press("r")
        await driving.until(pilot, lambda: "torch" in compare(pilot).state.stages)
        text = screen_text(pilot)
        assert "Layers of the last run" in text
        assert "features" in text
        second.go()
        await driving.until(pilot, lambda: compare(pilot).state.report is not None)
        assert "Layers of the last run" not in screen_text(pilot)


async def test_a_run_begun_again_keeps_row_folds_filter_and_scrolled_details() -> None:
    async with opened() as pilot:
        shown = table(pilot)
        shown.go_to(shown.outline.find("features.3"))
        await pilot.press("space")
        shown.go_to(shown.outline.find("features.4.cat"))
        await pilot.press("k", "j", "tab", "pagedown")
        await driving.until(pilot, lambda: detail(pilot).scroll_offset.y > 0)
        scrolled = detail(pilot).scroll_offset.y
        before = compare(pilot).state
        await pilot.press("r")
        await driving.until(pilot, lambda: compare(pilot).state is not before and compare(pilot).state.report is not None)
        assert shown.path == "features.4.cat"
        assert "features.3.cat" not in rows(pilot)
        assert detail(pilot).scroll_offset.y == scrolled
        await driving.type_filter(pilot, "kind:conv")
        before = compare(pilot).state
        await pilot.press("enter", "r")
        await driving.until(pilot, lambda: compare(pilot).state is not before and compare(pilot).state.report is not None)
        assert shown.outline.matches == 26
        await pilot.press("escape")
        assert shown.path == "features.4.cat"
        assert "features.3.cat" not in rows(pilot)


async def test_details_stay_and_are_marked_until_the_layer_is_compared_again() -> None:
    second = fake_run.FakeRun(fake_run.events(), hold=24)
    async with opened(playing(fake_run.FakeRun(fake_run.events()), second)) as pilot:
        await pilot.press("G", "r")
        await driving.until(pilot, lambda: len(compare(pilot).state.results) > 2 and compare(pilot).state.report is None)
        assert "Detail of the last run" in screen_text(pilot)
        assert detail(pilot).plain.startswith("flatten  ▼ inherited")
        await pilot.press("k")
        await driving.until(pilot, lambda: detail(pilot).plain.startswith("classifier.3  · waiting"))
        assert "Detail of the last run" not in screen_text(pilot)
        second.go()
        await driving.ended(pilot)


async def test_a_row_that_nobody_chose_gives_way_to_the_first_born_of_the_next_run() -> None:
    paths = ("a", "b", "c", "d")
    async with opened(playing(small(*paths, verdicts="  b"), small(*paths, verdicts=" b"), small(*paths, verdicts="b"))) as pilot:
        assert table(pilot).path == "c"
        await pilot.press("r")
        await driving.until(pilot, lambda: table(pilot).path == "b")
        await pilot.press("j", "r")
        await driving.until(pilot, lambda: compare(pilot).state.results.get(0) and compare(pilot).state.phase != "running")
        assert table(pilot).path == "c"


async def test_layers_that_are_told_again_take_the_results_that_follow() -> None:
    events = small("a", "b", verdicts=" b")
    again = LayersPaired(next(event.layers for event in events if isinstance(event, LayersPaired)))
    async with opened(playing([*events, again, *events[2:]])) as pilot:
        assert "0.5" in screen_text(pilot)
        assert "waiting" not in screen_text(pilot)


async def test_files_that_change_begin_a_run_while_they_are_watched(tmp_path: Path) -> None:
    model = tmp_path / "paddle_model.py"
    model.write_text("one")
    runs: list[fake_run.FakeRun] = []

    def start() -> fake_run.FakeRun:
        runs.append(fake_run.FakeRun(small("a")))
        return runs[-1]

    async with opened(start, watch_paths=lambda: [model]) as pilot:
        await pilot.press("w")
        assert "watching" in screen_text(pilot)
        model.write_text("another")
        await driving.until(pilot, lambda: len(runs) == 2)
        await pilot.press("w")
        assert "watching" not in screen_text(pilot)
        model.write_text("and another")
        await pilot.press("r")
        await driving.until(pilot, lambda: len(runs) == 3)


async def test_watching_may_be_on_from_the_start(tmp_path: Path) -> None:
    async with opened(watch_paths=lambda: [tmp_path], watching=True) as pilot:
        assert "watching" in screen_text(pilot)
        assert threading.active_count() > 1


async def test_where_there_are_no_files_watching_is_refused() -> None:
    async with opened() as pilot:
        await pilot.press("w")
        assert told(pilot) == ["there are no files to watch"]
        assert "watching" not in screen_text(pilot)


READ_ONLY = "this is a stored run; `aligndbg PAIR` makes a new one"


async def test_a_stored_run_is_read_only_and_says_so() -> None:
    starts: list[None] = []

    def start() -> fake_run.FakeRun:
        starts.append(None)
        return fake_run.FakeRun(fake_run.events())

    async with opened(start, read_only=READ_ONLY) as pilot:
        assert "stored run" in screen_text(pilot)
        await pilot.press("r", "w")
        assert told(pilot) == [READ_ONLY, READ_ONLY]
        assert len(starts) == 1
        await pilot.press("n", "y")
        assert "features.3.squeeze" in pilot.app.clipboard


async def test_a_stored_run_that_failed_does_not_offer_to_run_again() -> None:
    async with opened(playing(killed()), read_only=READ_ONLY) as pilot:
        assert "r runs again" not in screen_text(pilot)
        assert READ_ONLY in screen_text(pilot)


class Deaf(fake_run.FakeRun):
    """A run whose children take their time to end."""

    def events(self) -> Iterator[Event]:
        yield from fake_run.opening()
        self._free.wait(20)

    def cancel(self) -> None:
        self.cancelled = True


async def test_quitting_stops_the_run_and_does_not_wait_for_it() -> None:
    run = Deaf([])
    app = InspectApp(fake_run.PAIR, lambda: run)
    async with app.run_test() as pilot:
        await driving.until(pilot, lambda: compare(pilot).state.download)
        await pilot.press("q")
    assert run.cancelled
    assert app.return_value == ""
    assert len(app.ending) == 1
    run.go()
