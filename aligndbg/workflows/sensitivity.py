"""Whether a bug could show at all: how much of a change of the input survives each layer of the torch model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aligndbg.core.layers import LayerPair
from aligndbg.core.noise import largest_gap
from aligndbg.workflows.meeting import Meeting
from aligndbg.workflows.report_model import SensitivityReport
from aligndbg.workflows.sides import Arrays, Sides

LEAST = 1e-3
"""Of the largest output: below it, what a fault changes is lost among the digits that a tolerance forgives."""

ADVICE = "--weights kaiming makes weights that let every layer's signal through"


def measure_sensitivity(sides: Sides, layers: Sequence[LayerPair], inputs: Arrays) -> SensitivityReport:
    """One forward of torch on a batch of two: the first sample of `inputs`, and another of its size.

    In eval mode the samples of a batch do not touch each other, so that the two halves of every output are two runs.
    """
    pairs = [np.concatenate([value[:1], another(value[:1])]) for value in inputs]
    moves: dict[int, float] = {}

    def on_row(index: int, outputs: Mapping[str, Arrays]) -> None:
        value = outputs["torch"][0]
        if value.ndim and value.shape[0] == 2 and value.dtype.kind == "f":
            moves[index] = _moves(value)

    calls = {row.torch.index: row.index for row in layers if row.torch is not None}
    meeting = Meeting({"torch": sides.torch}, {"torch": calls}, on_row)
    meeting.run(pairs)
    result = meeting.outputs["torch"][0]
    first = result[0] if result.ndim else result
    reach = float(first.max() - first.min()) if first.size else 0.0
    moved = _moves(result) if result.ndim and result.shape[0] == 2 else 0.0
    if moved >= LEAST:
        return SensitivityReport(True, reach, moved)
    return SensitivityReport(False, reach, moved, ADVICE, _dies_at(layers, moves))


def another(value: NDArray[Any]) -> NDArray[Any]:
    """A different input of the same shape and size: noise around the mean; integers, which name things, in another order."""
    if value.dtype.kind != "f":
        return np.roll(value, 1, axis=-1) if value.ndim else value
    spread = float(value.std()) or 1.0
    noise = np.random.Generator(np.random.PCG64(1)).standard_normal(value.shape, np.float32)
    return (float(value.mean()) + spread * noise).astype(value.dtype)


def _moves(value: NDArray[Any]) -> float:
    scale = float(np.abs(value).max()) if value.size else 0.0
    return largest_gap(value[0], value[1]) / scale if scale > 0 and np.isfinite(scale) else 0.0


def _dies_at(layers: Sequence[LayerPair], moves: Mapping[int, float]) -> str | None:
    """The first layer after the last one that still moves."""
    measured = [row for row in layers if row.index in moves]
    alive = [place for place, row in enumerate(measured) if moves[row.index] >= LEAST]
    after = alive[-1] + 1 if alive else 0
    return measured[after].path if after < len(measured) else None
