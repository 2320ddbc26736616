"""The terminal belongs to the app: tried in child processes, on terminals made for them."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from aligndbg.errors import EnvironmentFault
from aligndbg.tui.terminal import guarded

HERE = Path(__file__).parent

PREAMBLE = f"""
import os, sys
from pathlib import Path
sys.path.insert(0, {str(HERE)!r})
from aligndbg.errors import AligndbgError
from aligndbg.tui.terminal import guarded, run_app
log = Path(sys.argv[1])
"""


@dataclass
class Outcome:
    terminal: str
    log: str
    code: int


def on_terminal(code: str, folder: Path, *, redirect: str = "", environment: Mapping[str, str] | None = None) -> Outcome:
    """Run Python code on a terminal of its own. `redirect` are the shell's redirections."""
    log = folder / "state" / "app.log"
    ours, theirs = pty.openpty()
    script = folder / "script.py"
    script.write_text(PREAMBLE + code)
    read: list[bytes] = []

    def listen() -> None:
        # The terminal's end says EIO when its last writer is gone.
        try:
            while chunk := os.read(ours, 65536):
                read.append(chunk)
        except OSError:
            pass

    child = subprocess.Popen(
        ["/bin/sh", "-c", f'exec "$0" "$@" {redirect}', sys.executable, str(script), str(log)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color", **(environment or {})},
        cwd=HERE.parent.parent,
        start_new_session=True,
    )
    os.close(theirs)
    listener = threading.Thread(target=listen)
    listener.start()
    try:
        code_of_child = child.wait(30)
    finally:
        child.kill()
        listener.join(5)
        os.close(ours)
    return Outcome(b"".join(read).decode(errors="replace"), log.read_text() if log.exists() else "", code_of_child)


def test_what_else_is_written_goes_to_the_log_and_the_terminal_comes_back(tmp_path: Path) -> None:
    done = on_terminal(
        """
with guarded(log):
    os.write(1, b"native one\\n")
    os.write(2, b"native two\\n")
    print("printed")
    os.system("echo from a child")
    sys.__stderr__.write("the app\\n")
    sys.__stderr__.flush()
print("after")
os.write(2, b"after two\\n")
""",
        tmp_path,
    )
    assert done.code == 0
    assert done.terminal.split() == "the app after after two".split()
    assert sorted(done.log.split("\n")) == sorted("native one,native two,printed,from a child,".split(","))


def test_the_terminal_comes_back_after_a_failure(tmp_path: Path) -> None:
    done = on_terminal(
        """
try:
    with guarded(log):
        raise ValueError
except ValueError:
    print("caught")
""",
        tmp_path,
    )
    assert (done.code, done.terminal.strip(), done.log) == (0, "caught", "")


def test_a_redirected_descriptor_is_not_the_apps(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = on_terminal(
        """
with guarded(log):
    sys.__stderr__.write("the app ")
    sys.__stderr__.flush()
print("the headline")
""",
        tmp_path,
        redirect=f"2>{out}",
    )
    assert done.code == 0
    assert done.terminal.split() == "the app the headline".split()
    assert out.read_text() == ""


def test_warnings_of_the_package_are_logged(tmp_path: Path) -> None:
    done = on_terminal(
        """
import logging
with guarded(log):
    logging.getLogger("aligndbg.tui").warning("mind this")
""",
        tmp_path,
    )
    assert "WARNING aligndbg.tui: mind this" in done.log
    assert done.terminal == ""


def test_in_a_browser_descriptor_1_stays_what_it_is(tmp_path: Path) -> None:
    done = on_terminal(
        """
with guarded(log):
    os.write(1, b"to the browser")
    os.write(2, b"to the log")
""",
        tmp_path,
        environment={"TEXTUAL_DRIVER": "textual.drivers.web_driver:WebDriver"},
    )
    assert (done.terminal, done.log) == ("to the browser", "to the log")


@pytest.mark.parametrize(
    ("redirect", "said"),
    [
        ("</dev/null", "standard input is no terminal"),
        (">/dev/null 2>&1", "neither standard output nor standard error is a terminal"),
        ("<&-", "a standard stream is closed"),
        (">&-", "a standard stream is closed"),
        ("2>&-", "a standard stream is closed"),
    ],
)
def test_without_a_terminal_there_is_a_sentence_instead(redirect: str, said: str, tmp_path: Path) -> None:
    done = on_terminal(
        """
try:
    with guarded(log):
        pass
except AligndbgError as error:
    (log.parent.parent / "said").write_text(f"{error.exit_code} {error.message} -- {error.hint}")
""",
        tmp_path,
        redirect=redirect,
    )
    assert done.code == 0
    assert (tmp_path / "said").read_text() == f"3 {said} -- `aligndbg --headless report` needs none"


def test_a_log_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("aligndbg.tui.terminal._terminal", lambda: 2)
    with pytest.raises(EnvironmentFault, match="cannot be written") as raised, guarded(tmp_path / "file" / "app.log"):
        pass
    assert "XDG_STATE_HOME" in raised.value.hint


def test_the_app_returns_the_headline_and_leaves_no_trace(tmp_path: Path) -> None:
    done = on_terminal(
        """
import fake_run
from aligndbg.tui.apps import InspectApp
class Quits(InspectApp):
    def on_idle(self):
        screen = self.screen
        if getattr(getattr(screen, "state", None), "phase", "") == "ended":
            os.write(2, b"loud library")
            self.call_later(self.action_quit)
print("said:", run_app(Quits(fake_run.PAIR, fake_run.starting()), log))
""",
        tmp_path,
    )
    assert done.code == 0, done.terminal
    assert "loud library" not in done.terminal
    assert "loud library" in done.log
    assert done.terminal.rstrip().rpartition("said: ")[2].startswith("broken/squeezenet1_0: mismatch — breaks first at features.2")


def test_a_defect_of_the_app_is_one_sentence_and_a_traceback_in_the_log(tmp_path: Path) -> None:
    done = on_terminal(
        """
import fake_run
from aligndbg.tui.apps import InspectApp
class Breaks(InspectApp):
    def on_mount(self):
        raise ZeroDivisionError("a defect")
try:
    run_app(Breaks(fake_run.PAIR, fake_run.starting()), log)
except AligndbgError as error:
    print("said:", error.message, "--", error.hint)
""",
        tmp_path,
    )
    assert done.code == 0, done.terminal
    said = done.terminal.rpartition("said: ")[2]
    assert said.startswith("the app has failed, which is a defect of aligndbg -- the details are in")
    assert "ZeroDivisionError" in done.log
    assert "ZeroDivisionError" not in done.terminal
