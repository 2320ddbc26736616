"""The fields of the form that starts a job, by what is to be started."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aligndbg.tui.widgets.form import FieldSpec
from aligndbg.workflows.launch_request import FIELDS, NO, OWN, SAME, YES, Offer

KIND = "kind"

_SPECS = {
    spec.name: spec
    for spec in (
        FieldSpec("config", "recipe", "a YAML file", "file"),
        FieldSpec("checkout", "checkout", "the PaddleClas folder, which holds ppcls/ and tools/", "folder"),
        FieldSpec("overrides", "overrides", "Global.epochs=2 Arch.name=Net: as with -o, blanks between"),
        FieldSpec("list", "list", "PATH LABEL in each line", "file"),
        FieldSpec("data", "data", "the folder of pictures", "folder"),
        FieldSpec("tensors", "tensors", holds="choice", choices=(("the same on both sides", SAME), ("each side's own", OWN))),
        FieldSpec("limit", "limit", "only the first so many pictures; all"),
        FieldSpec("every", "every", "only every so-many-th picture; each"),
        FieldSpec("argv", "command", "python train.py --epochs 90"),
        FieldSpec("folder", "in", "the folder it runs in; this one", "folder"),
        FieldSpec("ranks", "ranks", "how many processes"),
        FieldSpec("device", "device", holds="choice", choices=(("cpu", "cpu"), ("gpu", "gpu"))),
        FieldSpec("gpus", "gpus", "0,1: one for each rank; the first ones"),
        FieldSpec("master", "master", "HOST:PORT where several machines meet"),
        FieldSpec("nodes", "nodes", "how many machines; this one alone"),
        FieldSpec("output", "output", "the folder for checkpoints", "folder"),
        FieldSpec("resume", "begin", holds="choice", choices=(("anew", NO), ("where the last one was stopped", YES))),
        FieldSpec("log_format", "log format", "found by its lines; a name, or a regex: loss=(?P<loss>[0-9.]+)"),
        FieldSpec("title", "title", "what the list of jobs says"),
    )
}


def field_specs(offer: Offer) -> tuple[FieldSpec, ...]:
    specs = [_SPECS[name] for name in FIELDS[offer.kind]]
    if offer.kind == "train":
        hints = {
            "data": "the folder of pictures, one folder a class or with a list; the recipe's",
            "list": "PATH LABEL in each line",
        }
        specs = [replace(spec, hint=hints.get(spec.name, spec.hint)) for spec in specs]
    if offer.kind.startswith("paddleclas"):
        hint = "ppcls/configs/.../NAME.yaml, from the checkout or from here"
        specs = [replace(spec, label="config", hint=hint) if spec.name == "config" else spec for spec in specs]
    if offer.kind == "torchrun":
        specs = [replace(spec, label="script", hint="train.py --epochs 90") if spec.name == "argv" else spec for spec in specs]
    return tuple(specs)


def kind_spec(found: Sequence[Offer]) -> FieldSpec:
    """What there is to choose from; values are places in `found`."""
    return FieldSpec(KIND, "run", holds="choice", choices=tuple((offer.title, str(place)) for place, offer in enumerate(found)))
