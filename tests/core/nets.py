"""Small networks as traces, for the tests of pairing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from aligndbg.core.layers import Attribute, Call, ParamSpec, TensorRef, TensorSpec, Trace


class Net:
    """Records calls as a tracer would; each method gives the new call's index. `linear_layout` is that of the framework."""

    def __init__(self, linear_layout: str = "oi") -> None:
        self.calls: list[Call] = []
        self._linear_layout = linear_layout

    def call(
        self,
        kind: str,
        path: str,
        shape: Sequence[int],
        inputs: Sequence[int] | None = None,
        params: Mapping[str, tuple[str, Sequence[int]]] | None = None,
        **attributes: Attribute,
    ) -> int:
        index = len(self.calls)
        times = sum(call.path.partition("#")[0] == path for call in self.calls) + 1
        sources = [index - 1] if inputs is None else list(inputs)
        specs = [self.calls[place].output if place >= 0 else TensorSpec((1, 3, 32, 32)) for place in sources]
        self.calls.append(
            Call(
                index,
                path if times == 1 else f"{path}#{times}",
                kind,
                kind,
                (TensorSpec(tuple(shape)),),
                tuple(TensorRef(place, 0, spec) for place, spec in zip(sources, specs, strict=True)),
                attributes,
                tuple(
                    ParamSpec(f"{path}.{role}", role, layout, TensorSpec(tuple(size)))
                    for role, (layout, size) in (params or {}).items()
                ),
            )
        )
        return index

    def conv(self, path: str, i: int, o: int, kernel: int = 3, size: int = 8, inputs: Sequence[int] | None = None) -> int:
        params = {"weight": ("oihw", (o, i, kernel, kernel))}
        return self.call("conv2d", path, (1, o, size, size), inputs, params, kernel_size=[kernel, kernel], stride=[1, 1])

    def norm(self, path: str, c: int, size: int = 8, **attributes: Attribute) -> int:
        params = dict.fromkeys(("weight", "bias", "mean", "variance"), ("c", (c,)))
        return self.call("batch_norm", path, (1, c, size, size), None, params, epsilon=1e-5, **attributes)

    def op(self, kind: str, path: str, shape: Sequence[int] = (1, 8, 8, 8), inputs: Sequence[int] | None = None) -> int:
        return self.call(kind, path, shape, inputs)

    def linear(self, path: str, i: int, o: int) -> int:
        sizes = {"o": o, "i": i}
        weight = (self._linear_layout, [sizes[letter] for letter in self._linear_layout])
        return self.call("linear", path, (1, o), None, {"weight": weight, "bias": ("c", (o,))}, in_features=i, out_features=o)

    @property
    def trace(self) -> Trace:
        return trace_of(self.calls)


def trace_of(calls: Sequence[Call]) -> Trace:
    state = {param.name: param for call in calls for param in call.params}
    return Trace(tuple(calls), (), (), tuple(state.values()))


def without(trace: Trace, drop: Callable[[Call], bool]) -> Trace:
    """The trace with some calls left out; who read them reads their first input."""
    new: dict[int, int] = {-1: -1}
    kept: list[Call] = []
    for call in trace.calls:
        if drop(call):
            new[call.index] = new[call.inputs[0].producer] if call.inputs else -1
            continue
        new[call.index] = len(kept)
        inputs = tuple(dataclasses.replace(ref, producer=new[ref.producer]) for ref in call.inputs)
        kept.append(dataclasses.replace(call, index=len(kept), inputs=inputs))
    return trace_of(kept)


def renamed(trace: Trace, name: Callable[[str], str]) -> Trace:
    return trace_of([dataclasses.replace(call, path=name(call.path)) for call in trace.calls])


def vgg(blocks: int = 3, linear_layout: str = "oi", dropout: bool = True) -> Trace:
    """conv, norm, relu, ..., flatten, dropout, linear."""
    net = Net(linear_layout)
    width = 3
    for block in range(blocks):
        net.conv(f"features.{block}.conv", width, 8 << block)
        width = 8 << block
        net.norm(f"features.{block}.norm", width)
        net.op("relu", f"features.{block}.relu", (1, width, 8, 8))
    net.op("flatten", "flatten", (1, width * 64))
    if dropout:
        net.op("dropout", "classifier.0", (1, width * 64))
    net.linear("classifier.1", width * 64, 10)
    return net.trace
