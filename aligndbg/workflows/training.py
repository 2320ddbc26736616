"""Train a pair's Paddle model by a recipe: the command of a job, everything that can be read of it checked before it starts."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Literal

import aligndbg
from aligndbg.errors import UsageError, named
from aligndbg.jobs.folder import Job, jobs_root, list_jobs, resolve_job
from aligndbg.jobs.launcher import start, started_job
from aligndbg.jobs.recipe import LoaderSpec, Recipe, read_recipe
from aligndbg.jobs.recipe_pictures import read_pipeline
from aligndbg.jobs.spec import JobSpec, new_id
from aligndbg.jobs.templates import Ranks, paddle_environment, paddle_launch
from aligndbg.pairs.schema import PairSpec
from aligndbg.settings import Settings
from aligndbg.workflows.sides import interpreter

KIND = "train"
ENTRY = Path(aligndbg.__file__).parent / "jobs" / "entry" / "train.py"
LOG = Path("log")
"""A job's supervisor puts the ranks' logs into the job's own folder, whatever the launcher is told."""
CHECKPOINTS = "checkpoints"
LATEST = "latest.pdstates"


def training_spec(
    pair: PairSpec,
    recipe: Path,
    ranks: Ranks,
    *,
    output: Path | None = None,
    resume: Path | bool = False,
    settings: Settings,
    overrides: Sequence[str] = (),
    target_top1: float | None = None,
    stop_on_nan: bool = False,
    cwd: Path | None = None,
    root: Path | None = None,
) -> JobSpec:
    """The job that trains `pair` by `recipe` with `KEY=VALUE` overrides, in `cwd` (default: the working folder), where the recipe's
    relative paths start.

    Checkpoints go to `output`, else where the recipe says, else into the job's folder. `resume` is the folder whose `latest` the
    run goes on from, that checkpoint's path without suffix, or a job in `root` (default: where the settings keep jobs); True is
    `output`, or what the pair's last training wrote. The target is in percent; None is the pair's own.

    UsageError says what is wrong with the recipe (file and line), its data, the pair, or the checkpoint.
    """
    if pair.path is None:
        raise UsageError("a training needs a pair with a file", "`aligndbg pairs new NAME` makes one")
    folder = (cwd or Path.cwd()).absolute()
    found = read_recipe(recipe, overrides)
    check_recipe(found, folder)
    begun = resume_from(resume, output, pair, root or jobs_root(settings)) if resume is not False else None
    place = output or (folder / found.output if found.output else begun if begun and begun.is_dir() else None)
    target = pair.train.target_top1 if target_top1 is None else target_top1
    words = ["--pair", str(pair.path.absolute()), "--recipe", str(recipe.absolute()), "--device", ranks.device]
    words += [word for override in overrides for word in ("-o", override)]
    words += ["--output", str(place.absolute())] if place else []
    words += ["--resume", str(begun)] if begun else []
    words += ["--target-top1", f"{target:g}", "--margin", f"{pair.train.margin:g}"] if target is not None else []
    words += ["--stop-on-nan"] if stop_on_nan else []
    python = interpreter(pair.root, pair.paddle.python) or settings.paddle_python or sys.executable
    return JobSpec(
        id=new_id(KIND),
        kind=KIND,
        title=f"{pair.name} {recipe.name}, {ranks.number} rank{'s' if ranks.number > 1 else ''}",
        argv=paddle_launch(python, ranks, LOG, (str(ENTRY), *words)),
        cwd=str(folder),
        env=paddle_environment(ranks),
        ranks=ranks.number,
        pair=pair.name,
        log_format="aligndbg",
    )


def start_training(spec: JobSpec, root: Path) -> Job:
    """The job in `root`; it runs. EnvironmentFault where it could not be started."""
    return started_job(start(spec, root))


def check_recipe(recipe: Recipe, folder: Path) -> None:
    """UsageError where the transforms cannot be done, or the data is not there. Relative paths start at `folder`."""
    for name, spec in (("Train", recipe.train), ("Eval", recipe.eval)):
        if spec is not None:
            read_pipeline(spec)
            _check_data(name, spec, recipe.path, folder)


def data_overrides(recipe: Recipe, data: Path, file: Path | None = None) -> tuple[str, ...]:
    """What makes a recipe train on, and evaluate by, the pictures in `data`: of a list, or one folder a class.

    Where `data` has folders `train` and `val` and no list is given, each is used for its own.
    """
    split = file is None and (data / "train").is_dir() and (data / "val").is_dir()
    found: list[str] = []
    for name, inside in (("Train", "train"), ("Eval", "val")):
        if name == "Eval" and recipe.eval is None:
            continue
        place = f"DataLoader.{name}.dataset"
        root = data.absolute() / inside if split else data.absolute()
        kind = "ImageFolder" if file is None else "ImageNetDataset"
        labels = "null" if file is None else json.dumps(str(file.absolute()))
        found += [f"{place}.name={kind}", f"{place}.image_root={json.dumps(str(root))}", f"{place}.cls_label_path={labels}"]
    return tuple(found)


def resume_from(resume: Path | Literal[True], output: Path | None, pair: PairSpec, root: Path) -> Path:
    """A folder with a `latest`, or a checkpoint without its suffix. UsageError where there is none."""
    if resume is True:
        folders = [output] if output is not None else [checkpoints_of(job) for job in _trainings(pair, root)]
        for folder in folders:
            if _has_latest(folder):
                return folder.absolute()
        where = named(output) if output is not None else f"the trainings of {pair.name} in {named(root)}"
        raise UsageError(f"there is no checkpoint to go on from: {where}", "--resume DIR, or --resume JOB")
    path = resume
    if path.is_dir():
        if _has_latest(path):
            return path.absolute()
        raise UsageError(f"{named(path)} has no {LATEST}", "name a folder that a training wrote its checkpoints to")
    if path.with_name(f"{path.name}.pdstates").is_file():
        return path.absolute()
    try:
        job = resolve_job(root, str(path))
    except UsageError:
        raise UsageError(
            f"--resume: {named(path)} is no folder, no checkpoint and no job", "`aligndbg jobs list` lists jobs"
        ) from None
    if not _has_latest(checkpoints_of(job)):
        raise UsageError(f"{job.id} has written no checkpoint", f"it would be {named(checkpoints_of(job) / LATEST)}")
    return checkpoints_of(job)


def checkpoints_of(job: Job) -> Path:
    """Where a training writes its checkpoints."""
    argv = job.spec.argv if job.spec else ()
    named_so = [value for option, value in pairwise(argv) if option == "--output"]
    return Path(named_so[-1]) if named_so else job.path / CHECKPOINTS


def _trainings(pair: PairSpec, root: Path) -> list[Job]:
    """Newest first."""
    return [job for job in list_jobs(root) if job.spec and job.spec.kind == KIND and job.spec.pair == pair.name]


def _has_latest(folder: Path) -> bool:
    return (folder / LATEST).is_file()


def _check_data(name: str, spec: LoaderSpec, recipe: Path, folder: Path) -> None:
    place = f"{named(recipe)}: DataLoader.{name}.dataset"
    hint = f"--data DIR, or -o DataLoader.{name}.dataset."
    if not (folder / spec.root).is_dir():
        raise UsageError(f"{place}.image_root: there is no folder {named(folder / spec.root)}", f"{hint}image_root=DIR")
    if spec.list is not None and not (folder / spec.list).is_file():
        raise UsageError(f"{place}.cls_label_path: there is no file {named(folder / spec.list)}", f"{hint}cls_label_path=FILE")
