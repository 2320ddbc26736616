"""timm's `train.py` (`Train: 0 [  50/5004 (  1%)]  Loss: 6.95 (6.95)  Time: 0.4s,  620.1/s ...  LR: 1.000e-05`) and `validate.py`.

Epochs and steps are printed from 0. `train.py` names the last step of an evaluation where `validate.py` names their number, and
the averages of that last line are the evaluation's result.
"""

from __future__ import annotations

import re

from aligndbg.jobs.formats.parser import Format, Memory, Reading
from aligndbg.jobs.formats.text import NUMBER, WHOLE
from aligndbg.jobs.formats.torch_text import meters, summary
from aligndbg.jobs.formats.torchvision_references import averaged_weights

_TRAIN = re.compile(rf"Train: ({WHOLE}) \[[ ]{{0,8}}({WHOLE})/({WHOLE}) \([ 0-9A-Za-z]{{1,8}}%\)\][ \t]{{1,4}}")
_TEST = re.compile(rf"Test(?P<ema> \(EMA\))?: \[[ ]{{0,8}}({WHOLE})/({WHOLE})\][ \t]{{1,4}}(?=Time:)")
_RATE = re.compile(rf"[,(][ \t]{{1,8}}({NUMBER})/s")
_BEST = re.compile(rf"\*\*\* Best metric: ({NUMBER})")
_JSON = re.compile(rf'[ \t]{{0,8}}"(top[15](?:_err)?)": ({NUMBER}),?[ \t]{{0,8}}')


def read(text: str, memory: Memory) -> Reading | None:
    if (train := _TRAIN.search(text)) is not None:
        memory.epoch = float(train[1])
        return Reading("train", _values(text[train.end() :], "train"), memory.epoch, int(train[2]), int(train[3]))
    if (test := _TEST.search(text)) is not None:
        rest = text[test.end() :]
        values = _values(rest, "eval")
        step, last = int(test[2]), int(test[3])
        if "/s)" in rest:
            return Reading("eval", values, memory.epoch, step, last)
        ending = step == last
        values = averaged_weights(values) if test["ema"] else values
        return Reading("eval", values, memory.epoch, None if ending else step, None if ending else last + 1)
    if (best := _BEST.search(text)) is not None:
        return Reading("eval", {"best": float(best[1])}, memory.epoch)
    if (field := _JSON.fullmatch(text)) is not None:
        return Reading("eval", {field[1]: float(field[2])}, memory.epoch)
    return summary(text, memory)


def _values(text: str, phase: str) -> dict[str, float]:
    values = meters(text, "train" if phase == "train" else "eval")
    if (rate := _RATE.search(text)) is not None:
        values["ips"] = float(rate[1])
    return values


FORMAT = Format("timm", read, ("Train: ", "Test", "Acc@1", "*** Best", '"top'))
