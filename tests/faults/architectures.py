"""The healthy pairs that the fault bench spoils: aligned ones, at the smallest pictures that the nets bear."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
MODELS = FOLDER.parents[1] / "models"


@dataclass(frozen=True, slots=True)
class Architecture:
    """A torch model and its port: targets are `module:callable` or `FILE.py:callable`, as the command line takes them."""

    name: str
    torch: str
    paddle: str
    shape: tuple[int, ...]
    torch_kwargs: Mapping[str, Any] = field(default_factory=dict)
    paddle_kwargs: Mapping[str, Any] = field(default_factory=dict)


def _zoo(name: str, **paddle_kwargs: Any) -> Architecture:
    targets = (f"torchvision.models:{name}", f"paddle.vision.models:{name}")
    return Architecture(name, *targets, (1, 3, 64, 64), {"weights": None}, paddle_kwargs)


def _own(name: str, shape: tuple[int, ...]) -> Architecture:
    return Architecture(name, f"{FOLDER}/{name}_torch.py:{name}", f"{FOLDER}/{name}_paddle.py:{name}", shape)


ARCHITECTURES: Mapping[str, Architecture] = {
    item.name: item
    for item in (
        _own("mixed", (1, 3, 32, 32)),
        _own("transformer", (1, 3, 32, 32)),
        _own("vgg", (1, 3, 64, 64)),
        _zoo("resnet18"),
        _zoo("resnet50"),
        _zoo("resnext50_32x4d"),
        _zoo("densenet121"),
        _zoo("mobilenet_v2"),
        _zoo("mobilenet_v3_small"),
        _zoo("mobilenet_v3_large"),
        _zoo("shufflenet_v2_x0_5"),
        _zoo("shufflenet_v2_x1_0"),
        Architecture(
            "squeezenet1_0",
            f"{MODELS}/squeezenet1_0/torch_model.py:squeezenet1_0",
            f"{MODELS}/squeezenet1_0/paddle_model.py:squeezenet1_0",
            (1, 3, 64, 64),
        ),
    )
}
