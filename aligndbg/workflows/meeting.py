"""Where the outputs of several sides meet: each row is handled as soon as all of its sides are there, and freed at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from aligndbg.core.layers import Trace
from aligndbg.errors import AligndbgError
from aligndbg.frameworks import wire
from aligndbg.frameworks.channel import Lease
from aligndbg.frameworks.client import Child, listen
from aligndbg.workflows.sides import Arrays

OnRow = Callable[[int, Mapping[str, Arrays]], None]
"""Takes a row's index and each side's outputs, which must be copied to be kept."""


@dataclass
class Meeting:
    """One forward of every child at once.

    `rows` maps, for each side, the calls to compare to their rows. The `forced` side goes on, after each of them, with torch's
    outputs in place of its own; with its own in the rows `unforced`, where torch's would not fit what reads them. A side in
    `optional` may fail: it is then left out, and `failures` says why.
    """

    children: Mapping[str, Child]
    rows: Mapping[str, Mapping[int, int]]
    on_row: OnRow
    forced: str | None = None
    optional: frozenset[str] = frozenset()
    traces: dict[str, Trace] = field(default_factory=dict)
    outputs: dict[str, tuple[NDArray[Any], ...]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    failures: dict[str, AligndbgError] = field(default_factory=dict)
    unforced: set[int] = field(default_factory=set)
    _needed: dict[int, set[str]] = field(default_factory=dict)
    _held: dict[int, dict[str, list[Lease]]] = field(default_factory=dict)
    _blocked: set[str] = field(default_factory=set)
    _waiting: int | None = None
    """The row that the forced side waits at."""

    def run(self, inputs: Arrays) -> None:
        for side, calls in self.rows.items():
            for row in calls.values():
                self._needed.setdefault(row, set()).add(side)
        for side, child in self.children.items():
            child.send(wire.Run(tuple(self.rows[side]), side == self.forced), list(inputs))
        listen(tuple(self.children.values()), self._on_message, on_error=self._on_error)

    def _on_message(self, child: Child, message: wire.Message, leases: list[Lease]) -> bool:
        side = child.side
        self._blocked.discard(side)
        match message:
            case wire.Captured():
                self._captured(side, self.rows[side][message.index], leases)
            case wire.Full():
                self._blocked.add(side)
            case wire.Traced():
                self.traces[side] = message.trace
                self.seconds[side] = message.seconds
                self.outputs[side] = tuple(lease.array.copy() for lease in leases)
                for lease in leases:
                    lease.release()
        self._unblock()
        return isinstance(message, wire.Traced)

    def _on_error(self, child: Child, error: AligndbgError) -> None:
        if child.side not in self.optional:
            raise error
        self.failures[child.side] = error
        if child.side == self.forced:
            self._waiting = None
        self._blocked.discard(child.side)
        for row, sides in self._needed.items():
            sides.discard(child.side)
            for lease in self._held.get(row, {}).pop(child.side, ()):
                lease.release()
        for row in list(self._held):
            self._handle(row)
        self._unblock()

    def _captured(self, side: str, row: int, leases: list[Lease]) -> None:
        self._held.setdefault(row, {})[side] = leases
        if side == self.forced:
            self._waiting = row
        if self._waiting is not None and "torch" in self._held.get(self._waiting, ()):
            self._force(self._waiting)
        self._handle(row)

    def _force(self, row: int) -> None:
        """Give the forced side torch's outputs before they are compared: it computes meanwhile."""
        assert self.forced is not None
        torch, own = ([lease.array for lease in self._held[row][side]] for side in ("torch", self.forced))
        fits = len(torch) == len(own) and all(map(interchangeable, torch, own))
        if not fits:
            self.unforced.add(row)
        self._waiting = None
        self.children[self.forced].send(wire.Forced(), torch if fits else [])

    def _handle(self, row: int) -> None:
        held = self._held.get(row, {})
        if held.keys() != self._needed[row]:
            return
        del self._held[row]
        self.on_row(row, {side: [lease.array for lease in leases] for side, leases in held.items()})
        for leases in held.values():
            for lease in leases:
                lease.release()

    def _unblock(self) -> None:
        """Copy what a blocked side waits behind, where no other side can bring the missing part.

        A side that is ahead waits for the others: that bounds the memory. Where the order of calls crosses, all may wait for each
        other, or one for a layer that another has behind it.
        """
        for side in tuple(self._blocked):
            if any(self._at_work(other) for other in self.children if other != side):
                continue
            behind = [held[side] for _, held in sorted(self._held.items()) if any(lease.shared for lease in held.get(side, ()))]
            if behind:
                for lease in behind[0]:
                    lease.detach()
                self._blocked.discard(side)

    def _at_work(self, side: str) -> bool:
        stuck = side in self._blocked or side in self.traces or side in self.failures
        return not stuck and not (side == self.forced and self._waiting is not None)


def interchangeable(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether what reads one can read the other: shapes agree but for the size of the picture. Equally many elements in another
    shape are laid out anew, and what reads them expects that."""
    if one.shape == other.shape:
        return True
    return one.ndim == other.ndim >= 4 and one.shape[:2] == other.shape[:2] and one.size != other.size
