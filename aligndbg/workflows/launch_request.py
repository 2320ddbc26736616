"""What the user asks to be started as a job, and what a form asks for it."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from aligndbg.errors import UsageError
from aligndbg.jobs.paddleclas import GPU_DEVICE
from aligndbg.jobs.templates import Ranks
from aligndbg.pairs.schema import PairSpec

Kind = Literal["train", "evaluate", "paddleclas-train", "paddleclas-eval", "torchrun", "template", "command"]

MOST_RANKS = 1024
YES, NO = "yes", "no"
SAME, OWN = "same", "own"


@dataclass(frozen=True, slots=True)
class LaunchRequest:
    """What is not asked for is empty. Paths start at the working folder; `config` may start at the checkout as well.

    `config` is a recipe of our own trainer or a config of PaddleClas; `argv` is the script and its arguments under torchrun, or the
    whole command; `template` is the name of a command in the pair's `launch`; `folder` is where torchrun or a command runs. Of an
    evaluation, `limit` and `every` are numbers, and `own_tensors` gives each side its own preprocessing.
    """

    kind: Kind
    pair: PairSpec | None = None
    config: str = ""
    checkout: str = ""
    argv: tuple[str, ...] = ()
    template: str = ""
    overrides: tuple[str, ...] = ()
    ranks: Ranks = field(default_factory=Ranks)
    list: str = ""
    data: str = ""
    own_tensors: bool = False
    limit: str = ""
    every: str = ""
    output: str = ""
    folder: str = ""
    log_format: str = ""
    title: str = ""
    resume: bool = False


@dataclass(frozen=True, slots=True)
class Wrong:
    """`field` is one of LaunchRequest or of a form; `hint` says what to try."""

    field: str
    message: str
    hint: str = ""


FIELDS: dict[Kind, tuple[str, ...]] = {
    "train": ("config", "data", "list", "overrides", "ranks", "device", "gpus", "master", "nodes", "output", "resume", "title"),
    "evaluate": ("list", "data", "tensors", "limit", "every", "ranks", "device", "gpus", "resume", "title"),
    "paddleclas-train": ("checkout", "config", "overrides", "ranks", "device", "gpus", "master", "nodes", "output", "title"),
    "paddleclas-eval": ("checkout", "config", "overrides", "ranks", "device", "gpus", "master", "nodes", "title"),
    "torchrun": ("argv", "folder", "ranks", "device", "gpus", "master", "nodes", "log_format", "title"),
    "template": (
        *("config", "list", "data", "overrides", "ranks", "device", "gpus", "master", "nodes", "output", "log_format", "title"),
    ),
    "command": ("argv", "folder", "ranks", "device", "gpus", "log_format", "title"),
}
"""What each kind asks for, in the order of a form."""


TEXTS = ("config", "checkout", "list", "data", "limit", "every", "output", "folder", "log_format", "title")
"""Fields that are taken as they are typed."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A kind of job that can be started. `template` is the command of the pair's `launch` where the kind is `template`."""

    kind: Kind
    title: str
    template: str = ""


def offers(pair: PairSpec | None) -> tuple[Offer, ...]:
    """What makes sense for the pair, the likeliest first; without one, what needs none."""
    found: list[Offer] = []
    if pair is not None:
        words = {"eval": "evaluation", "train": "training"}
        found += [Offer("template", f"{words[name]}, by launch.{name} of the pair's file", name) for name in pair.launch]
        found.append(Offer("evaluate", "evaluation of both sides"))
        found.append(Offer("train", "training of the port by a recipe"))
        if pair.train.recipe:
            found.insert(0, found.pop())
    found.append(Offer("paddleclas-train", "PaddleClas: tools/train.py"))
    found.append(Offer("paddleclas-eval", "PaddleClas: tools/eval.py"))
    found.append(Offer("torchrun", "a script of torch, by torchrun"))
    found.append(Offer("command", "any other command"))
    return tuple(found)


def defaults(offer: Offer, pair: PairSpec | None) -> dict[str, str]:
    """What a form begins with: what the pair's file says, what this machine has, and a checkout that lies near."""
    found = {"ranks": "1", "device": "gpu" if GPU_DEVICE.exists() else "cpu", "resume": NO, "tensors": SAME}
    if "checkout" in FIELDS[offer.kind]:
        found["checkout"] = nearest_checkout()
    elif pair is not None:
        recipe, pictures, data = pair.train.recipe, pair.eval.list, pair.eval.data
        if offer.kind == "train":
            # The recipe names its own; those of an evaluation are no pictures to train on.
            pictures = data = None
        for name, value in (("config", recipe), ("list", pictures), ("data", data)):
            found[name] = shown(pair.root / Path(value).expanduser()) if value else ""
        found["log_format"] = pair.logs.format or ""
    return found


def nearest_checkout() -> str:
    """A PaddleClas checkout that is the working folder or lies in or beside it, `""` where there is none."""
    here = Path.cwd()
    for folder in (here, *(parent / "PaddleClas" for parent in (here, *here.parents))):
        if (folder / "ppcls").is_dir() and (folder / "tools").is_dir():
            return shown(folder)
    return ""


def shown(path: Path) -> str:
    """The path as one would type it here."""
    path = Path(os.path.normpath(path.absolute()))
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def read_form(offer: Offer, values: Mapping[str, str], pair: PairSpec | None) -> tuple[LaunchRequest, tuple[Wrong, ...]]:
    """The request that the texts of a form's fields make, and what is no such thing; a field that is wrong is left empty."""
    asked = {name: values.get(name, "").strip() for name in FIELDS[offer.kind]}
    wrong: list[Wrong] = []
    ranks = _ranks(asked, wrong)
    words: dict[str, Any] = {}
    for name in ("argv", "overrides"):
        try:
            words[name] = tuple(shlex.split(asked.get(name, "")))
        except ValueError as error:
            words[name] = ()
            wrong.append(Wrong(name, f"{str(error).lower()}", "quotes come in pairs, as in a shell"))
    request = LaunchRequest(
        offer.kind,
        pair,
        template=offer.template,
        ranks=ranks,
        resume=asked.get("resume") == YES,
        own_tensors=asked.get("tensors") == OWN,
        **words,
        **{name: asked.get(name, "") for name in TEXTS},  # type: ignore[arg-type]
    )
    return request, tuple(wrong)


def _ranks(asked: Mapping[str, str], wrong: list[Wrong]) -> Ranks:
    number, text = 1, asked.get("ranks", "1")
    if re.fullmatch(r"[0-9]{1,4}", text) and 1 <= int(text) <= MOST_RANKS:
        number = int(text)
    else:
        wrong.append(Wrong("ranks", f"expected 1 to {MOST_RANKS}, found {text[:20]!r}"))
    gpu = asked.get("device") == "gpu"
    devices: tuple[int, ...] = ()
    if gpu and (text := asked.get("gpus", "")):
        try:
            devices = gpu_numbers(text)
        except UsageError as error:
            wrong.append(Wrong("gpus", error.message, error.hint))
        if devices and len(devices) != number:
            wrong.append(
                Wrong("gpus", f"{number} rank{'s' if number > 1 else ''} on {len(devices)} GPUs", "name one GPU for each rank")
            )
            devices = ()
    master, nodes = asked.get("master", ""), asked.get("nodes", "")
    wrong += _machines(master, nodes)
    return Ranks(number, "gpu" if gpu else "cpu", devices, master, nodes)


def gpu_numbers(text: str) -> tuple[int, ...]:
    """`0,1,3`. Raises UsageError."""
    words = [word.strip() for word in text.split(",")]
    if not all(re.fullmatch(r"[0-9]{1,3}", word) for word in words):
        raise UsageError(f"expected numbers of GPUs, found {text[:40]!r}", "for example 0,1,3")
    numbers = tuple(map(int, words))
    if len(set(numbers)) < len(numbers):
        raise UsageError(f"{text[:40]} names a GPU twice", "one GPU for each rank")
    return numbers


def _machines(master: str, nodes: str) -> list[Wrong]:
    wrong: list[Wrong] = []
    if master and not re.fullmatch(r"(etcd://)?[\w.\-\[\]:]*[\w.\-\]]:[0-9]{1,5}", master):
        wrong.append(Wrong("master", f"expected HOST:PORT, found {master[:40]!r}", "the same one on every machine"))
    if nodes and not re.fullmatch(r"[1-9][0-9]{0,3}(:[1-9][0-9]{0,3})?", nodes):
        wrong.append(
            Wrong(
                "nodes", f"expected a number of machines, found {nodes[:20]!r}", "for example 2, or 2:4 where they may come and go"
            )
        )
    elif nodes and nodes != "1" and not master:
        wrong.append(
            Wrong("master", f"{nodes} machines need to know where to meet", "HOST:PORT of one of them, the same on every machine")
        )
    return wrong


def check_ranks(ranks: Ranks) -> tuple[Wrong, ...]:
    """What is wrong with where ranks are to meet; the numbers themselves `Ranks` refuses."""
    return tuple(_machines(ranks.master, ranks.nodes))
