"""The app as a user sees it: keys in, screen out, in a real terminal."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

from project import FAST, Project, both_frameworks
from terminal import Terminal

Opened = Callable[..., Terminal]

pytestmark = both_frameworks


def test_home_lists_what_there_is_and_opens_it(opened: Opened, project: Project) -> None:
    project.pair("pools", paddle="AveragePool", description="pools the mean")
    (project.root / "models" / "pools" / "pair.yaml").write_text(
        (project.root / "models" / "pools" / "pair.yaml").read_text().replace("schema: 1", "schema: 7")
    )
    project.pair("plain", description="a right port")
    terminal = opened()
    terminal.shows(r"Pairs", r"\bplain +a right port", r"\bpools\b", r"no session yet", r"q Quit")
    terminal.press("/")
    terminal.shows(r"enter To the rows")
    terminal.type("plain")
    terminal.lacks(r"\bpools\b")
    terminal.press("Enter")
    terminal.press("Enter")
    terminal.shows(r"^ aligndbg  plain", r"starting|importing|torch")
    terminal.press("Escape")
    terminal.shows(r"Sessions", r"\bplain\b")
    terminal.press("q")
    terminal.shows(r"^EXIT:0$")


def test_a_run_from_the_first_screen_to_the_shell(opened: Opened, project: Project) -> None:
    project.pair("pools", paddle="AveragePool")
    terminal = opened("pools", *FAST)
    terminal.shows(r"^ aligndbg  pools", r"q Quit")
    terminal.shows(r"▾ features", r"MaxPool2d .*✗ born", r"flatten .*▼ inherited", r"✗ mismatch — breaks first at features\.3")
    terminal.press("G")
    terminal.shows(r"│ fc  ▼ inherited")
    terminal.press("f")
    terminal.shows(r"│ features\.3  ✗ born", r"AvgPool2D")
    terminal.press("n")
    terminal.shows(r"│ flatten  ▼ inherited")
    terminal.press("/")
    terminal.shows(r"enter To the rows")
    terminal.type("kind:relu")
    terminal.lacks(r"MaxPool2d +1x4")
    terminal.shows(r"ReLU")
    terminal.press("Escape")
    terminal.shows(r"MaxPool2d +1x4")
    terminal.press("?")
    terminal.shows(r"━ Keys ━", r"to the next mismatching layer")
    terminal.press("Escape")
    terminal.lacks(r"━ Keys ━")
    terminal.resize(80, 24)
    screen = terminal.shows(r"▾ features", r"✗ born", r"not met\)$", r"\? Help")
    assert len(screen.rstrip("\n").splitlines()) <= 24
    terminal.resize(120, 40)
    terminal.shows(r"Detail")
    terminal.press("q")
    screen = terminal.shows(r"^EXIT:0$")
    assert "pools: mismatch — breaks first at features.3" in screen
    assert "▾ features" not in screen
    assert project.sessions


def test_a_killed_child_costs_its_run_and_r_starts_another(opened: Opened, project: Project) -> None:
    project.pair("port", torch="Slow", paddle="Slow")
    terminal = opened("port", *FAST)
    terminal.shows(r"MaxPool2d .*✓ ok", r"4 of 6 layers compared")
    [pid] = children(project.root, "torch")
    os.kill(pid, signal.SIGKILL)
    terminal.shows(r"✗ stopped +the torch child was killed by SIGKILL", r"half way", r"r runs again")
    # What was known stays; the rest of the app goes on.
    terminal.shows(r"MaxPool2d .*✓ ok")
    terminal.press("?")
    terminal.shows(r"━ Keys ━")
    terminal.press("Escape")
    terminal.lacks(r"━ Keys ━")
    project.pair("port")
    terminal.press("r")
    terminal.shows(r"✓ aligned — 6 of 6 layers agree")
    terminal.lacks(r"killed by SIGKILL")
    terminal.press("C-c")
    screen = terminal.shows(r"^EXIT:0$")
    assert "port: aligned — 6 of 6 layers agree" in screen
    assert list(children(project.root, "torch")) == list(children(project.root, "paddle")) == []


def test_a_stored_session_opens_without_a_run(opened: Opened, project: Project) -> None:
    project.pair("fails", torch="Fails")
    assert project.run("report", "fails").code == 2
    terminal = opened("sessions", "show", "latest")
    terminal.shows(r"✗ stopped", r"the gate is shut", r"this is a stored run")
    terminal.press("q")
    terminal.shows(r"^EXIT:0$")


def test_ctrl_c_ends_a_headless_run_and_gives_the_terminal_back(opened: Opened, project: Project) -> None:
    project.pair("slow", torch="Slow")
    terminal = opened("report", "slow", *FAST)
    terminal.shows(r"layers .*4 of 6")
    terminal.press("C-c")
    screen = terminal.shows(r"^error: interrupted$", r"^EXIT:130$")
    assert "Traceback" not in screen
    assert list(children(project.root, "torch")) == list(children(project.root, "paddle")) == []


def children(folder: Path, side: str) -> Iterator[int]:
    """Framework children that work in `folder`."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            if (process / "cwd").readlink() == folder and side.encode() in words and any(b"boot.py" in word for word in words):
                yield int(process.name)
        except OSError:
            continue
