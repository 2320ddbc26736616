"""What a kind of fault is: where it can stand in a model, and how it gets there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from edits import Edits
from paddle import nn

T = TypeVar("T")
Where = Literal["layer", "after", "missing"]
"""`layer`: the layer itself is wrong; `after`: something runs on the output of it; `missing`: it does not run."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What was done: to which calls of the healthy model, and the path of the layer whose output must change by it.

    `reads` are other layers that it makes use of, and that must stay as they are; `also` are other ids that tell it as well.
    """

    layer: tuple[str, ...]
    probe: str
    note: str
    where: Where = "layer"
    reads: tuple[str, ...] = ()
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """`id` is the finding's that is to name it. A `hidden` kind may leave every forward in eval as it was."""

    id: str
    applicable: Callable[[nn.Layer], list[str]]
    plant: Callable[[Edits, str, np.random.Generator], Mark | None]
    hidden: bool = False


def leaves(model: nn.Layer) -> Iterator[tuple[str, nn.Layer]]:
    """Every layer without layers inside."""
    for path, layer in model.named_sublayers():
        if not layer._sub_layers:
            yield path, layer


def of_class(*classes: type) -> Callable[[nn.Layer], list[str]]:
    """Places: the leaves of just these classes."""
    return lambda model: [path for path, layer in leaves(model) if type(layer) in classes]


def pick(rng: np.random.Generator, items: list[T]) -> T:
    return items[int(rng.integers(len(items)))]
