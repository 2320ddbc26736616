"""Jobs in the app: the list at home, the line on a pair's screen, and a job's own screen."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import driving
import pytest
from driving import screen_text, told, until
from textual.pilot import Pilot
from textual.widgets import Input, Tabs
from written_jobs import log, made, metrics, over, result, sample

from aligndbg.jobs.expectation import Expectation, write_expectation
from aligndbg.jobs.folder import read_job
from aligndbg.jobs.launcher import start
from aligndbg.jobs.spec import JobSpec, new_id
from aligndbg.tui import job_feed
from aligndbg.tui.app import AligndbgApp
from aligndbg.tui.apps import HomeApp, JobApp
from aligndbg.tui.run import Surroundings
from aligndbg.tui.screens.ask import AskScreen
from aligndbg.tui.screens.compare import CompareScreen
from aligndbg.tui.screens.home import HomeScreen
from aligndbg.tui.screens.job import JobScreen
from aligndbg.tui.screens.job_pages import DetailsPage, StopPage
from aligndbg.tui.widgets.curves import CurvesPane
from aligndbg.tui.widgets.entry_list import EntryList
from aligndbg.tui.widgets.log_tabs import LogTabs

SnapCompare = Callable[..., bool]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    # Not less: a press waits until the app has nothing to do.
    monkeypatch.setattr(job_feed, "POLL_S", 0.2)
    monkeypatch.setattr(job_feed, "BOARD_S", 0.1)
    monkeypatch.setattr("aligndbg.tui.widgets.log_view.POLL_S", 0.2)


def around(root: Path) -> Surroundings:
    return Surroundings(list, list, root)


@asynccontextmanager
async def opened(app: AligndbgApp, size: tuple[int, int] = (120, 40)) -> AsyncIterator[Pilot[Any]]:
    async with app.run_test(size=size, notifications=True) as pilot:
        await pilot.pause()
        yield pilot


@asynccontextmanager
async def job(folder: Path, size: tuple[int, int] = (120, 40)) -> AsyncIterator[Pilot[Any]]:
    async with opened(JobApp(folder, around(folder.parent)), size) as pilot:
        await until(pilot, lambda: isinstance(pilot.app.screen, JobScreen) and pilot.app.screen.latest)
        yield pilot


def screen(pilot: Pilot[Any]) -> JobScreen:
    return next(each for each in pilot.app.screen_stack if isinstance(each, JobScreen))


async def test_home_lists_jobs_with_their_progress_and_broken_rules(tmp_path: Path) -> None:
    folder = made(tmp_path, title="squeezenet, 2 ranks", ranks=2)
    write_expectation(folder, Expectation(epochs=4))
    metrics(folder, sample(0, 5.5), sample(1, math.nan), sample(2, 5.25, ips=12.5))
    async with opened(HomeApp(around(tmp_path)), (200, 30)) as pilot:
        await until(pilot, lambda: "0.3 of 4 epochs · loss 5.25 · 12.5 img/s" in screen_text(pilot))
        assert "▶ running · ✗ loss-not-finite" in screen_text(pilot)
        over(folder, "failed", "exit code 1; KeyError: 'loss'")
        await until(pilot, lambda: "✗ failed" in screen_text(pilot))
        await pilot.press("shift+tab", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, JobScreen))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen))


async def test_the_job_in_hand_stays_so_when_another_one_starts(tmp_path: Path) -> None:
    mine = made(tmp_path, "20260101T120000Z-train-0001", title="mine")
    over(made(tmp_path, "20260101T120000Z-train-0002", title="another"))
    async with opened(HomeApp(around(tmp_path))) as pilot:
        await until(pilot, lambda: "another" in screen_text(pilot))
        jobs = pilot.app.screen.query_one("#jobs", EntryList)
        await pilot.press("J", "down", "up")
        assert jobs.entry is not None and jobs.entry.job == mine, "what runs comes first"
        made(tmp_path, "20260101T120000Z-train-0003", title="a later one")
        await until(pilot, lambda: "a later one" in screen_text(pilot))
        assert jobs.entry is not None and jobs.entry.job == mine
        over(mine)
        await until(pilot, lambda: "✓ ended" in screen_text(pilot) and jobs.highlighted == 1)
        assert jobs.entry is not None and jobs.entry.job == mine


async def test_the_list_is_not_scrolled_back_by_a_job_that_goes_on(tmp_path: Path) -> None:
    running = made(tmp_path, "20260101T130000Z-train-0000")
    for number in range(30):
        over(made(tmp_path, f"20260101T120000Z-train-{number:04}", title=f"job {number}"))
    async with opened(HomeApp(around(tmp_path))) as pilot:
        await until(pilot, lambda: "job 29" in screen_text(pilot))
        jobs = pilot.app.screen.query_one("#jobs", EntryList)
        jobs.scroll_to(y=20, animate=False)
        await pilot.pause()
        metrics(running, sample(0, 5.5))
        await until(pilot, lambda: any("loss 5.5" in entry.note for entry in jobs._shown))
        await pilot.pause(0.1)
        assert jobs.scroll_offset.y == 20


async def test_a_damaged_job_says_so_and_is_not_opened(tmp_path: Path) -> None:
    folder = made(tmp_path)
    (folder / "state.json").write_text("{")
    async with opened(HomeApp(around(tmp_path))) as pilot:
        await until(pilot, lambda: "◆ 20260101T120000Z-train-0000" in screen_text(pilot))
        await pilot.press("J", "enter")
        await until(pilot, lambda: any("state.json" in words for words in told(pilot)))
        assert isinstance(pilot.app.screen, HomeScreen)


async def test_a_pairs_screen_tells_of_a_running_job_and_leads_to_it(tmp_path: Path) -> None:
    folder = made(tmp_path, title="squeezenet, 2 ranks")
    metrics(folder, sample(0, 5.5))
    async with driving.opened(around=around(tmp_path)) as pilot:
        await until(pilot, lambda: "▶ job running  squeezenet, 2 ranks · 0.1 epochs · loss 5.5" in screen_text(pilot))
        over(folder)
        await until(pilot, lambda: "✓ job ended" in screen_text(pilot))
        await pilot.press("J", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, JobScreen))
        await pilot.press("escape", "J")
        await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen))
        assert len([each for each in pilot.app.screen_stack if isinstance(each, HomeScreen)]) == 1


async def test_jobs_that_were_over_before_have_no_line(tmp_path: Path) -> None:
    over(made(tmp_path))
    async with driving.opened(around=around(tmp_path)) as pilot:
        await until(pilot, lambda: driving.app_of(pilot).board)
        assert "job ended" not in screen_text(pilot)


async def test_escape_on_the_first_screen_goes_home(tmp_path: Path) -> None:
    async with driving.opened(around=around(tmp_path)) as pilot:
        await pilot.press("escape", "escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen))
        assert not any(isinstance(each, CompareScreen) for each in pilot.app.screen_stack)


async def test_a_job_shows_curves_logs_and_what_is_wrong(tmp_path: Path) -> None:
    folder = made(tmp_path, title="a run", ranks=2)
    log(
        folder,
        {"launcher.log": "started\n", "workerlog.0": "[2026-01-01 12:00:00] zero\n", "workerlog.1": "[2026-01-01 12:00:01] one\n"},
    )
    metrics(folder, *(sample(step, 6.0 - step / 10, rank) for step in range(8) for rank in (0, 1)))
    async with job(folder) as pilot:
        await until(pilot, lambda: all(words in screen_text(pilot) for words in ("0│[2026", "1│[2026", "loss 5.3", "2 ranks")))
        metrics(folder, sample(8, math.nan))
        await until(pilot, lambda: "✗ loss-not-finite  The loss is NaN at step 8 of epoch 0 on rank 0." in screen_text(pilot))
        over(folder)
        await until(pilot, lambda: "✓ ended" in screen_text(pilot))


async def test_figures_of_a_log_that_is_still_read_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_feed.JobFeed, "go_on", lambda feed: None)
    folder = made(tmp_path)
    log(folder, {"launcher.log": "[2026/11/24 00:11:01] ppcls INFO: [Train][Epoch 1/2][Iter: 1/40]loss: 6.5\n" * 7000})
    over(folder)
    async with job(folder) as pilot:
        await until(pilot, lambda: "reading: 51 % · " in screen_text(pilot))


async def test_the_logs_have_a_tab_each_and_appear_as_they_are_written(tmp_path: Path) -> None:
    folder = made(tmp_path)
    log(folder, {"launcher.log": "the launcher speaks\n"})
    async with job(folder) as pilot:
        await until(pilot, lambda: "the launcher speaks" in screen_text(pilot))
        log(folder, {"workerlog.0": "zero speaks\n"})
        await until(pilot, lambda: "launcher  rank 0" in screen_text(pilot))
        assert "the launcher speaks" in screen_text(pilot)
        log(folder, {"workerlog.1": "one speaks\n"})
        await until(pilot, lambda: "0│zero speaks" in screen_text(pilot) and "1│one speaks" in screen_text(pilot))
        for words in ("the launcher speaks", "zero speaks", "one speaks", "0│zero speaks"):
            await pilot.press("t")
            await until(pilot, lambda words=words: words in screen_text(pilot))
        await pilot.press("T")
        await until(pilot, lambda: "one speaks" in screen_text(pilot) and "zero speaks" not in screen_text(pilot))
        tab = screen(pilot).query_one(Tabs).query("Tab").last()
        await pilot.click(screen(pilot).query_one(Tabs).query("Tab").first())
        await until(pilot, lambda: "0│zero speaks" in screen_text(pilot))
        assert tab.id == "rank-1"


async def test_panes_are_turned_through_and_zoomed(tmp_path: Path) -> None:
    folder = made(tmp_path)
    log(folder, {"launcher.log": "spoken\n"})
    metrics(folder, sample(0), sample(1))
    async with job(folder) as pilot:
        await until(pilot, lambda: "spoken" in screen_text(pilot))
        curves, logs = screen(pilot).query_one(CurvesPane), screen(pilot).query_one(LogTabs)
        assert curves.has_focus_within
        await pilot.press("tab")
        assert logs.has_focus_within
        await pilot.press("z")
        await until(pilot, lambda: not curves.display or curves.size.height == 0)
        assert "spoken" in screen_text(pilot)
        await pilot.press("tab")
        await until(pilot, lambda: curves.has_focus_within and "spoken" not in screen_text(pilot))
        await pilot.press("escape")
        await until(pilot, lambda: "spoken" in screen_text(pilot))


async def test_escape_clears_a_search_before_it_leaves(tmp_path: Path) -> None:
    folder = made(tmp_path)
    log(folder, {"launcher.log": "spoken\n"})
    async with opened(HomeApp(around(tmp_path))) as pilot:
        await until(pilot, lambda: "a training" in screen_text(pilot))
        await pilot.press("J", "enter")
        await until(pilot, lambda: "spoken" in screen_text(pilot))
        await pilot.press("tab", "slash", *"spok", "enter")
        await until(pilot, lambda: screen(pilot).query_one(LogTabs).has_focus_within)
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, JobScreen)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen))


async def test_the_details_have_command_and_broken_rules(tmp_path: Path) -> None:
    folder = made(tmp_path, argv=("python", "train.py", "--token", "secret123"))
    metrics(folder, sample(0), sample(1, math.nan))
    async with job(folder) as pilot:
        await until(pilot, lambda: "loss-not-finite" in screen_text(pilot))
        await pilot.press("i")
        await until(pilot, lambda: isinstance(pilot.app.screen, DetailsPage))
        text = screen_text(pilot)
        assert "python train.py --token" in text and "secret123" not in text
        assert "broken rules" in text and "look at" in text
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, JobScreen)


async def test_a_job_is_stopped_after_a_question(tmp_path: Path) -> None:
    argv = (sys.executable, "-c", "import time; print('begun', flush=True); time.sleep(600)")
    folder = start(JobSpec(new_id("run"), "run", "a sleeper", argv, str(tmp_path)), tmp_path / "jobs")
    async with job(folder) as pilot:
        await until(pilot, lambda: "begun" in screen_text(pilot))
        await pilot.press("tab", "x")
        await until(pilot, lambda: isinstance(pilot.app.screen, StopPage))
        assert "1 process will end" in screen_text(pilot)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, JobScreen))
        state = read_job(folder).state
        assert state is not None and state.status == "running"
        await pilot.press("x", "enter")
        await until(pilot, lambda: any(words.startswith("stopped: 1 process") for words in told(pilot)))
        await until(pilot, lambda: "◆ killed" in screen_text(pilot))
        pid = state.pid
        await pilot.press("x")
        await until(pilot, lambda: any("is over" in words for words in told(pilot)))
    assert subprocess.run(["ps", "-p", str(pid)], stdout=subprocess.DEVNULL, check=False).returncode == 1


async def test_another_job_is_drawn_under_the_curves(tmp_path: Path) -> None:
    folder = made(tmp_path)
    metrics(folder, *(sample(step, 6.0) for step in range(5)))
    other = made(tmp_path, "20251231T120000Z-train-0000")
    metrics(other, *(sample(step, 3.0) for step in range(5)))
    async with job(folder) as pilot:
        await pilot.press("R")
        await until(pilot, lambda: isinstance(pilot.app.screen, AskScreen))
        pilot.app.screen.query_one(Input).value = "nowhere"
        await pilot.press("enter")
        await until(pilot, lambda: any("nowhere" in words for words in told(pilot)))
        await pilot.press("R")
        await until(pilot, lambda: isinstance(pilot.app.screen, AskScreen))
        # As on the command line, the end of an id names a job.
        pilot.app.screen.query_one(Input).value = "1T120000Z-train-0000"
        await pilot.press("enter")
        await until(pilot, lambda: "20251231T120000Z" in screen_text(pilot))
        await pilot.press("R")
        await until(pilot, lambda: isinstance(pilot.app.screen, AskScreen))
        await pilot.press("ctrl+a", "delete", "enter")
        pilot.app.screen.query(Input)
        await until(pilot, lambda: isinstance(pilot.app.screen, JobScreen))


async def test_a_log_whose_format_is_none_is_told_and_can_be_read(tmp_path: Path) -> None:
    folder = made(tmp_path, log_format="papaya")
    log(folder, {"launcher.log": "spoken\n"})
    async with opened(JobApp(folder, around(tmp_path))) as pilot:
        await until(pilot, lambda: "no log format is called 'papaya'" in screen_text(pilot))


async def test_hostile_words_are_shown_as_text(tmp_path: Path) -> None:
    folder = made(tmp_path, title="[bold red]\x1b[2J evil")
    log(folder, {"launcher.log": "\x1b[2J\x1b]0;title\x07 [b]text[/b] \x00 end\n"})
    over(folder, "failed", "\x1b[31mred[/] reason")
    async with job(folder) as pilot:
        await until(pilot, lambda: "[b]text[/b]" in screen_text(pilot))
        assert "\x1b" not in screen_text(pilot)
        assert "[bold red]" in screen_text(pilot)


@pytest.mark.parametrize("size", [(80, 24), (60, 18), (200, 50)])
async def test_every_size_shows_a_pane_and_the_way_to_the_other(tmp_path: Path, size: tuple[int, int]) -> None:
    folder = made(tmp_path)
    log(folder, {"launcher.log": "spoken\n"})
    metrics(folder, sample(0), sample(1))
    async with job(folder, size) as pilot:
        await until(pilot, lambda: "loss" in screen_text(pilot))
        await pilot.press("tab")
        await until(pilot, lambda: "spoken" in screen_text(pilot))


def test_the_look_of_a_job(snap_compare: SnapCompare, tmp_path: Path) -> None:
    folder = made(tmp_path, title="squeezenet1_0 train.yaml, 2 ranks", ranks=2)
    write_expectation(folder, Expectation(epochs=3, target_top1=58.0))
    steps = [(epoch, step) for epoch in range(3) for step in range(10)]
    for rank in (0, 1):
        losses = [6.9 - (10 * epoch + step) / 8 + rank / 4 for epoch, step in steps]
        metrics(folder, *(sample(step, loss, rank, epoch) for (epoch, step), loss in zip(steps, losses, strict=True)))
        stamps = [f"[2026-01-01 12:00:{number:02}] step {number}" for number in range(rank, 30, 2)]
        log(folder, {f"workerlog.{rank}": "\n".join(stamps) + "\n", "launcher.log": ""})
    metrics(folder, result(0.0, loss=5.5, top1=12.0), result(1.0, loss=math.nan, top1=31.0), result(2.0, loss=3.5, top1=44.0))
    over(folder)

    async def before(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: "step 29" in screen_text(pilot) and "below-target" in screen_text(pilot))

    assert snap_compare(JobApp(folder, around(tmp_path)), terminal_size=(120, 40), run_before=before)
