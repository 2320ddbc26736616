"""The seam between aligndbg and a framework. Only its implementations import one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from aligndbg.core.layers import Call, Trace
from aligndbg.errors import EnvironmentFault

Array = NDArray[Any]

OnCall = Callable[[Call, Sequence[Any]], Sequence[Any] | None]
"""Takes a call and its output tensors, still the framework's own, at the moment they exist. What it returns, if anything, takes
their place in the rest of the forward."""


class Framework(Protocol):
    """One model in one framework, inside a child process of its own.

    The order of use is `build`, then any of the rest. Model code is the user's: whatever it raises passes through.
    """

    name: str

    def environment(self) -> Mapping[str, str | int | bool]:
        """Versions, device, thread count and numeric switches of this side."""

    def build(self, target: str, kwargs: Mapping[str, Any], root: Path, device: str) -> None:
        """Import `FILE.py:CALLABLE` or `module:CALLABLE`, call it, and put the model in eval mode on `device`."""

    def initialise(self, scheme: str, seed: int) -> None:
        """Set the parameters: `kaiming` (fan-in normal, statistics that can show bugs) or `default` (the framework's own).

        The next `run` completes what depends on the signal: the state is read, moved or exported after it.
        """

    def load_file(self, path: Path) -> Sequence[str]:
        """Load a checkpoint by name; returns one sentence for each key that did not fit."""

    def state(self, emit: Callable[[str, Array], None], names: Collection[str] = ()) -> None:
        """Hand over each parameter and buffer, one at a time; of `names` only, if there are any."""

    def set_state(self, name: str, value: Array) -> None:
        """Overwrite one parameter or buffer; shape and name must exist."""

    def save(self, path: Path) -> None:
        """Write the model's state in the framework's own checkpoint format."""

    def export(self, path: Path, inputs: Sequence[Array]) -> None:
        """Write the model as ONNX, traced on `inputs`; NotImplementedError where the framework does not."""

    def run(self, inputs: Sequence[Array], on_call: OnCall) -> tuple[Trace, Sequence[Any]]:
        """One forward without gradients, and the result's tensors; `on_call` sees every call before the next one starts."""

    def forward(self, inputs: Sequence[Array]) -> Any:
        """One forward without gradients and with nothing watched; the first of the tensors that `run` returns."""

    def to_tensor(self, value: Array, like: Any) -> Any:
        """A tensor of the framework's with `value`'s shape, on `like`'s device and of its dtype."""

    def to_numpy(self, tensor: Any) -> np.ndarray[Any, Any]:
        """The tensor's values on the host; bfloat16 as float32. May be a view: copy before the next call runs."""


def require_device(device: str, gpus: int, framework: str) -> None:
    """EnvironmentFault where `device` is a GPU that the framework does not see."""
    if device != "cpu" and int(device.rpartition(":")[2]) >= gpus:
        sees = f"{gpus or 'no'} GPU{'' if gpus == 1 else 's'}"
        raise EnvironmentFault(
            f"there is no {device}: {framework} sees {sees}", f"--device cpu, or a build of {framework} for CUDA"
        )
