"""Whole runs on tiny real models: one truth in stream, report and session, however the run ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from project import FAST, Project, both_frameworks

from aligndbg.core.verdict import LayerResult
from aligndbg.errors import ChildDied, Interrupted
from aligndbg.pairs.load import load_pair
from aligndbg.settings import Settings
from aligndbg.store.session import open_session
from aligndbg.workflows.events import Downloading, Event, LayerDiffed, LayersPaired, RunEnded, RunFailed, SideProgress, SideReady
from aligndbg.workflows.inspect import Depth, Inspection
from aligndbg.workflows.record import replay
from aligndbg.workflows.report_model import to_json

pytestmark = both_frameworks


def inspection(project: Project, name: str) -> Inspection:
    home = project.root / ".home"
    settings = Settings(project.root / "sessions", home / "cache", home / "logs")
    pair = load_pair(project.root / "models" / name / "pair.yaml")
    return Inspection(pair, settings, {}, depth=Depth(golden=False, onnx=False))


def last_results(events: list[Event]) -> dict[int, LayerResult]:
    return {event.result.index: event.result for event in events if isinstance(event, LayerDiffed)}


def kept(events: list[Event]) -> list[Event]:
    return [event for event in events if not isinstance(event, SideProgress | Downloading)]


def is_gone(pid: int) -> bool:
    """Whether the process has ended; one that nobody has waited for yet has."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
        return file.read().rpartition(")")[2].split()[0] == "Z"


def is_half_way(project: Project, side: str) -> bool:
    return "half way" in (project.sessions[0] / "logs" / f"{side}.log").read_text()


def soon(what: str, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def test_stream_report_and_session_tell_the_same(project: Project) -> None:
    project.pair("pools", paddle="AveragePool", input={"shape": [2, 3, 8, 8], "kind": "randn"})
    events = list(inspection(project, "pools").events())
    ended = events[-1]
    assert isinstance(ended, RunEnded)
    report = ended.report
    rows = [event.layers for event in events if isinstance(event, LayersPaired)][-1]
    results = last_results(events)
    assert [row.index for row in rows] == sorted(results) == [layer.index for layer in report.layers]
    for layer in report.layers:
        result = results[layer.index]
        assert (layer.verdict, layer.mismatch, layer.note) == (result.verdict, result.mismatch, result.note)
        assert layer.propagated == (result.propagated and result.propagated.stats)
        assert layer.local == result.local
    assert (report.verdict, report.first_born) == ("mismatch", "features.3")
    [folder] = project.sessions
    assert (folder / "report.json").read_bytes() == to_json(report)
    with open_session(folder) as session:
        assert session.status == "finished"
        assert session.layers() == rows
        assert session.results() == results
        # Rows that a larger batch replaced are told once, with their last shapes.
        stored = [event for event in replay(session) if not isinstance(event, LayersPaired)]
    assert stored == [event for event in kept(events) if not isinstance(event, LayersPaired)]


@pytest.mark.parametrize("side", ["torch", "paddle"])
def test_a_child_killed_half_way_costs_its_run_only(project: Project, side: str) -> None:
    project.pair("slow", torch="Slow", paddle="Slow")
    pids: dict[str, int] = {}
    events: list[Event] = []
    for event in inspection(project, "slow").events():
        events.append(event)
        if isinstance(event, SideReady):
            pids[event.side] = event.environment["pid"]
        if isinstance(event, LayerDiffed) and event.result.index == 3:
            soon("the forward is half way", partial(is_half_way, project, side))
            os.kill(pids[side], signal.SIGKILL)
    failed = events[-1]
    assert isinstance(failed, RunFailed) and isinstance(failed.error, ChildDied)
    assert failed.error.message == f"the {side} child was killed by SIGKILL; it may have run out of memory"
    assert "half way" in failed.error.last_words
    assert sorted(last_results(events)) == [0, 1, 2, 3]
    assert all(is_gone(pid) for pid in pids.values())
    with open_session(project.sessions[0]) as session:
        assert session.status == "failed"
        assert session.results() == last_results(events)
        *stored, last = replay(session)
    assert stored == kept(events)[:-1]
    assert isinstance(last, RunFailed) and isinstance(last.error, ChildDied)
    assert (last.error.message, last.error.last_words) == (failed.error.message, failed.error.last_words)


def test_a_cancelled_run_ends_at_once(project: Project) -> None:
    project.pair("slow", torch="Slow")
    run = inspection(project, "slow")
    pids: list[int] = []
    events: list[Event] = []
    for event in run.events():
        events.append(event)
        if isinstance(event, SideReady):
            pids.append(event.environment["pid"])
        if isinstance(event, LayerDiffed) and event.result.index == 3:
            threading.Thread(target=run.cancel).start()
    assert isinstance(events[-1], RunFailed) and isinstance(events[-1].error, Interrupted)
    assert all(is_gone(pid) for pid in pids)
    with open_session(project.sessions[0]) as session:
        assert session.status == "failed"


def test_a_reader_that_leaves_ends_the_run(project: Project) -> None:
    project.pair("slow", torch="Slow")
    events = inspection(project, "slow").events()
    pids = [event.environment["pid"] for event in _until(events, LayerDiffed) if isinstance(event, SideReady)]
    events.close()  # type: ignore[attr-defined]
    assert len(pids) == 2 and all(is_gone(pid) for pid in pids)
    with open_session(project.sessions[0]) as session:
        assert session.status == "partial"


def _until(events: Iterator[Event], kind: type) -> Iterator[Event]:
    for event in events:
        yield event
        if isinstance(event, kind):
            return


@contextmanager
def headless(project: Project, *words: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A run in a process group of its own, as in a terminal, and the lines it has said so far."""
    argv = [sys.executable, "-m", "aligndbg", "report", *words, *FAST, "--display", "log"]
    process = subprocess.Popen(
        argv, cwd=project.root, env=project.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0
    )
    lines: list[str] = []

    def read() -> None:
        assert process.stderr is not None
        lines.extend(iter(process.stderr.readline, ""))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield process, lines
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        reader.join(10)


def test_ctrl_c_in_the_terminal(project: Project) -> None:
    project.pair("slow", torch="Slow", paddle="Slow")
    with headless(project, "slow") as (process, lines):
        soon("layers are compared", lambda: any(" layer features.3: " in line for line in list(lines)))
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(30) == 130
    assert lines[-1] == "error: interrupted\n"
    assert "Traceback" not in "".join(lines)
    pids = [int(pid) for pid in re.findall(r"\bpid (\d+)", "".join(lines))]
    assert len(pids) == 2
    soon("the children are gone", lambda: all(map(is_gone, pids)))
    with open_session(project.sessions[0]) as session:
        assert session.status == "partial"
        assert sorted(session.results()) == [0, 1, 2, 3]
    shown = project.run("sessions", "show", "latest")
    assert shown.code == 0
    assert "partial" in shown.out.splitlines()[0] and "4 of 6 compared" in shown.out


def test_the_app_killed_by_kill_9_leaves_a_session_that_opens(project: Project) -> None:
    project.pair("slow", torch="Slow")
    with headless(project, "slow") as (process, lines):
        soon("layers are compared", lambda: any(" layer features.3: " in line for line in list(lines)))
        process.kill()
        assert process.wait(10) == -signal.SIGKILL
    with open_session(project.sessions[0]) as session:
        assert session.status == "partial"
        assert sorted(session.results()) == [0, 1, 2, 3]
    pids = [int(pid) for pid in re.findall(r"\bpid (\d+)", "".join(lines))]
    soon("the children are gone", lambda: all(map(is_gone, pids)))
