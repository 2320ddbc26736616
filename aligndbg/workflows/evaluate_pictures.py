"""Which pictures an evaluation is of, in which batches, and what must be the same for a stopped one to go on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aligndbg.datasets.listing import BadPicture, Listing, Picture, read_data
from aligndbg.datasets.pair_pipelines import pipelines_of
from aligndbg.datasets.pipeline import Pipeline
from aligndbg.errors import InputError, UsageError
from aligndbg.pairs.schema import PairSpec
from aligndbg.store.snapshot import sources_of
from aligndbg.workflows.sides import BOTH


@dataclass(frozen=True, slots=True)
class EvalRequest:
    """What to evaluate; None leaves it to the pair, or to the machine.

    `list` and `data` are absolute. Every `every`-th picture is taken, then the first `limit`. `causes` is on how many
    pictures the models' gap is told from that of their own preprocessing. `delimiter` is what stands before a list's labels, None
    what fits most of its lines. `resume` is a session's name, `""` for the newest of this pair that was stopped, None for a new
    one. `ranks` processes a side, under a launcher where more than 1; `nodes` machines with so many each, which meet at `master`,
    HOST:PORT.
    """

    list: Path | None = None
    data: Path | None = None
    delimiter: str | None = None
    sides: tuple[str, ...] = BOTH
    own_preprocess: bool = False
    causes: int = 0
    batch_size: int | None = None
    workers: int | None = None
    limit: int | None = None
    every: int = 1
    device: str = "cpu"
    ranks: int = 1
    nodes: int = 1
    master: str = ""
    resume: str | None = None

    @property
    def launched(self) -> bool:
        """Whether the forwards are a launcher's."""
        return self.ranks * self.nodes > 1


@dataclass(frozen=True, slots=True)
class Batch:
    """`start` is the place of its first picture in the selection."""

    number: int
    start: int
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """What is evaluated. `pipelines` is one for both sides, or torch's and Paddle's; `pipeline_of_side` says which is whose."""

    pictures: tuple[Picture, ...]
    problems: tuple[BadPicture, ...]
    batch_size: int
    shape: tuple[int, ...]
    pipelines: tuple[Pipeline, ...]
    pipeline_of_side: Mapping[str, int]

    @property
    def batches(self) -> tuple[Batch, ...]:
        size = self.batch_size
        starts = range(0, len(self.pictures), size)
        return tuple(Batch(number, start, self.pictures[start : start + size]) for number, start in enumerate(starts))


def select(pair: PairSpec, request: EvalRequest, classes: int | None = None) -> Selection:
    """`classes` is how many the model tells apart, None before it is built: it decides what the labels of class folders are, and
    which of a list's are none. InputError where there is no picture, or the model takes other than one picture."""
    shape = _input_shape(pair)
    listing = listing_of(pair, request, classes)
    pictures = listing.pictures[:: request.every][: request.limit]
    unlabelled = [BadPicture(picture.name, picture.path, "it has no label") for picture in pictures if picture.label is None]
    labelled = tuple(picture for picture in pictures if picture.label is not None)
    if not labelled:
        first = listing.problems[0] if listing.problems else unlabelled[0] if unlabelled else None
        told = f": {first.name}: {first.reason}" if first else ""
        raise InputError(f"there is no picture to evaluate on{told}", "--list FILE and --data DIR name them")
    pipelines, whose = pipelines_for(pair, request)
    size = request.batch_size or pair.eval.batch_size
    return Selection(labelled, (*listing.problems, *unlabelled), size, shape, pipelines, whose)


def listing_of(pair: PairSpec, request: EvalRequest, classes: int | None = None) -> Listing:
    """The list and folder of the request, else the pair's own, which start at its folder."""
    file = request.list or (pair.root / Path(pair.eval.list).expanduser() if pair.eval.list and request.data is None else None)
    data = request.data or (pair.root / Path(pair.eval.data).expanduser() if pair.eval.data and request.list is None else None)
    if file is None and data is None:
        raise UsageError(
            f"{pair.name} names no pictures to evaluate on", "--list val_list.txt --data DIR, or `eval: {list: ..., data: ...}`"
        )
    # Paths of a list start at its own folder where no other is named.
    return read_data(data if data is not None else file.parent, file, request.delimiter, classes)  # type: ignore[union-attr]


def pipelines_for(pair: PairSpec, request: EvalRequest) -> tuple[tuple[Pipeline, ...], dict[str, int]]:
    """torch's for both sides, or each side's own where that is asked for; equal ones are one, so that a picture is decoded once."""
    found = pipelines_of(pair)
    if not request.own_preprocess or found.torch == found.paddle:
        return (found.torch,), dict.fromkeys(request.sides, 0)
    own = {"torch": found.torch, "paddle": found.paddle}
    return tuple(own[side] for side in request.sides), {side: index for index, side in enumerate(request.sides)}


def facts_of(pair: PairSpec, request: EvalRequest, selection: Selection) -> dict[str, str]:
    """What must not change between a run and the one that goes on with it, as far as it is known before the models are built."""
    names = hashlib.sha256()
    for picture in selection.pictures:
        names.update(f"{picture.name}\0{picture.label}\n".encode("utf-8", "surrogateescape"))
    facts = {
        "sides": ", ".join(request.sides),
        "pictures": f"{len(selection.pictures)}, sha256 {names.hexdigest()[:16]}",
        "batch size": str(selection.batch_size),
        "preprocessing": "; ".join(str(pipeline.steps) for pipeline in selection.pipelines),
        "input": "x".join(map(str, selection.shape)),
        "device": request.device,
        "torch model": f"{pair.torch.model} {dict(pair.torch.kwargs)}",
        "Paddle model": f"{pair.paddle.model} {dict(pair.paddle.kwargs)}",
    }
    sources = {"torch": "torch model's file", "paddle": "Paddle model's file"}
    facts |= {sources[one.role]: f"sha256 {one.sha256[:16]}" for one in sources_of(pair) if one.role in sources}
    return facts


def require_same(name: str, before: Mapping[str, str], now: Mapping[str, str]) -> None:
    """UsageError where a session is of another evaluation; what it has not yet noted is not compared."""
    for what, value in now.items():
        known = before.get(what, value)
        if known != value:
            raise UsageError(
                f"{name} cannot be resumed: the {what} changed, from {_short(known)} to {_short(value)}",
                "leave out --resume to start anew",
            )


def excluded_of(problems: Sequence[BadPicture]) -> list[tuple[str, str]]:
    return [(problem.name, problem.reason) for problem in problems]


def _input_shape(pair: PairSpec) -> tuple[int, ...]:
    inputs = pair.model_inputs
    if len(inputs) != 1 or len(inputs[0].shape) != 4:
        shapes = ", ".join("x".join(map(str, one.shape)) for one in inputs)
        raise InputError(f"{pair.name} takes {shapes}: an evaluation needs one input, a batch of pictures 1x3xHxW")
    return inputs[0].shape[1:]


def _short(text: str) -> str:
    return text if len(text) <= 120 else f"{text[:119]}…"
