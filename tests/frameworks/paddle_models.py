"""The Paddle counterparts of torch_models.py."""

from __future__ import annotations

import paddle
from paddle import nn
from paddle.nn import functional as F
from paddle.nn.functional import softmax


class InPlace(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2D(3, 4, 1)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        y = F.relu_(self.conv(x))
        y.add_(paddle.to_tensor(1.0))
        y[:, 0] = 5.0
        return y * 2


class Structured(nn.Layer):
    class Split(nn.Layer):
        def forward(self, x: paddle.Tensor) -> tuple[paddle.Tensor, list[paddle.Tensor]]:
            return x + 1, [x - 1, x * 2]

    def __init__(self) -> None:
        super().__init__()
        self.split = self.Split()
        self.lstm = nn.LSTM(4, 3)

    def forward(self, x: paddle.Tensor) -> dict[str, object]:
        one, (two, three) = self.split(x)
        sequence, (hidden, cell) = self.lstm(one.flatten(2).transpose([0, 2, 1]))
        return {"sequence": sequence, "states": (hidden, cell), "rest": [paddle.concat([two, three], 1)]}


class Reused(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)
        self.relu = nn.ReLU()
        self.scale = self.create_parameter([6])
        self.kernel = self.create_parameter([1, 1, 3, 3])
        self.act = softmax

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = F.conv2d(x, self.kernel, padding=1)
        y = self.relu(self.linear(x))
        y = self.relu(self.linear(y) + y)
        return softmax(y * self.scale, axis=-1)


class Attention(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.layer(x)
