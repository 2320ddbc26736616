"""Start an evaluation, a training or any other program as a job, after its exact command was shown."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from aligndbg.errors import EnvironmentFault, PairError, UsageError
from aligndbg.jobs.expectation import Expectation, write_expectation
from aligndbg.jobs.formats.detection import parser_for
from aligndbg.jobs.launcher import check_command, start, started_job
from aligndbg.jobs.masking import mask_argv, mask_env
from aligndbg.jobs.paddleclas import Problem
from aligndbg.jobs.spec import JobSpec, new_id
from aligndbg.jobs.templates import paddle_environment, torch_run, visible_gpus
from aligndbg.pairs.decode import read_document
from aligndbg.pairs.schema import PairSpec
from aligndbg.settings import Settings
from aligndbg.workflows.launch_paddleclas import tool_command
from aligndbg.workflows.launch_request import LaunchRequest, Wrong, check_ranks
from aligndbg.workflows.launch_template import template_argv
from aligndbg.workflows.sides import interpreter


@dataclass(frozen=True, slots=True)
class LaunchPlan:
    """What would be started, before it is.

    `spec` is None where no command can be made. `wrong` is what must be mended first; `problems` is what the program will stumble
    over, by all that can be read: a start in spite of them is the user's to decide.
    """

    request: LaunchRequest
    spec: JobSpec | None = None
    wrong: tuple[Wrong, ...] = ()
    problems: tuple[Problem, ...] = ()
    expectation: Expectation = field(default_factory=Expectation)

    @property
    def ready(self) -> bool:
        return self.spec is not None and not self.wrong

    @property
    def text(self) -> str:
        """The command as a shell takes it, its secrets masked; `""` where there is none."""
        return shlex.join(mask_argv(self.spec.argv)) if self.spec else ""

    @property
    def shell(self) -> str:
        """What does the same in a shell: folder, environment and command, its secrets masked."""
        if self.spec is None:
            return ""
        env = [f"{name}={shlex.quote(value)}" for name, value in mask_env(self.spec.env).items()]
        return " ".join((f"cd {shlex.quote(self.spec.cwd)} &&", *env, self.text))


def launch_plan(request: LaunchRequest, settings: Settings, wrong: tuple[Wrong, ...] = ()) -> LaunchPlan:
    """The exact command of a request, and everything that speaks against it. Nothing is started and nothing is written.

    `wrong` is what was found when the request was read. Raises nothing that a user can cause.
    """
    found = [*wrong, *(one for one in check_ranks(request.ranks) if one not in wrong)]
    plan = _MAKERS[request.kind](request, settings, found)
    if plan.spec is None:
        return replace(plan, wrong=tuple(found))
    log_format, accuracy = request.log_format or plan.spec.log_format, plan.spec.log_accuracy
    if request.pair and log_format == request.pair.logs.format and request.pair.logs.accuracy == "fraction":
        accuracy = "fraction"
    spec = replace(plan.spec, log_format=log_format, log_accuracy=accuracy, title=request.title or plan.spec.title)
    try:
        parser_for(log_format, accuracy=accuracy)
    except UsageError as error:
        found.append(Wrong("log_format", error.message, error.hint))
    try:
        check_command(spec)
    except UsageError as error:
        found += [] if found else [Wrong("command", error.message, error.hint)]
    return replace(plan, spec=spec, wrong=tuple(found))


def start_launch(plan: LaunchPlan, root: Path) -> Path:
    """The folder in `root` of the job that the plan describes; it runs.

    Raises UsageError where the plan is not ready, EnvironmentFault where the job could not be started.
    """
    if plan.spec is None or plan.wrong:
        first = plan.wrong[0] if plan.wrong else Wrong("command", "there is no command to start")
        raise UsageError(first.message, first.hint)
    folder = start(replace(plan.spec, id=new_id(plan.spec.kind)), root)
    if plan.expectation != Expectation():
        try:
            write_expectation(folder, plan.expectation)
        except OSError as error:
            raise EnvironmentFault(f"{folder} cannot be written: {error.strerror or error}", "the job runs on") from None
    return started_job(folder).path


def check_logs(pair: PairSpec) -> None:
    """PairError, with file and line, where the pair's `logs.format` is unknown or a regex that cannot be used."""
    if pair.path is None or pair.logs.format is None:
        return
    try:
        parser_for(pair.logs.format)
    except UsageError as error:
        document = read_document(pair.path, PairError)
        raise document.refuse(document.at("logs", "format"), f"logs.format: {error.message}", error.hint) from None


def _train(request: LaunchRequest, settings: Settings, wrong: list[Wrong]) -> LaunchPlan:
    recipe = Path(request.config).expanduser().absolute()
    if request.pair is None:
        wrong.append(Wrong("pair", "a training by a recipe needs a pair"))
    if not request.config:
        wrong.append(Wrong("config", "no recipe is named", "a YAML file with Global, Optimizer and DataLoader"))
    elif not recipe.is_file():
        wrong.append(Wrong("config", f"{request.config} does not exist"))
    if request.list and not request.data:
        wrong.append(Wrong("data", "a list needs the folder that its paths start at"))
    if request.pair is None or any(one.field in ("config", "data") for one in wrong):
        return LaunchPlan(request)
    # Reading recipes brings in what only trainings need.
    from aligndbg.workflows.training import data_overrides, read_recipe, training_spec

    output = Path(request.output).expanduser().absolute() if request.output else None
    overrides = request.overrides
    try:
        if request.data:
            file = Path(request.list).expanduser() if request.list else None
            overrides = (*data_overrides(read_recipe(recipe, overrides), Path(request.data).expanduser(), file), *overrides)
        spec = training_spec(
            request.pair,
            recipe,
            request.ranks,
            output=output,
            resume=request.resume,
            settings=settings,
            overrides=overrides,
        )
    except UsageError as error:
        field = next((name for name in ("overrides", "resume") if getattr(request, name)), "config")
        mark = {"overrides": "-o ", "resume": "there is no checkpoint"}.get(field, "")
        wrong.append(Wrong(field if error.message.startswith(mark) else "config", error.message, error.hint))
        return LaunchPlan(request)
    return LaunchPlan(request, spec)


def _evaluate(request: LaunchRequest, settings: Settings, wrong: list[Wrong]) -> LaunchPlan:
    pair = request.pair
    if pair is None:
        wrong.append(Wrong("pair", "an evaluation needs a pair"))
        return LaunchPlan(request)
    if not request.data and not request.list:
        wrong.append(Wrong("data", "neither pictures nor a list of them is named", "for example ILSVRC2012_val"))
    elif request.data and not Path(request.data).expanduser().exists():
        wrong.append(Wrong("data", f"{request.data} does not exist"))
    if request.list and not Path(request.list).expanduser().is_file():
        wrong.append(Wrong("list", f"{request.list} does not exist"))
    for name, value in (("limit", request.limit), ("every", request.every)):
        if value and not re.fullmatch(r"[1-9][0-9]{0,8}", value):
            wrong.append(Wrong(name, f"expected a number of 1 or more, found {value[:20]!r}"))
    named = str(pair.path) if pair.path else ""
    models = () if named else ("--torch", pair.torch.model, "--paddle", pair.paddle.model)
    paths = [(f"--{name}", str(Path(value).expanduser().absolute())) for name, value in _pictures(request) if value]
    paths += [(f"--{name}", value) for name, value in (("limit", request.limit), ("every", request.every)) if value]
    own = ("--own-preprocess",) if request.own_tensors else ()
    device = ("--device", "gpu") if request.ranks.device == "gpu" else ()
    count = ("--nproc", str(request.ranks.number)) if request.ranks.number > 1 else ()
    resume = ("--resume",) if request.resume else ()
    target = (named,) if named else models
    words = (*target, *(word for option in paths for word in option), *own, *count, *device, *resume, "--display", "plain")
    argv = (sys.executable, "-u", "-m", "aligndbg", "eval", *words)
    return LaunchPlan(request, _spec(request, argv, Path.cwd(), visible_gpus(request.ranks), "eval", f"evaluate {pair.name}"))


def _pictures(request: LaunchRequest) -> tuple[tuple[str, str], ...]:
    return ("list", request.list), ("data", request.data)


def _paddleclas(request: LaunchRequest, settings: Settings, wrong: list[Wrong]) -> LaunchPlan:
    python = _python(request.pair, "paddle", settings)
    command = tool_command(request, python, wrong)
    if command is None:
        return LaunchPlan(request)
    title = f"{request.kind}: {Path(request.config).stem}"
    spec = _spec(request, command.argv, command.checkout, paddle_environment(request.ranks), request.kind, title)
    return LaunchPlan(request, spec, problems=command.problems, expectation=command.expectation)


def _torchrun(request: LaunchRequest, settings: Settings, wrong: list[Wrong]) -> LaunchPlan:
    folder = _folder(request, wrong)
    if not request.argv:
        wrong.append(Wrong("argv", "no script is named", "for example train.py --epochs 90"))
        return LaunchPlan(request)
    if not (folder / Path(request.argv[0]).expanduser()).is_file():
        wrong.append(Wrong("argv", f"there is no {request.argv[0]} in {folder}", "the script comes first, its arguments follow"))
    argv = torch_run(_python(request.pair, "torch", settings), request.ranks, request.argv)
    title = f"torchrun: {shlex.join(mask_argv(request.argv))}"
    return LaunchPlan(request, _spec(request, argv, folder, visible_gpus(request.ranks), "torchrun", title))


def _template(request: LaunchRequest, settings: Settings, wrong: list[Wrong]) -> LaunchPlan:
    pair = request.pair
    if pair is None:
        wrong.append(Wrong("pair", "a command of pair.yaml needs a pair"))
        return LaunchPlan(request)
    argv = template_argv(request, pair, _python(pair, "paddle", settings), wrong)
    if argv is None:
        return LaunchPlan(request)
    words = pair.launch[request.template]
    told = "paddle.distributed.launch" in words or any("{gpus}" in word for word in words)
    env = paddle_environment(replace(request.ranks, nodes=request.ranks.nodes or "1")) if told else visible_gpus(request.ranks)
    spec = _spec(request, argv, pair.root.absolute(), env, request.template, f"{request.template} {pair.name}")
    expectation = Expectation(target_top1=pair.train.target_top1, margin=pair.train.margin)
    known = request.template == "train" and pair.train.target_top1 is not None
    return LaunchPlan(request, replace(spec, log_format=pair.logs.format), expectation=expectation if known else Expectation())


def _command(request: LaunchRequest, settings: Settings, wrong: list[Wrong]) -> LaunchPlan:
    folder = _folder(request, wrong)
    if not request.argv:
        wrong.append(Wrong("argv", "no command is given", "for example python train.py"))
        return LaunchPlan(request)
    env = visible_gpus(request.ranks)
    return LaunchPlan(request, _spec(request, request.argv, folder, env, "run", shlex.join(mask_argv(request.argv))))


_Maker = Callable[[LaunchRequest, Settings, list[Wrong]], LaunchPlan]
_MAKERS: dict[str, _Maker] = {
    "train": _train,
    "evaluate": _evaluate,
    "paddleclas-train": _paddleclas,
    "paddleclas-eval": _paddleclas,
    "torchrun": _torchrun,
    "template": _template,
    "command": _command,
}


def _spec(request: LaunchRequest, argv: tuple[str, ...], cwd: Path, env: dict[str, str], kind: str, title: str) -> JobSpec:
    pair = request.pair.name if request.pair else None
    return JobSpec(new_id(kind), kind, title, argv, str(cwd), env, request.ranks.number, pair=pair)


def _folder(request: LaunchRequest, wrong: list[Wrong]) -> Path:
    folder = Path(request.folder or ".").expanduser().absolute()
    if not folder.is_dir():
        wrong.append(Wrong("folder", f"there is no folder {request.folder}"))
    return folder


def _python(pair: PairSpec | None, side: str, settings: Settings) -> str:
    """The interpreter of a side: the pair's, the machine's, or the one that runs this."""
    if pair is not None:
        model = pair.paddle if side == "paddle" else pair.torch
        if model.python:
            return interpreter(pair.root, model.python) or sys.executable
    named = settings.paddle_python if side == "paddle" else settings.torch_python
    return named or sys.executable
