"""The commands that a pair's file gives for its evaluation and its training."""

from __future__ import annotations

import re
from pathlib import Path

from aligndbg.errors import UsageError
from aligndbg.jobs.templates import Ranks, filled
from aligndbg.pairs.schema import PairSpec
from aligndbg.workflows.launch_request import LaunchRequest, Wrong

PLACEHOLDERS = {
    "python": "the interpreter of the Paddle side",
    "pair": "the pair's name",
    "root": "the folder of the pair's file",
    "ranks": "how many processes",
    "device": "cpu or gpu",
    "gpus": "numbers of the GPUs, as in 0,1",
    "master": "HOST:PORT where several machines meet",
    "nodes": "how many machines",
    "config": "the recipe",
    "list": "the list of pictures",
    "data": "the folder of pictures",
    "output": "the folder to write to",
    "overrides": "each -o KEY=VALUE, as arguments of its own",
}
"""What `{...}` in pair.yaml's `launch` may be."""

_NAMES = re.compile(r"\{([^{}]*)\}")


def template_argv(request: LaunchRequest, pair: PairSpec, python: str, wrong: list[Wrong]) -> tuple[str, ...] | None:
    """The template with its placeholders filled; None, and why not in `wrong`, where it cannot be."""
    template = pair.launch.get(request.template)
    if template is None:
        hint = f"launch: {{{request.template}: [python, ...]}} in {pair.path or 'pair.yaml'}"
        wrong.append(Wrong("template", f"{pair.name} says nothing of how to launch {request.template!r}", hint))
        return None
    used = {name for word in template for name in _NAMES.findall(word)}
    values = _values(request, pair, python)
    for name in sorted(used & {"config", "list", "data", "output", "master", "nodes"}):
        if not values[name]:
            wrong.append(Wrong(name, f"launch.{request.template} asks for {PLACEHOLDERS[name]}"))
    if request.overrides and "overrides" not in used:
        wrong.append(Wrong("overrides", f"launch.{request.template} has no place for them", "an argument '{overrides}' takes them"))
    if request.ranks.number > 1 and not used & {"ranks", "gpus"}:
        wrong.append(Wrong("ranks", f"launch.{request.template} has no place for their number", "'{ranks}' or '{gpus}' takes it"))
    try:
        return filled(template, values)
    except UsageError as error:
        wrong.append(Wrong("template", error.message, error.hint))
        return None


def _values(request: LaunchRequest, pair: PairSpec, python: str) -> dict[str, str | tuple[str, ...]]:
    ranks = request.ranks
    # The template runs in the pair's folder, and the user types from elsewhere.
    paths = {name: _absolute(getattr(request, name)) for name in ("config", "list", "data", "output")}
    return {
        **paths,
        "python": python,
        "pair": pair.name,
        "root": str(pair.root),
        "ranks": str(ranks.number),
        "device": ranks.device,
        "gpus": gpus_of(ranks),
        "master": ranks.master,
        "nodes": ranks.nodes,
        "overrides": tuple(word for override in request.overrides for word in ("-o", override)),
    }


def gpus_of(ranks: Ranks) -> str:
    """The GPUs by their numbers, `""` on the CPU."""
    return ",".join(map(str, ranks.devices or range(ranks.number))) if ranks.device == "gpu" else ""


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute()) if path else ""
