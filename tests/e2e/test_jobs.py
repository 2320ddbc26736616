"""A job outlives the app and its terminal, and the next start finds it as it stands."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from project import Project
from terminal import Terminal

Opened = Callable[..., Terminal]

TRAINER = """
import json, os, subprocess, sys, time
job = os.environ["ALIGNDBG_JOB"]
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
with open(os.path.join(job, "expectation.json"), "w") as file:
    json.dump({"epochs": 900, "classes": 10}, file)
with open(os.path.join(job, "metrics.jsonl"), "a", buffering=1) as file:
    for step in range(9000):
        place = {"phase": "train", "rank": 0, "epoch": step // 10, "step": step % 10, "total_steps": 10}
        file.write(json.dumps({**place, "time": time.time(), "loss": 7 - step / 9000}) + "\\n")
        print("step", step, flush=True)
        time.sleep(0.05)
"""


def processes_of(folder: Path) -> Iterator[int]:
    """Every process whose environment names the job."""
    mark = f"ALIGNDBG_JOB={folder}".encode()
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in path.read_bytes().split(b"\0"):
                yield int(path.parent.name)
        except OSError:
            continue


def test_a_job_outlives_its_terminal_and_is_stopped_by_the_next(opened: Opened, project: Project) -> None:
    (project.root / "trainer.py").write_text(TRAINER)
    words = ("jobs", "run", "--title", "a long training", "--", sys.executable, "trainer.py")
    folder = project.root / "jobs" / project.run(*words).out.strip()

    terminal = opened()
    terminal.shows(r"a long training", r"▶ running · .* of 900 epochs · loss")
    terminal.press("J")
    terminal.press("Enter")
    terminal.shows(r"^ aligndbg  a long training +▶ running", r"loss · train", r"│step \d+", r"epochs · loss .* left", r"following")
    terminal.__exit__(None, None, None)
    assert len(list(processes_of(folder))) == 2

    again = opened("jobs", "attach", folder.name)
    again.shows(r"▶ running", r"loss · train", r"following")
    # The curve begins where the training did: its cursor goes to the first point.
    again.press("Home")
    again.shows(r"epoch 0 · step 0 · loss 7")
    again.press("Escape")
    again.press("Tab")
    again.press("x")
    again.shows(r"Stop the job\?", r"2 processes will end")
    again.press("Enter")
    again.shows(r"◆ killed", r"stopped on request")
    assert list(processes_of(folder)) == []
    again.press("q")
    again.shows(r"^EXIT:0$")
    assert json.loads((folder / "state.json").read_text())["status"] == "killed"


def test_a_hostile_log_is_text(opened: Opened, project: Project) -> None:
    evil = rb"\x1b[2J\x1b[31mred\x1b[0m \x1b]0;owned\x07 \x1bP1;1|x\x1b\\ [bold]markup[/bold] \x00nul \xff\xfe \x9b2J c1 end"
    script = f"import sys, time; sys.stdout.buffer.write(b'{evil.decode()}' + bytes([10])); sys.stdout.flush(); time.sleep(60)"
    name = project.run("jobs", "run", "--title", "evil", "--", sys.executable, "-c", script).out.strip()
    terminal = opened("jobs", "attach", name)
    terminal.shows(r"red .*\[bold\]markup\[/bold\] .*nul .*end", r"^ aligndbg  evil")
    terminal.press("q")
    terminal.shows(r"^EXIT:0$")
    assert project.run("jobs", "stop", name).code == 0
