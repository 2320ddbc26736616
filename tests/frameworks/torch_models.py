"""Small torch models, each for one trap of tracing. Loaded by the tests in framework children."""

from __future__ import annotations

import os
import signal

import torch
from torch import nn
from torch.nn import functional as F


class InPlace(nn.Module):
    """The convolution's output is overwritten twice before the forward ends."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.act(self.conv(x))
        y.add_(1.0)
        y[:, 0] = 5.0
        return y * 2


class Structured(nn.Module):
    """Modules that take and return tuples, lists and dicts."""

    class Split(nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
            return x + 1, [x - 1, x * 2]

    def __init__(self) -> None:
        super().__init__()
        self.split = self.Split()
        self.lstm = nn.LSTM(4, 3, batch_first=True)

    def forward(self, x: torch.Tensor) -> dict[str, object]:
        one, (two, three) = self.split(x)
        sequence, (hidden, cell) = self.lstm(one.flatten(2).transpose(1, 2))
        return {"sequence": sequence, "states": (hidden, cell), "rest": [torch.cat([two, three], 1)]}


class Reused(nn.Module):
    """One ReLU and one Linear for everything; a functional convolution with a parameter of the model's own; a residual."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)
        self.relu = nn.ReLU()
        self.scale = nn.Parameter(torch.full((6,), 0.5))
        self.kernel = nn.Parameter(torch.ones(1, 1, 3, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.conv2d(x, self.kernel, padding=1)
        y = self.relu(self.linear(x))
        y = self.relu(self.linear(y) + y)
        return F.softmax(y * self.scale, dim=-1)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)


class Fails(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 1)
        self.second = nn.Conv2d(5, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(x))


class Dies(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x + 1
        print("about to end", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
        return y


not_callable = 3


def not_a_model() -> str:
    return "a model"


def needs_argument(width: int) -> nn.Module:
    return nn.Linear(width, 1)
