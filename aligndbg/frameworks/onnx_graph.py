"""From an ONNX graph to calls: each node one, or each op of the program that torch exported.

Kinds, attributes and roles of initialisers by op type. Source: the ONNX operator specification, opset 21 and earlier.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from aligndbg.core.layers import MODEL_INPUT, Attribute, Call, ParamSpec, TensorRef, TensorSpec
from aligndbg.frameworks.ops import canonical_kind

_SCOPES = "pkg.torch.onnx.name_scopes"
_STACK = "pkg.torch.onnx.stack_trace"
"""Keys of a node's `metadata_props` that torch's exporter writes (torch documentation, "torch.onnx", dynamo)."""


@dataclass(frozen=True)
class Op:
    """A call and the names of its results."""

    call: Call
    values: tuple[str, ...]


def exported_ops(graph: onnx.GraphProto) -> Iterator[Op]:
    """The ops of a program that torch exported, paths `MODULE.OP`; of the nodes that make up one, the last has its result."""
    known = _known(graph)
    last: dict[tuple[str, ...], onnx.NodeProto] = {}
    for node in graph.node:
        scopes = _scopes(node)
        if scopes:
            last.pop(scopes, None)
            last[scopes] = node
    index = 0
    for scopes, node in last.items():
        spec = known.get(node.output[0])
        if spec is None:
            continue
        module, name = re.sub(r"@\d+", "", scopes[-2] if len(scopes) > 1 else ""), scopes[-1]
        kind = canonical_kind(re.sub(r"_\d+$", "", name))
        call = Call(index, f"{module}.{name}" if module else name, kind, node.op_type, (spec,), source=_source(node))
        yield Op(call, (node.output[0],))
        index += 1


def node_ops(graph: onnx.GraphProto) -> Iterator[Op]:
    """Every node that computes on a tensor of the model's, under its own name; with its initialisers as parameters."""
    known = _known(graph)
    params = parameters(graph)
    constants = set(params) | {node.output[0] for node in graph.node if node.op_type == "Constant"}
    made: dict[str, tuple[int, int]] = {}
    seen: dict[str, int] = {}
    index = 0
    for node in graph.node:
        streams = [name for name in node.input if name and name not in constants]
        specs = [known.get(name) for name in node.output]
        if not streams and node.op_type != "Constant":
            # Computed from constants alone: a constant too.
            constants.update(node.output)
        if node.op_type in ("Constant", "Identity") or not streams or specs[0] is None:
            made.update({name: made[streams[0]] for name in node.output if streams and streams[0] in made})
            continue
        path = _path(node)
        seen[path] = seen.get(path, 0) + 1
        if seen[path] > 1:
            path = f"{path}#{seen[path]}"
        outputs = tuple(spec for spec in specs if spec is not None)
        refs = tuple(TensorRef(*made.get(name, (MODEL_INPUT, 0)), known.get(name, TensorSpec(()))) for name in streams)
        values = {name: numpy_helper.to_array(params[name]) for name in node.input if name in params}
        kind, attributes, own = _described(node, refs, values, outputs)
        yield Op(
            Call(index, path, kind, node.op_type, outputs, refs, attributes, own, _source(node)),
            tuple(name for name, spec in zip(node.output, specs, strict=True) if spec is not None),
        )
        made.update({name: (index, place) for place, name in enumerate(node.output)})
        index += 1


def parameters(graph: onnx.GraphProto) -> Mapping[str, onnx.TensorProto]:
    """The initialisers by name."""
    return {tensor.name: tensor for tensor in graph.initializer}


_POOLS = {
    "MaxPool": "max_pool",
    "AveragePool": "avg_pool",
    "GlobalAveragePool": "adaptive_avg_pool",
    "GlobalMaxPool": "adaptive_max_pool",
}
_KINDS: Mapping[str, str] = {
    "Relu": "relu",
    "Clip": "clamp",
    "LeakyRelu": "leaky_relu",
    "Elu": "elu",
    "Selu": "selu",
    "Celu": "celu",
    "PRelu": "prelu",
    "Gelu": "gelu",
    "Sigmoid": "sigmoid",
    "HardSigmoid": "hardsigmoid",
    "HardSwish": "hardswish",
    "Tanh": "tanh",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Softmax": "softmax",
    "LogSoftmax": "log_softmax",
    "BatchNormalization": "batch_norm",
    "InstanceNormalization": "instance_norm",
    "LayerNormalization": "layer_norm",
    "GroupNormalization": "group_norm",
    "LRN": "local_response_norm",
    "Concat": "concat",
    "Add": "add",
    "Sub": "subtract",
    "Mul": "multiply",
    "Div": "divide",
    "Pow": "power",
    "Neg": "negative",
    "Gemm": "linear",
    "MatMul": "matmul",
    "Flatten": "flatten",
    "Reshape": "reshape",
    "Transpose": "transpose",
    "Squeeze": "squeeze",
    "Unsqueeze": "unsqueeze",
    "Expand": "expand",
    "Tile": "tile",
    "Cast": "cast",
    "Slice": "slice",
    "Gather": "slice",
    "Split": "split",
    "Pad": "pad",
    "ReduceMean": "mean",
    "ReduceSum": "sum",
    "ReduceMax": "max",
    "Dropout": "dropout",
    "Resize": "interpolate",
    "Shape": "shape",
}


def _described(
    node: onnx.NodeProto, inputs: Sequence[TensorRef], values: Mapping[str, np.ndarray[Any, Any]], outputs: Sequence[TensorSpec]
) -> tuple[str, dict[str, Attribute], tuple[ParamSpec, ...]]:
    """Kind, attributes and parameters of a node."""
    given = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    axes = len(inputs[0].spec.shape) - 2
    attributes: dict[str, Attribute] = {}
    kind = _KINDS.get(node.op_type, node.op_type.lower())
    if node.op_type in ("Conv", "ConvTranspose"):
        kind = f"conv_transpose{axes}d" if node.op_type == "ConvTranspose" else f"conv{axes}d"
        weight = values.get(node.input[1])
        attributes = _window(given, list(weight.shape[2:]) if weight is not None else []) | {"groups": int(given.get("group", 1))}
        return (
            kind,
            attributes,
            _params(node, values, {1: ("weight", ("io" if "transpose" in kind else "oi") + _SPATIAL[-axes:]), 2: ("bias", "c")}),
        )
    if node.op_type in _POOLS:
        kind = f"{_POOLS[node.op_type]}{axes}d"
        if node.op_type.startswith("Global"):
            return kind, {"output_size": [1] * axes}, ()
        attributes = _window(given, list(given.get("kernel_shape", [])))
        attributes["ceil_mode"] = bool(given.get("ceil_mode", 0))
        if node.op_type == "AveragePool":
            attributes["count_include_pad"] = bool(given.get("count_include_pad", 0))
        return kind, attributes, ()
    if node.op_type == "BatchNormalization":
        roles = {1: ("weight", "c"), 2: ("bias", "c"), 3: ("mean", "c"), 4: ("variance", "c")}
        return kind, {"epsilon": _shown(given.get("epsilon", 1e-5))}, _params(node, values, roles)
    if node.op_type in ("LayerNormalization", "GroupNormalization", "InstanceNormalization"):
        return kind, {"epsilon": _shown(given.get("epsilon", 1e-5))}, _params(node, values, {1: ("weight", "c"), 2: ("bias", "c")})
    if node.op_type == "Gemm":
        return kind, {}, _params(node, values, {1: ("weight", "oi" if given.get("transB", 0) else "io"), 2: ("bias", "c")})
    if node.op_type == "PRelu":
        return kind, {}, _params(node, values, {1: ("weight", "")})
    if node.op_type in ("Concat", "Softmax", "LogSoftmax", "Flatten"):
        default = {"Concat": 0, "Flatten": 1}.get(node.op_type, -1)
        return kind, {"start_axis" if node.op_type == "Flatten" else "axis": int(given.get("axis", default))}, ()
    if node.op_type == "LeakyRelu":
        attributes = {"negative_slope": _shown(given.get("alpha", 0.01))}
    if node.op_type == "Clip":
        limits = [values.get(name) for name in (*node.input[1:3], "", "")[:2]]
        attributes = {name: float(limit) for name, limit in zip(("min", "max"), limits, strict=True) if limit is not None}
    return kind, attributes, _params(node, values, {})


_SPATIAL = "dhw"


def _window(given: Mapping[str, Any], kernel: list[int]) -> dict[str, Attribute]:
    axes = len(kernel)
    pads = list(given.get("pads", [0] * 2 * axes))
    even = pads[:axes] == pads[axes:]
    return {
        "kernel_size": kernel,
        "stride": list(given.get("strides", [1] * axes)),
        "padding": pads[:axes] if even else pads,
        "dilation": list(given.get("dilations", [1] * axes)),
    }


def _params(
    node: onnx.NodeProto, values: Mapping[str, np.ndarray[Any, Any]], roles: Mapping[int, tuple[str, str]]
) -> tuple[ParamSpec, ...]:
    """The floating-point initialisers that the node is handed; those without a role of their own are operands."""
    found = []
    for place, name in enumerate(node.input):
        value = values.get(name)
        if value is None or value.dtype.kind != "f" or (not roles and not value.ndim):
            continue
        role, layout = roles.get(place, (f"operand{place}", "abcdefgh"[: value.ndim]))
        found.append(ParamSpec(name, role, layout if len(layout) == value.ndim else "", _spec_of(value)))
    return tuple(found)


def _spec_of(value: np.ndarray[Any, Any]) -> TensorSpec:
    return TensorSpec(value.shape, value.dtype.name)


def _shown(value: float) -> float:
    """A float32 attribute as the number that was written: 1e-05, not 9.99999974e-06."""
    return float(f"{value:.6g}")


def _path(node: onnx.NodeProto) -> str:
    scopes = _scopes(node)
    if len(scopes) > 1 and scopes[-2]:
        return f"{scopes[-2]}.{scopes[-1]}"
    return (node.name or node.output[0]).strip("/").replace("/", ".")


def _scopes(node: onnx.NodeProto) -> tuple[str, ...]:
    text = next((entry.value for entry in node.metadata_props if entry.key == _SCOPES), "")
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return ()
    return tuple(found) if isinstance(found, list) and all(isinstance(scope, str) for scope in found) else ()


def _source(node: onnx.NodeProto) -> str | None:
    text = next((entry.value for entry in node.metadata_props if entry.key == _STACK), "")
    lines = re.findall(r'File "([^"]+)", line (\d+)', text)
    return ":".join(lines[-1]) if lines else None


def _known(graph: onnx.GraphProto) -> dict[str, TensorSpec]:
    """Shape and dtype of every value that has both, all sizes fixed."""
    values = (*graph.input, *graph.value_info, *graph.output)
    return {value.name: spec for value in values if (spec := _spec(value)) is not None}


def _spec(value: onnx.ValueInfoProto) -> TensorSpec | None:
    tensor = value.type.tensor_type
    sizes = [size.dim_value if size.HasField("dim_value") else -1 for size in tensor.shape.dim]
    if not tensor.elem_type or any(size < 0 for size in sizes):
        return None
    return TensorSpec(tuple(sizes), onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name)
