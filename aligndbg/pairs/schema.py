"""The contents of pair.yaml, schema 1, as data (DESIGN 6.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aligndbg.core.preprocessing import IMAGENET_MEAN, IMAGENET_STD, Backend, Interpolation, StepChoice, Triple


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Where one side's model comes from.

    `model` is `FILE.py:CALLABLE` (relative to the pair's folder) or `module:CALLABLE`; the callable is called with `kwargs`
    and returns the model. On the torch side it may be `FILE.onnx`, which then is the reference. `python` is the interpreter to
    run it in, relative to the pair's folder; None is the app's own.
    """

    model: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    python: str | None = None


def is_onnx(model: ModelSpec) -> bool:
    """Whether the side is an ONNX file rather than a framework's model."""
    return model.model.endswith(".onnx")


@dataclass(frozen=True, slots=True)
class PackagedFile:
    """A file inside an installed Python distribution: `file` is its path relative to site-packages."""

    distribution: str
    file: str


@dataclass(frozen=True, slots=True)
class WeightsSpec:
    """Where torch's weights come from and what the conversion cannot know.

    `source` is `auto`, `pretrained`, `kaiming`, `default` or a file, relative to the pair's folder. `auto` takes, in this
    order: the packaged file, torch.hub's cached copy of `url`, a download of `url`, Kaiming-normal from the seed with a
    notice; `pretrained` is `auto` without the last. `sha256_prefix` is checked against whatever was found. `map` names
    torch key -> Paddle key; `ignore` are globs of keys, of either side, to leave alone.
    """

    source: str = "auto"
    url: str | None = None
    package: PackagedFile | None = None
    sha256_prefix: str | None = None
    map: Mapping[str, str] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One model input. `kind` is `ones|zeros|randn|rand` or a path to .npy, .npz or a picture, relative to the pair's folder."""

    shape: tuple[int, ...] = (1, 3, 224, 224)
    kind: str = "ones"
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Tolerance:
    """An element agrees when |torch - paddle| <= atol + rtol * |torch|; None inherits from the pair's own."""

    atol: float | None = None
    rtol: float | None = None


@dataclass(frozen=True, slots=True)
class ToleranceSpec:
    """The pair's tolerance; `layers` maps globs of call paths to their own."""

    atol: float = 1e-4
    rtol: float = 0.0
    layers: Mapping[str, Tolerance] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LayersSpec:
    """Corrections to the pairing: `ignore` are globs of call paths, `pair` maps torch paths to Paddle paths."""

    ignore: tuple[str, ...] = ()
    pair: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SidePreprocess:
    """What one side does otherwise: fields of the short form in place of the pair's, or one of the three below alone.

    `torchvision` names weights, whose preset it is (`MobileNet_V2_Weights.IMAGENET1K_V1`); `paddleclas` is a PaddleClas config,
    relative to the pair's folder, whose evaluation's transforms they are; `steps` are taken as they stand.
    """

    resize_short: int | None = None
    interpolation: Interpolation | None = None
    backend: Backend | None = None
    crop: int | None = None
    mean: Triple | None = None
    std: Triple | None = None
    torchvision: str | None = None
    paddleclas: str | None = None
    steps: tuple[StepChoice, ...] | None = None


@dataclass(frozen=True, slots=True)
class PreprocessSpec:
    """From a picture to the model's tensor: as torchvision's presets do it by `pil`, as PaddleClas does it by `cv2`.

    `mean` and `std` are per RGB channel on the 0..1 scale; `crop` and `resize_short` are in pixels. `torch` and `paddle` are
    what one side does otherwise.
    """

    resize_short: int = 256
    interpolation: Interpolation = "bilinear"
    backend: Backend = "pil"
    crop: int = 224
    mean: Triple = IMAGENET_MEAN
    std: Triple = IMAGENET_STD
    torch: SidePreprocess | None = None
    paddle: SidePreprocess | None = None


@dataclass(frozen=True, slots=True)
class EvalSpec:
    list: str | None = None
    data: str | None = None
    batch_size: int = 64
    target_top1: float | None = None
    max_gap: float = 0.2


@dataclass(frozen=True, slots=True)
class TrainSpec:
    recipe: str | None = None
    target_top1: float | None = None
    margin: float = 0.2


@dataclass(frozen=True, slots=True)
class LogsSpec:
    """How the logs of the pair's own jobs are read.

    `format` is a format's name or a regex with named groups, as in `loss=(?P<loss>[0-9.]+)`; None finds the format by the lines.
    `accuracy` is the scale in which the regex's top-k is printed: `percent` or `fraction`.
    """

    format: str | None = None
    accuracy: str = "percent"


@dataclass(frozen=True, slots=True)
class PairSpec:
    """A pair.yaml. `root` is the folder that relative paths start from, `path` the file (None for an ad-hoc pair).

    `launch` has the arguments of the commands `eval` and `train`, with placeholders such as `{ranks}`.
    """

    name: str
    torch: ModelSpec
    paddle: ModelSpec
    schema: int = 1
    description: str = ""
    weights: WeightsSpec = WeightsSpec()
    input: InputSpec | None = None
    inputs: tuple[InputSpec, ...] = ()
    tolerance: ToleranceSpec = ToleranceSpec()
    layers: LayersSpec = LayersSpec()
    preprocess: PreprocessSpec = PreprocessSpec()
    eval: EvalSpec = EvalSpec()
    train: TrainSpec = TrainSpec()
    launch: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    logs: LogsSpec = LogsSpec()
    root: Path = Path()
    path: Path | None = None

    @property
    def model_inputs(self) -> tuple[InputSpec, ...]:
        """Every input of the model, in call order; the guide's all-ones picture where the file names none."""
        return self.inputs or ((self.input or InputSpec()),)
