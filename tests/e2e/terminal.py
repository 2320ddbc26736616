"""A program in a real terminal emulator: tmux with a server of its own."""

from __future__ import annotations

import contextlib
import re
import shlex
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

PATIENCE = 60.0
"""Seconds until something must be on the screen; frameworks are imported meanwhile."""


class Terminal:
    """Runs `argv`; after it ends the screen shows `EXIT:` and its exit code."""

    def __init__(
        self, argv: Sequence[str], folder: Path, environment: Mapping[str, str], width: int = 120, height: int = 40
    ) -> None:
        # Not below the test's own folder, whose path may be longer than a socket's may be.
        self._folder = tempfile.TemporaryDirectory(prefix="aligndbg-")
        # As an interactive shell, it outlives the Ctrl+C that ends the program.
        command = f"trap : INT; {shlex.join(argv)}; echo EXIT:$?; exec sleep 600"
        # The server hands on the environment that it was started in.
        self._environment = {**environment, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        self._tmux("new-session", "-d", "-x", str(width), "-y", str(height), "-c", str(folder), "sh", "-c", command)
        # The program's own escape key, not tmux's prefix timer, is what is tested.
        self._tmux("set-option", "-g", "escape-time", "0")
        self._tmux("set-option", "-g", "status", "off")

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            self._tmux("kill-server")
        self._folder.cleanup()

    @property
    def screen(self) -> str:
        return self._tmux("capture-pane", "-p")

    def press(self, *keys: str) -> None:
        self._tmux("send-keys", *keys)

    def type(self, text: str) -> None:
        self._tmux("send-keys", "-l", text)

    def resize(self, width: int, height: int) -> None:
        self._tmux("resize-window", "-x", str(width), "-y", str(height))

    def shows(self, *patterns: str) -> str:
        """The screen, once every pattern is found in it."""
        return self._until(lambda screen: all(re.search(pattern, screen, re.MULTILINE) for pattern in patterns), patterns)

    def lacks(self, pattern: str) -> str:
        """The screen, once the pattern is no longer found in it."""
        return self._until(lambda screen: not re.search(pattern, screen, re.MULTILINE), f"no {pattern}")

    def _until(self, holds: Callable[[str], bool], what: object) -> str:
        deadline = time.monotonic() + PATIENCE
        while not holds(screen := self.screen):
            assert time.monotonic() < deadline, f"waited for {what}, there is\n{screen}"
            time.sleep(0.05)
        return screen

    def _tmux(self, *words: str) -> str:
        argv = ["tmux", "-S", f"{self._folder.name}/socket", "-f", "/dev/null", *words]
        return subprocess.run(argv, env=self._environment, capture_output=True, text=True, check=True).stdout
