"""Its port, right and with one fault each that flips some pictures and leaves the others alone."""

from __future__ import annotations

from typing import Any

import paddle
from paddle import nn

CLASSES = 5


class Net(nn.Layer):
    def __init__(self, epsilon: float = 1e-5, mode: Any = "upscale_in_train") -> None:
        super().__init__()
        self.conv = nn.Conv2D(3, 16, 3, padding=1)
        self.norm = nn.BatchNorm2D(16, epsilon=epsilon)
        self.relu = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2D(1)
        self.dropout = nn.Dropout(0.5, mode=mode)
        self.head = nn.Linear(16, CLASSES)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = self.pool(self.relu(self.norm(self.conv(x))))
        return self.head(self.dropout(paddle.flatten(x, 1)))


class WrongEpsilon(Net):
    def __init__(self) -> None:
        super().__init__(epsilon=1e-3)


class WrongDropout(Net):
    def __init__(self) -> None:
        super().__init__(mode="downscale_in_infer")
