"""Tiny torch models for runs of the whole program. Loaded in framework children only."""

from __future__ import annotations

import time

import torch
from torch import nn
from torch.nn import functional as F


class Plain(nn.Module):
    """On input [n, 3, 8, 8]."""

    def __init__(self, channels: int = 4) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, channels, 3), nn.BatchNorm2d(channels), nn.ReLU(inplace=True), nn.MaxPool2d(2))
        self.drop = nn.Dropout()
        self.fc = nn.Linear(channels * 9, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(torch.flatten(self.drop(self.features(x)), 1))


class Slow(Plain):
    """Stops half way through its second forward, the compared one, long enough to be interrupted."""

    forwards = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.forwards += 1
        x = self.features(x)
        if self.forwards > 1:
            print("half way", flush=True)
            time.sleep(60)
        return self.fc(torch.flatten(x, 1))


class Unhurried(Plain):
    """Slow enough to be stopped between two batches."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        time.sleep(0.15)
        return super().forward(x)


class FailsOnMany(Plain):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if len(x) > 1:
            raise RuntimeError("no more than one picture")
        return super().forward(x)


class Fails(Plain):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise ValueError("the gate is shut\nand stays so")


class Structured(nn.Module):
    """Returns a dict with a tuple and a list in it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.aux = nn.Conv2d(4, 2, 1)

    def forward(self, x: torch.Tensor) -> dict[str, object]:
        y = self.conv(x)
        return {"out": y, "aux": (self.aux(y), [y.mean((2, 3))])}


class Pair(nn.Module):
    """Returns a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(3, 4)
        self.two = nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.one(x), self.two(x)


class TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Linear(3, 4)
        self.right = nn.Linear(5, 4)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return F.relu(self.left(x) - self.right(y))


class Mixes(nn.Module):
    """On one sample its port computes the same; on a batch it mixes the samples."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(torch.flatten(self.fc(x), 1))


class Perceptron(nn.Module):
    """On input [n, 3, 8, 8]; has no layer of `Plain`."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), *(nn.Linear(192 if k == 0 else 7, 7) for k in range(6)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


not_a_model = 3
