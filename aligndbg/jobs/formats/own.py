"""`metrics.jsonl`, which aligndbg's own jobs write: one sample a line as a flat JSON object.

`{"time": 1764028805.2, "rank": 0, "phase": "train", "epoch": 0.0, "step": 3, "total_steps": 40, "loss": 6.9, "lr": 0.02}`

What is None is left out, epochs and steps count from 0, accuracies are percents, and what is not finite is the string `nan`,
`inf` or `-inf`, since JSON has no word for it.
"""

from __future__ import annotations

import json
import math
from typing import Any

from aligndbg.jobs.formats.parser import Format, Memory, Reading
from aligndbg.jobs.metrics import Phase, Sample

METRICS = "metrics.jsonl"
"""In a job's folder, where aligndbg's own jobs and programs that know of it write their metrics."""

_POSITION = ("time", "rank", "phase", "epoch", "step", "total_steps")
_NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def write_line(sample: Sample) -> str:
    """The line of a sample, with its line feed. `source_line` is where it is written and so is not part of it."""
    if not sample.values.keys().isdisjoint(_POSITION):
        raise ValueError(f"no metric may be called {', '.join(sorted(sample.values.keys() & set(_POSITION)))}")
    position = {name: value for name in _POSITION if (value := getattr(sample, name)) is not None}
    values = {name: value if math.isfinite(value) else str(float(value)) for name, value in sample.values.items()}
    return json.dumps({**position, **values}, ensure_ascii=False, allow_nan=False, separators=(", ", ": ")) + "\n"


def read(text: str, memory: Memory) -> Reading | None:
    if not text.startswith("{") or '"phase"' not in text:
        return None
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):  # A line cut short, or nested without end: another program's.
        return None
    if not isinstance(record, dict) or record.get("phase") not in ("train", "eval"):
        return None
    phase: Phase = record["phase"]
    values = {name: value for name, raw in record.items() if name not in _POSITION and (value := _number(raw)) is not None}
    whole = {name: int(value) for name in ("rank", "step", "total_steps") if (value := _count(record.get(name))) is not None}
    time, epoch = (_below(_number(record.get(name)), limit) for name, limit in (("time", 1e12), ("epoch", 1e9)))
    return Reading(phase, values, epoch, whole.get("step"), whole.get("total_steps"), time, whole.get("rank"))


def _number(raw: Any) -> float | None:
    if isinstance(raw, str):
        return _NOT_FINITE.get(raw)
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return None
    try:
        return float(raw)
    except OverflowError:
        return math.inf if raw > 0 else -math.inf


def _below(value: float | None, limit: float) -> float | None:
    """None for what is no position in a run: NaN, below 0, or beyond the limit."""
    return value if value is not None and 0 <= value < limit else None


def _count(raw: Any) -> int | None:
    return raw if isinstance(raw, int) and not isinstance(raw, bool) and 0 <= raw < 1e9 else None


FORMAT = Format("aligndbg", read, ('"phase"',))
