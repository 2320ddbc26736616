"""torch in float64: what the model computes but for rounding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aligndbg.core.layers import Trace
from aligndbg.frameworks.base import Array, OnCall
from aligndbg.frameworks.pytorch import TorchFramework


class GoldenFramework(TorchFramework):
    """The torch model with every floating-point number in float64. Its outputs are handed over as float32, rounded once."""

    name = "golden"

    def build(self, target: str, kwargs: Mapping[str, Any], root: Path, device: str) -> None:
        # What a forward makes from nothing must be as precise as what it is given.
        torch.set_default_dtype(torch.float64)
        super().build(target, kwargs, root, device)
        self.model.double()
        self._survey()

    def run(self, inputs: Sequence[Array], on_call: OnCall) -> tuple[Trace, Sequence[Any]]:
        return super().run(_widened(inputs), on_call)

    def forward(self, inputs: Sequence[Array]) -> Any:
        return super().forward(_widened(inputs))

    def to_numpy(self, tensor: Any) -> Array:
        value = super().to_numpy(tensor)
        return value.astype(np.float32) if value.dtype == np.float64 else value


def _widened(inputs: Sequence[Array]) -> list[Array]:
    return [value.astype(np.float64) if value.dtype == np.float32 else value for value in inputs]
