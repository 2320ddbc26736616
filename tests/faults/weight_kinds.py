"""Faults of parameters: the layer has them, or has them not, and computes with something else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import paddle
from edits import WAYS, Edits, Forward
from kinds import Kind, Mark, leaves, of_class, pick
from paddle import nn
from paddle.nn import functional as F
from rebuild import arguments

Change = Callable[[paddle.Tensor], paddle.Tensor]


def forward_with(layer: nn.Layer, change: Change) -> Forward | None:
    """The forward of a convolution or a linear layer whose author uses `change(weight)`; None where it has another forward."""
    if type(layer) is nn.Linear:
        return lambda self, x: F.linear(x, change(self.weight), self.bias)
    if type(layer) is nn.Conv2D and layer._padding_mode == "zeros":
        return lambda self, x: F.conv2d(
            x, change(self.weight), self.bias, self._stride, self._padding, self._dilation, self._groups
        )
    return None


def transposals(layer: nn.Layer) -> dict[str, Change]:
    """Ways to exchange two axes of the weight that leave its shape as it is."""
    shape = list(layer.weight.shape)
    found: dict[str, Change] = {}
    if shape[0] == shape[1] and shape[0] > 1:
        order = [1, 0, *range(2, len(shape))]
        found["the weight's first two axes are exchanged"] = lambda weight: paddle.transpose(weight, order)
    if len(shape) == 4 and shape[2] == shape[3] > 1:
        found["the kernel is transposed"] = lambda weight: paddle.transpose(weight, [0, 1, 3, 2])
    return found


def permutations(layer: nn.Layer) -> dict[str, Change]:
    shape = list(layer.weight.shape)
    outputs = 0 if len(shape) == 4 else 1
    found: dict[str, Change] = {
        "the outputs stand in the opposite order": lambda weight: paddle.flip(weight, [outputs]),
        "the outputs are rolled by one": lambda weight: paddle.roll(weight, 1, outputs),
    }
    if len(shape) == 4 and shape[1] == 3:
        found["the inputs are BGR"] = lambda weight: paddle.flip(weight, [1])
    if len(shape) == 4 and shape[2] > 1:
        found["the kernel is rotated by half a turn"] = lambda weight: paddle.flip(weight, [2, 3])
    if len(shape) == 2:
        found["the inputs stand in the opposite order"] = lambda weight: paddle.flip(weight, [0])
        if shape[1] % 4 == 0:
            found["the outputs are interleaved by four"] = lambda weight: paddle.concat(
                [weight[:, start::4] for start in range(4)], axis=1
            )
    return found


def revaluations(layer: nn.Layer) -> dict[str, Change]:
    return {
        "the weight is scaled by 1.1": lambda weight: weight * 1.1,
        "the weight is halved": lambda weight: weight * 0.5,
        "the weight is rounded to 1/32": lambda weight: paddle.round(weight * 32.0) / 32.0,
        "0.02 is added to the weight": lambda weight: weight + 0.02,
        "the weight has the wrong sign": lambda weight: -weight,
    }


def _undecided(layer: nn.Layer) -> bool:
    """Whether both ways round of the weight fit: a port that changes it in its own code could mean torch's as it is."""
    return type(layer) is nn.Linear and layer.weight.shape[0] == layer.weight.shape[1]


def _computed(id_: str, changes: Callable[[nn.Layer], dict[str, Change]], *also: str) -> Kind:
    def applicable(model: nn.Layer) -> list[str]:
        return [
            path for path, layer in leaves(model) if forward_with(layer, paddle.assign) and not _undecided(layer) and changes(layer)
        ]

    def plant(edits: Edits, place: str, rng: np.random.Generator) -> Mark | None:
        layer = edits.at(place)
        possible = changes(layer)
        note = pick(rng, sorted(possible))
        forward = forward_with(layer, possible[note])
        if forward is None:
            return None
        edits.forward(place, forward, pick(rng, list(WAYS)))
        return Mark((place,), place, note, also=also)

    return Kind(id_, applicable, plant)


def _spoilt(edits: Edits, place: str, rng: np.random.Generator) -> Mark:
    """Something overwrites a part of the weight before each forward, as a stray line of the author's may do."""
    rows = int(rng.integers(1, 3))

    def before(layer: nn.Layer, inputs: Any) -> None:
        weight = layer.weight.numpy()
        weight[:rows] = 0.0
        layer.weight.set_value(weight)

    edits.keep(place, "weight")
    edits.hook_before(place, before)
    return Mark((place,), place, f"the first {rows} of the weight's first axis are zero")


_BATCH_NORM_FORWARDS: dict[str, Forward] = {
    "the variance is used as a standard deviation": lambda self, x: F.batch_norm(
        x, self._mean, self._variance**2, self.weight, self.bias, epsilon=self._epsilon
    ),
    "the mean is left out": lambda self, x: F.batch_norm(
        x, paddle.zeros_like(self._mean), self._variance, self.weight, self.bias, epsilon=self._epsilon
    ),
    "one is added to the weight": lambda self, x: F.batch_norm(
        x, self._mean, self._variance, self.weight + 1.0, self.bias, epsilon=self._epsilon
    ),
}


def _statistics(edits: Edits, place: str, rng: np.random.Generator) -> Mark:
    note = pick(rng, sorted(_BATCH_NORM_FORWARDS))
    edits.forward(place, _BATCH_NORM_FORWARDS[note], pick(rng, list(WAYS)))
    return Mark((place,), place, note)


def _unregistered(edits: Edits, place: str, rng: np.random.Generator) -> Mark:
    """The layer keeps a parameter as a plain tensor, so that no checkpoint reaches it."""
    fresh = type(edits.at(place))(**arguments(edits.at(place)))
    edits.swap(place, fresh)
    names = [name for name, parameter in fresh._parameters.items() if parameter is not None]
    name = pick(rng, names)
    if name != "weight" and float(paddle.abs(fresh._parameters[name]).max()) == 0.0:
        name = "weight" if "weight" in names else name
    edits.unregister(place, name)
    return Mark((place,), place, f"{name} is no parameter", also=("weight-value",))


def _twins(model: nn.Layer) -> dict[str, list[str]]:
    """For each layer with parameters, the earlier ones that are built just the same."""
    found: dict[str, list[str]] = {}
    known: dict[str, list[str]] = {}
    for path, layer in leaves(model):
        if type(layer) in (nn.Conv2D, nn.Linear, nn.BatchNorm2D, nn.LayerNorm) and layer.weight is not None:
            earlier = known.setdefault(f"{type(layer).__name__} {arguments(layer)}", [])
            if earlier:
                found[path] = list(earlier)
            earlier.append(path)
    return found


def _shared(edits: Edits, place: str, rng: np.random.Generator) -> Mark | None:
    other = pick(rng, _twins(edits.model).get(place) or [""])
    if not other:
        return None
    owner, layer = edits.at(other), edits.at(place)
    forward = forward_with(layer, lambda weight: owner.weight)
    way = pick(rng, ["object", "parameter", "forward"])
    if way == "object":
        edits.swap(place, owner)
    elif way == "parameter" or forward is None:
        edits.tie(place, "weight", owner.weight)
    else:
        edits.forward(place, forward, pick(rng, list(WAYS)))
    # Of a parameter with two names, the one whose value comes last wins: either layer may be the wrong one.
    wrong = (place,) if way == "forward" and forward is not None else (place, other)
    return Mark(wrong, place, f"uses {'the layer' if way == 'object' else 'the weight of'} {other}", reads=(other,))


_WEIGHTED = of_class(nn.Conv2D, nn.Linear, nn.BatchNorm2D, nn.LayerNorm, nn.GroupNorm)


def _owners(model: nn.Layer) -> list[str]:
    return [path for path in _WEIGHTED(model) if _find(model, path).weight is not None]


def _find(model: nn.Layer, path: str) -> Any:
    return Edits(model).at(path)


WEIGHT_KINDS = (
    _computed("weight-transposed", transposals, "weight-permuted"),
    _computed("weight-permuted", permutations),
    _computed("weight-value", revaluations),
    Kind("weight-value", of_class(nn.Conv2D, nn.Linear), _spoilt),
    Kind("weight-value", of_class(nn.BatchNorm2D), _statistics),
    Kind("weight-missing", _owners, _unregistered),
    Kind("weight-shared", lambda model: sorted(_twins(model)), _shared),
)
