"""Facts about a pair's model, as JSON: state shapes, output shapes, logits.

Run in a child: `torch|paddle FILE.py|torchvision CALLABLE`.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aligndbg.frameworks.torchvision_import import mend

SIDE = 224


def weights(shapes: Mapping[str, Sequence[int]]) -> dict[str, np.ndarray]:
    """Kaiming-normal by name, the same for every framework."""
    made = {}
    for index, (key, shape) in enumerate(sorted(shapes.items())):
        values = np.random.default_rng(index).standard_normal(tuple(shape), np.float32)
        made[key] = values * np.float32((2 / np.prod(shape[1:])) ** 0.5 if len(shape) > 1 else 0.1)
    return made


def picture() -> np.ndarray:
    return np.random.default_rng(99).standard_normal((1, 3, SIDE, SIDE), np.float32)


def load(source: str) -> Any:
    if source == "torchvision":
        while True:
            try:
                return importlib.import_module("torchvision.models")
            except RuntimeError as error:
                if not mend(error):
                    raise
    spec = importlib.util.spec_from_file_location("model", source)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(side: str, source: str, name: str) -> None:
    shapes: dict[str, list[int]] = {}
    if side == "torch":
        import torch

        model = getattr(load(source), name)().eval()
        for path, layer in model.named_modules():
            layer.register_forward_hook(lambda _, __, out, path=path: shapes.__setitem__(path, list(out.shape)))
        with torch.no_grad():
            for key, value in weights({key: value.shape for key, value in model.state_dict().items()}).items():
                model.state_dict()[key].copy_(torch.from_numpy(value))
            logits = model(torch.from_numpy(picture())).numpy()
    else:
        import paddle

        model = getattr(load(source), name)()
        model.eval()
        for path, layer in model.named_sublayers(include_self=True):
            layer.register_forward_post_hook(lambda _, __, out, path=path: shapes.__setitem__(path, list(out.shape)))
        with paddle.no_grad():
            model.set_state_dict(weights({key: value.shape for key, value in model.state_dict().items()}))
            logits = model(paddle.to_tensor(picture())).numpy()
    state = {key: list(value.shape) for key, value in model.state_dict().items()}
    print(json.dumps({"state": state, "outputs": shapes, "logits": logits[0].tolist()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
