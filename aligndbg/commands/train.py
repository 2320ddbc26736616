"""`aligndbg train`: a pair's Paddle model trained by a recipe, as a job."""

from __future__ import annotations

import shlex
import sys
from argparse import Namespace
from pathlib import Path

from aligndbg.commands.jobs import attach, root_of
from aligndbg.commands.launch import ranks_of
from aligndbg.commands.options import on_this_machine
from aligndbg.errors import UsageError
from aligndbg.jobs.masking import mask_argv, mask_env
from aligndbg.jobs.paddleclas import GPU_DEVICE
from aligndbg.jobs.recipe import read_recipe
from aligndbg.jobs.spec import JobSpec
from aligndbg.pairs.discovery import find_pair
from aligndbg.pairs.schema import PairSpec
from aligndbg.report.document import line
from aligndbg.report.terminal import write
from aligndbg.settings import load_settings
from aligndbg.workflows.launch_request import check_ranks
from aligndbg.workflows.training import data_overrides, start_training, training_spec


def train(options: Namespace) -> int:
    """0 where the training ended well, else 1; with --detach, 0 once it runs."""
    settings = load_settings()
    pair = on_this_machine(find_pair(options.pair), settings)
    path = _recipe(options.recipe, pair)
    overrides = tuple(options.overrides)
    if options.list and not options.data:
        raise UsageError("--list needs --data", "--data DIR is the folder that the list's paths start at")
    if options.data:
        own = data_overrides(read_recipe(path, overrides), Path(options.data).expanduser(), _path(options.list))
        overrides = (*own, *overrides)
    if options.target_top1 is not None and not 0 <= options.target_top1 <= 100:
        raise UsageError(f"--target-top1: expected percent, 0 to 100, found {options.target_top1}")
    _choose_device(options, read_recipe(path, overrides).device)
    ranks = ranks_of(options)
    if wrong := check_ranks(ranks):
        raise UsageError(f"--{wrong[0].field}: {wrong[0].message}", wrong[0].hint)
    root = root_of(options)
    resume = True if options.resume == "" else Path(options.resume).expanduser() if options.resume else False
    spec = training_spec(
        pair,
        path,
        ranks,
        output=_path(options.output),
        resume=resume,
        settings=settings,
        overrides=overrides,
        target_top1=options.target_top1,
        stop_on_nan=options.stop_on_nan,
        root=root,
    )
    if options.dry_run:
        write((line(_shell(spec)),), sys.stdout)
        return 0
    job = start_training(spec, root)
    if options.detach:
        sys.stdout.write(f"{job.id}\n")
        return 0
    return attach(Namespace(job=job.id, jobs=str(root), text=True))


def _recipe(given: str | None, pair: PairSpec) -> Path:
    if given:
        return Path(given).expanduser()
    if pair.train.recipe is None:
        raise UsageError(f"{pair.name} names no recipe", "--recipe FILE.yaml, or `train: {recipe: FILE.yaml}` in its pair.yaml")
    return pair.root / pair.train.recipe


def _choose_device(options: Namespace, recipe: str | None) -> None:
    """`auto` is what the recipe says, and the CPU where it asks for a GPU that is not there, which is told."""
    if options.device != "auto" or options.gpus:
        return
    options.device = "gpu" if GPU_DEVICE.exists() and recipe != "cpu" else "cpu"
    if recipe == "gpu" and options.device == "cpu":
        write((line("the recipe asks for a GPU and this machine has none: the training runs on the CPU"),), sys.stderr)


def _path(given: str | None) -> Path | None:
    return Path(given).expanduser().absolute() if given else None


def _shell(spec: JobSpec) -> str:
    """What does the same in a shell, its secrets masked."""
    env = [f"{name}={shlex.quote(value)}" for name, value in mask_env(spec.env).items()]
    return " ".join((f"cd {shlex.quote(spec.cwd)} &&", *env, shlex.join(mask_argv(spec.argv))))
