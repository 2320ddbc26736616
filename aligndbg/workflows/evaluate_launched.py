"""Both sides under their frameworks' launchers: every rank judges whole batches of its own, this process merges what they write.

A batch holds the same pictures however many ranks there are, so that its logits are the same to the bit where a rank has as many
threads. Nothing is exchanged between ranks: their files are all, and may lie on a disk that several machines share.
"""

from __future__ import annotations

import base64
import json
import os
import pickle
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

import aligndbg
from aligndbg import errors
from aligndbg.errors import ChildDied, EnvironmentFault
from aligndbg.frameworks import wire
from aligndbg.frameworks.channel import Lease
from aligndbg.frameworks.client import Child, child_environment, listen
from aligndbg.jobs.processes import boot_id, started_at
from aligndbg.jobs.shard import REQUEST, ShardBatch, ShardReader, clear_errors, read_errors
from aligndbg.jobs.templates import Ranks, launch_environment, paddle_environment, paddle_launch, torch_run
from aligndbg.pairs.schema import PairSpec
from aligndbg.workflows.evaluate_forwards import Flight, OnBatch
from aligndbg.workflows.evaluate_pictures import Batch, EvalRequest, Selection
from aligndbg.workflows.evaluate_sides import Ready, environment_of
from aligndbg.workflows.events import Notice
from aligndbg.workflows.sides import interpreter
from aligndbg.workflows.stop import Stop
from aligndbg.workflows.stream import Tell

SHARDS = "shards"
"""The ranks' files, in the session's folder until all are merged."""

ENTRY = Path(aligndbg.__file__).parent / "jobs" / "entry" / "evaluate.py"

PAUSE = 0.1
"""Seconds between two looks at what the ranks have written."""

GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL for a launcher and its ranks."""

SETTLE = 15.0
"""Seconds that launchers have to end by themselves once all is judged."""

LAST_WORDS = 12

Part = tuple[ShardBatch, NDArray[np.float32] | None]


class LaunchedForwards:
    """One launcher for each side, at the same time."""

    def __init__(
        self,
        pair: PairSpec,
        request: EvalRequest,
        selection: Selection,
        folder: Path,
        workers: int,
        tell: Tell,
        stop: Stop,
    ) -> None:
        self._pair = pair
        self._request = request
        self._selection = selection
        self._folder = folder
        self._workers = workers
        self._tell = tell
        self._stop = stop

    def run(self, ready: Ready, batches: Sequence[Batch], on_batch: OnBatch) -> None:
        """`on_batch` hears of each batch as soon as both sides have judged it, in the order of the list. The children hand over
        their weights and are let go of."""
        self._folder.mkdir(exist_ok=True)
        clear_errors(self._folder)
        self._write_request(ready, batches)
        for child in ready.children.values():
            child.close()
        launchers = {side: self._launch(side) for side in self._request.sides}
        try:
            self._merge(launchers, batches, on_batch)
            for launcher in launchers.values():
                # The ranks have nothing left to do, and the launchers of other machines wait for the end of this one.
                with suppress(subprocess.TimeoutExpired):
                    launcher.wait(SETTLE)
        finally:
            # A rank that no launcher ends sees that nobody asks for its work any more.
            (self._folder / REQUEST).unlink(missing_ok=True)
            for launcher in launchers.values():
                _end(launcher)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _write_request(self, ready: Ready, batches: Sequence[Batch]) -> None:
        selection, sides = self._selection, {}
        for side, child in ready.children.items():
            np.savez(self._folder / f"state-{side}.npz", **_state_of(child))
            model = self._pair.paddle if side == "paddle" else self._pair.torch
            pipeline = selection.pipelines[selection.pipeline_of_side[side]]
            sides[side] = {
                "target": model.model,
                "kwargs": dict(model.kwargs),
                "root": str(self._pair.root),
                "state": f"state-{side}.npz",
                "pipeline": base64.b64encode(pickle.dumps(pipeline, 4)).decode(),
            }
        left = {batch.number for batch in batches}
        request: dict[str, Any] = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started": started_at(os.getpid()),
            "boot": boot_id(),
            "device": self._request.device,
            "shape": selection.shape,
            "batch_size": selection.batch_size,
            "workers": max(1, self._workers // self._request.ranks),
            "batches": [[str(picture.path.absolute()) for picture in batch.pictures] for batch in selection.batches],
            "done": [batch.number for batch in selection.batches if batch.number not in left],
            "sides": sides,
        }
        (self._folder / REQUEST).write_text(json.dumps(request), encoding="utf-8")

    def _launch(self, side: str) -> subprocess.Popen[bytes]:
        argv, ranks = self.command(side), self._ranks(side)
        own = paddle_environment(ranks) if side == "paddle" else launch_environment(ranks)
        wanted = environment_of(self._request)
        if self._request.nodes > 1:
            settings = [f"{name}={value}" for name, value in {**wanted, **own}.items()]
            words = shlex.join(("env", *settings, *argv))
            self._tell(
                Notice("info", f"{side}: to be started on every other machine, with the same files at the same places: {words}")
            )
        environ = {**child_environment({**wanted, **os.environ}), **own}
        try:
            with self._log(side).open("ab") as log:
                # Its own process group, so that all of its ranks can be ended.
                return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environ, start_new_session=True)
        except OSError as error:
            raise EnvironmentFault(f"{side}: the launcher cannot be started: {argv[0]}: {error.strerror}") from None

    def command(self, side: str) -> tuple[str, ...]:
        """What starts a side's ranks, on each machine."""
        model = self._pair.paddle if side == "paddle" else self._pair.torch
        python = interpreter(self._pair.root, model.python) or sys.executable
        script = (str(ENTRY), str(self._folder / REQUEST), side)
        if side == "paddle":
            return paddle_launch(python, self._ranks(side), self._folder / "paddle-log", script)
        return torch_run(python, self._ranks(side), script)

    def _ranks(self, side: str) -> Ranks:
        request = self._request
        kind: Literal["cpu", "gpu"] = "cpu" if request.device == "cpu" else "gpu"
        ranks = Ranks(request.ranks, kind, master=request.master, nodes=str(request.nodes) if request.nodes > 1 else "")
        host, colon, port = request.master.rpartition(":")
        # The two launchers cannot meet at one port.
        return replace(ranks, master=f"{host}:{int(port) + 1}") if side == "torch" and colon else ranks

    def _merge(self, launchers: Mapping[str, subprocess.Popen[bytes]], batches: Sequence[Batch], on_batch: OnBatch) -> None:
        readers = {side: ShardReader(self._folder, side) for side in launchers}
        parts: dict[int, dict[str, Part]] = {}
        place = 0
        while place < len(batches):
            self._stop.check()
            # Asked before reading: what a rank wrote before it ended is then read.
            ended = {side: launcher.poll() for side, launcher in launchers.items()}
            for side, reader in readers.items():
                for one, logits in reader.news():
                    parts.setdefault(one.batch, {})[side] = one, logits
            while place < len(batches) and parts.get(batches[place].number, {}).keys() == launchers.keys():
                on_batch(self._flight(batches[place], parts.pop(batches[place].number)))
                place += 1
            if place == len(batches):
                return
            for side, code in ended.items():
                for failed in read_errors(self._folder, side)[:1]:
                    kind = getattr(errors, failed.kind, EnvironmentFault)
                    raise kind(f"{side}: {failed.message}", failed.hint)
                missing = any(side not in parts.get(batch.number, {}) for batch in batches[place:])
                if code is not None and missing and self._request.nodes == 1:
                    raise ChildDied(
                        f"{side}: the ranks ended, with exit code {code}, before all batches were judged",
                        f"read their logs: {self._folder}; `--resume` goes on",
                        self._last_words(side),
                    )
            time.sleep(PAUSE)

    def _flight(self, batch: Batch, parts: Mapping[str, Part]) -> Flight:
        batches = {side: one for side, (one, _) in parts.items()}
        first = next(iter(batches.values()))
        own = len(self._selection.pipelines) > 1
        if own:
            bad = {place for one in batches.values() for place in one.problems}
        elif len({(one.digest, one.places) for one in batches.values()}) > 1:
            raise EnvironmentFault(
                f"the two sides' interpreters decode the pictures of batch {batch.number} differently",
                "install the same Pillow and OpenCV for both, or leave out --nproc: one process then decodes for both",
            )
        else:
            bad = set(first.problems)
        places = tuple(place for place in range(len(batch.pictures)) if place not in bad)
        problems = {place: text for one in batches.values() for place, text in one.problems.items()}
        flight = Flight(batch, places, problems, sum(one.decode_s for one in batches.values()) / len(batches))
        for side, (one, logits) in parts.items():
            flight.seconds[side] = one.forward_s
            if logits is not None and places:
                flight.outputs[side] = logits[[one.places.index(place) for place in places]]
        return flight

    def _log(self, side: str) -> Path:
        return self._folder / f"launcher-{side}.log"

    def _last_words(self, side: str) -> str:
        """Of the launcher and of the ranks: the one that failed said it last."""
        logs = [self._log(side), *sorted((self._folder / f"{side}-log").glob("workerlog.*"))]
        lines = [line for log in logs if log.is_file() for line in log.read_text("utf-8", "replace").splitlines()]
        return "\n".join(lines[-LAST_WORDS:])


def _state_of(child: Child) -> dict[str, NDArray[Any]]:
    state: dict[str, NDArray[Any]] = {}

    def on_message(child: Child, message: wire.Message, leases: list[Lease]) -> bool:
        if isinstance(message, wire.StateEntry):
            state[message.name] = leases[0].array.copy()
            leases[0].release()
        return isinstance(message, wire.Done)

    child.send(wire.GetState())
    listen((child,), on_message)
    return state


def _end(launcher: subprocess.Popen[bytes]) -> None:
    """The launcher and all of its ranks."""
    with suppress(ProcessLookupError):
        os.killpg(launcher.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        launcher.wait(GRACE)
    with suppress(ProcessLookupError):
        os.killpg(launcher.pid, signal.SIGKILL)
    launcher.wait()
