"""Builds models in one framework, without filling them, and counts their weights: `[[target, kwargs], ...]` on standard input."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

from aligndbg.frameworks.loading import build_model


def in_torch(target: str, kwargs: dict[str, Any]) -> int:
    import torch

    from aligndbg.frameworks.torchvision_import import mend

    with torch.device("meta"):
        model = build_model(target, kwargs, Path(), torch.nn.Module, mend)
    return sum(value.numel() for value in model.parameters())


def in_paddle(target: str, kwargs: dict[str, Any]) -> int:
    import paddle

    with paddle.LazyGuard():
        model = build_model(target, kwargs, Path(), paddle.nn.Layer)
    return sum(math.prod(value.shape) for value in model.parameters() if not value.stop_gradient)


if __name__ == "__main__":
    count = {"torch": in_torch, "paddle": in_paddle}[sys.argv[1]]
    print(json.dumps([count(target, kwargs) for target, kwargs in json.load(sys.stdin)]))
