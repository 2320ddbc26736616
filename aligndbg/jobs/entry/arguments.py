"""The trainer's command line."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aligndbg.errors import AligndbgError
from aligndbg.jobs.recipe import Recipe, read_recipe
from aligndbg.pairs.load import FILE_NAME, load_pair
from aligndbg.pairs.schema import PairSpec

JOB = "ALIGNDBG_JOB"
"""The variable that names the job's folder."""


@dataclass(frozen=True, slots=True)
class Training:
    """What is asked of one run. `job` is the job's folder, None outside of one; `resume` is a checkpoint's path without suffix.

    `target_top1` and `margin` are in percent.
    """

    pair: PairSpec
    recipe: Recipe
    device: str
    output: Path
    job: Path | None = None
    resume: Path | None = None
    target_top1: float | None = None
    margin: float = 0.2
    stop_on_nan: bool = False


def main(arguments: Sequence[str]) -> int:
    """Train; the exit code is 0, that of the error, or 1 where --stop-on-nan stopped it."""
    try:
        training = parse(arguments)
        from aligndbg.jobs.entry.loop import train

        return train(training)
    except AligndbgError as error:
        sys.stdout.flush()
        sys.stderr.write(f"error: {error.message}\n" + (f"try: {error.hint}\n" if error.hint else ""))
        return error.exit_code
    except ImportError:
        traceback.print_exc()
        sys.stderr.write(f"error: {sys.executable} lacks what training needs\ntry: {sys.executable} -m pip install paddlepaddle\n")
        return 3


def parse(arguments: Sequence[str]) -> Training:
    parser = argparse.ArgumentParser("train.py", description=__doc__, allow_abbrev=False)
    parser.add_argument("--pair", required=True, type=Path, metavar="PAIR.yaml", help="the pair's file, or its folder")
    parser.add_argument("--recipe", required=True, type=Path, metavar="RECIPE.yaml")
    parser.add_argument("-o", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--device", choices=("cpu", "gpu"), help="default: the recipe's, else cpu")
    parser.add_argument("--output", type=Path, metavar="DIR", help="where checkpoints go")
    parser.add_argument("--resume", type=Path, metavar="DIR", help="a folder with `latest`, or a checkpoint without its suffix")
    parser.add_argument("--target-top1", type=float, metavar="PERCENT")
    parser.add_argument("--margin", type=float, default=0.2, metavar="PERCENT")
    parser.add_argument("--stop-on-nan", action="store_true")
    options = parser.parse_args(arguments)
    recipe = read_recipe(options.recipe, options.overrides)
    job = Path(os.environ[JOB]) if os.environ.get(JOB) else None
    resume = options.resume or (Path(recipe.checkpoint) if recipe.checkpoint else None)
    return Training(
        pair=load_pair(options.pair / FILE_NAME if options.pair.is_dir() else options.pair),
        recipe=recipe,
        device=options.device or recipe.device or "cpu",
        output=options.output or (Path(recipe.output) if recipe.output else (job or Path()) / ("checkpoints" if job else "output")),
        job=job,
        resume=resume / "latest" if resume is not None and resume.is_dir() else resume,
        target_top1=options.target_top1,
        margin=options.margin,
        stop_on_nan=options.stop_on_nan,
    )
