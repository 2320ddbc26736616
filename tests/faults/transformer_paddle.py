"""The port of transformer_torch.py to Paddle."""

from __future__ import annotations

import paddle
from paddle import nn
from paddle.nn.initializer import Normal


class Attention(nn.Layer):
    """Tokens [N, T, C] to [N, T, C]."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = (width // heads) ** -0.5
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.softmax = nn.Softmax(axis=-1)
        self.out = nn.Linear(width, width)

    def split(self, x: paddle.Tensor) -> paddle.Tensor:
        return x.reshape([x.shape[0], x.shape[1], self.heads, x.shape[2] // self.heads]).transpose([0, 2, 1, 3])

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        query, key, value = self.split(self.query(x)), self.split(self.key(x)), self.split(self.value(x))
        weights = self.softmax(paddle.matmul(query, key.transpose([0, 1, 3, 2])) * self.scale)
        mixed = paddle.matmul(weights, value).transpose([0, 2, 1, 3])
        return self.out(mixed.reshape(x.shape))


class Block(nn.Layer):
    """A pre-norm encoder block."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, epsilon=1e-6)
        self.attention = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, epsilon=1e-6)
        self.fc1 = nn.Linear(width, 4 * width)
        self.gelu = nn.GELU()
        self.dropout = nn.Dropout(0.1)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.fc2(self.dropout(self.gelu(self.fc1(self.norm2(x)))))


class Transformer(nn.Layer):
    """Pictures [N, 3, 32, 32] to logits [N, classes]."""

    def __init__(self, width: int = 48, heads: int = 4, depth: int = 3, classes: int = 10) -> None:
        super().__init__()
        self.patches = nn.Conv2D(3, width, 8, stride=8)
        self.token = self.create_parameter([1, 1, width], default_initializer=Normal())
        self.position = self.create_parameter([1, 17, width], default_initializer=Normal())
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, epsilon=1e-6)
        self.head = nn.Linear(width, classes)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = self.patches(x).flatten(2).transpose([0, 2, 1])
        x = paddle.concat([self.token.expand([x.shape[0], -1, -1]), x], axis=1) + self.position
        x = self.norm(self.blocks(x))
        return self.head(x[:, 0])


def transformer() -> Transformer:
    return Transformer()
