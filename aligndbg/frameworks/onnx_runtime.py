"""ONNX Runtime on an ONNX file, every result an output: a third opinion on each layer, or the reference itself."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

from aligndbg.core.layers import MODEL_INPUT, ParamSpec, TensorRef, TensorSpec, Trace
from aligndbg.errors import InputError
from aligndbg.frameworks.base import Array, OnCall
from aligndbg.frameworks.loading import describe
from aligndbg.frameworks.onnx_graph import Op, exported_ops, node_ops, parameters

_GROUP = 256 << 20
"""Bytes of outputs that are fetched at a time. Each further group costs a forward, all at once would cost memory without bound."""


class OnnxFramework:
    """See `Framework`; the model is a file, as it is. `by="op"` in `build`'s arguments reads the ops of torch's exporter as its
    calls; otherwise each node is one. Its state is kept where it is the reference, which has no such argument."""

    name = "onnx"

    def __init__(self) -> None:
        self._ops: list[Op] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[str] = []
        self._state: dict[str, Array] = {}
        self._session: onnxruntime.InferenceSession | None = None

    def environment(self) -> Mapping[str, str | int | bool]:
        return {
            "onnxruntime": onnxruntime.__version__,
            "onnx": onnx.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        }

    def build(self, target: str, kwargs: Mapping[str, Any], root: Path, device: str) -> None:
        path, by = root / target, kwargs.get("by")
        try:
            model = onnx.load(path)
            if by != "op":
                model = onnx.shape_inference.infer_shapes(model)
        except Exception as error:
            raise InputError(f"{path} is not a readable ONNX file: {describe(error)}", "export it again") from error
        graph = model.graph
        params = parameters(graph)
        self._state = {} if by else {name: numpy_helper.to_array(value) for name, value in params.items()}
        self._inputs = [value for value in graph.input if value.name not in params]
        self._outputs = [value.name for value in graph.output]
        self._ops = list(exported_ops(graph) if by == "op" else node_ops(graph))
        known = {value.name: value for value in graph.value_info}
        graph.output.extend(known[name] for op in self._ops for name in op.values if name not in self._outputs)
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "0"))
        # Idle threads that spin would take cores from the other children.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
        except Exception as error:
            raise InputError(f"ONNX Runtime does not take {path}: {describe(error)}", "") from error

    def run(self, inputs: Sequence[Array], on_call: OnCall) -> tuple[Trace, Sequence[Any]]:
        assert self._session is not None
        feed = self._feed(inputs)
        kept: dict[str, Array] = {}
        for group in _groups(self._ops):
            names = [name for op in group for name in op.values]
            found = dict(zip(names, self._session.run(names, feed), strict=True))
            for op in group:
                on_call(op.call, [found[name] for name in op.values])
            kept |= {name: found[name] for name in self._outputs if name in found}
        if left := [name for name in self._outputs if name not in kept]:
            kept |= zip(left, self._session.run(left, feed), strict=True)
        results = [kept[name] for name in self._outputs]
        state = tuple(ParamSpec(name, name, "", TensorSpec(value.shape, value.dtype.name)) for name, value in self._state.items())
        owned = {param.name: param for op in self._ops for param in op.call.params}
        refs = tuple(self._ref(name, value) for name, value in zip(self._outputs, results, strict=True))
        names = tuple("" if len(results) == 1 else name for name in self._outputs)
        calls = tuple(op.call for op in self._ops)
        return Trace(calls, refs, names, tuple(owned.get(spec.name, spec) for spec in state)), results

    def forward(self, inputs: Sequence[Array]) -> Any:
        assert self._session is not None
        return self._session.run(self._outputs[:1], self._feed(inputs))[0]

    def state(self, emit: Callable[[str, Array], None], names: Collection[str] = ()) -> None:
        for name, value in self._state.items():
            if not names or name in names:
                emit(name, value)

    def to_tensor(self, value: Array, like: Any) -> Any:
        return value.astype(like.dtype)

    def to_numpy(self, tensor: Any) -> Array:
        return np.asarray(tensor)

    def initialise(self, scheme: str, seed: int) -> None:
        _fixed()

    def load_file(self, path: Path) -> Sequence[str]:
        _fixed()

    def set_state(self, name: str, value: Array) -> None:
        _fixed()

    def save(self, path: Path) -> None:
        _fixed()

    def export(self, path: Path, inputs: Sequence[Array]) -> None:
        _fixed()

    def _feed(self, inputs: Sequence[Array]) -> dict[str, Array]:
        if len(self._inputs) != len(inputs):
            raise InputError(f"the ONNX model takes {len(self._inputs)} inputs, {len(inputs)} are given", "")
        for value, given in zip(self._inputs, inputs, strict=True):
            sizes = [size.dim_value if size.HasField("dim_value") else None for size in value.type.tensor_type.shape.dim]
            fits = len(sizes) == given.ndim and all(size in (None, own) for size, own in zip(sizes, given.shape, strict=True))
            if not fits:
                wanted = "x".join("?" if size is None else str(size) for size in sizes)
                raise InputError(
                    f"the ONNX model's input {value.name!r} is {wanted}, {'x'.join(map(str, given.shape))} is given",
                    f"--shape {','.join('1' if size is None else str(size) for size in sizes)}",
                )
        return {value.name: given for value, given in zip(self._inputs, inputs, strict=True)}

    def _ref(self, name: str, value: Array) -> TensorRef:
        spec = TensorSpec(value.shape, value.dtype.name)
        made = next(((op.call.index, op.values.index(name)) for op in self._ops if name in op.values), (MODEL_INPUT, 0))
        return TensorRef(*made, spec)


def _fixed() -> NoReturn:
    raise InputError("an ONNX file is run as it is: its weights cannot be set", "leave out --weights, or give the torch model")


def _groups(ops: Sequence[Op]) -> Iterator[list[Op]]:
    group: list[Op] = []
    size = 0
    for op in ops:
        bytes_ = sum(4 * int(np.prod(spec.shape, dtype=np.int64)) for spec in op.call.outputs)
        if group and size + bytes_ > _GROUP:
            yield group
            group, size = [], 0
        group.append(op)
        size += bytes_
    if group:
        yield group
