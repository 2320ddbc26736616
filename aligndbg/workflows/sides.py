"""Both framework children of a run: started in parallel, built, filled with the same weights, traced."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from aligndbg.core.layers import Trace
from aligndbg.errors import AligndbgError, EnvironmentFault
from aligndbg.frameworks import wire
from aligndbg.frameworks.channel import Lease
from aligndbg.frameworks.client import Child, listen, start_child
from aligndbg.pairs.schema import PairSpec
from aligndbg.weights.convert import apply_rule
from aligndbg.weights.plan import WeightPlan, WeightRule
from aligndbg.workflows.events import Event, SideProgress, SideReady
from aligndbg.workflows.stop import Stop

Tell = Callable[[Event], None]
Arrays = Sequence[NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Traces:
    torch: Trace
    paddle: Trace


class Sides:
    """The two children of a run, and what is asked of both."""

    def __init__(self, torch: Child, paddle: Child, pair: PairSpec, tell: Tell) -> None:
        self.torch = torch
        self.paddle = paddle
        self._pair = pair
        self._tell = tell
        self.environment: dict[str, Any] = {}

    @property
    def both(self) -> tuple[Child, Child]:
        return self.torch, self.paddle

    def wait_ready(self) -> None:
        """Until both have imported their framework."""

        def on_message(child: Child, message: wire.Message, leases: list[Lease]) -> bool:
            if isinstance(message, wire.Done):
                self.environment[child.side] = message.environment
                self._tell(SideReady(child.side, message.environment))
            return self._progress(child, message)

        listen(self.both, on_message)

    def build(self, device: str) -> None:
        """Both models, each from its own source."""
        for child, model in ((self.torch, self._pair.torch), (self.paddle, self._pair.paddle)):
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

    def set_torch(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Fill the torch model from arrays, by name."""
        for name, value in state.items():
            self.torch.send(wire.SetState(name), [value])
        self.torch.send(wire.Sync())
        listen((self.torch,), self._progress)

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

    def move_weights(self, plan: WeightPlan) -> None:
        """Carry out `plan`, one tensor at a time: torch's state to Paddle's."""
        rules: dict[str, list[WeightRule]] = {}
        for rule in plan.rules:
            rules.setdefault(rule.torch, []).append(rule)
        self._tell(SideProgress("paddle", "loading"))

        def on_message(child: Child, message: wire.Message, leases: list[Lease]) -> bool:
            if isinstance(message, wire.StateEntry):
                for rule in rules.get(message.name, ()):
                    self.paddle.send(wire.SetState(rule.paddle), [apply_rule(rule, leases[0].array)])
                leases[0].release()
            return isinstance(message, wire.Done)

        self.torch.send(wire.GetState())
        listen((self.torch,), on_message)
        self.paddle.send(wire.Sync())
        listen((self.paddle,), self._progress)

    def state_of(self, child: Child) -> dict[str, NDArray[Any]]:
        """A copy of every parameter and buffer of one side."""
        state: dict[str, NDArray[Any]] = {}

        def on_message(child: Child, message: wire.Message, leases: list[Lease]) -> bool:
            if isinstance(message, wire.StateEntry):
                state[message.name] = leases[0].array.copy()
                leases[0].release()
            return isinstance(message, wire.Done)

        child.send(wire.GetState())
        listen((child,), on_message)
        return state

    def _trace(self, inputs: Arrays) -> Traces:
        found: dict[str, Trace] = {}

        def on_message(child: Child, message: wire.Message, leases: list[Lease]) -> bool:
            for lease in leases:
                lease.release()
            if isinstance(message, wire.Traced):
                found[child.side] = message.trace
                return True
            return False

        # One after the other: a failure of the first leaves the second without a forward to wait for.
        for child in self.both:
            self._tell(SideProgress(child.side, "tracing"))
            child.send(wire.Run(), list(inputs))
            listen((child,), on_message)
        return Traces(found["torch"], found["paddle"])

    def _progress(self, child: Child, message: wire.Message, leases: Sequence[Lease] = ()) -> bool:
        if isinstance(message, wire.Stage):
            self._tell(SideProgress(child.side, message.stage, message.detail))
        return isinstance(message, wire.Done)


@contextlib.contextmanager
def open_sides(pair: PairSpec, logs: Path, arena_bytes: int, tell: Tell, stop: Stop) -> Iterator[Sides]:
    """Start both children; they are ended with the block, and killed when a stop is asked for."""
    children: list[Child] = []
    try:
        for side, model in (("torch", pair.torch), ("paddle", pair.paddle)):
            tell(SideProgress(side, "starting"))
            children.append(start_child(side, interpreter(pair.root, model.python), logs / f"{side}.log", arena_bytes))
            stop.on_request(children[-1].kill)
        yield Sides(children[0], children[1], pair, tell)
    except AligndbgError as error:
        stop.check()
        for child in children:
            if child.failed:
                tell(SideProgress(child.side, "failed", error.message))
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
