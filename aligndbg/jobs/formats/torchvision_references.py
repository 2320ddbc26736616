"""torchvision's `references/classification`: `Epoch: [0]  [1/4]  eta: 0:00:05  lr: 0.01  img/s: 5.9  loss: 6.86 (6.89) ...`.

Epochs and steps are printed from 0. A value is the median of the last 20 steps, with the average in parentheses.
"""

from __future__ import annotations

import re

from aligndbg.jobs.formats.parser import Format, Memory, Reading
from aligndbg.jobs.formats.text import NUMBER, WHOLE
from aligndbg.jobs.formats.torch_text import meters, summary

_TRAIN = re.compile(rf"Epoch: \[[ ]{{0,8}}({WHOLE})\][ \t]{{1,4}}\[[ ]{{0,8}}({WHOLE})/({WHOLE})\][ \t]{{1,4}}(?=eta:)")
_TEST = re.compile(rf"Test:[ \t]{{1,8}}(?P<ema>EMA[ \t]{{1,8}})?\[[ ]{{0,8}}({WHOLE})/({WHOLE})\][ \t]{{1,4}}(?=eta:)")
_RESULT = re.compile(
    rf"Test:[ \t]{{1,8}}(?P<ema>EMA[ \t]{{1,8}})?Acc@1[ \t]{{1,8}}({NUMBER})[ \t]{{1,8}}Acc@5[ \t]{{1,8}}({NUMBER})"
)


def read(text: str, memory: Memory) -> Reading | None:
    if (train := _TRAIN.search(text)) is not None:
        memory.epoch = float(train[1])
        return Reading("train", meters(text[train.end() :], "train"), memory.epoch, int(train[2]), int(train[3]))
    if (test := _TEST.search(text)) is not None:
        values = meters(text[test.end() :], "eval")
        return Reading("eval", averaged_weights(values) if test["ema"] else values, memory.epoch, int(test[2]), int(test[3]))
    if (result := _RESULT.search(text)) is not None:
        values = {"top1": float(result[2]), "top5": float(result[3])}
        return Reading("eval", averaged_weights(values) if result["ema"] else values, memory.epoch)
    return summary(text, memory)


def averaged_weights(values: dict[str, float]) -> dict[str, float]:
    """Metrics of the moving average of the weights, which is evaluated beside the weights themselves: a name of their own."""
    return {f"{name}_ema": value for name, value in values.items()}


FORMAT = Format("torchvision", read, ("Epoch: [", "Test:", "Acc@1"))
