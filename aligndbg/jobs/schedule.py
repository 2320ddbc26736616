"""The learning rate at a step, as PaddleClas 2.2 and later reckon it (`ppcls/optimizer/learning_rate.py`)."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import Literal, get_args

ScheduleName = Literal["Constant", "Cosine", "Step", "Piecewise"]
NAMES: tuple[str, ...] = get_args(ScheduleName)


@dataclass(frozen=True, slots=True)
class Schedule:
    """PaddleClas's names and meanings.

    The rate climbs linearly from `warmup_start_lr` to `learning_rate` in the first `warmup_epoch` epochs; what follows is counted
    from there. `Cosine` falls to `eta_min` at the end of `epochs`; `Step` multiplies by `gamma` every `step_size` epochs;
    `Piecewise` takes the next of `values` at each of `decay_epochs`. `by_epoch` holds the rate within an epoch.
    """

    name: ScheduleName
    learning_rate: float
    epochs: int
    steps_per_epoch: int
    warmup_epoch: float = 0
    warmup_start_lr: float = 0.0
    by_epoch: bool = False
    eta_min: float = 0.0
    step_size: float = 1
    gamma: float = 0.1
    decay_epochs: tuple[float, ...] = ()
    values: tuple[float, ...] = ()


def lr_at(schedule: Schedule, step: int) -> float:
    """The learning rate that `step` is taken with, counted from 0 over the whole run."""
    unit = 1 if schedule.by_epoch else schedule.steps_per_epoch
    position = step // schedule.steps_per_epoch if schedule.by_epoch else step
    warmup = schedule.warmup_epoch if schedule.by_epoch else round(schedule.warmup_epoch * unit)
    if position < warmup:
        start = schedule.warmup_start_lr
        return start + (schedule.learning_rate - start) * position / warmup
    return _decayed(schedule, position - warmup, unit)


def _decayed(schedule: Schedule, position: float, unit: int) -> float:
    """The rate `position` units after the warm-up; an epoch has `unit` of them."""
    match schedule.name:
        case "Constant":
            return schedule.learning_rate
        case "Cosine":
            length = (schedule.epochs - schedule.warmup_epoch) * unit
            span = schedule.learning_rate - schedule.eta_min
            return schedule.eta_min + span / 2 * (1 + math.cos(math.pi * min(position, length) / length))
        case "Step":
            drops = int(position // (schedule.step_size * unit))
            return float(schedule.learning_rate * schedule.gamma**drops)
        case "Piecewise":
            return schedule.values[bisect_right([epoch * unit for epoch in schedule.decay_epochs], position)]
