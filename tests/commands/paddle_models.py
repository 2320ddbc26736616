"""The ports of torch_models.py, right and wrong."""

from __future__ import annotations

import time

import paddle
from paddle import nn
from paddle.nn import functional as F


class Plain(nn.Layer):
    def __init__(self, channels: int = 4) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2D(3, channels, 3), nn.BatchNorm2D(channels), nn.ReLU(), nn.MaxPool2D(2))
        self.fc = nn.Linear(channels * 9, 5)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.fc(paddle.flatten(self.features(x), 1))


class AveragePool(Plain):
    """Wrong: pools the mean."""

    def __init__(self) -> None:
        super().__init__()
        self.features[3] = nn.AvgPool2D(2)


class NoRelu(Plain):
    """Wrong: has no ReLU."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        conv, norm, _, pool = self.features
        return self.fc(paddle.flatten(pool(norm(conv(x))), 1))


class Slow(Plain):
    """Stops half way through its second forward, the compared one."""

    forwards = 0

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        self.forwards += 1
        x = self.features(x)
        if self.forwards > 1:
            print("half way", flush=True)
            time.sleep(60)
        return self.fc(paddle.flatten(x, 1))


class Structured(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2D(3, 4, 1)
        self.aux = nn.Conv2D(4, 2, 1)

    def forward(self, x: paddle.Tensor) -> dict[str, object]:
        y = self.conv(x)
        return {"out": y, "aux": (self.aux(y), [y.mean((2, 3))])}


class Pair(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(3, 4)
        self.two = nn.Linear(3, 2)

    def forward(self, x: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        return self.one(x), self.two(x)


class Single(Pair):
    """Wrong: returns the first result alone."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.one(x)


class TwoInputs(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Linear(3, 4)
        self.right = nn.Linear(5, 4)

    def forward(self, x: paddle.Tensor, y: paddle.Tensor) -> paddle.Tensor:
        return F.relu(self.left(x) - self.right(y))


class Mixes(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 6)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return F.relu(self.fc(x).reshape([1, -1]))
