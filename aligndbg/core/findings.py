"""What was found out about a fault: its cause, the evidence for it, and what to type."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

CAUSES = frozenset(
    "kernel-size stride padding padding-mode dilation groups ceil-mode count-include-pad pool-kind output-size epsilon "
    "momentum affine running-stats bias-missing bias-extra activation activation-missing activation-extra activation-param "
    "dropout-active dropout-mode dropout-p weight-transposed weight-permuted weight-value weight-missing weight-shared "
    "op-order input-order missing-layer extra-layer layer-kind residual concat-axis axis flatten normalized-shape channels "
    "heads align-corners interpolation scale dtype data-format gradient preprocess unknown".split()
)
"""Every id of a finding (DESIGN 6.3)."""


class Status(StrEnum):
    """`found`: the fix was tried and takes the layer below its noise floor. `unknown`: a fault without a cause that explains it.
    `warning`: the two sides are set differently, and this run does not show it."""

    FOUND = "found"
    UNKNOWN = "unknown"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Proof:
    """Largest |d| of the layer on torch's inputs before the fix and with it; None where it was not, or cannot be, measured.

    `how` is `attribute` where both models say what differs, `experiment` where trying told it.
    """

    before: float | None
    after: float | None
    how: Literal["attribute", "experiment"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault of one layer.

    `layer` is torch's path, or Paddle's where torch has none; `paddle_layer` is null where Paddle lacks the layer. `side` is at
    fault. `message` is a sentence; `fix` is what to change, in one line that can be copied. `source` is `file:line` of the place
    to change, where known. `old` and `new` are the argument or expression there, as one would type it (`ceil_mode=False`), `""`
    where the fix is none of that. `hints` say what is known of an unknown cause.
    """

    id: str
    layer: str
    paddle_layer: str | None
    side: str
    message: str
    fix: str
    evidence: Proof
    status: Status = Status.FOUND
    source: str | None = None
    old: str = ""
    new: str = ""
    hints: tuple[str, ...] = ()
