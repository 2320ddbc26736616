"""Both forwards at once, each paired layer diffed as soon as both of its outputs exist, and freed at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aligndbg.core.diff import diff
from aligndbg.core.judgement import Measured
from aligndbg.core.layers import LayerPair, Trace
from aligndbg.core.tolerance import Tolerances
from aligndbg.errors import EnvironmentFault
from aligndbg.frameworks import wire
from aligndbg.frameworks.channel import Lease
from aligndbg.frameworks.client import Child, listen
from aligndbg.workflows.sides import Arrays, Sides, Traces

OnLayer = Callable[[int, Measured, Arrays, Arrays], None]
"""Takes a row's index, its diff, and both sides' outputs, which must be copied to be kept."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What both forwards gave: diffs by row, traces with the batch's own shapes, the models' results, wall seconds by side."""

    diffs: dict[int, Measured]
    traces: Traces
    torch_outputs: tuple[NDArray[Any], ...]
    paddle_outputs: tuple[NDArray[Any], ...]
    seconds: dict[str, float]


def compare(sides: Sides, layers: Sequence[LayerPair], inputs: Arrays, tolerances: Tolerances, on_layer: OnLayer) -> Comparison:
    """Run both sides on `inputs` and diff every paired layer; `on_layer` hears of each as soon as it is known."""
    meeting = _Meeting(sides, layers, tolerances, on_layer)
    for child in sides.both:
        child.send(wire.Run(meeting.wanted(child.side)), list(inputs))
    listen(sides.both, meeting.on_message)
    return Comparison(
        meeting.diffs,
        Traces(meeting.traces["torch"], meeting.traces["paddle"]),
        meeting.outputs["torch"],
        meeting.outputs["paddle"],
        meeting.seconds,
    )


def require_same_calls(before: Traces, now: Traces) -> None:
    """EnvironmentFault where a model ran other calls than the ones that were paired."""
    for side, one, other in (("torch", before.torch, now.torch), ("paddle", before.paddle, now.paddle)):
        if [(call.path, call.kind) for call in one.calls] != [(call.path, call.kind) for call in other.calls]:
            raise EnvironmentFault(
                f"{side}: two forwards of one model ran different layers ({len(one.calls)} calls, then {len(other.calls)})",
                "a model that decides by chance or by its batch cannot be compared call by call; fix what it decides",
            )


def with_calls(layers: Sequence[LayerPair], traces: Traces) -> tuple[LayerPair, ...]:
    """The rows with the calls of `traces`, which ran the same ones, perhaps on a larger batch."""
    return tuple(
        replace(
            row,
            torch=row.torch and traces.torch.calls[row.torch.index],
            paddle=row.paddle and traces.paddle.calls[row.paddle.index],
        )
        for row in layers
    )


@dataclass
class _Meeting:
    """Where the two streams of captures meet. Holds what came first of each layer, until its partner comes."""

    sides: Sides
    layers: Sequence[LayerPair]
    tolerances: Tolerances
    on_layer: OnLayer
    diffs: dict[int, Measured] = field(default_factory=dict)
    traces: dict[str, Trace] = field(default_factory=dict)
    outputs: dict[str, tuple[NDArray[Any], ...]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    _rows: dict[tuple[str, int], LayerPair] = field(default_factory=dict)
    _first: dict[str, dict[int, list[Lease]]] = field(default_factory=lambda: {"torch": {}, "paddle": {}})
    _blocked: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for row in self.layers:
            if row.torch and row.paddle and row.match != "ignored":
                self._rows["torch", row.torch.index] = row
                self._rows["paddle", row.paddle.index] = row

    def wanted(self, side: str) -> tuple[int, ...]:
        return tuple(index for owner, index in self._rows if owner == side)

    def on_message(self, child: Child, message: wire.Message, leases: list[Lease]) -> bool:
        self._blocked.discard(child.side)
        match message:
            case wire.Captured():
                self._captured(child.side, message.index, leases)
            case wire.Full():
                self._blocked.add(child.side)
            case wire.Traced():
                self.traces[child.side] = message.trace
                self.seconds[child.side] = message.seconds
                self.outputs[child.side] = tuple(lease.array.copy() for lease in leases)
                for lease in leases:
                    lease.release()
        self._unblock()
        return isinstance(message, wire.Traced)

    def _captured(self, side: str, index: int, leases: list[Lease]) -> None:
        row = self._rows[side, index]
        other = "paddle" if side == "torch" else "torch"
        partner = self._first[other].pop(row.index, None)
        if partner is None:
            self._first[side][row.index] = leases
            return
        torch, paddle = (leases, partner) if side == "torch" else (partner, leases)
        outputs = [lease.array for lease in torch], [lease.array for lease in paddle]
        self.diffs[row.index] = self._diff(row, *outputs)
        self.on_layer(row.index, self.diffs[row.index], *outputs)
        for lease in (*torch, *paddle):
            lease.release()

    def _diff(self, row: LayerPair, torch: Arrays, paddle: Arrays) -> Measured:
        """The worst output's diff: most elements over the tolerance, then the largest |d|."""
        if len(torch) != len(paddle) or any(one.shape != other.shape for one, other in zip(torch, paddle, strict=True)):
            return None
        assert row.torch is not None and row.paddle is not None
        atol, rtol = self.tolerances.of(row.torch.path, row.paddle.path)
        found = [diff(one, other, atol, rtol) for one, other in zip(torch, paddle, strict=True)]
        return max(found, key=lambda one: (one.stats.over_tolerance, one.stats.max_abs))

    def _unblock(self) -> None:
        """Copy what a blocked side waits behind, where the other side can no longer bring its partner.

        A side that is ahead waits for the other: that bounds the memory. Where the order of calls crosses, both may wait for
        each other, or one for a layer that the other has behind it.
        """
        for side in tuple(self._blocked):
            other = "paddle" if side == "torch" else "torch"
            shared = [row for row, leases in sorted(self._first[side].items()) if any(lease.shared for lease in leases)]
            if shared and (other in self._blocked or other in self.traces):
                for lease in self._first[side][shared[0]]:
                    lease.detach()
                self._blocked.discard(side)


def top_classes(logits: NDArray[Any], count: int = 5) -> list[tuple[int, float, float]]:
    """(class, logit, softmax probability 0..1) of the largest logits of one sample, largest first; ties by class."""
    values = logits.astype(np.float64)
    order = np.argsort(-values, kind="stable")[:count]
    exponents = np.exp(values - values.max())
    return [(int(index), float(values[index]), float(exponents[index] / exponents.sum())) for index in order]
