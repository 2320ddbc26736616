"""Calls of a forward kept as they were, to be made again with something about them changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from aligndbg.core.layers import Attribute, Call, ParamSpec
from aligndbg.core.program import OWN, Patch, Program, Ref, Step
from aligndbg.frameworks.tracing import exchanged, mapped, named_tensors

Params = Mapping[str, tuple[str, Any]]
"""Role -> (layout, tensor)."""


class Engine(Protocol):
    """What recording and replaying need of a framework."""

    def is_tensor(self, value: Any) -> bool:
        """Whether `value` is a tensor of the framework's."""

    def copy(self, tensor: Any) -> Any:
        """A copy that nothing else writes into."""

    def tensor(self, array: Any, like: Any) -> Any:
        """A tensor from a numpy array, on the device of `like` (None: of the model), of the array's dtype."""

    def perform(self, kind: str, inputs: Sequence[Any], attributes: Mapping[str, Attribute], params: Params) -> Any:
        """The layer or op of that kind; NotImplementedError where there is none."""

    def call_with(self, values: Mapping[str, Any], function: Callable[[], Any]) -> Any:
        """`function()` while the parameters of these names have these values."""


@runtime_checkable
class Experiments(Protocol):
    """A framework whose calls can be made again, changed: the one in which faults are looked for."""

    recorder: Recorder


@dataclass(frozen=True, slots=True)
class Recorded:
    """One call: what was called, with copies of the tensors that flow into it, and the outputs that the model went on with."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    operands: tuple[Any, ...]
    names: Mapping[str, str]
    """Role -> name of its parameters."""
    outputs: tuple[Any, ...] = ()


class Recorder:
    """Keeps the calls that it is asked for, and puts a program's result in the place of a patched call's."""

    def __init__(self, engine: Engine, is_parameter: Callable[[Any], bool]) -> None:
        self._engine = engine
        self._is_parameter = is_parameter
        self._wanted: frozenset[int] = frozenset()
        self._patches: dict[int, Program] = {}
        self._read: frozenset[int] = frozenset()
        self._kept: dict[int, Recorded] = {}

    def want(self, calls: Collection[int]) -> None:
        """Keep these calls of the next forward; what was kept before is dropped."""
        self._wanted = frozenset(calls)
        self._kept.clear()

    def patch(self, patch: Patch) -> None:
        """A patch without steps takes an earlier one of its call back."""
        self._patches.pop(patch.call, None)
        if patch.program.steps:
            self._patches[patch.call] = patch.program
        self._read = frozenset(index for call, program in self._patches.items() for index in (call, *program.calls()))

    def keeps(self, index: int) -> bool:
        """Whether call `index` is to be kept."""
        return index in self._wanted or index in self._read

    def begin(
        self,
        index: int,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        operands: Sequence[Any],
        params: Sequence[ParamSpec],
    ) -> None:
        """Call `index` is about to run; `operands` are those of its arguments that the trace has as its inputs, in their order."""
        if not self.keeps(index):
            return
        copies: dict[int, list[Any]] = {}

        def copied(tensor: Any) -> Any:
            return tensor if self._is_parameter(tensor) else self._engine.copy(tensor)

        def kept(tensor: Any) -> Any:
            # A copy for each place that a tensor stands in: one may be exchanged without the other.
            copies.setdefault(id(tensor), []).append(copied(tensor))
            return copies[id(tensor)][-1]

        args, kwargs = mapped((args, dict(kwargs)), kept, self._engine.is_tensor)
        # A tensor in a mapping that cannot be written to has no copy among the arguments.
        inputs = tuple(copies[id(tensor)].pop(0) if copies.get(id(tensor)) else copied(tensor) for tensor in operands)
        self._kept[index] = Recorded(function, args, kwargs, inputs, {param.role: param.name for param in params})

    def patched(self, index: int, result: Any) -> Any:
        """What the model goes on with in place of `result`, before anyone else sees it."""
        program = self._patches.get(index)
        if program is None:
            return result
        old = [tensor for _, tensor in named_tensors(result, self._engine.is_tensor)]
        new = self.attempt(program)
        return exchanged(result, {id(one): other for one, other in zip(old, new, strict=True)}, self._engine.is_tensor)

    def end(self, call: Call, result: Any) -> None:
        """A call has run, and the model goes on with `result`."""
        kept = self._kept.get(call.index)
        if kept is None:
            return
        outputs = tuple(self._engine.copy(tensor) for _, tensor in named_tensors(result, self._engine.is_tensor))
        self._kept[call.index] = dataclasses.replace(kept, outputs=outputs)

    def attempt(self, program: Program) -> list[Any]:
        """The outputs of the program's last step on what was recorded. Raises whatever the framework raises."""
        like = next((operand for kept in self._kept.values() for operand in kept.operands), None)
        arrays = [self._engine.tensor(array, like) for array in program.arrays]
        made: list[list[Any]] = []

        def read(ref: Ref) -> Any:
            match ref.of:
                case "operand":
                    return self._kept[ref.index].operands[ref.place]
                case "output":
                    return self._kept[ref.index].outputs[ref.place]
                case "step":
                    return made[ref.index][ref.place]
                case "array":
                    return arrays[ref.index]

        for step in program.steps:
            result = self._step(step, [read(ref) for ref in step.inputs], arrays)
            made.append([tensor for _, tensor in named_tensors(result, self._engine.is_tensor)])
        return made[-1]

    def _step(self, step: Step, inputs: Sequence[Any], arrays: Sequence[Any]) -> Any:
        params = {param.role: (param.layout, arrays[param.array]) for param in step.params}
        if step.kind != OWN:
            return self._engine.perform(step.kind, inputs, step.attributes, params)
        kept = self._kept[step.call]
        others = {id(old): new for old, new in zip(kept.operands, inputs, strict=False)}

        def given(tensor: Any) -> Any:
            # The call may write into what it reads.
            other = others.get(id(tensor), tensor)
            return other if self._is_parameter(other) else self._engine.copy(other)

        args, kwargs = mapped((kept.args, dict(kept.kwargs)), given, self._engine.is_tensor)
        values = {kept.names[role]: tensor for role, (_, tensor) in params.items()}
        return self._engine.call_with(values, lambda: kept.function(*args, **kwargs))
