"""What one log line says about a run, under one set of names and in one set of units, whoever wrote the line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Phase = Literal["train", "eval"]

CANONICAL = ("loss", "top1", "top5", "lr", "ips", "batch_cost", "reader_cost", "eta_s")
"""The names that every format's metrics get: losses as printed, top-k in percent 0..100, `ips` in images a second, costs in
seconds a batch, `eta_s` in seconds. A metric that is none of these keeps the name that its log gives it."""

_SPELLINGS = {
    "learning_rate": "lr",
    "img/s": "ips",
    "images/s": "ips",
    "samples/s": "ips",
    "elapse": "batch_cost",
    "time": "batch_cost",
    "data": "reader_cost",
    "eta": "eta_s",
}
_TOP = re.compile(r"(?:top|prec|acc)[-_@]?([0-9]{1,3})(?:_acc)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Sample:
    """The metrics of one line.

    `source_line` counts the lines of the file from 0. `time` is the line's own stamp in seconds since 1970 (a stamp without a
    zone is local time), None where the line has none. `epoch` and `step` (within the epoch) count from 0 whatever the log
    counts from; `total_steps` is how many steps the epoch has. A sample without a `step` is the result of a whole epoch, or of
    a whole evaluation.
    """

    source_line: int
    time: float | None
    rank: int | None
    phase: Phase
    epoch: float | None
    step: int | None
    total_steps: int | None
    values: Mapping[str, float]


def canonical(name: str) -> str:
    """`top1` for `Acc@1`, `acc1`, `top1_acc`; `lr` for `LR`, `learning_rate`; a name without a canonical form as it is."""
    small = name.lower()
    if (top := _TOP.fullmatch(small)) is not None:
        return f"top{int(top[1])}"
    spelled = _SPELLINGS.get(small, small)
    return spelled if spelled in CANONICAL else name


def is_accuracy(name: str) -> bool:
    """Whether a canonical name is a top-k accuracy, which is kept in percent."""
    return _TOP.fullmatch(name) is not None


def percent(fraction: float) -> float:
    """A fraction 0..1 in percent, without the binary tail that multiplying leaves (0.829 is 82.9, not 82.89999999999999)."""
    return round(fraction * 100, 9)
