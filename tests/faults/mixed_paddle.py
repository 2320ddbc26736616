"""The port of mixed_torch.py to Paddle."""

from __future__ import annotations

import paddle
from paddle import nn
from paddle.nn import functional as F


class Mixed(nn.Layer):
    """Pictures [N, 3, 32, 32] to logits [N, 10]."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2D(3, 16, 3, padding=1, padding_mode="reflect")
        self.norm = nn.GroupNorm(4, 16)
        self.leaky = nn.LeakyReLU(0.1)
        self.dilated = nn.Conv2D(16, 16, 3, padding=2, dilation=2)
        self.prelu = nn.PReLU(16)
        self.blur = nn.AvgPool2D(3, stride=2, padding=1, exclusive=False)
        self.grouped = nn.Conv2D(16, 32, 3, padding=1, groups=4, bias_attr=False)
        self.bn = nn.BatchNorm2D(32)
        self.hardswish = nn.Hardswish()
        self.down = nn.MaxPool2D(3, stride=2, ceil_mode=True)
        self.response = nn.LocalResponseNorm(5, alpha=0.5, beta=0.75, k=1.0)
        self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        self.transposed = nn.Conv2DTranspose(32, 32, 2, stride=2)
        self.gate = nn.Conv2D(32, 32, 1)
        self.wide = nn.Conv2D(32, 24, 1)
        self.narrow = nn.Conv2D(32, 8, 3, padding=1)
        self.gelu = nn.GELU(approximate=True)
        self.plain_norm = nn.LayerNorm([32, 8, 8], weight_attr=False, bias_attr=False)
        self.pool = nn.AdaptiveAvgPool2D(4)
        self.mix = nn.Conv2D(32, 16, 3, padding=1)
        self.softmax = nn.Softmax(axis=1)
        self.flatten = nn.Flatten()
        self.hidden = nn.Linear(512, 64)
        self.dropout = nn.Dropout(0.3)
        self.square = nn.Linear(64, 64)
        self.head = nn.Linear(64, 10)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = self.leaky(self.norm(self.stem(x)))
        x = x + self.prelu(self.dilated(x))
        x = self.hardswish(self.bn(self.grouped(self.blur(x))))
        x = self.response(self.down(x))
        x = self.up(x) - self.transposed(x)
        x = x * F.sigmoid(self.gate(x))
        x = x / (1.5 + F.relu(x))
        x = paddle.concat([self.wide(x), self.narrow(x)], axis=1)
        x = F.interpolate(self.gelu(x), size=(8, 8), mode="bilinear", align_corners=False)
        x = F.relu(self.mix(self.pool(self.plain_norm(x))))
        left, right = x.flatten(2), self.softmax(x).flatten(2)
        x = self.flatten(paddle.concat([left, right], axis=1))
        x = F.relu(self.dropout(self.hidden(x)))
        x = self.square(x) * 0.5 + x
        return self.head(x)


def mixed() -> Mixed:
    return Mixed()
