"""A training recipe: a YAML file in the schema of PaddleClas 2.2 and later, as data.

What it asks for is done or refused, with the file and the line; nothing is left out in silence. Batches are counted a rank, as
that schema counts them. `Arch.name` is the pair's business, and `Infer` has no part in training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from aligndbg.jobs.expectation import check_schedule
from aligndbg.jobs.recipe_section import Section, read_source
from aligndbg.jobs.schedule import NAMES, Schedule, ScheduleName

DATASETS = ("ImageNetDataset", "ImageFolder")
OPTIMIZERS = ("Momentum", "SGD", "Adam", "AdamW")


@dataclass(frozen=True, slots=True)
class LossSpec:
    """Cross-entropy, `weight` times, of labels smoothed by `epsilon` (0: not)."""

    weight: float = 1.0
    epsilon: float = 0.0


@dataclass(frozen=True, slots=True)
class OptimizerSpec:
    """`l2` is the coefficient that is added to gradients; `weight_decay` is AdamW's own, which is not."""

    name: str
    momentum: float = 0.9
    nesterov: bool = False
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    l2: float = 0.0
    weight_decay: float = 0.0


@dataclass(frozen=True, slots=True)
class Operation:
    """One of `transform_ops`: `{NAME: {OPTION: VALUE}}` as the file has it, and `place`, FILE:LINE or the override."""

    operation: Mapping[str, Any]
    place: str


@dataclass(frozen=True, slots=True)
class LoaderSpec:
    """Pictures and how they are batched; `batch_size` is a rank's, as is the number of `workers`, which hand their batches over
    in `shared_memory` or through pipes.

    `ImageNetDataset` reads `list` (`PATH LABEL` a line, paths relative to `root`), `ImageFolder` one folder a class in `root`.
    """

    dataset: str
    root: str
    list: str | None
    delimiter: str | None
    operations: tuple[Operation, ...]
    batch_size: int
    shuffle: bool
    drop_last: bool
    workers: int
    shared_memory: bool


@dataclass(frozen=True, slots=True)
class Recipe:
    """`classes` is None where the model's own number is right. `eval` is None where the recipe has no pictures for it, and
    `eval_interval`, in epochs, is 0 where it is not to be evaluated.

    `schedule` has one step an epoch until `schedule_of` knows how many there are. Paths are as the file gives them. `image_shape`
    is what PaddleClas exports a model with; a training takes what the transforms make.
    """

    path: Path
    epochs: int
    seed: int
    device: str | None
    output: str | None
    save_interval: int
    eval_interval: int
    print_every: int
    image_shape: tuple[int, ...] | None
    pretrained: str | None
    checkpoint: str | None
    classes: int | None
    loss: LossSpec
    eval_loss: LossSpec
    optimizer: OptimizerSpec
    schedule: Schedule
    train: LoaderSpec
    eval: LoaderSpec | None
    topk: tuple[int, ...]
    eval_topk: tuple[int, ...]


def read_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe in `path` with `KEY=VALUE` overrides, dotted as PaddleClas's `-o` takes them.

    UsageError names the file and line (or the override), what was expected, and what to try.
    """
    root = read_source(path, overrides).root
    for old in ("ARCHITECTURE", "LEARNING_RATE", "OPTIMIZER", "TRAIN", "VALID"):
        if root.has(old):
            raise root.refuse(
                old, f"`{old}:` is of PaddleClas before 2.2", "write the recipe with Global, Arch, Optimizer and DataLoader"
            )
    root.unread("Infer")
    root.off("AMP", "EMA")
    run = root.section("Global")
    epochs = run.whole("epochs", 0)
    if epochs < 1:
        raise run.refuse("epochs", "Global.epochs: expected a whole number of 1 or more")
    eval_interval = run.whole("eval_interval", 1, least=1)
    optimizer = root.section("Optimizer")
    loaders, losses, metrics = root.section("DataLoader"), root.section("Loss"), root.section("Metric")
    train = _loader(loaders, "Train")
    if train is None:
        raise loaders.refuse(None, "DataLoader.Train is missing: there is nothing to learn from")
    found = Recipe(
        path=path,
        epochs=epochs,
        seed=run.whole("seed", 0, most=(1 << 31) - 1),
        device=_device(run),
        output=run.text("output_dir"),
        save_interval=run.whole("save_interval", 1, least=1),
        eval_interval=eval_interval if run.flag("eval_during_train", True) else 0,
        print_every=run.whole("print_batch_step", 10, least=1),
        image_shape=_image_shape(run),
        pretrained=run.text("pretrained_model"),
        checkpoint=run.text("checkpoints"),
        classes=_classes(root.section("Arch")),
        loss=_loss(losses, "Train"),
        eval_loss=_loss(losses, "Eval"),
        schedule=_schedule(optimizer.section("lr"), epochs),
        optimizer=_optimizer(optimizer),
        train=train,
        eval=_loader(loaders, "Eval"),
        topk=_topk(metrics, "Train"),
        eval_topk=_topk(metrics, "Eval"),
    )
    run.off("use_visualdl", "to_static", "use_dali", "use_fused_attn", "use_fused_linear")
    run.unread("save_inference_dir")
    if run.whole("update_freq", 1) != 1:
        raise run.refuse("update_freq", "Global.update_freq: gradients are not gathered over several batches", "leave it out")
    run.choice("task", ("classification",), "classification")
    run.choice("eval_mode", ("classification",), "classification")
    run.choice("train_mode", ("classification",), "classification")
    for section in (run, optimizer, loaders, losses, metrics, root):
        section.end()
    return found


def schedule_of(recipe: Recipe, steps_per_epoch: int) -> Schedule:
    """The recipe's learning rates for epochs of so many steps."""
    return replace(recipe.schedule, steps_per_epoch=steps_per_epoch)


def _device(run: Section) -> str | None:
    return run.choice("device", ("cpu", "gpu"), "cpu") if run.has("device") else run.text("device")


def _image_shape(run: Section) -> tuple[int, ...] | None:
    shape = run.numbers("image_shape")
    if shape and (len(shape) != 3 or any(size < 1 or size != int(size) for size in shape)):
        raise run.refuse("image_shape", "Global.image_shape: expected [channels, height, width]", "for example [3, 224, 224]")
    return tuple(int(size) for size in shape) or None


def _classes(arch: Section) -> int | None:
    """Options of the architecture other than these would have no effect on the pair's model."""
    arch.text("name")
    arch.off("pretrained", "use_ssld")
    classes = arch.whole("class_num", 0, least=2)
    arch.end()
    return classes or None


def _loss(losses: Section, phase: str) -> LossSpec:
    found: list[LossSpec] = []
    for name, options, _, _ in losses.operations(phase):
        if name != "CELoss" or found:
            what = f"{name[:60]} is not supported here" if name != "CELoss" else "a second loss is not supported here"
            raise options.refuse(None, f"Loss.{phase}: {what}", "CELoss, once, with `weight` and `epsilon`")
        found.append(LossSpec(options.number("weight", 1.0), options.number("epsilon", 0.0, 0.0, 0.999999)))
        options.end()
    return found[0] if found else LossSpec()


def _schedule(lr: Section, epochs: int) -> Schedule:
    name = cast(ScheduleName, lr.choice("name", NAMES, "Constant"))
    values = lr.numbers("values") if name == "Piecewise" else ()
    if name == "Piecewise" and not values:
        raise lr.refuse("values", "Optimizer.lr.values: expected the learning rates, one more than decay_epochs")
    warmup = lr.number("warmup_epoch", 0.0, 0.0)
    if warmup and warmup >= epochs:
        raise lr.refuse(
            "warmup_epoch",
            f"Optimizer.lr.warmup_epoch: expected fewer epochs than the {epochs} of the run, found {warmup:g}",
            "-o Optimizer.lr.warmup_epoch=0",
        )
    cosine, step = name == "Cosine", name == "Step"
    found = Schedule(
        name=name,
        learning_rate=values[0] if values else lr.number("learning_rate", least=0.0),
        epochs=epochs,
        steps_per_epoch=1,
        warmup_epoch=warmup,
        warmup_start_lr=lr.number("warmup_start_lr", 0.0, 0.0),
        by_epoch=lr.flag("by_epoch", False),
        eta_min=lr.number("eta_min", 0.0, 0.0) if cosine else 0.0,
        step_size=lr.number("step_size", least=1.0) if step else 1,
        gamma=lr.number("gamma", 0.1, 0.0, 1.0) if step else 0.1,
        decay_epochs=lr.numbers("decay_epochs") if name == "Piecewise" else (),
        values=values,
    )
    if name == "Piecewise":
        lr.unread("learning_rate")
    try:
        check_schedule(found)
    except ValueError as error:
        raise lr.refuse(None, f"Optimizer.lr: {str(error).removeprefix('schedule: ')}") from None
    lr.end()
    return found


def _optimizer(section: Section) -> OptimizerSpec:
    name = section.choice("name", OPTIMIZERS)
    regularizer = section.section("regularizer")
    l2 = 0.0
    if section.has("regularizer"):
        regularizer.choice("name", ("L2",))
        l2 = regularizer.number("coeff", least=0.0)
        regularizer.end()
    decays = name == "AdamW"
    if decays and l2:
        raise section.refuse("regularizer", "Optimizer.regularizer: AdamW decays weights by `weight_decay`", "write weight_decay")
    adaptive = name in ("Adam", "AdamW")
    momentum = name == "Momentum"
    section.off("clip_norm", "one_dim_param_no_weight_decay", "no_weight_decay_name")
    return OptimizerSpec(
        name=name,
        momentum=section.number("momentum", 0.9, 0.0, 1.0) if momentum else 0.9,
        nesterov=section.flag("use_nesterov", False) if momentum else False,
        beta1=section.number("beta1", 0.9, 0.0, 0.9999999) if adaptive else 0.9,
        beta2=section.number("beta2", 0.999, 0.0, 0.9999999) if adaptive else 0.999,
        epsilon=section.number("epsilon", 1e-8, 0.0) if adaptive else 1e-8,
        l2=l2,
        weight_decay=section.number("weight_decay", 0.0, 0.0) if decays else 0.0,
    )


def _loader(loaders: Section, phase: str) -> LoaderSpec | None:
    loader = loaders.section(phase)
    if not loaders.has(phase):
        return None
    dataset, sampler, workers = (loader.section(name) for name in ("dataset", "sampler", "loader"))
    kind = dataset.choice("name", DATASETS, "ImageNetDataset")
    root, file = dataset.text("image_root"), dataset.text("cls_label_path")
    if root is None:
        raise dataset.refuse(None, f"{dataset.place('image_root')} is missing: the folder of the pictures")
    if kind == "ImageNetDataset" and file is None:
        hint = "or `name: ImageFolder` for a folder with one folder a class"
        raise dataset.refuse(None, f"{dataset.place('cls_label_path')} is missing: the list of pictures and labels", hint)
    if kind == "ImageFolder" and file is not None:
        raise dataset.refuse("cls_label_path", "ImageFolder takes its labels from the folders", "leave cls_label_path out")
    for section in (dataset, loader):
        section.off("batch_transform_ops", "batch_transforms")
    sampler.choice("name", ("DistributedBatchSampler", "BatchSampler"), "DistributedBatchSampler")
    found = LoaderSpec(
        dataset=kind,
        root=root,
        list=file,
        delimiter=dataset.text("delimiter"),
        operations=tuple(_operations(dataset)),
        batch_size=sampler.whole("batch_size", 1, least=1, most=1 << 20),
        shuffle=sampler.flag("shuffle", phase == "Train"),
        drop_last=sampler.flag("drop_last", False),
        workers=workers.whole("num_workers", 0, most=1024),
        shared_memory=workers.flag("use_shared_memory", False),
    )
    for section in (dataset, sampler, workers, loader):
        section.end()
    return found


def _operations(dataset: Section) -> Iterator[Operation]:
    for _, _, plain, place in dataset.operations("transform_ops"):
        yield Operation(plain, place)


def _topk(metrics: Section, phase: str) -> tuple[int, ...]:
    found: tuple[int, ...] = ()
    for name, options, _, _ in metrics.operations(phase):
        if name != "TopkAcc" or found:
            raise options.refuse(None, f"Metric.{phase}: {name[:60]} is not supported here", "TopkAcc, once")
        topk = options.numbers("topk")
        if not topk or any(k < 1 or k != int(k) or k > 999 for k in topk):
            raise options.refuse("topk", f"Metric.{phase}: topk: expected a list of whole numbers, 1 to 999")
        found = tuple(int(k) for k in topk)
        options.end()
    return found or (1, 5)
