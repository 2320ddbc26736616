"""The pair's Paddle model with the recipe's classes, its loss and its optimizer."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
from numpy.typing import NDArray

from aligndbg.errors import InputError, PairError, named
from aligndbg.frameworks.loading import build_model, load_target
from aligndbg.jobs.entry.checkpoint import read_arrays
from aligndbg.jobs.recipe import LossSpec, OptimizerSpec
from aligndbg.pairs.schema import PairSpec

CLASS_ARGUMENTS = ("num_classes", "class_num", "class_dim")


def build(pair: PairSpec, classes: int | None) -> paddle.nn.Layer:
    """The model, with so many classes where its callable has an argument for them."""
    spec = pair.paddle
    arguments = dict(spec.kwargs)
    if classes is not None:
        name = class_argument(load_target(spec.model, pair.root), spec.kwargs)
        arguments |= {name: classes} if name else {}
    return build_model(spec.model, arguments, pair.root, paddle.nn.Layer)


def class_argument(target: Any, given: Mapping[str, Any]) -> str | None:
    """What the callable calls its number of classes; None where it takes none. One with `**kwargs` may hand `num_classes` on."""
    try:
        parameters = inspect.signature(target).parameters
    except (TypeError, ValueError):  # Built in, without a signature.
        return None
    known = [name for name in CLASS_ARGUMENTS if name in given] or [name for name in CLASS_ARGUMENTS if name in parameters]
    if known:
        return known[0]
    return "num_classes" if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values()) else None


def logits_of(model: paddle.nn.Layer, images: Any, classes: int | None) -> Any:
    """[n, classes]. PairError where the model gives anything else."""
    logits = model(images)
    if not paddle.is_tensor(logits) or logits.ndim != 2:
        what = f"a tensor of shape {list(logits.shape)}" if paddle.is_tensor(logits) else type(logits).__name__
        raise PairError(f"the model returns {what}, expected logits [n, classes]", "name a callable that returns such a model")
    if classes is not None and logits.shape[1] != classes:
        raise PairError(
            f"the model has {logits.shape[1]} classes, Arch.class_num is {classes}", f"-o Arch.class_num={logits.shape[1]}"
        )
    return logits


def loss_sum(logits: Any, labels: Any, spec: LossSpec) -> Any:
    """Cross-entropy summed over the batch; a smoothed label is (1 - epsilon) * label + epsilon / classes."""
    if not spec.epsilon:
        return spec.weight * F.cross_entropy(logits, labels, reduction="sum")
    logs = F.log_softmax(logits, axis=-1)
    own = F.nll_loss(logs, labels, reduction="sum")
    return spec.weight * ((1 - spec.epsilon) * own - spec.epsilon * logs.mean(axis=-1).sum())


def hits(logits: Any, labels: Any, topk: tuple[int, ...]) -> Any:
    """How many labels are among the k largest logits, float32, for each k; a k beyond the classes is all of them."""
    largest = min(max(topk), logits.shape[1])
    found = (paddle.topk(logits, largest, axis=1)[1] == labels.unsqueeze(1)).astype("float32")
    return paddle.stack([found[:, : min(k, largest)].sum() for k in topk])


def make_optimizer(spec: OptimizerSpec, model: paddle.nn.Layer, rate: float) -> Any:
    """Paddle's, with a rate that is set before each step."""
    parameters = model.parameters()
    decay = paddle.regularizer.L2Decay(spec.l2) if spec.l2 else None
    if spec.name == "SGD":
        return paddle.optimizer.SGD(rate, parameters, decay)
    if spec.name == "Momentum":
        return paddle.optimizer.Momentum(rate, spec.momentum, parameters, spec.nesterov, decay)
    betas = {"beta1": spec.beta1, "beta2": spec.beta2, "epsilon": spec.epsilon, "parameters": parameters}
    if spec.name == "Adam":
        return paddle.optimizer.Adam(rate, weight_decay=decay, **betas)
    return paddle.optimizer.AdamW(rate, weight_decay=spec.weight_decay, **betas)


def set_state(model: paddle.nn.Layer, arrays: Mapping[str, NDArray[Any]], path: Path) -> list[str]:
    """Fill the model by name; sentences about what does not fit, which keeps its value. InputError where nothing fits."""
    notes: list[str] = []
    filled = 0
    state = model.state_dict()
    for name, tensor in state.items():
        array = arrays.get(name)
        if array is None:
            notes.append(f"{name} is not in {named(path)}")
        elif list(array.shape) != list(tensor.shape):
            notes.append(f"{name} is {list(array.shape)} in {named(path)}, {list(tensor.shape)} in the model")
        else:
            tensor.set_value(np.ascontiguousarray(array))
            filled += 1
    notes += [f"{name} of {named(path)} is not in the model" for name in arrays if name not in state]
    if not filled:
        raise InputError(f"{named(path)} fits no parameter of the model", "is it of this model?")
    return notes


def load_pretrained(model: paddle.nn.Layer, prefix: str) -> list[str]:
    """Fill the model with a .pdparams file, named with or without its suffix; sentences about what does not fit."""
    path = Path(prefix if prefix.endswith(".pdparams") else f"{prefix}.pdparams")
    return set_state(model, read_arrays(path), path)
