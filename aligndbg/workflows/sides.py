"""Both framework children of a run: started in parallel, built, filled with the same weights, traced."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aligndbg.core.layers import Trace
from aligndbg.errors import AligndbgError, EnvironmentFault
from aligndbg.frameworks import wire
from aligndbg.frameworks.channel import Lease
from aligndbg.frameworks.client import Child, listen, start_child
from aligndbg.pairs.schema import PairSpec, is_onnx
from aligndbg.weights.convert import apply_rule
from aligndbg.weights.plan import WeightPlan, WeightRule
from aligndbg.workflows.events import SideProgress, SideReady
from aligndbg.workflows.stop import Stop
from aligndbg.workflows.stream import Tell

Arrays = Sequence[NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Traces:
    torch: Trace
    paddle: Trace


BOTH = ("torch", "paddle")


class Sides:
    """The two children of a run, and what is asked of both. Of a run with one of them the other must not be asked for."""

    def __init__(self, start: Callable[[str], Child], pair: PairSpec, tell: Tell, sides: Sequence[str] = BOTH) -> None:
        self._start = start
        self._children = {side: start(side) for side in sides}
        self._pair = pair
        self._tell = tell
        self._onnx: tuple[tuple[Path, str], Child] | None = None
        self.environment: dict[str, Any] = {}

    @property
    def torch(self) -> Child:
        return self._children["torch"]

    @property
    def paddle(self) -> Child:
        return self._children["paddle"]

    @property
    def both(self) -> tuple[Child, ...]:
        return tuple(self._children.values())

    def wait_ready(self) -> None:
        """Until both have imported their framework."""

        def on_message(child: Child, message: wire.Message, leases: list[Lease]) -> bool:
            if isinstance(message, wire.Done):
                self.environment[child.side] = message.environment
                self._tell(SideReady(child.side, message.environment))
            return self._progress(child, message)

        listen(self.both, on_message)

    def start_golden(self) -> Child:
        """torch once more, to run in float64; its answers to its start and to `fill_golden` are the first that it gives."""
        return self._start("golden")

    def fill_golden(self, golden: Child, device: str) -> None:
        """Build the torch model in `golden` and copy torch's state into it."""
        model = self._pair.torch
        listen((golden,), is_done)
        golden.send(wire.Build(model.model, dict(model.kwargs), str(self._pair.root), device))
        listen((golden,), is_done)

        def on_message(child: Child, message: wire.Message, leases: list[Lease]) -> bool:
            if isinstance(message, wire.StateEntry):
                golden.send(wire.SetState(message.name), [leases[0].array])
                leases[0].release()
            return isinstance(message, wire.Done)

        self.torch.send(wire.GetState())
        listen((self.torch,), on_message)
        golden.send(wire.Sync())
        listen((golden,), is_done)

    def export(self, path: Path, inputs: Arrays) -> None:
        """Write the torch model as ONNX."""
        self._tell(SideProgress("onnx", "exporting"))
        self.torch.send(wire.Export(str(path)), list(inputs))
        listen((self.torch,), is_done)

    def open_onnx(self, path: Path, by: str) -> Child:
        """ONNX Runtime on the file, its calls `by` op or node; the child that has it already where there is one."""
        if self._onnx is not None and self._onnx[0] == (path, by) and not self._onnx[1].failed:
            return self._onnx[1]
        onnx = self._start("onnx")
        listen((onnx,), is_done)
        onnx.send(wire.Build(path.name, {"by": by}, str(path.parent), "cpu"))

        def on_message(child: Child, message: wire.Message, leases: list[Lease]) -> bool:
            if isinstance(message, wire.Done):
                self.environment["onnx"] = message.environment
            return isinstance(message, wire.Done)

        listen((onnx,), on_message)
        self._onnx = (path, by), onnx
        return onnx

    def build(self, device: str) -> None:
        """Both models, each from its own source."""
        for child in self.both:
            model = self._pair.paddle if child.side == "paddle" else self._pair.torch
            child.send(wire.Build(model.model, dict(model.kwargs), str(self._pair.root), device))

        def on_message(child: Child, message: wire.Message, leases: list[Lease]) -> bool:
            if isinstance(message, wire.Done):
                self.environment[child.side] = message.environment
                self._tell(SideProgress(child.side, "built"))
            return self._progress(child, message)

        listen(self.both, on_message)

    def load_torch(self, request: wire.Message) -> tuple[str, ...]:
        """Fill the torch model; sentences about what did not fit."""
        notes: list[str] = []
        self.torch.send(request)

        def on_message(child: Child, message: wire.Message, leases: list[Lease]) -> bool:
            if isinstance(message, wire.Done):
                notes.extend(message.notes)
            return self._progress(child, message)

        listen((self.torch,), on_message)
        return tuple(notes)

    def set_state(self, child: Child, state: Mapping[str, NDArray[Any]]) -> None:
        """Fill one side from arrays, by name."""
        for name, value in state.items():
            child.send(wire.SetState(name), [value])
        child.send(wire.Sync())
        listen((child,), self._progress)

    def trace(self, inputs: Arrays) -> Traces:
        """The calls of both models: from the first sample of the batch, from the whole batch where a model insists on it."""
        try:
            return self._trace([value[:1] for value in inputs] if batch_of(inputs) > 1 else inputs)
        except EnvironmentFault:
            raise
        except AligndbgError:
            if batch_of(inputs) == 1:
                raise
            return self._trace(inputs)

    def move_weights(self, plan: WeightPlan) -> str:
        """Carry out `plan`, one tensor at a time: torch's state to Paddle's. The sha256 of torch's state."""
        digest = hashlib.sha256()
        rules: dict[str, list[WeightRule]] = {}
        for rule in plan.rules:
            rules.setdefault(rule.torch, []).append(rule)
        self._tell(SideProgress("paddle", "loading"))

        def on_message(child: Child, message: wire.Message, leases: list[Lease]) -> bool:
            if isinstance(message, wire.StateEntry):
                _take_in(digest, message.name, leases[0].array)
                for rule in rules.get(message.name, ()):
                    self.paddle.send(wire.SetState(rule.paddle), [apply_rule(rule, leases[0].array)])
                leases[0].release()
            return isinstance(message, wire.Done)

        self.torch.send(wire.GetState())
        listen((self.torch,), on_message)
        self.paddle.send(wire.Sync())
        listen((self.paddle,), self._progress)
        return digest.hexdigest()

    def state_sha256(self) -> str:
        """The sha256 of torch's state, as `move_weights` gives it."""
        digest = hashlib.sha256()

        def on_message(child: Child, message: wire.Message, leases: list[Lease]) -> bool:
            if isinstance(message, wire.StateEntry):
                _take_in(digest, message.name, leases[0].array)
                leases[0].release()
            return isinstance(message, wire.Done)

        self.torch.send(wire.GetState())
        listen((self.torch,), on_message)
        return digest.hexdigest()

    def state_of(self, child: Child, names: tuple[str, ...] = ()) -> dict[str, NDArray[Any]]:
        """A copy of the parameters and buffers of one side: of these, or of all."""
        state: dict[str, NDArray[Any]] = {}

        def on_message(child: Child, message: wire.Message, leases: list[Lease]) -> bool:
            if isinstance(message, wire.StateEntry):
                state[message.name] = leases[0].array.copy()
                leases[0].release()
            return isinstance(message, wire.Done)

        child.send(wire.GetState(names))
        listen((child,), on_message)
        return state

    def _trace(self, inputs: Arrays) -> Traces:
        found: dict[str, Trace] = {}
        # One after the other: a failure of the first leaves the second without a forward to wait for.
        for child in self.both:
            self._tell(SideProgress(child.side, "tracing"))
            found[child.side] = trace_of(child, inputs)
        return Traces(found["torch"], found["paddle"])

    def _progress(self, child: Child, message: wire.Message, leases: Sequence[Lease] = ()) -> bool:
        if isinstance(message, wire.Stage):
            self._tell(SideProgress(child.side, message.stage, message.detail))
        return isinstance(message, wire.Done)


def _take_in(digest: Any, name: str, value: NDArray[Any]) -> None:
    digest.update(f"{name}{value.shape}".encode())
    digest.update(np.ascontiguousarray(value))


def trace_of(child: Child, inputs: Arrays) -> Trace:
    """The calls of one forward that nothing is captured of."""
    found: list[Trace] = []

    def on_message(child: Child, message: wire.Message, leases: list[Lease]) -> bool:
        for lease in leases:
            lease.release()
        if isinstance(message, wire.Traced):
            found.append(message.trace)
        return isinstance(message, wire.Traced)

    child.send(wire.Run(), list(inputs))
    listen((child,), on_message)
    return found[0]


def is_done(child: Child, message: wire.Message, leases: list[Lease]) -> bool:
    return isinstance(message, wire.Done)


@contextlib.contextmanager
def open_sides(
    pair: PairSpec,
    logs: Path,
    arena_bytes: int,
    tell: Tell,
    stop: Stop,
    sides: Sequence[str] = BOTH,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Sides]:
    """Start torch and Paddle; all children are ended with the block, and killed when a stop is asked for. `environment` is each
    child's, see `start_child`."""
    children: list[Child] = []

    def start(side: str) -> Child:
        tell(SideProgress(side, "starting"))
        python = pair.paddle.python if side == "paddle" else pair.torch.python
        framework = "onnx" if side == "torch" and is_onnx(pair.torch) else side
        log = logs / f"{side}.log"
        children.append(start_child(side, interpreter(pair.root, python), log, arena_bytes, framework, environment))
        stop.on_request(children[-1].kill)
        return children[-1]

    try:
        yield Sides(start, pair, tell, sides)
    except AligndbgError as error:
        stop.check()
        for child in children:
            if child.failed:
                tell(SideProgress(child.side, "failed", error.message.removeprefix(f"{child.side}: ").removeprefix("failed ")))
        raise
    finally:
        for child in children:
            child.close()


def interpreter(root: Path, python: str | None) -> str | None:
    """The interpreter of a side; a relative path with a slash starts at the pair's folder, a bare name is looked up in PATH."""
    if python is None or "/" not in python:
        return python
    # Not resolved: a virtual environment is known by the path of its link.
    return str(root / Path(python).expanduser())


def batch_of(inputs: Arrays) -> int:
    """Size of the batch axis if all inputs have the same, else 1."""
    sizes = {value.shape[0] if value.ndim else 1 for value in inputs}
    return int(sizes.pop()) if len(sizes) == 1 else 1
