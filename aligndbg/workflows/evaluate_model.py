"""What an evaluation found, as data and as JSON (schema 1, which only grows)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from aligndbg.store.text import encode_with


@dataclass(frozen=True, slots=True)
class SideReport:
    """Accuracies in percent; `loss` is the mean cross-entropy, None where it is not finite. `nan` is how many pictures have a NaN
    among their logits; they count as wrong."""

    top1: float
    top5: float
    loss: float | None
    right1: int
    right5: int
    nan: int = 0


@dataclass(frozen=True, slots=True)
class PairedReport:
    """Pictures that both sides have right, one alone, neither; the gap is Paddle's accuracy minus torch's, in points, with its
    standard error and 95 % interval; `p` is McNemar's."""

    both: int
    only_torch: int
    only_paddle: int
    neither: int
    gap: float
    gap_error: float
    gap_low: float
    gap_high: float
    mcnemar: Literal["exact", "chi2"]
    statistic: float | None
    p: float


@dataclass(frozen=True, slots=True)
class DifferenceReport:
    """Between the logits of both sides, over all pictures; None where it is not finite. `flips` is how many pictures have another
    best class on the other side."""

    flips: int
    max_abs: float | None
    divergence_mean: float | None
    divergence_max: float | None


@dataclass(frozen=True, slots=True)
class PictureReport:
    """A picture that the two sides judge differently. Classes are those that each side finds best."""

    name: str
    label: int
    torch_class: int
    paddle_class: int
    torch_probability: float
    paddle_probability: float
    max_abs: float | None
    divergence: float | None


@dataclass(frozen=True, slots=True)
class ExcludedPicture:
    """A picture that neither side was judged on, and why."""

    name: str
    problem: str


@dataclass(frozen=True, slots=True)
class CauseReport:
    """A setting of the preprocessing. Where Paddle's takes torch's value of it and nothing else, `flips` best classes change,
    `mended` of those that the preprocessing had changed are as on torch's tensors again, and Paddle's accuracy is `top1` percent.
    """

    id: str
    message: str
    flips: int
    mended: int
    top1: float


@dataclass(frozen=True, slots=True)
class StageReport:
    """How far the two sides' pictures are apart after a stage: on the scale 0..255, after `normalise` on the model's. `differing`
    of `pictures` are not the same, `resized` of them not in size."""

    stage: str
    pictures: int
    differing: int
    resized: int
    mean_abs: float
    max_abs: float


@dataclass(frozen=True, slots=True)
class PreprocessReport:
    """Of `images` pictures: the gap in points that the models make on torch's tensors, and what Paddle's own preprocessing adds to
    it; `flips` best classes of Paddle's change by that. `stages` are of the first of them."""

    images: int
    model_gap: float
    preprocess_gap: float
    flips: int
    causes: tuple[CauseReport, ...]
    stages: tuple[StageReport, ...] = ()


@dataclass(frozen=True, slots=True)
class SpeedReport:
    """Of this run, without the pictures of one that it resumed. `ips` is pictures a second over `seconds`; `decode_s` is of all
    `workers` together, the forwards are of one child each. `bound_ips` is what the slowest of them allowed."""

    images: int
    seconds: float
    ips: float
    decode_s: float
    workers: int
    forward_s: Mapping[str, float]
    bound_ips: float


@dataclass(frozen=True, slots=True)
class EvalReport:
    """`verdict` is `within` or `beyond` the pair's `max_gap` in points, None where only one side ran. `target_top1` is what torch's
    weights are published with: a remark."""

    aligndbg: str
    pair: str
    verdict: Literal["within", "beyond"] | None
    exit_code: int
    headline: str
    schema: int = 1
    kind: Literal["eval"] = "eval"
    images: int = 0
    max_gap: float = 0.2
    target_top1: float | None = None
    same_tensors: bool = True
    preprocess: Mapping[str, str] = field(default_factory=dict)
    batch_size: int = 0
    ranks: int = 1
    classes: int = 1000
    sides: Mapping[str, SideReport] = field(default_factory=dict)
    top1: PairedReport | None = None
    top5: PairedReport | None = None
    difference: DifferenceReport | None = None
    differing: tuple[PictureReport, ...] = ()
    excluded: tuple[ExcludedPicture, ...] = ()
    preprocess_gap: PreprocessReport | None = None
    weights: str = ""
    weights_sha256: str = ""
    environment: Mapping[str, Any] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    speed: SpeedReport | None = None
    session: str | None = None


_ENCODER = msgspec.json.Encoder(enc_hook=str)


def to_json(report: EvalReport) -> bytes:
    """Indented UTF-8."""
    return msgspec.json.format(encode_with(_ENCODER.encode, report), indent=1)


def from_json(content: bytes) -> EvalReport:
    """Keys that this version does not know are passed over. Raises msgspec.MsgspecError where `content` is no such report."""
    return msgspec.json.decode(content, type=EvalReport)
