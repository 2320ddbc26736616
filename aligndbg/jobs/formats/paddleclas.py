"""PaddleClas since 2.2: `[Train][Epoch 1/2][Iter: 0/4]lr(Cosine): 0.018, top1: 0.00, ..., loss: 7.01, ips: 2.8 samples/s`.

Epochs are printed from 1 (0 is an evaluation alone), steps from 0, accuracies as fractions. A training line holds the averages
of the epoch so far; an evaluation line holds the loss of its batch and the accuracies so far. `eta` is printed one epoch too long.
"""

from __future__ import annotations

import re

from aligndbg.jobs.formats.parser import Format, Memory, Reading
from aligndbg.jobs.formats.text import NUMBER, WHOLE, pairs, stamp
from aligndbg.jobs.metrics import Phase, is_accuracy, percent

_RECORD = re.compile(
    rf"\[(?P<phase>Train|Eval)\]\[Epoch (?P<epoch>{WHOLE})(?:/{WHOLE})?\]"
    rf"(?:\[Iter: ?(?P<step>{WHOLE})/(?P<total>{WHOLE})\]|\[Avg\]|\[best metric: ?(?P<best>{NUMBER})\])"
)
_NEXT = re.compile(r"\[[0-9]{4}/[0-9]{2}/[0-9]{2} |\[(?:Train|Eval)\]\[Epoch ")


def read(text: str, memory: Memory) -> Reading | None:
    if (record := _RECORD.search(text)) is None:
        return None
    rest = text[record.end() :]
    if (other := _NEXT.search(rest)) is not None:  # Two ranks wrote into one line.
        rest = rest[: other.start()]
    values = fractions_as_percents(pairs(rest))
    if record["best"]:
        values["best"] = percent(float(record["best"]))
    phase: Phase = "train" if record["phase"] == "Train" else "eval"
    epoch = int(record["epoch"]) - 1.0 if int(record["epoch"]) else None
    step, total = (int(record["step"]), int(record["total"])) if record["step"] else (None, None)
    return Reading(phase, values, epoch, step, total, stamp(text[max(0, record.start() - 80) : record.start()]))


def fractions_as_percents(values: dict[str, float]) -> dict[str, float]:
    return {name: percent(value) if is_accuracy(name) else value for name, value in values.items()}


FORMAT = Format("paddleclas", read, ("][Epoch ",))
