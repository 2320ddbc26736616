"""A small classifier with every op that ports get wrong and that no classifier of the zoo has."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class Mixed(nn.Module):
    """Pictures [N, 3, 32, 32] to logits [N, 10]."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1, padding_mode="reflect")
        self.norm = nn.GroupNorm(4, 16)
        self.leaky = nn.LeakyReLU(0.1)
        self.dilated = nn.Conv2d(16, 16, 3, padding=2, dilation=2)
        self.prelu = nn.PReLU(16)
        self.blur = nn.AvgPool2d(3, stride=2, padding=1)
        self.grouped = nn.Conv2d(16, 32, 3, padding=1, groups=4, bias=False)
        self.bn = nn.BatchNorm2d(32)
        self.hardswish = nn.Hardswish()
        self.down = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.response = nn.LocalResponseNorm(5, alpha=0.5, beta=0.75, k=1.0)
        self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        self.transposed = nn.ConvTranspose2d(32, 32, 2, stride=2)
        self.gate = nn.Conv2d(32, 32, 1)
        self.wide = nn.Conv2d(32, 24, 1)
        self.narrow = nn.Conv2d(32, 8, 3, padding=1)
        self.gelu = nn.GELU(approximate="tanh")
        self.plain_norm = nn.LayerNorm([32, 8, 8], elementwise_affine=False)
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.mix = nn.Conv2d(32, 16, 3, padding=1)
        self.softmax = nn.Softmax(dim=1)
        self.flatten = nn.Flatten()
        self.hidden = nn.Linear(512, 64)
        self.dropout = nn.Dropout(0.3)
        self.square = nn.Linear(64, 64)
        self.head = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.leaky(self.norm(self.stem(x)))
        x = x + self.prelu(self.dilated(x))
        x = self.hardswish(self.bn(self.grouped(self.blur(x))))
        x = self.response(self.down(x))
        x = self.up(x) - self.transposed(x)
        x = x * F.sigmoid(self.gate(x))
        x = x / (1.5 + F.relu(x))
        x = torch.cat([self.wide(x), self.narrow(x)], dim=1)
        x = F.interpolate(self.gelu(x), size=(8, 8), mode="bilinear", align_corners=False)
        x = F.relu(self.mix(self.pool(self.plain_norm(x))))
        left, right = x.flatten(2), self.softmax(x).flatten(2)
        x = self.flatten(torch.cat([left, right], dim=1))
        x = F.relu(self.dropout(self.hidden(x)))
        x = self.square(x) * 0.5 + x
        return self.head(x)


def mixed() -> Mixed:
    return Mixed()
