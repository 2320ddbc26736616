"""What recording and replaying need of Paddle. Runs in a child process only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import paddle

from aligndbg.core.layers import Attribute
from aligndbg.frameworks.paddle_perform import perform
from aligndbg.frameworks.recorder import Params


class PaddleEngine:
    """See `Engine`. `parameter` gives a parameter of the model by its name."""

    def __init__(self, parameter: Callable[[str], Any]) -> None:
        self._parameter = parameter

    def is_tensor(self, value: Any) -> bool:
        return bool(paddle.is_tensor(value))

    def copy(self, tensor: Any) -> Any:
        return tensor.detach().clone()

    def tensor(self, array: Any, like: Any) -> Any:
        return paddle.to_tensor(np.array(array), place=None if like is None else like.place)

    def perform(self, kind: str, inputs: Sequence[Any], attributes: Mapping[str, Attribute], params: Params) -> Any:
        with paddle.no_grad():
            return perform(kind, inputs, attributes, params)

    def call_with(self, values: Mapping[str, Any], function: Callable[[], Any]) -> Any:
        before = {name: self._parameter(name).clone() for name in values}
        try:
            for name, value in values.items():
                self._parameter(name).set_value(value)
            with paddle.no_grad():
                return function()
        finally:
            for name, value in before.items():
                self._parameter(name).set_value(value)
