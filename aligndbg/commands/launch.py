"""`aligndbg launch PAIR eval|train` and `aligndbg paddleclas eval|train CHECKOUT`: jobs by the commands of others."""

from __future__ import annotations

import sys
from argparse import Namespace

from aligndbg.commands.jobs import root_of
from aligndbg.commands.options import on_this_machine
from aligndbg.commands.paddleclas import problem_blocks
from aligndbg.errors import UsageError
from aligndbg.jobs.paddleclas import GPU_DEVICE, worst_level
from aligndbg.jobs.templates import Ranks
from aligndbg.pairs.discovery import find_pair
from aligndbg.pairs.schema import PairSpec
from aligndbg.report.document import line
from aligndbg.report.terminal import write
from aligndbg.settings import Settings, load_settings
from aligndbg.workflows.launch_request import LaunchRequest, gpu_numbers
from aligndbg.workflows.launching import LaunchPlan, check_logs, launch_plan, start_launch

OPTIONS = {
    "checkout": "CHECKOUT",
    "config": "-c",
    "overrides": "-o",
    "ranks": "--nproc",
    "gpus": "--devices",
    "nodes": "--nnodes",
    "template": "launch",
    "list": "--list",
    "data": "--data",
}
"""How a field of a request is called on the command line, where it is not called `--FIELD`."""


def launch(options: Namespace) -> int:
    """Start the pair's own command for its evaluation or training."""
    settings = load_settings()
    pair = _pair(options.pair, settings)
    check_logs(pair)
    given = {"config": pair.train.recipe, "list": pair.eval.list, "data": pair.eval.data}
    files = {name: getattr(options, name) or (str(pair.root / own) if own else "") for name, own in given.items()}
    request = LaunchRequest(
        "template",
        pair,
        template=options.what,
        overrides=tuple(options.overrides),
        ranks=ranks_of(options),
        output=options.output,
        title=options.title,
        config=files["config"],
        list=files["list"],
        data=files["data"],
    )
    return _go(launch_plan(request, settings), options)


def paddleclas_train(options: Namespace) -> int:
    return _paddleclas(options, train=True)


def paddleclas_eval(options: Namespace) -> int:
    return _paddleclas(options, train=False)


def _paddleclas(options: Namespace, train: bool) -> int:
    settings = load_settings()
    request = LaunchRequest(
        "paddleclas-train" if train else "paddleclas-eval",
        _pair(options.pair, settings) if options.pair else None,
        config=options.config,
        checkout=options.checkout,
        overrides=tuple(options.overrides),
        ranks=ranks_of(options),
        output=options.output,
        title=options.title,
    )
    return _go(launch_plan(request, settings), options)


def ranks_of(options: Namespace) -> Ranks:
    """UsageError names the option."""
    if options.nproc < 1:
        raise UsageError(f"--nproc: expected 1 or more, found {options.nproc}")
    gpu = (GPU_DEVICE.exists() or bool(options.gpus)) if options.device == "auto" else options.device == "gpu"
    try:
        devices = gpu_numbers(options.gpus) if options.gpus else ()
        return Ranks(options.nproc, "gpu" if gpu else "cpu", devices, options.master, options.nodes)
    except UsageError as error:
        raise UsageError(f"--devices: {error.message}", error.hint) from None


def _go(plan: LaunchPlan, options: Namespace) -> int:
    """Problems go to standard error. The exact command, or the id of the job that runs it, goes to standard output."""
    if plan.wrong:
        first = plan.wrong[0]
        raise UsageError(f"{OPTIONS.get(first.field, f'--{first.field}')}: {first.message}", first.hint)
    write(tuple(problem_blocks(plan.problems)), sys.stderr)
    if options.dry_run:
        write((line(plan.shell),), sys.stdout)
        return 1 if worst_level(plan.problems) == "error" else 0
    if worst_level(plan.problems) == "error" and not options.force:
        raise UsageError("the config has errors, so nothing was started", "mend them, or --force starts in spite of them")
    folder = start_launch(plan, root_of(options))
    sys.stdout.write(f"{folder.name}\n")
    return 0


def _pair(name: str, settings: Settings) -> PairSpec:
    return on_this_machine(find_pair(name), settings)
