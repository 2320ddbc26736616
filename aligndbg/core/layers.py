"""Calls: what a traced forward of one model consists of.

A *call* is one execution of a layer or of a functional op. A layer of the framework (Conv2d, BatchNorm2D, ...) is one call;
a container is none, its children are; an op called in a forward (`torch.cat`, `x + y`) is a call under the module that ran it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Side = Literal["torch", "paddle", "onnx", "golden"]

Attribute = bool | int | float | str | None | list[int | float | str]
"""The value of a layer's attribute, in the canonical form that both frameworks are brought to."""

MODEL_INPUT = -1
"""`TensorRef.producer` of a tensor that no call made: a model input, a constant, a parameter."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Shape and dtype of a tensor; `dtype` is numpy's name, or `bfloat16`."""

    shape: tuple[int, ...]
    dtype: str = "float32"


@dataclass(frozen=True, slots=True)
class TensorRef:
    """Identity of a tensor in a trace: output number `output` of call `producer`."""

    producer: int
    output: int
    spec: TensorSpec


@dataclass(frozen=True, slots=True)
class ParamSpec:
    """A parameter or buffer of a call.

    `name` is the key in the model's state dict. `role` is what the layer does with it (`weight`, `bias`, `mean`,
    `variance`, `qkv.weight`, ...) and `layout` the order of its axes, one letter an axis (`oihw`, `io`); both come from the
    class of the layer, so that two frameworks' parameters can be matched without looking at shapes or names. An empty
    `layout` means that the class is not known. `tied` are the other keys that the same tensor has.
    """

    name: str
    role: str
    layout: str
    spec: TensorSpec
    tied: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """One execution of a layer or op.

    `path` is the module path, then the op's name for a functional op, then `#k` from the k-th execution (k >= 2).
    `kind` is canonical (`conv2d`, `batch_norm`, `relu`, `max_pool2d`, `concat`, `add`, ...), `type` is the framework's own
    name. `attributes` have canonical names and values. `source` is `file:line` of the call, `constructed` of the construction of
    the layer, where known.
    """

    index: int
    path: str
    kind: str
    type: str
    outputs: tuple[TensorSpec, ...]
    inputs: tuple[TensorRef, ...] = ()
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    params: tuple[ParamSpec, ...] = ()
    source: str | None = None
    constructed: str | None = None

    @property
    def output(self) -> TensorSpec:
        """The first output: the one that the tables show."""
        return self.outputs[0] if self.outputs else TensorSpec(())


@dataclass(frozen=True, slots=True)
class Trace:
    """All calls of one forward, in execution order, and every entry of the model's state.

    `outputs` are the model's results, flattened; `output_names` say where each sits in the result (`""` for a plain tensor,
    `out`, `aux`, `0`, ... for dicts and tuples). `state` holds parameters and buffers, called or not.
    """

    calls: tuple[Call, ...]
    outputs: tuple[TensorRef, ...]
    output_names: tuple[str, ...]
    state: tuple[ParamSpec, ...]


@dataclass(frozen=True, slots=True)
class LayerPair:
    """A torch call and a Paddle call matched to each other; one side is None where the call has no partner.

    `match` says by what rule: `type+name`, `type+order`, `equivalent` (other kinds that can compute the same), `order` (other
    kinds at the same place), `pinned`, `out-of-order`, `unpaired`, `ignored`, or `fused`: half of a call that the other side
    makes in one, which the next row pairs. `reason` is the sentence shown to the user. `index` is the row's place in the
    table: torch's execution order, Paddle's own calls put in where they ran.
    """

    index: int
    torch: Call | None
    paddle: Call | None
    match: str
    reason: str

    @property
    def path(self) -> str:
        call = self.torch or self.paddle
        return call.path if call else ""

    @property
    def kind(self) -> str:
        call = self.torch or self.paddle
        return call.kind if call else ""
