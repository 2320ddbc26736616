"""The command of a PaddleClas checkout's tools, with what will not work in its config."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from aligndbg.errors import UsageError
from aligndbg.jobs.expectation import Expectation
from aligndbg.jobs.paddleclas import GPU_DEVICE, Config, Problem, Setting, check_config, read_config
from aligndbg.jobs.paddleclas_overrides import is_given, overridden
from aligndbg.jobs.templates import paddle_launch, paddleclas_tool
from aligndbg.workflows.launch_request import LaunchRequest, Wrong

LOG = Path("log")
"""What `--log_dir` says. In a job it is the job's own folder whatever is said (jobs/supervisor.py)."""

TRAINING_ONLY = ("TRAIN.", "total_images", "LEARNING_RATE.", "DataLoader.Train.", "Optimizer.")
"""Sections of a config that `tools/eval.py` never looks at."""


@dataclass(frozen=True, slots=True)
class ToolCommand:
    argv: tuple[str, ...]
    checkout: Path
    problems: tuple[Problem, ...]
    expectation: Expectation


def tool_command(request: LaunchRequest, python: str, wrong: list[Wrong]) -> ToolCommand | None:
    """What runs the request in its checkout; None, and why not in `wrong`, where there is no such command."""
    tool: Literal["train", "eval"] = "train" if request.kind == "paddleclas-train" else "eval"
    checkout = Path(request.checkout).expanduser().absolute()
    if not request.checkout:
        wrong.append(Wrong("checkout", "no PaddleClas checkout is named", "the folder that holds ppcls/ and tools/"))
    elif not (checkout / "ppcls").is_dir() or not (checkout / "tools" / f"{tool}.py").is_file():
        lacks = "ppcls/" if not (checkout / "ppcls").is_dir() else f"tools/{tool}.py"
        wrong.append(Wrong("checkout", f"{request.checkout} is no PaddleClas checkout: it has no {lacks}"))
    if not request.config:
        wrong.append(Wrong("config", "no config is named", "for example ppcls/configs/ImageNet/SqueezeNet/SqueezeNet1_0.yaml"))
    if any(one.field in ("checkout", "config") for one in wrong):
        return None
    path = config_path(request.config, checkout)
    try:
        config = read_config(path)
    except UsageError as error:
        wrong.append(Wrong("config", error.message, error.hint))
        return None
    overrides = (*request.overrides, *_own(config, request))
    try:
        argv = paddle_launch(python, request.ranks, LOG, paddleclas_tool(tool, _within(path, checkout), overrides))
        config = overridden(config, overrides)
    except UsageError as error:
        wrong.append(Wrong("overrides", error.message, error.hint))
        return None
    gpu = request.ranks.device == "gpu" and GPU_DEVICE.exists()
    problems = check_config(config, Setting(request.ranks.number, gpu, checkout, checkout))
    if tool == "eval":
        problems = tuple(problem for problem in problems if not problem.key.startswith(TRAINING_ONLY))
    return ToolCommand(argv, checkout, problems, _expectation(config, request) if tool == "train" else Expectation())


def config_path(text: str, checkout: Path) -> Path:
    """Where the config lies: in the checkout, else from the working folder."""
    path = Path(text).expanduser()
    return checkout / path if (checkout / path).is_file() else path.absolute()


def _within(path: Path, checkout: Path) -> str:
    return str(path.relative_to(checkout)) if path.is_relative_to(checkout) else str(path)


def _own(config: Config, request: LaunchRequest) -> list[str]:
    """The overrides that follow from the rest of the request: the device, unless it is said, and where to write."""
    old = "ARCHITECTURE" in config
    device, output = ("use_gpu", "model_save_dir") if old else ("Global.device", "Global.output_dir")
    found: list[str] = []
    if request.ranks.device == "cpu" and not is_given(request.overrides, device):
        section = config.get("Global")
        says = config.get("use_gpu") is False if old else isinstance(section, dict) and section.get("device") == "cpu"
        found += [] if says else [f"{device}={False if old else 'cpu'}"]
    if request.output and not is_given(request.overrides, output):
        found.append(f"{output}={Path(request.output).expanduser().absolute()}")
    return found


def _expectation(config: Config, request: LaunchRequest) -> Expectation:
    section = config.get("Global") if "Arch" in config else config
    model = config.get("Arch") if "Arch" in config else config
    epochs = section.get("epochs") if isinstance(section, dict) else None
    classes = model.get("class_num" if "Arch" in config else "classes_num") if isinstance(model, dict) else None
    train = request.pair.train if request.pair else None
    return Expectation(
        epochs=epochs if isinstance(epochs, int) and 1 <= epochs < 1_000_000_000 else None,
        classes=classes if isinstance(classes, int) and 2 <= classes < 1_000_000_000 else None,
        target_top1=train.target_top1 if train else None,
        margin=train.margin if train else Expectation().margin,
    )
