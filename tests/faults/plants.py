"""Faults in a live Paddle model: all kinds, and how one of them gets into a model and is known to be one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import paddle
from attribute_kinds import ATTRIBUTE_KINDS
from edits import Edits
from ground import Ground
from kinds import Kind, Mark, Where
from layer_kinds import LAYER_KINDS
from paddle import nn
from typing_kinds import TYPING_KINDS
from weight_kinds import WEIGHT_KINDS

KINDS: Mapping[str, tuple[Kind, ...]] = {
    id_: tuple(kind for kind in (*ATTRIBUTE_KINDS, *LAYER_KINDS, *TYPING_KINDS, *WEIGHT_KINDS) if kind.id == id_)
    for id_ in sorted({kind.id for kind in (*ATTRIBUTE_KINDS, *LAYER_KINDS, *TYPING_KINDS, *WEIGHT_KINDS)})
}
"""By the id of the finding that each is to lead to."""

VISIBLE = 2e-3
"""Smallest effect of a fault that counts as seen, in parts of the largest value of the layer's output."""
INVISIBLE = 1e-6
"""Largest effect of one that no forward in eval shows: below it there is rounding only. Between the two, nothing is planted."""
ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Planted:
    """A fault that was planted.

    `layer` are the Paddle paths, as in the healthy model, of the calls that are wrong, any of which may be named; a path with
    calls inside stands for all of them. `where` says how they are wrong. `shows` says whether a forward in eval can show it;
    `effect` is the largest change of the output of the layer or block on its own inputs, in parts of its largest value,
    infinite where its shape changes. `also` are other ids that are as right: a layer's output times 0.5 is a wrong scale and an
    extra operation.
    """

    id: str
    layer: tuple[str, ...]
    where: Where
    shows: bool
    effect: float
    note: str
    also: tuple[str, ...] = ()


class Field:
    """A healthy model to plant faults in, and what is planted so far."""

    def __init__(self, model: nn.Layer, shape: tuple[int, ...]) -> None:
        self.edits = Edits(model)
        self.ground = Ground(model, shape, 0)
        self.planted: list[Planted] = []
        self._taken: set[int] = set()
        self._probes: set[str] = set()
        self._healthy = {id_: {at: kind.applicable(model) for at, kind in enumerate(kinds)} for id_, kinds in KINDS.items()}

    def ids(self) -> list[str]:
        """The ids that have a place in the healthy model."""
        return [id_ for id_, places in self._healthy.items() if any(places.values())]

    def plant(self, id_: str, rng: np.random.Generator) -> Planted | None:
        """Plant one fault at a random place apart from the others; None where no place that was tried bears one."""
        for _ in range(ATTEMPTS):
            options = {at: self._free(places) for at, places in self._healthy[id_].items()}
            able = [at for at, places in options.items() if places]
            if not able:
                return None
            at = able[int(rng.integers(len(able)))]
            place = options[at][int(rng.integers(len(options[at])))]
            if (planted := self._try(KINDS[id_][at], place, rng)) is not None:
                return planted
        return None

    def clear(self) -> None:
        """Make the model healthy again."""
        self.edits.undo()
        self.planted.clear()
        self._taken.clear()
        self._probes.clear()

    def _free(self, places: Iterable[str]) -> list[str]:
        return [path for path in places if path not in self._probes and (path == "" or self._apart([path]))]

    def _apart(self, paths: Iterable[str]) -> bool:
        """Whether at least one healthy layer runs between these and the ones that were planted."""
        near = {number + step for number in self._taken for step in (-1, 0, 1)}
        return not any(self.ground.places(path) & near for path in paths)

    def _try(self, kind: Kind, place: str, rng: np.random.Generator) -> Planted | None:
        kept = len(self.edits)
        mark = kind.plant(self.edits, place, rng)
        effect = self._effect(mark) if mark is not None and self._apart(_touched(mark)) else math.nan
        hidden = kind.hidden and effect < INVISIBLE
        if mark is None or not (hidden or effect > VISIBLE) or not self.ground.runs(self.edits.model):
            self.edits.undo(kept)
            return None
        planted = Planted(kind.id, tuple(self._calls(mark)), mark.where, not hidden, effect, mark.note, mark.also)
        self.planted.append(planted)
        self._probes.add(mark.probe)
        self._taken |= {number for path in _touched(mark) for number in self.ground.places(path)}
        return planted

    def _calls(self, mark: Mark) -> Iterator[str]:
        """The paths of the calls that are wrong: of a layer that runs several times, all of them."""
        for path in mark.layer:
            yield path
            if path == mark.probe:
                yield from (f"{path}#{time}" for time in range(2, len(self.ground.seen[path]) + 1))

    def _effect(self, mark: Mark) -> float:
        try:
            return self.ground.effect(self.edits.at(mark.probe), mark.probe)
        except (ValueError, RuntimeError, IndexError, TypeError, AssertionError):
            return math.nan


def _touched(mark: Mark) -> tuple[str, ...]:
    return (*mark.layer, *mark.reads)


def sow(model: nn.Layer, shape: tuple[int, ...], seed: int, count: int, ids: Iterable[str] | None, salt: int) -> Field:
    """Plant `count` faults in `model`, the kinds in turn: over the seeds of one model each comes up as often as any other.

    `salt` tells models apart, so that two of them do not begin with the same kind. Raises ValueError where `count` faults
    find no place.
    """
    paddle.seed(seed + 1)
    field = Field(model, shape)
    if not count:
        return field
    able = [id_ for id_ in field.ids() if ids is None or id_ in set(ids)]
    if not able:
        raise ValueError("none of these kinds of faults has a place in this model")
    turn, position = divmod(seed, len(able))
    order = np.random.default_rng([salt, turn]).permutation(len(able))
    rng = np.random.default_rng([salt, seed])
    first = [able[int(order[(position + step) % len(able)])] for step in range(len(able))]
    for id_ in first:
        if field.plant(id_, rng):
            break
    for attempt in range(4):
        for at in rng.permutation(len(able)):
            known = {fault.id for fault in field.planted}
            if len(field.planted) < count and (attempt or able[at] not in known):
                field.plant(able[at], rng)
    if len(field.planted) < count:
        raise ValueError(f"{len(field.planted)} of {count} faults found a place")
    return field
