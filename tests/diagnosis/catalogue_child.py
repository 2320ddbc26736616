"""What one framework says about layers, ops and signatures: `python catalogue_child.py SIDE REQUESTS.json ANSWERS.pickle`.

A request is `["layer", dotted class, keyword arguments]`, answered with a call that has the layer's attributes as the tracer
reads them; `["op", expression in x]`, answered with the call that the tracer records; or `["argument", dotted name, argument,
file]`, answered with what is wrong about it, `""` for nothing.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pickle
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

from aligndbg.core.layers import Call, TensorSpec

SHAPE = (2, 4, 6, 6)


def resolve(dotted: str) -> Any:
    root, *names = dotted.split(".")
    found: Any = importlib.import_module(root)
    for name in names:
        found = getattr(found, name)
    return found


def wrong(dotted: str, argument: str, file: str) -> str:
    """Checks that the documentation or the signature of `dotted` has `argument`, and that `file` defines it."""
    target = resolve(dotted)
    name = dotted.rpartition(".")[2]
    if file:
        path = Path(inspect.getfile(importlib.import_module(dotted.partition(".")[0]))).parents[1] / file
        if not path.is_file():
            return f"no file {path}"
        if not re.search(rf"^\s*(class|def) {name}\b|^{name} = ", path.read_text(), re.MULTILINE):
            return f"{file} does not define {name}"
    try:
        names = set(inspect.signature(target).parameters)
    except ValueError:
        names = set()
    # torch's functions in C++ say what they take in their documentation only.
    documented = re.search(rf"\b{re.escape(argument)}\b", inspect.getdoc(target) or "") is not None
    own_signature = bool(names - {"args", "kwargs"})
    return "" if argument in names or (not own_signature and documented) else f"{dotted} has no {argument}: {sorted(names)}"


class Torch:
    def __init__(self) -> None:
        import torch
        from torch.nn import functional

        from aligndbg.frameworks import catalogue, pytorch, torch_layers

        self.framework = pytorch.TorchFramework()
        self.read, self.table = catalogue.read_attributes, torch_layers.TORCH_LAYERS
        self.names = {"torch": torch, "F": functional}
        self.base = torch.nn.Module


class Paddle:
    def __init__(self) -> None:
        import paddle
        from paddle.nn import functional

        from aligndbg.frameworks import catalogue, paddle_layers, paddlepaddle

        self.framework = paddlepaddle.PaddleFramework()
        self.read, self.table = catalogue.read_attributes, paddle_layers.PADDLE_LAYERS
        self.names = {"paddle": paddle, "F": functional}
        self.base = paddle.nn.Layer


def layer(side: Torch | Paddle, dotted: str, arguments: dict[str, Any]) -> Call:
    try:
        built = resolve(dotted)(**arguments)
    except Exception as error:
        raise ValueError(f"{dotted}({arguments})") from error
    built.eval()
    name = dotted.rpartition(".")[2]
    rank = next((int(digit) + 2 for digit in name if digit.isdigit()), 4)
    entry = side.table[name]
    return Call(0, name, entry.kind, name, (TensorSpec((2, 4, 6, 6, 6)[:rank]),), (), side.read(built, entry))


def op(side: Torch | Paddle, expression: str) -> Call:
    names = side.names

    class Model(side.base):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            return eval(expression, {**names, "x": x})

    side.framework.model = Model()
    side.framework._survey()
    trace, _ = side.framework.run([np.ones(SHAPE, np.float32)], lambda call, tensors: None)
    return trace.calls[-1]


def main() -> None:
    which, requests, answers = sys.argv[1:]
    side = Torch() if which == "torch" else Paddle()
    found = []
    for what, *rest in json.loads(Path(requests).read_text()):
        found.append(wrong(*rest) if what == "argument" else layer(side, *rest) if what == "layer" else op(side, *rest))
    Path(answers).write_bytes(pickle.dumps(found))


if __name__ == "__main__":
    main()
