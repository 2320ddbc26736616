"""Paddle models whose calls are made again, each with one way to hide a layer or a weight from whoever watches."""

from __future__ import annotations

from collections.abc import Callable

import paddle
from paddle import nn
from paddle.nn import functional as F


class Chain(nn.Layer):
    """Layers, ops in place, two outputs of one call, and a call of two operands."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2D(3, 4, 1)
        self.norm = nn.BatchNorm2D(4)
        self.head = nn.Linear(4, 2)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        y = self.norm(self.conv(x))
        F.relu_(y)
        first, second = paddle.split(y, 2, axis=1)
        y = paddle.concat([second, first - first.mean()], axis=1)
        y.add_(x[:, :1])
        return self.head(y.mean(axis=[2, 3]))


class InPlaceShape(nn.Layer):
    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        y = x * 2
        y.reshape_([-1, 6])
        return y + 1


class InPlaceCast(nn.Layer):
    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        y = x * 2
        y.cast_("int32")
        return y + 1


class Squared(nn.Layer):
    """One tensor in both places of an op."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return x * x


class Shrunk(nn.Layer):
    """A layer whose input the model's own hook scales, and whose result another one does."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2D(3, 4, 1)
        self.conv.register_forward_pre_hook(lambda layer, args: (args[0] * 0.5,))
        self.act = nn.ReLU()
        self.act.register_forward_post_hook(lambda layer, args, result: result + 1)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.act(self.conv(x))


class Scaled(nn.Conv2D):
    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return super().forward(x * 2) + 1


KEPT = nn.Conv2D.forward
"""The class's forward as a model may have kept it."""


class Twice(Scaled):
    """A forward of the model's own around another one."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return F.tanh(super().forward(x))


class Kept(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.first = Twice(3, 4, 1)
        self.second = with_forward(nn.Conv2D(4, 4, 1), lambda own: lambda x: KEPT(self.second, x).abs())
        self.second.register_forward_post_hook(lambda layer, args, result: result + 1)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.second(self.first(x))


def with_forward(layer: nn.Layer, made: Callable[[Callable[..., paddle.Tensor]], Callable[..., paddle.Tensor]]) -> nn.Layer:
    layer.forward = made(layer.forward)
    return layer


class Extended(nn.Layer):
    """Forwards of the model's own around those of Paddle's classes."""

    def __init__(self) -> None:
        super().__init__()
        self.first = Scaled(3, 4, 1, stride=2)
        self.second = with_forward(nn.Conv2D(4, 4, 1), lambda own: lambda x: F.relu(own(x)))
        self.third = with_forward(nn.Conv2D(4, 4, 1), lambda own: lambda x: x - 1)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.third(self.second(self.first(x)))


class LaidOut(nn.Layer):
    """Weights that the forward lays out before an op reads them."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = self.create_parameter([4, 6])
        self.square = self.create_parameter([4, 4])
        self.scale = self.create_parameter([4])

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        y = F.linear(x, self.weight.T)
        y = F.linear(y, paddle.round(self.square * 32) / 32)
        y = paddle.matmul(self.square.T, y.T)
        return y * (self.scale * paddle.ones([4])).reshape([4, 1])
