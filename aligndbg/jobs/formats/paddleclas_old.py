"""PaddleClas up to 2.1: `epoch:0  , train step:0   , top1: 0.00000, ..., loss: 8.5, lr: 0.020000, batch_cost: 4.58 s, ...`.

Epochs and steps are printed from 0, accuracies as fractions. A step's line holds its batch alone; only `END` lines hold averages.
How many steps an epoch has is never said. The `lr: 0.000000` of validation lines means nothing and is left out.
"""

from __future__ import annotations

import re

from aligndbg.jobs.formats.paddleclas import fractions_as_percents
from aligndbg.jobs.formats.parser import Format, Memory, Reading
from aligndbg.jobs.formats.text import NUMBER, WHOLE, pairs, stamp
from aligndbg.jobs.metrics import Phase, percent

_STEP = re.compile(
    rf"(?:epoch:[ ]{{0,4}}(?P<epoch>{WHOLE})[ \t]{{0,8}},?[ \t]{{0,8}})?"
    rf"\b(?P<phase>train|valid)[ \t]{{1,8}}step:[ ]{{0,4}}(?P<step>{WHOLE})"
)
_END = re.compile(rf"END epoch:[ ]{{0,4}}(?P<epoch>{WHOLE})[ \t]{{1,8}}(?P<phase>train|valid)\b")
_BEST = re.compile(rf"The best top1 acc ({NUMBER}), in epoch:")
_RESULT = re.compile(rf"\{{'top1_acc': ({NUMBER})")
_NEXT = re.compile(r"\[?[0-9]{4}-[0-9]{2}-[0-9]{2} |END epoch:|epoch:|\b(?:train|valid)[ \t]{1,8}step:")


def read(text: str, memory: Memory) -> Reading | None:
    if (record := _STEP.search(text) if "step:" in text else None) is not None:
        step = int(record["step"])
    elif (record := _END.search(text) if "END epoch:" in text else None) is not None:
        step = None
    elif (best := _BEST.search(text)) is not None:
        return Reading("eval", {"best": percent(float(best[1]))}, memory.epoch, time=stamp(text[: best.start()]))
    elif (result := _RESULT.search(text)) is not None:
        return Reading("eval", {"top1": percent(float(result[1]))}, memory.epoch)
    else:
        return None
    phase: Phase = "train" if record["phase"] == "train" else "eval"
    epoch = float(record["epoch"]) if record["epoch"] else memory.epoch
    if phase == "train" or step is None:
        memory.epoch = epoch
    rest = text[record.end() :]
    if (other := _NEXT.search(rest)) is not None:  # Two ranks wrote into one line.
        rest = rest[: other.start()]
    values = fractions_as_percents(pairs(rest))
    if phase == "eval":
        values.pop("lr", None)
    return Reading(phase, values, epoch, step, time=stamp(text[: record.start()]))


FORMAT = Format("paddleclas-old", read, ("step:", "END epoch:", "The best top1 acc", "top1_acc"))
