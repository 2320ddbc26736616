"""The user's own editor at a line of a file, in the app's place on the terminal."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from textual.app import App, SuspendNotSupported

VARIABLES = ("VISUAL", "EDITOR")

PLUS = frozenset(
    "vi vim nvim view gvim mvim nvi elvis vis nano pico emacs emacsclient mg zile micro kak joe jed ne mcedit gedit kate".split()
)
"""Take `+LINE FILE`."""

GOTO = frozenset("code code-insiders codium code-oss vscodium cursor windsurf positron".split())
"""Take `--goto FILE:LINE`."""

COLON = frozenset("hx helix subl sublime_text zed zeditor".split())
"""Take `FILE:LINE`."""


def split_source(source: str) -> tuple[Path, int | None]:
    """`file:line` as a path that begins at the root, and the line, where it has one."""
    file, _, line = source.rpartition(":")
    return (Path(file).absolute(), int(line)) if file and re.fullmatch(r"[0-9]+", line) else (Path(source).absolute(), None)


def editor_argv(editor: str, file: Path, line: int | None) -> list[str]:
    """The command that the variable's value stands for. ValueError where its quotes do not match. No shell is asked."""
    argv = shlex.split(editor)
    name = Path(argv[0]).name.removesuffix(".exe").partition(".")[0] if argv else ""
    if line is None:
        return [*argv, str(file)]
    if name in PLUS:
        return [*argv, f"+{line}", str(file)]
    if name in GOTO:
        return [*argv, "--goto", f"{file}:{line}"]
    return [*argv, f"{file}:{line}" if name in COLON else str(file)]


def edit(app: App[str], source: str, environment: Mapping[str, str] = os.environ) -> str:
    """Let the user edit `file:line` and come back when the editor ends. What stood in the way, in words; `""` where nothing did."""
    file, line = split_source(source)
    variable = next((name for name in VARIABLES if environment.get(name, "").strip()), None)
    # Path.is_file raises where a stranger's name is too long for one.
    if not os.path.isfile(file):  # noqa: PTH113
        return f"{file} is not here"
    if variable is None:
        return f"no editor is set: export EDITOR=vim, or VISUAL, opens {source}"
    try:
        argv = editor_argv(environment[variable], file, line)
    except ValueError as error:
        return f"{variable} is no command: {error}"
    try:
        # Textual does not come back from an exception within.
        with app.suspend():
            return _run(argv)
    except SuspendNotSupported:
        return f"no editor can take this terminal's place: open {source} in your own"


def _run(argv: list[str]) -> str:
    try:
        with _interrupts_for_the_child():
            # The app's own descriptors 1 and 2 are its log: the terminal is where Textual writes.
            code = subprocess.run(argv, stdout=sys.__stdout__, stderr=sys.__stderr__, check=False).returncode
    except OSError as error:
        return f"{argv[0]} cannot be run: {error.strerror}"
    return f"{argv[0]} ended with exit code {code}" if code else ""


@contextmanager
def _interrupts_for_the_child() -> Iterator[None]:
    """Ctrl+C in the editor reaches every process of the terminal. A handler that does nothing, unlike none, is not inherited."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
