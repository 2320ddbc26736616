"""Turning the events of one forward into a Trace: paths, repetition, identity of tensors. The same for every framework."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import sys
import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from types import FrameType
from typing import Any

from aligndbg.core.layers import MODEL_INPUT, Attribute, Call, ParamSpec, TensorRef, TensorSpec, Trace
from aligndbg.errors import InputError
from aligndbg.frameworks.base import OnCall
from aligndbg.frameworks.catalogue import layout_of


class Tracer:
    """Collects the calls of one forward.

    The framework's hooks call `enter`/`leave` around modules and `record` after each layer or op, before the next
    one can overwrite its
    output in place. While `quiet` is positive nothing is a call of its own: a layer is at work, or a capture is.
    Source lines in files
    whose path starts with one of `internal` are passed over.
    """

    def __init__(
        self,
        is_tensor: Callable[[Any], bool],
        spec_of: Callable[[Any], TensorSpec],
        params: Mapping[int, ParamSpec],
        on_call: OnCall,
        internal: tuple[str, ...],
    ) -> None:
        self.quiet = 0
        self._internal = internal
        self._is_tensor = is_tensor
        self._spec_of = spec_of
        self._params = params
        self._on_call = on_call
        self._modules: list[str] = []
        self._calls: list[Call] = []
        self._times: Counter[str] = Counter()
        self._made: dict[int, tuple[weakref.ref[Any], int, int]] = {}
        self._made_of: dict[int, tuple[weakref.ref[Any], ParamSpec]] = {}

    @property
    def module(self) -> str:
        """Path of the innermost module at work, `""` in the model's own forward."""
        return self._modules[-1] if self._modules else ""

    @property
    def upcoming(self) -> int:
        """Index of the next call, if what runs now turns out to be one."""
        return len(self._calls)

    @property
    def latest(self) -> Call:
        """The call that was recorded last."""
        return self._calls[-1]

    def enter(self, path: str) -> None:
        self._modules.append(path)

    def leave(self) -> None:
        self._modules.pop()

    @contextlib.contextmanager
    def silence(self) -> Iterator[None]:
        """Nothing in the block is a call."""
        self.quiet += 1
        try:
            yield
        finally:
            self.quiet -= 1

    def tensors(self, value: Any) -> list[Any]:
        return [tensor for _, tensor in named_tensors(value, self._is_tensor)]

    def record_op(
        self,
        name: str,
        kind: str,
        arguments: Any,
        result: Any,
        attributes: Mapping[str, Attribute],
        roles: Mapping[int, tuple[str, str]],
    ) -> Any:
        """A functional op ran in the current module. `roles` gives role and layout of the parameters that it has
        names for, by `id`.

        Any other parameter is an operand that the model's own code hands over; it stands there as it is, in either framework.
        """
        streams, params = self.operands(kind, arguments, roles)
        if not streams and not params:
            return result
        makes_weight = self._makes_weight(self.tensors(arguments))
        path = f"{self.module}.{name}" if self.module else name
        given = self.record(path, kind, name, streams, result, attributes, params)
        if makes_weight:
            for tensor in self.tensors(given):
                self._made_of[id(tensor)] = (weakref.ref(tensor), params[0])
        return given

    def operands(self, kind: str, arguments: Any, roles: Mapping[int, tuple[str, str]]) -> tuple[list[Any], list[ParamSpec]]:
        """What flows into an op and what it has of parameters, of the tensors among its arguments; `roles` as in `record_op`."""
        inputs = self.tensors(arguments)
        makes_weight = self._makes_weight(inputs)
        streams, params = [], []
        for place, tensor in enumerate(inputs):
            own, source = id(tensor) in self._params, self._source(tensor)
            # A weight that the model's own code lays out is the layer's weight all the same.
            if source is None or not (own or makes_weight or kind == "matmul" or id(tensor) in roles):
                streams.append(tensor)
                continue
            axes = len(source.spec.shape)
            role, layout = roles.get(id(tensor), (f"operand{place}", "abcdefgh"[:axes]))
            params.append(dataclasses.replace(source, role=role, layout=layout_of(layout, axes) if own else ""))
        return streams, params

    def rewritten(self, tensor: Any, given: Any) -> None:
        """What was `given` in place of an op's result was written into `tensor`, which the model goes on with."""
        if (made := self._made.get(id(given))) is not None:
            self._made[id(tensor)] = (weakref.ref(tensor), *made[1:])

    def _makes_weight(self, inputs: Sequence[Any]) -> bool:
        """Whether all that an op reads is one parameter."""
        sources = [self._source(tensor) for tensor in inputs]
        return None not in sources and len({source.name for source in sources if source}) == 1

    def _source(self, tensor: Any) -> ParamSpec | None:
        return self._params.get(id(tensor)) or self._derived(tensor)

    def _derived(self, tensor: Any) -> ParamSpec | None:
        """The one parameter that a tensor was made of, and of nothing else."""
        made = self._made_of.get(id(tensor))
        return made[1] if made is not None and made[0]() is tensor else None

    def record(
        self,
        path: str,
        kind: str,
        type_name: str,
        inputs: Sequence[Any],
        result: Any,
        attributes: Mapping[str, Attribute],
        params: Sequence[ParamSpec],
        constructed: str | None = None,
    ) -> Any:
        """A layer or op has made `result`; what the model goes on with, which is `result` unless `on_call` gave something else."""
        outputs = self.tensors(result)
        if not outputs:
            return result
        self._times[path] += 1
        times = self._times[path]
        index = len(self._calls)
        call = Call(
            index=index,
            path=path if times == 1 else f"{path}#{times}",
            kind=kind,
            type=type_name,
            outputs=tuple(self._spec_of(tensor) for tensor in outputs),
            inputs=tuple(self._ref(tensor) for tensor in inputs),
            attributes=attributes,
            params=tuple(params),
            source=user_line(self._internal),
            constructed=constructed,
        )
        self._calls.append(call)
        with self.silence():
            others = self._on_call(call, outputs)
        for place, tensor in enumerate(outputs if others is None else others):
            self._made[id(tensor)] = (weakref.ref(tensor), index, place)
        if others is None:
            return result
        return exchanged(result, {id(old): new for old, new in zip(outputs, others, strict=True)}, self._is_tensor)

    def finish(self, result: Any, state: Sequence[ParamSpec]) -> tuple[Trace, list[Any]]:
        named = list(named_tensors(result, self._is_tensor))
        trace = Trace(
            calls=tuple(self._calls),
            outputs=tuple(self._ref(tensor) for _, tensor in named),
            output_names=tuple(name for name, _ in named),
            state=tuple(state),
        )
        return trace, [tensor for _, tensor in named]

    def _ref(self, tensor: Any) -> TensorRef:
        made = self._made.get(id(tensor))
        if made is not None and made[0]() is tensor:
            # An op in place may have changed the tensor by now.
            return TensorRef(made[1], made[2], self._calls[made[1]].outputs[made[2]])
        return TensorRef(MODEL_INPUT, 0, self._spec_of(tensor))


def first_tensor(result: Any, is_tensor: Callable[[Any], bool]) -> Any:
    """The first of a model's outputs, in the order of `named_tensors`. InputError where there is none."""
    for _, tensor in named_tensors(result, is_tensor):
        return tensor
    raise InputError(f"the model returns {type(result).__name__}, which holds no tensor", "return the logits from forward")


def named_tensors(value: Any, is_tensor: Callable[[Any], bool], name: str = "") -> Iterator[tuple[str, Any]]:
    """Every tensor in nested tuples, lists, dicts and dataclasses, with where it sits: `out`, `1`, `aux.0`."""
    if is_tensor(value):
        yield name, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from named_tensors(item, is_tensor, f"{name}.{key}" if name else str(key))
    elif isinstance(value, (list, tuple)):
        keys = getattr(value, "_fields", range(len(value)))
        for key, item in zip(keys, value, strict=True):
            yield from named_tensors(item, is_tensor, f"{name}.{key}" if name else str(key))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for entry in dataclasses.fields(value):
            inner = f"{name}.{entry.name}" if name else entry.name
            yield from named_tensors(getattr(value, entry.name), is_tensor, inner)


def exchanged(value: Any, others: Mapping[int, Any], is_tensor: Callable[[Any], bool]) -> Any:
    """`value` with its tensors exchanged, by `id`, in the containers that `named_tensors` looks into."""
    return mapped(value, lambda tensor: others.get(id(tensor), tensor), is_tensor)


def mapped(value: Any, function: Callable[[Any], Any], is_tensor: Callable[[Any], bool]) -> Any:
    """`value` with `function` of each of its tensors in their places, in the order of `named_tensors`."""
    if is_tensor(value):
        return function(value)
    if isinstance(value, MutableMapping):
        # Not made from pairs: a defaultdict takes something else first.
        made = copy.copy(value)
        for key, item in value.items():
            made[key] = mapped(item, function, is_tensor)
        return made
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(mapped(item, function, is_tensor) for item in value))
    if isinstance(value, (list, tuple)):
        return type(value)(mapped(item, function, is_tensor) for item in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        inner = {entry.name: mapped(getattr(value, entry.name), function, is_tensor) for entry in dataclasses.fields(value)}
        return dataclasses.replace(value, **inner)
    return value


def user_line(internal: tuple[str, ...]) -> str | None:
    """`file:line` of the innermost frame whose file is not under `internal`."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith(internal) and not name.startswith("<"):
            return f"{name}:{frame.f_lineno}"
        frame = frame.f_back
    return None
