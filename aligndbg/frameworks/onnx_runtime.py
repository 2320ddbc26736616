"""ONNX Runtime on an exported model, every op's result an output: a third opinion on each layer."""

from __future__ import annotations

import ast
import os
import platform
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import onnx
import onnxruntime

from aligndbg.core.layers import MODEL_INPUT, Call, ParamSpec, TensorRef, TensorSpec, Trace
from aligndbg.errors import InputError
from aligndbg.frameworks.base import Array, OnCall
from aligndbg.frameworks.loading import describe
from aligndbg.frameworks.ops import canonical_kind

_SCOPES = "pkg.torch.onnx.name_scopes"
_STACK = "pkg.torch.onnx.stack_trace"
"""Keys of a node's `metadata_props` that torch's exporter writes (torch documentation, "torch.onnx", dynamo)."""

_GROUP = 256 << 20
"""Bytes of outputs that are fetched at a time. Each further group costs a forward, all at once would cost memory without bound."""


@dataclass(frozen=True)
class _Op:
    """One op of the exported program; `value` is the name of its result."""

    call: Call
    value: str


class OnnxFramework:
    """See `Framework`; the model is a file. Its calls are torch's aten ops, under the path of the module that ran them."""

    name = "onnx"

    def __init__(self) -> None:
        self._ops: list[_Op] = []
        self._outputs: list[str] = []
        self._session: onnxruntime.InferenceSession | None = None

    def environment(self) -> Mapping[str, str | int | bool]:
        return {
            "onnxruntime": onnxruntime.__version__,
            "onnx": onnx.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        }

    def build(self, target: str, kwargs: Mapping[str, Any], root: Path, device: str) -> None:
        path = root / target
        try:
            model = onnx.load(path)
        except Exception as error:
            raise InputError(f"{path} is not a readable ONNX file: {describe(error)}", "export it again") from error
        known = {value.name: value for value in (*model.graph.value_info, *model.graph.output)}
        self._ops = list(_ops(model.graph, known))
        self._outputs = [value.name for value in model.graph.output]
        for op in self._ops:
            if op.value not in self._outputs:
                model.graph.output.append(known[op.value])
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "0"))
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])

    def run(self, inputs: Sequence[Array], on_call: OnCall) -> tuple[Trace, Sequence[Any]]:
        assert self._session is not None
        names = [value.name for value in self._session.get_inputs()]
        if len(names) != len(inputs):
            raise InputError(f"the exported model takes {len(names)} inputs, {len(inputs)} are given", "")
        feed = dict(zip(names, inputs, strict=True))
        for group in _groups(self._ops):
            for op, value in zip(group, self._session.run([op.value for op in group], feed), strict=True):
                on_call(op.call, [value])
        results = self._session.run(self._outputs, feed)
        refs = tuple(TensorRef(MODEL_INPUT, 0, TensorSpec(value.shape, value.dtype.name)) for value in results)
        trace = Trace(tuple(op.call for op in self._ops), refs, tuple("" for _ in refs), ())
        return trace, results

    def to_tensor(self, value: Array, like: Any) -> Any:
        return value.astype(like.dtype)

    def to_numpy(self, tensor: Any) -> Array:
        return np.asarray(tensor)

    def initialise(self, scheme: str, seed: int) -> None:
        _fixed()

    def load_file(self, path: Path) -> Sequence[str]:
        _fixed()

    def state(self, emit: Callable[[str, Array], None]) -> None:
        _fixed()

    def set_state(self, name: str, value: Array) -> None:
        _fixed()

    def save(self, path: Path) -> None:
        _fixed()

    def export(self, path: Path, inputs: Sequence[Array]) -> None:
        _fixed()


def _fixed() -> NoReturn:
    raise NotImplementedError("an exported model is run as it is")


def _ops(graph: onnx.GraphProto, known: Mapping[str, onnx.ValueInfoProto]) -> Iterator[_Op]:
    """The ops whose result has a known shape. Several nodes may make up one op; its result is the last one's."""
    last: dict[tuple[str, ...], onnx.NodeProto] = {}
    for node in graph.node:
        scopes = _scopes(node)
        if scopes:
            last.pop(scopes, None)
            last[scopes] = node
    for index, (scopes, node) in enumerate(last.items()):
        value = known.get(node.output[0])
        spec = _spec(value) if value is not None else None
        if spec is None:
            continue
        module, name = re.sub(r"@\d+", "", scopes[-2] if len(scopes) > 1 else ""), scopes[-1]
        params: tuple[ParamSpec, ...] = ()
        kind = canonical_kind(re.sub(r"_\d+$", "", name))
        call = Call(index, f"{module}.{name}" if module else name, kind, node.op_type, (spec,), (), {}, params, _source(node))
        yield _Op(call, node.output[0])


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


def _spec(value: onnx.ValueInfoProto) -> TensorSpec | None:
    tensor = value.type.tensor_type
    sizes = [size.dim_value if size.HasField("dim_value") else -1 for size in tensor.shape.dim]
    if not tensor.elem_type or any(size < 0 for size in sizes):
        return None
    return TensorSpec(tuple(sizes), onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name)


def _groups(ops: Sequence[_Op]) -> Iterator[list[_Op]]:
    group: list[_Op] = []
    size = 0
    for op in ops:
        spec = op.call.output
        bytes_ = int(np.prod(spec.shape, dtype=np.int64)) * 4
        if group and size + bytes_ > _GROUP:
            yield group
            group, size = [], 0
        group.append(op)
        size += bytes_
    if group:
        yield group
