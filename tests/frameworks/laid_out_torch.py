"""The torch counterpart of recorded_paddle.LaidOut."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class LaidOut(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6, 4))
        self.square = nn.Parameter(torch.randn(4, 4))
        self.scale = nn.Parameter(torch.randn(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.linear(x, self.weight.T)
        y = F.linear(y, torch.round(self.square * 32) / 32)
        y = torch.matmul(self.square.T, y.T)
        return y * (self.scale * torch.ones(4)).reshape(4, 1)
