"""A framework child as the app sees it: start it, ask it, be told of its death."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from aligndbg import errors
from aligndbg.errors import AligndbgError, ChildDied, EnvironmentFault
from aligndbg.frameworks import wire
from aligndbg.frameworks.arena import SharedMemory, make_memory
from aligndbg.frameworks.channel import Channel, Lease

BOOT = Path(__file__).with_name("boot.py")
LAST_WORDS = 12
"""Lines of a child's log that are told with its death."""


class Child:
    """One running child. Every method that talks to it raises ChildDied when it is gone, and what it failed of when it failed."""

    def __init__(self, side: str, process: subprocess.Popen[bytes], channel: Channel, log: Path) -> None:
        self.side = side
        self.log = log
        self.failed = False
        self._silent = True
        self._process = process
        self._channel = channel

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def dead(self) -> bool:
        """Whether the process is gone."""
        return self._process.poll() is not None

    @property
    def connection(self) -> Connection:
        """For `multiprocessing.connection.wait`."""
        return self._channel.connection

    @property
    def pending(self) -> bool:
        return self._channel.pending

    def send(self, request: wire.Message, arrays: Sequence[NDArray[Any]] = ()) -> None:
        try:
            self._channel.send(request, arrays)
        except (EOFError, OSError):
            raise self._death() from None

    def poll(self) -> bool:
        """Whether a message waits, bookkeeping of shared memory done on the way."""
        try:
            return self._channel.poll()
        except (EOFError, OSError):
            raise self._death() from None

    def receive(self) -> tuple[wire.Message, list[Lease]]:
        """The next message; a `Failed` is raised as the error that it tells of."""
        try:
            message, leases = self._channel.receive()
        except (EOFError, OSError):
            raise self._death() from None
        self._silent = False
        if isinstance(message, wire.Failed):
            raise self._error(message)
        return message, leases

    def close(self, grace: float = 0.5) -> None:
        """End the child. It has nothing to save: after `grace` seconds it is killed."""
        self._channel.close()
        try:
            self._process.wait(grace)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()

    def kill(self) -> None:
        """End the child at once; the next call that talks to it says so. Safe from any thread."""
        if self._process.poll() is None:
            self._process.kill()

    def last_words(self) -> str:
        try:
            lines = self.log.read_text("utf-8", "replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-LAST_WORDS:])

    def _error(self, failed: wire.Failed) -> AligndbgError:
        self.failed = True
        kind = getattr(errors, failed.error, EnvironmentFault)
        return kind(f"{self.side}: {failed.message}", failed.hint)

    def _death(self) -> ChildDied:
        self.failed = True
        try:
            code = self._process.wait(5)
        except subprocess.TimeoutExpired:
            return ChildDied(
                f"the {self.side} child stopped talking (process {self.pid})", f"read its log: {self.log}", self.last_words()
            )
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        if self._silent:
            hint = f"check that {self._process.args[0]} is Python 3.10 or later"  # type: ignore[index]
            return ChildDied(f"the {self.side} child {how} before it said anything", hint, self.last_words())
        memory = "; it may have run out of memory" if code == -signal.SIGKILL else ""
        return ChildDied(f"the {self.side} child {how}{memory}", f"read its log: {self.log}", self.last_words())


def start_child(
    side: str,
    python: str | None,
    log: Path,
    arena_bytes: int,
    framework: str = "",
    environment: Mapping[str, str] | None = None,
) -> Child:
    """Start `side` in `python` (None: this interpreter); it imports its framework while the caller goes on. `framework` is the
    one of frameworks.host that it runs on, where its name is not the side's. `environment` is set where the user's own has
    no such variable.

    The first answer is a `Stage`, the second a `Done` with the environment. `arena_bytes` bounds the shared memory
    of each direction.
    """
    executable = python or sys.executable
    ours, theirs = socket.socketpair()
    outbound, inbound = make_memory(arena_bytes), make_memory(arena_bytes)
    descriptors = (theirs.fileno(), inbound, outbound)
    argv = [executable, "-u", str(BOOT), framework or side, *map(str, descriptors)]
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=descriptors,
                env=child_environment({**(environment or {}), **os.environ}),
            )
    except OSError as error:
        for descriptor in (outbound, inbound):
            os.close(descriptor)
        ours.close()
        hint = f"check `{side}: python:` in pair.yaml, or --{side}-python" if error.filename == executable else ""
        raise EnvironmentFault(f"the {side} child cannot be started with {executable}: {error.strerror}", hint) from error
    finally:
        theirs.close()
    return Child(side, process, Channel(Connection(ours.detach()), SharedMemory(outbound), SharedMemory(inbound)), log)


def child_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The app's environment with switches that make two frameworks comparable, and without what a terminal app sets."""
    child = {name: value for name, value in environment.items() if name not in ("COLUMNS", "LINES")}
    child["NVIDIA_TF32_OVERRIDE"] = "0"
    # Paddle computes on one thread unless told otherwise, torch on all: the slower side would hold up the other.
    child.setdefault("OMP_NUM_THREADS", str(os.cpu_count() or 1))
    # The children compute at once, on the same cores: a thread that spins at a barrier takes one from the thread it waits for.
    child.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    child["PYTHONUNBUFFERED"] = "1"
    child.setdefault("GLOG_minloglevel", "2")
    return child


OnMessage = Callable[[Child, wire.Message, list[Lease]], bool]
"""Handles a message of a child; True when that child has nothing more to say to this request."""


OnError = Callable[[Child, AligndbgError], None]
"""Handles the failure of a child that the others can do without, or raises it."""


def listen(children: Sequence[Child], on_message: OnMessage, limit_s: float | None = None, on_error: OnError | None = None) -> None:
    """Hand over messages of `children`, as they come, until each is done. ChildDied when one dies, EnvironmentFault
    after `limit_s`."""
    open_children = list(children)
    deadline = None if limit_s is None else time.monotonic() + limit_s
    while open_children:
        if not any(child.pending for child in open_children):
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not wait([child.connection for child in open_children], left):
                names = ", ".join(child.side for child in open_children)
                raise EnvironmentFault(f"no answer from {names} within {limit_s:.0f} s", "see the child's log")
        for child in list(open_children):
            try:
                done = child.poll() and on_message(child, *child.receive())
            except AligndbgError as error:
                if on_error is None:
                    raise
                on_error(child, error)
                done = True
            if done:
                open_children.remove(child)
