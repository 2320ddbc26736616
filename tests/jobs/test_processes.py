"""Which processes belong together, with and without /proc."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from running_jobs import wait_for

from aligndbg.jobs import processes
from aligndbg.jobs.processes import MARK, Process, is_alive, members, started_at, stop_all

PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"


@pytest.fixture(params=["proc", "ps"])
def parent(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process with a child; seen by /proc, and by ps alone, as on other systems."""
    if request.param == "ps":
        monkeypatch.setattr(processes, "PROC", tmp_path / "absent")
    started = subprocess.Popen([sys.executable, "-c", PARENT], start_new_session=True)
    yield started
    stop_all(lambda: members(tmp_path, started.pid, started_at(started.pid)), 0, lambda: started.poll())
    started.wait()


def test_a_process_and_its_child_are_found_and_ended(parent: subprocess.Popen[bytes], tmp_path: Path) -> None:
    started = started_at(parent.pid)
    assert started is not None and is_alive(parent.pid, started, processes.boot_id())

    def find() -> list[Process]:
        return members(tmp_path, parent.pid, started)

    wait_for(lambda: len(find()) == 2, "the child is not found")
    assert {process.group for process in find()} == {parent.pid}
    assert all("sleep(60)" in process.command for process in find())
    stopped = stop_all(find, 10, lambda: parent.poll())
    assert len(stopped.killed) == 2 and stopped.left == ()
    assert not is_alive(parent.pid, started, processes.boot_id())
    assert started_at(parent.pid) is None


def test_a_zombie_does_not_live() -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    wait_for(lambda: started_at(child.pid) is None, "it lives")
    child.wait()


def test_a_stranger_with_the_pid_is_not_taken_for_a_member(parent: subprocess.Popen[bytes], tmp_path: Path) -> None:
    started = started_at(parent.pid)
    assert started is not None
    assert members(tmp_path, parent.pid, started + 1) == []


def test_the_mark_finds_what_neither_session_nor_parent_tells(tmp_path: Path) -> None:
    marked = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True, env={**os.environ, MARK: str(tmp_path)}
    )
    wait_for(lambda: [process.pid for process in members(tmp_path, None, None)] == [marked.pid], "it is not found")
    assert members(tmp_path / "other", None, None) == []
    assert [killed.pid for killed in stop_all(lambda: members(tmp_path, None, None), 5, lambda: marked.poll()).killed] == [
        marked.pid
    ]
    marked.wait()


def test_a_command_is_shown_without_its_secrets(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "--token", "swordfish"], start_new_session=True)
    wait_for(
        lambda: "sleep" in " ".join(one.command for one in members(tmp_path, child.pid, started_at(child.pid))), "it does not run"
    )
    [shown] = members(tmp_path, child.pid, started_at(child.pid))
    assert shown.command.endswith("--token ***")
    child.kill()
    child.wait()
