"""Batches through decoders and both children at once: while the children compute on one, the next is decoded and waits for them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aligndbg.datasets.decoders import Decoders
from aligndbg.frameworks import wire
from aligndbg.frameworks.channel import Lease
from aligndbg.frameworks.client import Child
from aligndbg.workflows.evaluate_pictures import Batch

IN_FLIGHT = 2
"""Batches that the children have: the one they compute on, and the next."""

PATIENCE = 1.0
"""Seconds between two looks at whether a stop was asked for."""


@dataclass(slots=True)
class Flight:
    """A batch on its way. `outputs` are each side's first output, copied."""

    batch: Batch
    places: tuple[int, ...]
    problems: Mapping[int, str]
    decode_s: float
    outputs: dict[str, NDArray[Any]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


OnBatch = Callable[[Flight], None]


class Forwards:
    """Every batch through every child. `pipeline_of_side` says which of a batch's tensors is whose."""

    def __init__(
        self,
        children: Mapping[str, Child],
        decoders: Decoders,
        pipeline_of_side: Mapping[str, int],
        check: Callable[[], None],
    ) -> None:
        self._children = children
        self._decoders = decoders
        self._whose = pipeline_of_side
        self._check = check
        self._flying: dict[int, Flight] = {}
        self._queues: dict[str, deque[int]] = {side: deque() for side in children}

    def run(self, batches: Sequence[Batch], on_batch: OnBatch) -> None:
        """`on_batch` hears of each as soon as all children have answered, in order."""
        waiting = deque(batches)
        named = {batch.number: batch for batch in batches}
        left = len(batches)
        while left:
            self._check()
            while self._decode(waiting) or self._send(named):
                pass
            while self._flying and self._is_over(first := next(iter(self._flying))):
                on_batch(self._flying.pop(first))
                left -= 1
            if not self._can_send():
                self._listen()

    def _decode(self, waiting: deque[Batch]) -> bool:
        """Whether there was a batch to decode, and room for it."""
        if not waiting or not self._decoders.room:
            return False
        batch = waiting.popleft()
        self._decoders.submit(batch.number, [picture.path for picture in batch.pictures])
        return True

    def _can_send(self) -> bool:
        return self._decoders.has_finished and len(self._flying) < IN_FLIGHT

    def _send(self, named: Mapping[int, Batch]) -> bool:
        """Whether there was a decoded batch that the children have room for."""
        decoded = self._decoders.finished() if self._can_send() else None
        if decoded is None:
            return False
        self._flying[decoded.number] = Flight(named[decoded.number], decoded.places, decoded.problems, decoded.seconds)
        if decoded.places:
            for side, child in self._children.items():
                child.send(wire.Forward(), [decoded.tensors[self._whose[side]]])
                self._queues[side].append(decoded.number)
        self._decoders.release(decoded)
        return True

    def _listen(self) -> None:
        """Wait for a child or a worker. Nothing else can be done meanwhile."""
        if not self._flying and not self._decoders.busy:
            return
        children = self._children.values()
        patience = 0.0 if any(child.pending for child in children) else PATIENCE
        ready = wait([*(child.connection for child in children), *self._decoders.connections], patience)
        self._decoders.serve(ready)
        for side, child in self._children.items():
            while child.poll():
                self._hear(side, *child.receive())

    def _hear(self, side: str, message: wire.Message, leases: list[Lease]) -> None:
        if isinstance(message, wire.Outputs):
            flight = self._flying[self._queues[side].popleft()]
            flight.outputs[side] = np.array(leases[0].array)
            flight.seconds[side] = message.seconds
        for lease in leases:
            lease.release()

    def _is_over(self, number: int) -> bool:
        flight = self._flying[number]
        return not flight.places or flight.outputs.keys() == self._children.keys()
