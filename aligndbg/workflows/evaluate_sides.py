"""The models of an evaluation: both filled with the same weights, or one alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aligndbg.frameworks import wire
from aligndbg.frameworks.channel import Lease
from aligndbg.frameworks.client import Child, listen
from aligndbg.pairs.schema import PairSpec
from aligndbg.store.images import CLASSES
from aligndbg.weights.files import read_checkpoint
from aligndbg.workflows.evaluate_pictures import EvalRequest
from aligndbg.workflows.evaluate_rows import check_logits
from aligndbg.workflows.preparation import fill_torch, find_weights, prepare, set_by_name, tell_notes
from aligndbg.workflows.sides import BOTH, Arrays, Sides, trace_of
from aligndbg.workflows.stop import Stop
from aligndbg.workflows.stream import Tell

PADDLE_CHECKPOINT = ".pdparams"


@dataclass(frozen=True, slots=True)
class Ready:
    """Children that wait for forwards. `facts` are what a resumed evaluation must have in common beside what it knows itself."""

    children: Mapping[str, Child]
    classes: int
    weights: str
    weights_sha256: str
    environment: Mapping[str, Any]
    facts: Mapping[str, str]


def get_ready(pair: PairSpec, sides: Sides, request: EvalRequest, inputs: Arrays, tell: Tell, stop: Stop) -> Ready:
    """Build and fill what `request` asks for. Paddle's weights come from the torch model, which is let go of where only Paddle is
    evaluated, or from a checkpoint of its own."""
    started = children_of(pair, request)
    if started == ("paddle",):
        weights = find_weights(pair, tell, stop)
        assert weights.path is not None
        sides.wait_ready()
        sides.build(request.device)
        tell_notes(set_by_name(sides, sides.paddle, weights.path, read_checkpoint(weights.path)), tell)
        source, sha256, state = weights.source, weights.sha256, weights.sha256
    elif request.sides == ("torch",):
        weights = find_weights(pair, tell, stop)
        sides.wait_ready()
        sides.build(request.device)
        tell_notes(fill_torch(sides, weights, pair.model_inputs[0].seed), tell)
        # Weights that are made here are complete after a first forward.
        trace_of(sides.torch, inputs)
        source, sha256, state = weights.source, weights.sha256, sides.state_sha256()
    else:
        prepared = prepare(pair, sides, inputs, request.device, tell, stop)
        source, sha256, state = prepared.weights.source, prepared.weights.sha256, prepared.state_sha256
    if "torch" in started and "torch" not in request.sides:
        sides.torch.close()
    children = {child.side: child for child in sides.both if child.side in request.sides}
    environment = {side: dict(sides.environment[side]) for side in children}
    classes = classes_of(children, inputs)
    facts = {"weights": f"sha256 {state[:16]}", CLASSES: str(classes)}
    for side in children:
        versions = [f"{name} {environment[side][name]}" for name in ("torch", "paddle", "onnxruntime") if name in environment[side]]
        facts[f"{side} version"] = ", ".join(versions)
    return Ready(children, classes, source, sha256, environment, facts)


def classes_of(children: Mapping[str, Child], inputs: Arrays) -> int:
    """How many classes the models tell apart, by a first forward of each. InputError where they give no logits, or not as many."""
    outputs: dict[str, NDArray[Any]] = {}

    def on_message(child: Child, message: wire.Message, leases: list[Lease]) -> bool:
        if isinstance(message, wire.Outputs):
            outputs[child.side] = np.array(leases[0].array)
        for lease in leases:
            lease.release()
        return isinstance(message, wire.Outputs)

    for child in children.values():
        child.send(wire.Forward(), list(inputs))
    listen(tuple(children.values()), on_message)
    logits = check_logits(outputs, inputs[0].shape[0])
    return next(iter(logits.values())).shape[1]


def children_of(pair: PairSpec, request: EvalRequest) -> tuple[str, ...]:
    """The sides whose models are needed: torch too where Paddle alone is evaluated with weights that are converted."""
    if request.sides == ("paddle",) and not pair.weights.source.lower().endswith(PADDLE_CHECKPOINT):
        return BOTH
    return request.sides


def environment_of(request: EvalRequest) -> dict[str, str]:
    """Of the children: the cores are shared by those that compute at the same time, and memory that a forward gives back is kept
    for the next one. glibc would return it to the system, whose fresh pages cost MobileNetV2 at batch 64 twice the forward."""
    threads = max(1, (os.cpu_count() or 1) // (len(request.sides) * request.ranks))
    kept = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40)}
    return {"OMP_NUM_THREADS": str(threads), **kept} if request.device == "cpu" else kept
