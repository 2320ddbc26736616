"""What the app and a framework child say to each other: JSON objects, one a message.

JSON and plain dataclasses, because the child may run in an interpreter that has numpy and its framework and nothing else. Tensors
are not in the messages: a message carries `Slot`s, places in shared memory.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from aligndbg.core.layers import Attribute, Call, ParamSpec, TensorRef, TensorSpec, Trace
from aligndbg.core.program import Param, Ref, Step


@dataclass(frozen=True)
class Slot:
    """A tensor in the sender's shared memory."""

    offset: int
    shape: tuple[int, ...]
    dtype: str


# -- either way ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Free:
    """The receiver of these slots is done with them."""

    offsets: tuple[int, ...]


@dataclass(frozen=True)
class Full:
    """The sender waits until at least one of its slots is freed."""


# -- from the app to the child ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Build:
    target: str
    kwargs: Mapping[str, Any]
    root: str
    device: str


@dataclass(frozen=True)
class Initialise:
    scheme: str
    seed: int


@dataclass(frozen=True)
class LoadFile:
    path: str


@dataclass(frozen=True)
class GetState:
    """Answered by one `StateEntry` for each tensor, then `Done`. `names` are those that are wanted, () for all."""

    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class SetState:
    """One slot follows: the value of `name`. Only a failure is answered."""

    name: str


@dataclass(frozen=True)
class Save:
    path: str


@dataclass(frozen=True)
class Run:
    """One forward on the slots that follow; calls whose index is in `wanted` are answered by a `Captured`, the end
    by a `Traced`. Where it is `forced`, the forward waits after each `Captured` for a `Forced`."""

    wanted: tuple[int, ...] = ()
    forced: bool = False


@dataclass(frozen=True)
class Forward:
    """One plain forward on the slots that follow, nothing watched. Answered by an `Outputs`."""


@dataclass(frozen=True)
class Forced:
    """The slots that follow take the place of the outputs that were captured last; where there are none, those stay."""


@dataclass(frozen=True)
class Record:
    """Keep these calls of the next forward for `Attempt`, and drop what was kept. Only a failure is answered."""

    calls: tuple[int, ...] = ()


@dataclass(frozen=True)
class Attempt:
    """Carry out a program on what was recorded; its arrays are the slots that follow. Answered by an `Outcome`."""

    steps: tuple[Step, ...]


@dataclass(frozen=True)
class PatchCall:
    """From now on call `call` gives what the program gives, whose arrays are the slots that follow; its own again where there are
    no steps. Only a failure is answered."""

    call: int
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Export:
    """Write the model as ONNX to `path`, traced on the slots that follow. Answered by `Done`."""

    path: str


@dataclass(frozen=True)
class Sync:
    """Answered by `Done` when all before it is done."""


# -- from the child to the app ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stage:
    stage: str
    detail: str = ""


@dataclass(frozen=True)
class Done:
    """A request is finished. `notes` are sentences for the user; `environment` is set after `Build`."""

    notes: tuple[str, ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StateEntry:
    """One slot follows: the value of `name`."""

    name: str


@dataclass(frozen=True)
class Captured:
    """The slots that follow are the outputs of call `index`."""

    index: int


@dataclass(frozen=True)
class Outcome:
    """The slots that follow are a program's outputs; with a `refusal` it could not be carried out, and that says why."""

    refusal: str = ""


@dataclass(frozen=True)
class Traced:
    """A forward is finished; the slots that follow are the model's outputs. `seconds` is its wall time without
    waiting for the app."""

    trace: Trace
    seconds: float


@dataclass(frozen=True)
class Outputs:
    """A plain forward is finished; the slot that follows is the first of the model's outputs. `seconds` is its wall time."""

    seconds: float


@dataclass(frozen=True)
class Failed:
    """The request could not be carried out. `error` names a class of aligndbg.errors."""

    error: str
    message: str
    hint: str


Message = (
    Free
    | Full
    | Build
    | Initialise
    | LoadFile
    | GetState
    | SetState
    | Save
    | Run
    | Forward
    | Forced
    | Record
    | Attempt
    | PatchCall
    | Export
    | Sync
    | Stage
    | Done
    | StateEntry
    | Captured
    | Outcome
    | Traced
    | Outputs
    | Failed
)
_CLASSES: Mapping[str, type[Any]] = {kind.__name__: kind for kind in Message.__args__}


def encode(message: Message, slots: tuple[Slot, ...] = ()) -> bytes:
    body: dict[str, Any] = {"type": type(message).__name__, "body": asdict(message)}
    if slots:
        body["slots"] = [(slot.offset, slot.shape, slot.dtype) for slot in slots]
    return json.dumps(body, separators=(",", ":")).encode()


def decode(data: bytes) -> tuple[Message, tuple[Slot, ...]]:
    """Undo `encode`. ValueError or TypeError on anything else."""
    envelope = json.loads(data)
    kind = _CLASSES.get(envelope["type"])
    if kind is None:
        raise ValueError(f"unknown message {envelope['type']!r}")
    body = envelope["body"]
    message: Message
    if kind is Traced:
        message = Traced(_trace(body["trace"]), body["seconds"])
    else:
        message = kind(**{key: _steps(value) if key == "steps" else _frozen(value) for key, value in body.items()})
    return message, tuple(Slot(offset, tuple(shape), dtype) for offset, shape, dtype in envelope.get("slots", ()))


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _steps(body: list[Any]) -> tuple[Step, ...]:
    return tuple(
        Step(
            step["kind"],
            tuple(Ref(**ref) for ref in step["inputs"]),
            step["attributes"],
            tuple(Param(**param) for param in step["params"]),
            step["call"],
        )
        for step in body
    )


def _trace(body: Mapping[str, Any]) -> Trace:
    return Trace(
        calls=tuple(_call(call) for call in body["calls"]),
        outputs=tuple(_ref(ref) for ref in body["outputs"]),
        output_names=tuple(body["output_names"]),
        state=tuple(_param(param) for param in body["state"]),
    )


def _call(body: Mapping[str, Any]) -> Call:
    attributes: Mapping[str, Attribute] = body["attributes"]
    return Call(
        index=body["index"],
        path=body["path"],
        kind=body["kind"],
        type=body["type"],
        outputs=tuple(_spec(spec) for spec in body["outputs"]),
        inputs=tuple(_ref(ref) for ref in body["inputs"]),
        attributes=attributes,
        params=tuple(_param(param) for param in body["params"]),
        source=body["source"],
        constructed=body["constructed"],
    )


def _spec(body: Mapping[str, Any]) -> TensorSpec:
    return TensorSpec(tuple(body["shape"]), body["dtype"])


def _ref(body: Mapping[str, Any]) -> TensorRef:
    return TensorRef(body["producer"], body["output"], _spec(body["spec"]))


def _param(body: Mapping[str, Any]) -> ParamSpec:
    return ParamSpec(body["name"], body["role"], body["layout"], _spec(body["spec"]), tuple(body["tied"]))
