"""Conversations with a framework child, for the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aligndbg.core.layers import Trace
from aligndbg.core.program import Program
from aligndbg.frameworks import wire
from aligndbg.frameworks.channel import Lease
from aligndbg.frameworks.client import Child, listen, start_child

MIB = 1 << 20


def started(side: str, folder: Path) -> Child:
    child = start_child(side, None, folder / f"{side}.log", 8 * MIB)
    listen([child], lambda child, message, leases: isinstance(message, wire.Done), 120)
    return child


def ask(child: Child, request: wire.Message) -> wire.Message:
    """The `Done` that answers `request`."""
    answers: list[wire.Message] = []

    def on_message(child: Child, message: wire.Message, leases: list[Lease]) -> bool:
        answers.append(message)
        return isinstance(message, wire.Done)

    child.send(request)
    listen([child], on_message, 120)
    return answers[-1]


def build(child: Child, name: str, file: str = "") -> None:
    ask(child, wire.Build(f"{file or child.side + '_models.py'}:{name}", {}, str(Path(__file__).parent), "cpu"))


def run(
    child: Child, value: NDArray[Any], wanted: tuple[int, ...] = ()
) -> tuple[Trace, dict[int, list[NDArray[Any]]], list[NDArray[Any]]]:
    """One forward: the trace, copies of the wanted calls' outputs, copies of the results."""
    captured: dict[int, list[NDArray[Any]]] = {}
    found: list[tuple[Trace, list[NDArray[Any]]]] = []

    def on_message(child: Child, message: wire.Message, leases: list[Lease]) -> bool:
        arrays = [np.array(lease.array) for lease in leases]
        for lease in leases:
            lease.release()
        if isinstance(message, wire.Captured):
            captured[message.index] = arrays
        if isinstance(message, wire.Traced):
            found.append((message.trace, arrays))
        return isinstance(message, wire.Traced)

    child.send(wire.Run(wanted), [value])
    listen([child], on_message, 120)
    return found[0][0], captured, found[0][1]


def record(child: Child, value: NDArray[Any], calls: tuple[int, ...]) -> tuple[Trace, dict[int, list[NDArray[Any]]]]:
    """One forward that keeps `calls` for `attempt`; the trace, and what those calls gave."""
    child.send(wire.Record(calls))
    trace, captured, _ = run(child, value, calls)
    return trace, captured


def attempt(child: Child, program: Program) -> tuple[str, list[NDArray[Any]]]:
    """The refusal, `""` where there is none, and the program's outputs."""
    found: list[tuple[str, list[NDArray[Any]]]] = []

    def on_message(child: Child, message: wire.Message, leases: list[Lease]) -> bool:
        assert isinstance(message, wire.Outcome)
        found.append((message.refusal, [np.array(lease.array) for lease in leases]))
        for lease in leases:
            lease.release()
        return True

    child.send(wire.Attempt(program.steps), list(program.arrays))
    listen([child], on_message, 120)
    return found[0]


def patch(child: Child, call: int, program: Program) -> None:
    child.send(wire.PatchCall(call, program.steps), list(program.arrays))
    ask(child, wire.Sync())


def state(child: Child, names: tuple[str, ...] = ()) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {}

    def on_message(child: Child, message: wire.Message, leases: list[Lease]) -> bool:
        if isinstance(message, wire.StateEntry):
            found[message.name] = np.array(leases[0].array)
            leases[0].release()
        return isinstance(message, wire.Done)

    child.send(wire.GetState(names))
    listen([child], on_message, 120)
    return found
