"""Where faults are born: Paddle's layers on torch's inputs, and what float32 rounding explains at each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aligndbg.core.judgement import Evidence
from aligndbg.core.layers import LayerPair
from aligndbg.core.noise import largest_gap, noise_floor
from aligndbg.core.tolerance import Tolerances
from aligndbg.errors import AligndbgError
from aligndbg.frameworks.client import Child
from aligndbg.workflows.compare import compared_rows, row_diff
from aligndbg.workflows.meeting import Meeting
from aligndbg.workflows.sides import Arrays, Sides

OnEvidence = Callable[[int, Arrays, Arrays], None]
"""Takes the index of a row about which more is known now, and both sides' outputs on torch's inputs."""


@dataclass(frozen=True, slots=True)
class Located:
    """What one pass under teacher forcing gave beside its evidence; `failures` says, by side, what ended one early."""

    golden_outputs: tuple[NDArray[Any], ...] = ()
    failures: Mapping[str, AligndbgError] = field(default_factory=dict)


def locate(
    sides: Sides,
    golden: Child | None,
    layers: Sequence[LayerPair],
    inputs: Arrays,
    tolerances: Tolerances,
    evidence: Evidence,
    local: bool,
    on_evidence: OnEvidence,
) -> Located:
    """One more forward of each side. After each compared call Paddle goes on with torch's output in place of its own, so that
    every call works on torch's inputs and its diff is its own; golden shows how far rounding takes torch itself.

    Without `local` Paddle is left out, and only the noise floors are measured.
    """
    rows = {row.index: row for row in layers}
    calls = compared_rows(layers)
    children = {"torch": sides.torch}
    if local:
        children["paddle"] = sides.paddle
    if golden is not None:
        children["golden"] = golden

    def on_row(index: int, outputs: Mapping[str, Arrays]) -> None:
        torch, paddle = outputs["torch"], outputs.get("paddle", ())
        if "golden" in outputs:
            evidence.floors[index] = floor_of(torch, outputs["golden"])
        if "paddle" in outputs:
            evidence.local[index] = row_diff(rows[index], torch, paddle, tolerances)
        on_evidence(index, torch, paddle)

    meeting = Meeting(
        children,
        {side: calls["torch" if side == "golden" else side] for side in children},
        on_row,
        forced="paddle" if local else None,
        optional=frozenset({"golden", "paddle"}),
    )
    # Rows are judged while the pass goes on.
    meeting.unforced = evidence.unforced
    meeting.run(inputs)
    return Located(meeting.outputs.get("golden", ()), meeting.failures)


def floor_of(torch: Arrays, golden: Arrays) -> float:
    """The noise floor of a row; infinite nowhere: an output whose shape golden does not share tells nothing."""
    floors = [
        noise_floor(largest_gap(one, exact), _scale(one))
        for one, exact in zip(torch, golden, strict=False)
        if one.shape == exact.shape and one.dtype.kind == "f"
    ]
    return max(floors, default=0.0)


def _scale(values: NDArray[Any]) -> float:
    """Largest finite magnitude."""
    if not values.size:
        return 0.0
    top = max(float(values.max()), -float(values.min()))
    if np.isfinite(top):
        return top
    finite = values[np.isfinite(values)]
    return float(np.abs(finite).max()) if finite.size else 0.0
