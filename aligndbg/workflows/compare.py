"""Both forwards at once, each paired layer diffed as soon as both of its outputs exist, and freed at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from aligndbg.core.diff import diff
from aligndbg.core.judgement import Measured
from aligndbg.core.layers import LayerPair
from aligndbg.core.tolerance import Tolerances
from aligndbg.errors import EnvironmentFault
from aligndbg.workflows.meeting import Meeting
from aligndbg.workflows.sides import Arrays, Sides, Traces

OnLayer = Callable[[int, Measured, Arrays, Arrays], None]
"""Takes a row's index, its diff, and both sides' outputs, which must be copied to be kept."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What both forwards gave: the traces with the batch's own shapes, the models' results, wall seconds by side."""

    traces: Traces
    torch_outputs: tuple[NDArray[Any], ...]
    paddle_outputs: tuple[NDArray[Any], ...]
    seconds: dict[str, float]


def compare(sides: Sides, layers: Sequence[LayerPair], inputs: Arrays, tolerances: Tolerances, on_layer: OnLayer) -> Comparison:
    """Run both sides on `inputs` and diff every paired layer; `on_layer` hears of each as soon as it is known."""
    rows = {row.index: row for row in layers}

    def on_row(index: int, outputs: Mapping[str, Arrays]) -> None:
        torch, paddle = outputs["torch"], outputs["paddle"]
        on_layer(index, row_diff(rows[index], torch, paddle, tolerances), torch, paddle)

    meeting = Meeting({child.side: child for child in sides.both}, compared_rows(layers), on_row)
    meeting.run(inputs)
    return Comparison(
        Traces(meeting.traces["torch"], meeting.traces["paddle"]),
        meeting.outputs["torch"],
        meeting.outputs["paddle"],
        meeting.seconds,
    )


def compared_rows(layers: Sequence[LayerPair]) -> dict[str, dict[int, int]]:
    """Of each side, the calls that are compared -> their rows."""
    found: dict[str, dict[int, int]] = {"torch": {}, "paddle": {}}
    for row in layers:
        if row.torch and row.paddle and row.match != "ignored":
            found["torch"][row.torch.index] = row.index
            found["paddle"][row.paddle.index] = row.index
    return found


def row_diff(row: LayerPair, torch: Arrays, paddle: Arrays, tolerances: Tolerances) -> Measured:
    """The worst output's diff: most elements over the tolerance, then the largest |d|. None where the shapes differ."""
    if len(torch) != len(paddle) or any(one.shape != other.shape for one, other in zip(torch, paddle, strict=True)):
        return None
    assert row.torch is not None and row.paddle is not None
    atol, rtol = tolerances.of(row.torch.path, row.paddle.path)
    found = [diff(one, other, atol, rtol) for one, other in zip(torch, paddle, strict=True)]
    return max(found, key=lambda one: (one.stats.over_tolerance, one.stats.max_abs))


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
