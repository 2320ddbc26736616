"""Both models built, filled with the same weights and paired: what every use case begins with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from aligndbg.core.layers import LayerPair
from aligndbg.core.matching import match
from aligndbg.errors import InputError
from aligndbg.frameworks import wire
from aligndbg.frameworks.client import Child
from aligndbg.pairs.schema import PairSpec, is_onnx
from aligndbg.weights.convert import plan
from aligndbg.weights.files import READABLE, read_checkpoint
from aligndbg.weights.plan import WeightPlan
from aligndbg.weights.sources import ResolvedWeights, resolve
from aligndbg.workflows.events import Downloading, LayersPaired, Notice, WeightsPlanned, WeightsReady
from aligndbg.workflows.sides import Arrays, Sides, Traces
from aligndbg.workflows.stop import Stop
from aligndbg.workflows.stream import Tell

MOST_NOTES = 5
"""Keys of a checkpoint that are told one by one."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """`state_sha256` is of torch's parameters and buffers, wherever they came from."""

    weights: ResolvedWeights
    traces: Traces
    layers: tuple[LayerPair, ...]
    plan: WeightPlan
    state_sha256: str


def prepare(pair: PairSpec, sides: Sides, inputs: Arrays, device: str, tell: Tell, stop: Stop) -> Prepared:
    """Both sides ready for a forward on the same weights; the rows and the conversion that was carried out.

    The weights are found, or downloaded, while the children import their frameworks.
    """

    weights = find_weights(pair, tell, stop)
    sides.wait_ready()
    sides.build(device)
    tell_notes(fill_torch(sides, weights, pair.model_inputs[0].seed), tell)
    traces = sides.trace(inputs)
    layers = match(traces.torch, traces.paddle, pair.layers.pair, pair.layers.ignore)
    tell(LayersPaired(layers))
    found = plan(layers, traces.torch.state, traces.paddle.state, pair.weights.map, pair.weights.ignore)
    tell(WeightsPlanned(found))
    return Prepared(weights, traces, layers, found, sides.move_weights(found))


def find_weights(pair: PairSpec, tell: Tell, stop: Stop) -> ResolvedWeights:
    """The weights that the pair asks for, downloaded where they must be."""

    def progress(name: str, done: int, total: int) -> None:
        stop.check()
        tell(Downloading(name, done, total))

    weights = (
        ResolvedWeights("file", f"the ONNX file {pair.torch.model}")
        if is_onnx(pair.torch)
        else resolve(pair.weights, pair.root, progress)
    )
    if weights.notice:
        tell(Notice("warning", weights.notice, weights.hint))
    tell(WeightsReady(weights.source, weights.sha256))
    return weights


def fill_torch(sides: Sides, weights: ResolvedWeights, seed: int) -> tuple[str, ...]:
    """Fill the torch model; one sentence for each key that did not fit. An ONNX file has its weights already."""
    if weights.path is None and not weights.scheme:
        return ()
    if weights.path is None:
        return sides.load_torch(wire.Initialise(weights.scheme, seed))
    if weights.path.suffix.lower() not in READABLE:
        return sides.load_torch(wire.LoadFile(str(weights.path)))
    return set_by_name(sides, sides.torch, weights.path, read_checkpoint(weights.path))


def set_by_name(sides: Sides, child: Child, path: Path, state: Mapping[str, NDArray[Any]]) -> tuple[str, ...]:
    """Fill one side from the checkpoint `state` of `path`; one sentence for each key that did not fit."""
    own = {name: value.shape for name, value in sides.state_of(child).items()}
    shared = own.keys() & state.keys()
    if not shared:
        raise InputError(
            f"{path}: none of its {len(state)} tensors has a name of the {child.side} model (first: {next(iter(state))!r})",
            f"expected names such as {next(iter(own), '')!r}",
        )
    for name in shared:
        if own[name] != state[name].shape:
            raise InputError(
                f"{path}: {name!r} has shape {list(state[name].shape)}, {child.side}'s has {list(own[name])}",
                "the checkpoint belongs to another architecture or number of classes",
            )
    sides.set_state(child, {name: state[name] for name in sorted(shared)})
    absent = [f"the checkpoint has no {name!r}" for name in own if name not in shared and not name.endswith("num_batches_tracked")]
    left = (f"the {child.side} model has no {name!r}, which the checkpoint holds" for name in state if name not in shared)
    return (*absent, *left)


def tell_notes(notes: tuple[str, ...], tell: Tell) -> None:
    """The first of the keys that did not fit, and how many more there are."""
    left = len(notes) - MOST_NOTES
    shown = notes if left <= 0 else (*notes[:MOST_NOTES], f"{left} more keys of the checkpoint and the model do not meet")
    for note in shown:
        tell(Notice("warning", note))
