"""A new pair to fill in: one that runs, and aligns, as it stands."""

from __future__ import annotations

import re
from pathlib import Path

from aligndbg.errors import EnvironmentFault, UsageError
from aligndbg.pairs.load import FILE_NAME

_PAIR = """\
schema: 1
name: {name}
description: {name} and its port
torch: {{model: torch_model.py:build}}
paddle: {{model: paddle_model.py:build}}
weights: {{source: auto}}
input: {{shape: [1, 3, 224, 224], kind: randn, seed: 0}}
tolerance: {{atol: 1.0e-4, rtol: 0.0}}
"""

_TORCH = '''\
"""The original of {name}."""

import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 16, 3, stride=4), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1))
        self.classifier = nn.Linear(16, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(torch.flatten(self.features(x), 1))


def build() -> nn.Module:
    return Model()
'''

_PADDLE = '''\
"""The port of {name}."""

import paddle
from paddle import nn


class Model(nn.Layer):
    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2D(3, 16, 3, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2D(1))
        self.classifier = nn.Linear(16, num_classes)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.classifier(paddle.flatten(self.features(x), 1))


def build() -> nn.Layer:
    return Model()
'''


def new_pair(name: str, models: Path) -> tuple[Path, ...]:
    """Write `models`/NAME/: pair.yaml and both models' files. UsageError where the name is no name, or is taken."""
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", name, re.ASCII):
        raise UsageError(f"{name!r} cannot name a pair", "letters, digits, _ . and -, and one / for a group")
    folder = models / name
    if folder.exists():
        raise UsageError(f"{folder} exists already", "choose another name")
    try:
        folder.mkdir(parents=True)
        files = {FILE_NAME: _PAIR, "torch_model.py": _TORCH, "paddle_model.py": _PADDLE}
        for file, text in files.items():
            (folder / file).write_text(text.format(name=name), encoding="utf-8")
    except OSError as error:
        raise EnvironmentFault(f"{folder} cannot be written: {error.strerror}") from None
    return tuple(folder / file for file in files)
