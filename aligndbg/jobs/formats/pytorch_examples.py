"""pytorch/examples' `imagenet/main.py`: `Epoch: [0][1/5]<tab>Time  4.700 ( 4.700)<tab>...<tab>Loss 6.9e+00 (6.9e+00)`.

Epochs are printed from 0; steps from 1, or from 0 by scripts before 2022, which is known once a step 0 was seen.
"""

from __future__ import annotations

import re

from aligndbg.jobs.formats.parser import Format, Memory, Reading
from aligndbg.jobs.formats.text import WHOLE
from aligndbg.jobs.formats.torch_text import meters, summary
from aligndbg.jobs.metrics import Phase

_RECORD = re.compile(
    rf"(?:Epoch: \[[ ]{{0,8}}(?P<epoch>{WHOLE})\]|Test: )"
    rf"\[[ ]{{0,8}}(?P<step>{WHOLE})/(?P<total>{WHOLE})\][ \t]{{1,4}}(?=Time[ \t])"
)


def read(text: str, memory: Memory) -> Reading | None:
    if (record := _RECORD.search(text)) is None:
        return summary(text, memory)
    phase: Phase = "eval"
    if record["epoch"]:
        phase, memory.epoch = "train", float(record["epoch"])
    printed = int(record["step"])
    if printed == 0:
        memory.counts["from"] = 0
    step = max(0, printed - memory.counts.get("from", 1))
    return Reading(phase, meters(text[record.end() :], phase), memory.epoch, step, int(record["total"]))


FORMAT = Format("pytorch-examples", read, ("Epoch: [", "Test: [", "Acc@1"))
