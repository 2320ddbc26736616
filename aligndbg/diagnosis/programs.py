"""What would be computed at the end of a fault's region if something about Paddle's side were as it is in torch."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from aligndbg.core.attributes import normal_of
from aligndbg.core.layers import MODEL_INPUT, Attribute, Call, TensorRef
from aligndbg.core.program import OWN, Param, Program, Ref, Step
from aligndbg.diagnosis.case import Case, Flow


class Inexpressible(Exception):
    """Paddle's recorded tensors do not hold what a torch call reads."""


@dataclass(frozen=True, slots=True)
class Spec:
    """A layer or op to be computed in place of Paddle's own call. `params` is role -> (layout, values)."""

    kind: str
    attributes: Mapping[str, Attribute]
    params: Mapping[str, tuple[str, NDArray[Any]]]


class Draft:
    """A program in the making."""

    def __init__(self, case: Case, flow: Flow) -> None:
        self._case = case
        self._flow = flow
        self._steps: list[Step] = []
        self._arrays: list[NDArray[Any]] = []
        self._made: dict[tuple[str, int], int] = {}

    def program(
        self, operands: Sequence[Ref] | None, spec: Spec | None = None, own: Mapping[str, NDArray[Any]] | None = None
    ) -> Program:
        """The end's call on `operands` (None: its own): as `spec` says, or Paddle's own with the parameters `own`, by role."""
        call = self._case.other
        if spec is None:
            params = tuple(Param(role, "", self.array(values)) for role, values in (own or {}).items())
            self._steps.append(Step(OWN, tuple(operands or ()), params=params, call=call.index))
        else:
            given = tuple(operands) if operands is not None else tuple(self.recorded())
            self._steps.append(self._performed(spec, given))
        return Program(tuple(self._steps), tuple(self._arrays))

    def recorded(self) -> list[Ref]:
        """The operands of Paddle's call as they were."""
        return [Ref("operand", self._case.other.index, place) for place in range(len(self._case.other.inputs))]

    def torch_operands(self, without: Collection[int] = ()) -> list[Ref]:
        """What torch's call reads: Paddle computes what torch alone computes on the way, but for the calls `without`.

        Inexpressible where something was not recorded.
        """
        return [self._torch_value(ref, frozenset(without)) for ref in self._case.like.inputs]

    def paddle_operands(self, without: Collection[int]) -> list[Ref]:
        """What Paddle's call reads where its calls `without` hand their input on."""
        call = self._case.other
        return [self._paddle_value(call, place, frozenset(without)) for place in range(len(call.inputs))]

    def perform(self, spec: Spec, inputs: Sequence[Ref]) -> Ref:
        self._steps.append(self._performed(spec, tuple(inputs)))
        return Ref("step", len(self._steps) - 1)

    def array(self, values: NDArray[Any]) -> int:
        self._arrays.append(values)
        return len(self._arrays) - 1

    def finish(self) -> Program:
        """What was drafted so far; the last step's outputs are the result."""
        return Program(tuple(self._steps), tuple(self._arrays))

    def _performed(self, spec: Spec, inputs: tuple[Ref, ...]) -> Step:
        params = tuple(Param(role, layout, self.array(values)) for role, (layout, values) in spec.params.items())
        return Step(spec.kind, inputs, dict(spec.attributes), params)

    def _torch_value(self, ref: TensorRef, without: frozenset[int]) -> Ref:
        if ref.producer == MODEL_INPUT:
            return self._model_input(ref)
        if (partner := self._flow.partners.get(ref.producer)) is not None:
            for place, operand in enumerate(self._case.other.inputs):
                if operand.producer == partner.index and operand.output == ref.output:
                    return Ref("operand", self._case.other.index, place)
            return Ref("output", partner.index, ref.output)
        call = self._flow.torch[ref.producer]
        if ref.producer in without or self._flow.passes_on(call):
            return self._torch_value(call.inputs[self._flow.main_input(call)], without)
        step = self._made.get(("torch", call.index))
        if step is None:
            inputs = [self._torch_value(each, without) for each in call.inputs]
            step = self.perform(torch_spec(self._case, call), inputs).index
            self._made["torch", call.index] = step
        return Ref("step", step, ref.output)

    def _model_input(self, ref: TensorRef) -> Ref:
        for call in (self._case.other, *self._flow.between(self._case.other)):
            for place, operand in enumerate(call.inputs):
                if operand.producer == MODEL_INPUT and operand.spec.shape == ref.spec.shape:
                    return Ref("operand", call.index, place)
        raise Inexpressible("a tensor that no call made")

    def _paddle_value(self, consumer: Call, place: int, without: frozenset[int]) -> Ref:
        producer = consumer.inputs[place].producer
        call = self._flow.paddle.get(producer)
        if call is not None and producer in without and call.inputs:
            return self._paddle_value(call, self._flow.main_input(call), without)
        if call is None or not self._reaches(producer, without):
            return Ref("operand", consumer.index, place)
        step = self._made.get(("paddle", producer))
        if step is None:
            inputs = tuple(self._paddle_value(call, each, without) for each in range(len(call.inputs)))
            self._steps.append(Step(OWN, inputs, call=producer))
            step = self._made["paddle", producer] = len(self._steps) - 1
        return Ref("step", step, consumer.inputs[place].output)

    def _reaches(self, producer: int, without: frozenset[int]) -> bool:
        """Whether what an uncompared Paddle call makes depends on one of the calls `without`."""
        if producer in self._flow.compared or producer not in self._flow.paddle:
            return False
        return any(ref.producer in without or self._reaches(ref.producer, without) for ref in self._flow.paddle[producer].inputs)


def right_spec(case: Case) -> Spec:
    """What Paddle's call is to compute: torch's call, and the activation that Paddle's makes with it where torch's comes after."""
    spec = torch_spec(case, case.like)
    if case.like is case.one or "activation" not in case.other.attributes:
        return spec
    return Spec(spec.kind, {**spec.attributes, "activation": case.other.attributes["activation"]}, spec.params)


def torch_spec(case: Case, call: Call) -> Spec:
    """A torch call with its own weights."""
    params = {
        param.role: (param.layout, case.state.torch[param.name])
        for param in call.params
        if param.role != "count" and param.name in case.state.torch
    }
    return Spec(call.kind, normal_of(call), params)


def paddle_spec(case: Case, call: Call) -> Spec:
    """A Paddle call with the weights that it has."""
    params = {param.role: (param.layout, case.state.paddle[param.name]) for param in call.params if param.name in case.state.paddle}
    return Spec(call.kind, normal_of(call), params)
