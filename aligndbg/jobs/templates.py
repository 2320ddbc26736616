"""Commands of jobs as lists of arguments: launchers of several ranks, PaddleClas's tools, and a user's own templates.

Launchers: documentation of `paddle.distributed.launch` (Paddle 3.3) and of `torchrun` (torch 2.13). PaddleClas: `tools/train.py`
and `tools/eval.py`, which take one `-o KEY=VALUE` for each override.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from aligndbg.errors import UsageError

RANK_LOG = Path(__file__).with_name("rank_log.py")

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Ranks:
    """How many processes of one job run, and where.

    `device` is `cpu` or `gpu`; `devices` are the GPUs to use, () for the first `number`. `master` (`host:port`) and `nodes` (`2` or
    `2:4`) are the launcher's own, for several machines.
    """

    number: int = 1
    device: Literal["cpu", "gpu"] = "cpu"
    devices: tuple[int, ...] = ()
    master: str = ""
    nodes: str = ""

    def __post_init__(self) -> None:
        if self.number < 1:
            raise UsageError(f"expected 1 rank or more, found {self.number}")
        if self.devices and len(self.devices) != self.number:
            ranks, gpus = ("s" if count > 1 else "" for count in (self.number, len(self.devices)))
            raise UsageError(f"{self.number} rank{ranks} on {len(self.devices)} GPU{gpus}", "name one GPU for each rank")
        if self.devices and self.device == "cpu":
            raise UsageError("GPUs are named for a run on the CPU", "leave them out, or run on gpu")

    @property
    def several(self) -> bool:
        return self.number > 1 or bool(self.nodes)


def paddle_launch(python: str, ranks: Ranks, log: Path, script: Sequence[str]) -> tuple[str, ...]:
    """`script`, a file and its arguments, on each rank by `python -m paddle.distributed.launch`; alone on one rank.

    Ranks write `workerlog.N` into `log`. On the CPU the ranks are counted and the launcher picks gloo; `--devices` would end there
    in "substring not found".
    """
    if not ranks.several:
        return (python, "-u", *script)
    where = ("--nproc_per_node", str(ranks.number))
    if ranks.device == "gpu":
        where = ("--devices", ",".join(map(str, ranks.devices or range(ranks.number))))
    machines = [*_given("--master", ranks.master), *_given("--nnodes", ranks.nodes)]
    return (python, "-u", "-m", "paddle.distributed.launch", *where, *machines, "--log_dir", str(log), *script)


def torch_run(python: str, ranks: Ranks, script: Sequence[str]) -> tuple[str, ...]:
    """`script`, a file and its arguments, on each rank by torchrun; alone on one rank.

    Ranks of a job write `workerlog.N` into its log folder (`jobs/rank_log.py`).
    """
    if not ranks.several:
        return (python, "-u", *script)
    place = ("--standalone",) if not ranks.master else ("--rdzv-backend", "c10d", "--rdzv-endpoint", ranks.master)
    machines = _given("--nnodes", ranks.nodes)
    count = ("--nproc-per-node", str(ranks.number))
    return (python, "-u", "-m", "torch.distributed.run", *place, *machines, *count, str(RANK_LOG), *script)


def launch_environment(ranks: Ranks) -> dict[str, str]:
    """What is set beside the inherited environment: a run on the CPU sees no GPU."""
    return {"CUDA_VISIBLE_DEVICES": ""} if ranks.device == "cpu" else {}


def paddle_environment(ranks: Ranks) -> dict[str, str]:
    """The same for a command of `paddle_launch`.

    Paddle's launcher wants a device for each rank wherever CUDA_VISIBLE_DEVICES is set, be it to nothing (IndexError in 3.3),
    and a user's shell may have set it. The program itself stays on the CPU, where it is told so.
    """
    if not ranks.several:
        return visible_gpus(ranks)
    if ranks.device == "gpu":
        # `--devices` says it; numbers here would be counted among those.
        return {}
    return {"CUDA_VISIBLE_DEVICES": ",".join(map(str, range(ranks.number))), "PADDLE_DISTRI_BACKEND": "gloo"}


def visible_gpus(ranks: Ranks) -> dict[str, str]:
    """The same where no launcher is told which GPUs to use: the run sees those that are named, or all."""
    named = {"CUDA_VISIBLE_DEVICES": ",".join(map(str, ranks.devices))} if ranks.devices else {}
    return {**launch_environment(ranks), **named}


def paddleclas_tool(tool: Literal["train", "eval"], config: str, overrides: Sequence[str] = ()) -> tuple[str, ...]:
    """`tools/train.py -c CONFIG -o KEY=VALUE ...`, to be run in the checkout. UsageError names an override that is none."""
    for override in overrides:
        key, equals, _ = override.partition("=")
        if not equals or not key.strip() or override.count("=") != 1:
            raise UsageError(f"-o {override}: expected KEY=VALUE with one '='", "for example -o Global.device=cpu")
    return (f"tools/{tool}.py", "-c", config, *(word for override in overrides for word in ("-o", override)))


def filled(template: Sequence[str], values: Mapping[str, str | Sequence[str]]) -> tuple[str, ...]:
    """A user's template with `{name}` replaced by its value; an argument that is one placeholder takes a list as several arguments.

    Nothing else is interpreted: no shell, no attributes, no formats. UsageError names a placeholder that there is none of.
    """
    found: list[str] = []
    for word in template:
        whole = _PLACEHOLDER.fullmatch(word)
        if whole and not isinstance(value := _value(whole[1], values), str):
            found.extend(value)
            continue
        found.append(_PLACEHOLDER.sub(lambda match: _text(match[1], values), word))
    if not found:
        raise UsageError("the template makes no command", "its first argument is the program")
    return tuple(found)


def _value(name: str, values: Mapping[str, str | Sequence[str]]) -> str | Sequence[str]:
    if name not in values:
        raise UsageError(f"launch: there is no {{{name}}}", f"known are {', '.join(f'{{{known}}}' for known in sorted(values))}")
    return values[name]


def _text(name: str, values: Mapping[str, str | Sequence[str]]) -> str:
    value = _value(name, values)
    if not isinstance(value, str):
        raise UsageError(f"launch: {{{name}}} is several arguments", f"write '{{{name}}}' as an argument of its own")
    return value


def _given(option: str, value: str) -> tuple[str, ...]:
    return (option, value) if value else ()
