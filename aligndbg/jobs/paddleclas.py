"""What a PaddleClas config will stumble over, before it does: read, not run.

Facts on its two generations of configs: PaddleClas release/2.0 and 2.1 (`ARCHITECTURE:`), release/2.2 and later (`Arch:`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from aligndbg.errors import InputError
from aligndbg.jobs.paddleclas_model import accepted_arguments

Config = Mapping[str, Any]
Level = Literal["error", "warning"]

GPU_DEVICE = Path("/dev/nvidiactl")
"""Where NVIDIA's driver is loaded."""

LINES_READ = 2000
"""Lines of a list file that are looked at."""

IMAGES_SOUGHT = 20
"""Pictures of a list whose files are looked for."""

WARMUP_EPOCHS = 5
"""Default `warmup_epoch` of CosineWarmup, which wants more epochs than that."""


@dataclass(frozen=True, slots=True)
class Problem:
    """`key` is the place in the config, dotted as `-o` takes it. `fix` is what to type, `""` where that depends."""

    level: Level
    key: str
    message: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Setting:
    """How the config will be run: on how many ranks, with a GPU build or not, from which checkout (None: not known)."""

    ranks: int = 1
    gpu: bool = False
    checkout: Path | None = None
    folder: Path = Path()
    """What relative paths of data start at."""


def read_config(path: Path) -> Config:
    """The config of a file. InputError where it is none."""
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}" if mark else ""
        raise InputError(f"{path}{where} is no YAML: {getattr(error, 'problem', None) or error}") from None
    if not isinstance(content, dict) or not ({"ARCHITECTURE", "Arch"} & content.keys()):
        raise InputError(f"{path} is no PaddleClas config", "expected `ARCHITECTURE:` (2.0, 2.1) or `Arch:` (2.2 and later)")
    return content


def checkout_of(config: Path) -> Path | None:
    """The PaddleClas checkout that a config lies in."""
    return next((folder for folder in config.absolute().parents if (folder / "ppcls").is_dir()), None)


def check_config(config: Config, setting: Setting) -> tuple[Problem, ...]:
    """What will not work, and what will but not as meant. Both generations of configs."""
    if "ARCHITECTURE" in config and "Arch" in config:
        return (Problem("error", "Arch", "`ARCHITECTURE:` and `Arch:` are of two generations of PaddleClas", "keep one of them"),)
    return tuple(_old(config, setting) if "ARCHITECTURE" in config else _new(config, setting))


def _old(config: Config, setting: Setting) -> Iterator[Problem]:
    if config.get("use_gpu", True) and not setting.gpu:
        message = "`use_gpu` is True, which is its default, and this machine has no GPU"
        yield Problem("error", "use_gpu", message, "-o use_gpu=False")
    architecture = _table(config.get("ARCHITECTURE"))
    params = _table(architecture.get("params"))
    yield from _model("ARCHITECTURE", architecture.get("name"), "class_dim", params, setting)
    classes = config.get("classes_num")
    epochs = config.get("epochs")
    schedule = _table(config.get("LEARNING_RATE"))
    if schedule.get("function") == "CosineWarmup" and isinstance(epochs, int):
        warmup = _table(schedule.get("params")).get("warmup_epoch", WARMUP_EPOCHS)
        if isinstance(warmup, int) and epochs <= warmup:
            message = f"CosineWarmup wants more epochs than its {warmup} of warm-up, `epochs` is {epochs}"
            yield Problem("error", "LEARNING_RATE.function", message, "-o LEARNING_RATE.function=Cosine")
    if "TRAIN" in config and not isinstance(config.get("total_images"), int):
        yield Problem("error", "total_images", "`total_images` is missing: the schedule of the learning rate is reckoned from it")
    for name in ("TRAIN", "VALID"):
        section = _table(config.get(name))
        if not section:
            continue
        batch = section.get("batch_size")
        if isinstance(batch, int) and setting.ranks > 1 and batch % setting.ranks:
            message = f"a batch of {batch} is for all cards together and does not divide by {setting.ranks}"
            near = max(setting.ranks, batch - batch % setting.ranks)
            yield Problem("error", f"{name}.batch_size", message, f"-o {name}.batch_size={near}")
        yield from _transforms(f"{name}.transforms", section.get("transforms"), old=True)
        total = config.get("total_images") if name == "TRAIN" else None
        yield from _list(f"{name}.file_list", section.get("file_list"), section.get("data_dir"), classes, total, setting)
    for key in ("pretrained_model", "checkpoints"):
        yield from _weights(key, config.get(key), True, setting)


def _new(config: Config, setting: Setting) -> Iterator[Problem]:
    settings = _table(config.get("Global"))
    if str(settings.get("device", "gpu")).startswith("gpu") and not setting.gpu:
        yield Problem("error", "Global.device", "`device` is gpu, and this machine has no GPU", "-o Global.device=cpu")
    architecture = _table(config.get("Arch"))
    yield from _model("Arch", architecture.get("name"), "class_num", architecture, setting)
    classes = architecture.get("class_num")
    loaders = _table(config.get("DataLoader"))
    for name in ("Train", "Eval"):
        section = _table(loaders.get(name))
        dataset, sampler = _table(section.get("dataset")), _table(section.get("sampler"))
        place = f"DataLoader.{name}"
        batch = sampler.get("batch_size")
        if name == "Train" and isinstance(batch, int) and setting.ranks > 1:
            rate = _table(_table(config.get("Optimizer")).get("lr")).get("learning_rate")
            told = f" that the learning rate of {rate} is to fit" if rate is not None else ""
            message = f"a batch of {batch} is for each card: {batch * setting.ranks} in all on {setting.ranks}{told}"
            yield Problem("warning", f"{place}.sampler.batch_size", message)
        yield from _transforms(f"{place}.dataset.transform_ops", dataset.get("transform_ops"), old=False)
        root, file = dataset.get("image_root"), dataset.get("cls_label_path")
        yield from _list(f"{place}.dataset.cls_label_path", file, root, classes, None, setting)
    for key in ("pretrained_model", "checkpoints"):
        yield from _weights(f"Global.{key}", settings.get(key), key == "checkpoints", setting)


def _model(section: str, name: Any, argument: str, given: Config, setting: Setting) -> Iterator[Problem]:
    """Whether the model's own constructor takes what PaddleClas calls it with."""
    if not isinstance(name, str):
        yield Problem("error", f"{section}.name", "names no model")
        return
    if setting.checkout is None:
        return
    accepted = accepted_arguments(setting.checkout, name)
    if accepted is None:
        yield Problem(
            "error", f"{section}.name", f"{setting.checkout} defines no {name}", "the name of a class or function in ppcls"
        )
        return
    extra = [key for key in given if key not in ("name", "pretrained", "use_ssld")]
    for key in dict.fromkeys((argument, *extra)):
        if key not in accepted.names and not accepted.any_name:
            other = next((own for own in ("num_classes", "class_num", "class_dim") if own in accepted.names), "")
            fix = f"take `{key}` in {accepted.place}" + (f" in place of `{other}`" if other and key == argument else "")
            message = f"PaddleClas calls {name}({key}=...), and {accepted.place} takes no such argument"
            yield Problem("error", f"{section}.name", message, fix)


def _transforms(key: str, operations: Any, old: bool) -> Iterator[Problem]:
    names = [next(iter(each), "") if isinstance(each, dict) else each for each in operations or () if each]
    for place, each in enumerate(operations or ()):
        options = _table(each.get("DecodeImage")) if isinstance(each, dict) else {}
        if not old and options.get("to_np") is False and options.get("to_rgb", True):
            message = (
                "with `to_np: False` the picture stays BGR although `to_rgb` is on: in this generation only an array is turned"
            )
            yield Problem("error", f"{key}.{place}.DecodeImage.to_np", message, "leave `to_np` out")
        if not old and isinstance(each, dict) and "ToCHWImage" in each:
            message = "the dataset brings the channels to the front itself; `ToCHWImage` does it a second time"
            yield Problem("error", f"{key}.{place}", message, "leave ToCHWImage out")
    if old and names and "ToCHWImage" not in names:
        yield Problem(
            "error", key, "there is no ToCHWImage: pictures stay channels-last", "add `- ToCHWImage:` as the last operation"
        )


def _list(key: str, file: Any, root: Any, classes: Any, total: Any, setting: Setting) -> Iterator[Problem]:
    if not isinstance(file, str) or not file:
        return
    path, folder = setting.folder / file, setting.folder / str(root or "")
    if not path.is_file():
        yield Problem("error", key, f"{path} does not exist", "paths start at the folder that the command is run in")
        return
    count, missing, spaced = 0, [], []
    worst: tuple[int, int] | None = None
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, text in enumerate(lines, 1):
            if not text.strip():
                continue
            count += 1
            if count > LINES_READ:
                continue
            name, _, label = text.rstrip("\n").rpartition(" ")
            if " " in name or not label.lstrip("-").isdigit():
                spaced.append(number)
                continue
            if isinstance(classes, int) and not 0 <= int(label) < classes and worst is None:
                worst = number, int(label)
            if count <= IMAGES_SOUGHT and not (folder / name).is_file():
                missing.append(name)
    if spaced:
        message = (
            f"{path}:{spaced[0]} is not `PATH LABEL` with one space: PaddleClas takes it for a bad picture, and another one instead"
        )
        yield Problem("error", key, f"{message} ({len(spaced)} such lines)" if len(spaced) > 1 else message, "no spaces in paths")
    if worst is not None:
        yield Problem("error", key, f"{path}:{worst[0]} has label {worst[1]}, the model has {classes} classes")
    if missing:
        message = f"{len(missing)} of the first {min(count, IMAGES_SOUGHT)} pictures do not exist, first {folder / missing[0]}"
        yield Problem("error", key, f"{message}: PaddleClas would take random others in their place")
    if isinstance(total, int) and count != total:
        message = f"{path} has {count} pictures, `total_images` is {total}: the learning rate would follow the wrong schedule"
        yield Problem("warning", "total_images", message, f"-o total_images={count}")


def _weights(key: str, value: Any, prefix: bool, setting: Setting) -> Iterator[Problem]:
    if not isinstance(value, str) or not value or value.startswith(("http://", "https://")):
        return
    if prefix and value.endswith(".pdparams"):
        short = value.removesuffix(".pdparams")
        yield Problem("error", key, f"`{value}` is to be a path without its suffix", f"-o {key}={short}")
        value = short
    path = setting.folder / (value if value.endswith(".pdparams") else f"{value}.pdparams")
    if not path.is_file():
        yield Problem("error", key, f"{path} does not exist")


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def worst_level(problems: Sequence[Problem]) -> Level | None:
    levels = {problem.level for problem in problems}
    return "error" if "error" in levels else "warning" if levels else None
