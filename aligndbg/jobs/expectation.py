"""What a job's program says of its run in advance: `expectation.json` in the job's folder, which whoever watches the run reads."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aligndbg.errors import EnvironmentFault
from aligndbg.jobs.json_file import read_json, write_json
from aligndbg.jobs.schedule import NAMES, Schedule

EXPECTATION = "expectation.json"
LARGEST = 1 << 20
"""Bytes; a schedule of a thousand pieces has less."""

_NUMBERS = ("learning_rate", "warmup_epoch", "warmup_start_lr", "eta_min", "step_size", "gamma")
_LISTS = ("decay_epochs", "values")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Expectation:
    """None is what is not known. `target_top1` and `margin` are in percent: the best top-1 is to reach their sum."""

    epochs: int | None = None
    steps_per_epoch: int | None = None
    classes: int | None = None
    target_top1: float | None = None
    margin: float = 0.2
    schedule: Schedule | None = None


def write_expectation(folder: Path, expectation: Expectation) -> None:
    """Replace the file of the job in `folder`. Raises OSError."""
    write_json(folder / EXPECTATION, asdict(expectation))


def read_expectation(folder: Path) -> Expectation:
    """What the job in `folder` is to do; an empty one where it says nothing, or where the file is damaged, which is logged."""
    path = folder / EXPECTATION
    if not path.exists():
        return Expectation()
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"more than {LARGEST} bytes")
        return _decoded(read_json(path))
    except (EnvironmentFault, OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        _log.warning("%s is left out: %s", path, error)
        return Expectation()


def _decoded(document: Mapping[str, Any]) -> Expectation:
    schedule = document.get("schedule")
    return Expectation(
        epochs=_whole(document, "epochs"),
        steps_per_epoch=_whole(document, "steps_per_epoch"),
        classes=_whole(document, "classes", least=2),
        target_top1=None if document.get("target_top1") is None else _number(document["target_top1"]),
        margin=_number(document.get("margin", Expectation().margin)),
        schedule=None if schedule is None else _schedule(schedule),
    )


def _schedule(document: Mapping[str, Any]) -> Schedule:
    name = document["name"]
    if name not in NAMES:
        raise ValueError(f"schedule: unknown name {json.dumps(name)[:60]}")
    fields: dict[str, Any] = {"name": name, "by_epoch": bool(document.get("by_epoch", False))}
    fields |= {field: _whole(document, field) or 0 for field in ("epochs", "steps_per_epoch")}
    fields |= {field: _number(document[field]) for field in _NUMBERS if field in document}
    fields |= {field: tuple(_number(item) for item in document[field]) for field in _LISTS if field in document}
    found = Schedule(**fields)
    check_schedule(found)
    return found


def check_schedule(schedule: Schedule) -> None:
    """ValueError where `lr_at` could not be asked about every step."""
    if schedule.epochs < 1 or schedule.steps_per_epoch < 1:
        raise ValueError("schedule: expected 1 epoch and 1 step an epoch, or more")
    if not 0 <= schedule.warmup_epoch < schedule.epochs:
        raise ValueError(f"schedule: expected a warm-up of fewer epochs than the {schedule.epochs} of the run")
    if schedule.step_size < 1 or not 0 <= schedule.gamma <= 1:
        raise ValueError("schedule: expected a step_size of 1 epoch or more, and a gamma between 0 and 1")
    if schedule.name == "Piecewise" and len(schedule.values) != len(schedule.decay_epochs) + 1:
        raise ValueError("schedule: expected one value more than decay_epochs")
    if list(schedule.decay_epochs) != sorted(set(schedule.decay_epochs)):
        raise ValueError("schedule: expected decay_epochs that grow")


def _whole(document: Mapping[str, Any], name: str, least: int = 1) -> int | None:
    value = document.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 1_000_000_000:
        raise ValueError(f"{name}: expected a whole number of {least} or more")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"expected a number, found {json.dumps(value)[:60]}")
    return float(value)
