"""Causes that no class, attribute or weight tells: torch's call is computed wrongly on purpose until it gives what Paddle gives.

Where one such mistake explains Paddle's output within rounding, it is what the port does; the fix is torch's call itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from aligndbg.core.kinds import HARMLESS_IN_EVAL
from aligndbg.core.layers import Attribute
from aligndbg.core.program import Program, Ref
from aligndbg.diagnosis.case import Array, Arrays, Attempt, Case, Flow, gap
from aligndbg.diagnosis.catalogue import alternatives, argument, rows_of
from aligndbg.diagnosis.items import ACTIVATIONS
from aligndbg.diagnosis.patterns import NORMS, Hidden, dropped, factor_of, is_affine_by_channel, is_pointwise, pattern, single
from aligndbg.diagnosis.programs import Draft, Spec, right_spec
from aligndbg.diagnosis.rounding import NARROW, rounded
from aligndbg.diagnosis.shape import hints_of
from aligndbg.diagnosis.weights import variant_cause, variants

_TRIED = tuple("relu relu6 gelu silu hardswish sigmoid hardsigmoid tanh leaky_relu elu mish softplus selu".split())
_MOST_OPERANDS = 4
_LINEAR = frozenset("linear conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d matmul".split())
_NORMS = frozenset("batch_norm sync_batch_norm layer_norm group_norm instance_norm rms_norm".split())


def hidden_cause(case: Case, flow: Flow, attempt: Attempt, mended: bool, repeats: bool) -> Hidden | None:
    """The first mistake that explains Paddle's output. `mended`: torch's call, computed in Paddle on the same inputs, gives torch's
    output. `repeats`: Paddle's call gives the same each time."""
    search = _Search(case, flow, attempt)
    if (found := dropped(case, repeats) or search.by_factor(mended)) is not None:
        return found
    if not mended:
        return None
    # One after the other: the next is made only where the one before explains nothing.
    mistakes = (search.operands(), search.attributes(), search.parameters(), search.activations(), search.sums())
    for hidden, explain in itertools.chain.from_iterable(mistakes):
        outputs = explain()
        if outputs is not None and search.explains(outputs):
            return hidden
    return search.precision() or pattern(case) or search.by_probing()


Explain = Callable[[], Arrays | None]


class _Search:
    def __init__(self, case: Case, flow: Flow, attempt: Attempt) -> None:
        self._case = case
        self._flow = flow
        self._attempt = attempt
        self._spec = right_spec(case)
        self._inputs: list[Array] | None = None

    def explains(self, outputs: Arrays) -> bool:
        found = gap(self._case.paddle, outputs)
        return found is not None and found <= self._case.limit

    def operands(self) -> Iterator[tuple[Hidden, Explain]]:
        """The operands in another order."""
        number = len(self._case.like.inputs)
        if not 2 <= number <= _MOST_OPERANDS:
            return
        for order in list(itertools.permutations(range(number)))[1:]:
            told = f"takes its {number} inputs in the order {list(order)}"
            yield Hidden("input-order", told), self._with(self._spec, order=order)

    def attributes(self) -> Iterator[tuple[Hidden, Explain]]:
        """An attribute that acts as if it were another than the layer says."""
        one = self._case.like
        rows = {row.name: row for row in rows_of(one.kind)}
        for name, value in alternatives(one):
            spec = replace(self._spec, attributes={**self._spec.attributes, name: value})
            old, new = (argument(rows[name], each, self._case.other) for each in (value, self._spec.attributes.get(name)))
            told = f"behaves as if it had {old or f'{name} {value}'}"
            yield Hidden(rows[name].cause, told, old, new), self._with(spec)

    def parameters(self) -> Iterator[tuple[Hidden, Explain]]:
        """Weights laid out another way, left out, or statistics of the batch."""
        params = self._spec.params
        kind = self._spec.kind
        if kind == "batch_norm":
            spec = replace(self._spec, attributes={**self._spec.attributes, "batch_stats": True})
            yield Hidden("running-stats", "normalises by the batch's own statistics, not by the running ones"), self._with(spec)
            still = {
                role: (layout, np.zeros_like(v) if role == "mean" else np.ones_like(v) if role == "variance" else v)
                for role, (layout, v) in params.items()
            }
            yield Hidden("running-stats", "normalises by mean 0 and variance 1"), self._with(replace(self._spec, params=still))
        if {"weight", "bias"} <= params.keys() and kind.endswith("norm"):
            bare = {role: value for role, value in params.items() if role not in ("weight", "bias")}
            yield Hidden("affine", "leaves out its weight and bias"), self._with(replace(self._spec, params=bare))
        for role, (layout, values) in params.items():
            others = {other: value for other, value in params.items() if other != role}
            if role.endswith("bias"):
                yield Hidden("bias-missing", "leaves out its bias"), self._with(replace(self._spec, params=others))
            elif role.endswith("weight") and values.ndim >= 2:
                for words, variant in variants(values):
                    spec = replace(self._spec, params={**params, role: (layout, variant)})
                    yield Hidden(variant_cause(words), f"uses its {role} {words}"), self._with(spec)
        if "weight" in params and (factor := self._weight_factor()) is not None:
            layout, values = params["weight"]
            spec = replace(self._spec, params={**params, "weight": (layout, (values * factor).astype(values.dtype))})
            yield Hidden("weight-value", f"uses its weight {factor:.6g} times as large"), self._with(spec)

    def activations(self) -> Iterator[tuple[Hidden, Explain]]:
        """An activation after the call, or another one in its place."""
        one = self._case.like
        if one.kind in ACTIVATIONS:
            yield (
                Hidden("activation-missing", f"hands its input on, torch applies {one.type}"),
                self._with(Spec("identity", {}, {})),
            )
            for kind in _TRIED:
                if kind != one.kind:
                    yield (
                        Hidden("activation", f"computes {kind}, torch computes {one.type}", kind, one.kind),
                        self._with(Spec(kind, {}, {})),
                    )
        elif one.kind in HARMLESS_IN_EVAL:
            return
        for kind in _TRIED:
            yield Hidden("activation-extra", f"applies {kind} to its result, torch does not"), self._after(Spec(kind, {}, {}))
        for words, spec in _extras(len(one.output.shape)):
            yield Hidden("extra-layer", f"applies {words} to its result, torch does not"), self._after(spec)

    def sums(self) -> Iterator[tuple[Hidden, Explain]]:
        """The input added to the result."""
        if self._case.like.inputs and self._case.like.inputs[0].spec.shape == self._case.like.output.shape:
            yield Hidden("residual", "adds its input to its result, torch does not"), self._summed("add")
            yield Hidden("residual", "subtracts its input from its result, torch does not"), self._summed("subtract")

    def precision(self) -> Hidden | None:
        """A result, a weight or an input that is narrowed to half precision on the way."""
        outputs = self._case.paddle
        for dtype in NARROW:
            if all(np.array_equal(rounded(values, dtype), values, equal_nan=True) for values in outputs) and not all(
                np.array_equal(rounded(values, dtype), values, equal_nan=True) for values in self._case.torch
            ):
                return Hidden("dtype", f"computes in {dtype}: its result holds no more", dtype, "float32")
        for dtype in NARROW:
            weights = {role: (layout, rounded(values, dtype)) for role, (layout, values) in self._spec.params.items()}
            for told, spec, narrow in (
                (f"narrows its weights to {dtype}", replace(self._spec, params=weights), False),
                (f"narrows its input to {dtype}", self._spec, True),
                (f"narrows its input and its weights to {dtype}", replace(self._spec, params=weights), True),
            ):
                found = self._narrowed(spec, dtype if narrow else None)
                if found is not None and self.explains(found):
                    return Hidden("dtype", told, dtype, "float32")
        return None

    def by_factor(self, mended: bool) -> Hidden | None:
        """Paddle's output is torch's times a number."""
        if (both := single(self._case)) is None or (factor := factor_of(*both, self._case.limit)) is None:
            return None
        if "weight" in self._spec.params and abs(factor + 1) < 1e-6:
            return Hidden("weight-value", "computes with a weight of the wrong sign")
        program, after = (None, None) if mended else self._rescaled(factor)
        return Hidden("scale", f"gives {factor:.6g} times what torch gives", f"* {factor:.6g}", "", program, after)

    def by_probing(self) -> Hidden | None:
        """Paddle's call made on other inputs: one that is as linear as torch's has another weight, one that changes each element by
        itself does something more."""
        if (both := single(self._case)) is None:
            return None
        torch, paddle = both
        kind = self._case.like.kind
        hints = "; ".join(hints_of(self._case.torch, self._case.paddle)[:1])
        told = f"computes with another weight than torch's{f': {hints}' if hints else ''}"
        if kind in _LINEAR and self._is_linear():
            return Hidden("weight-value", told)
        if kind in NORMS and is_affine_by_channel(torch, paddle, self._case.like, self._case.limit):
            return Hidden("weight-value", told)
        if is_pointwise(torch, paddle):
            return Hidden("extra-layer", "does something more to each element of its result, torch does not")
        return None

    def _is_linear(self) -> bool:
        """Whether Paddle's call gives f(-2x) - f(0) = -2 (f(x) - f(0))."""
        inputs = self._values(Draft(self._case, self._flow).torch_operands())
        if not inputs or len(inputs) != 1:
            return False
        results = []
        for factor in (0.0, 1.0, -2.0):
            draft = Draft(self._case, self._flow)
            given = Ref("array", draft.array((inputs[0] * factor).astype(inputs[0].dtype)))
            outputs = self._attempt(draft.program([given]))
            if outputs is None:
                return False
            results.append(outputs[0].astype(np.float64))
        nothing, once, back = results
        apart = np.abs(back - nothing + 2 * (once - nothing)).max()
        return bool(apart <= max(4 * self._case.limit, 1e-5 * np.abs(back).max()))

    def _with(self, spec: Spec, order: Sequence[int] | None = None) -> Explain:
        def explain() -> Arrays | None:
            draft = Draft(self._case, self._flow)
            operands = draft.torch_operands()
            return self._attempt(draft.program([operands[k] for k in order] if order else operands, spec))

        return explain

    def _after(self, spec: Spec) -> Explain:
        def explain() -> Arrays | None:
            draft = Draft(self._case, self._flow)
            result = Ref("array", draft.array(np.asarray(self._case.torch[0])))
            draft.perform(spec, [result])
            return self._attempt(draft.finish())

        return explain

    def _summed(self, kind: str) -> Explain:
        def explain() -> Arrays | None:
            draft = Draft(self._case, self._flow)
            operands = draft.torch_operands()
            result = Ref("array", draft.array(np.asarray(self._case.torch[0])))
            draft.perform(Spec(kind, {}, {}), [result, operands[0]])
            return self._attempt(draft.finish())

        return explain

    def _narrowed(self, spec: Spec, dtype: str | None) -> Arrays | None:
        draft = Draft(self._case, self._flow)
        operands = draft.torch_operands()
        if dtype is not None:
            if (inputs := self._values(operands)) is None:
                return None
            operands = [Ref("array", draft.array(rounded(values, dtype))) for values in inputs]
        return self._attempt(draft.program(operands, spec))

    def _values(self, operands: Sequence[Ref]) -> list[Array] | None:
        """What torch's call reads, as arrays."""
        if self._inputs is None:
            found: list[Array] = []
            for place in range(len(operands)):
                draft = Draft(self._case, self._flow)
                draft.perform(Spec("identity", {}, {}), [draft.torch_operands()[place]])
                outputs = self._attempt(draft.finish())
                if outputs is None:
                    return None
                found.append(outputs[0])
            self._inputs = found
        return self._inputs

    def _weight_factor(self) -> float | None:
        """c where Paddle's output is that of c times the weight."""
        params: Mapping[str, tuple[str, Array]] = {
            role: value for role, value in self._spec.params.items() if not role.endswith("bias")
        }
        outputs = self._with(replace(self._spec, params=params))()
        if outputs is None or outputs[0].shape != self._case.paddle[0].shape:
            return None
        bare = outputs[0].astype(np.float64)
        bias = self._case.torch[0].astype(np.float64) - bare
        power = float(np.vdot(bare, bare))
        factor = float(np.vdot(bare, self._case.paddle[0] - bias)) / power if power else 1.0
        return factor if factor and abs(factor - 1) > 1e-4 and np.isfinite(factor) else None

    def _rescaled(self, factor: float) -> tuple[Program | None, float | None]:
        draft = Draft(self._case, self._flow)
        steps = draft.program(None)
        draft.perform(Spec("multiply", {"other": 1 / factor}, {}), [Ref("step", len(steps.steps) - 1)])
        program = draft.finish()
        outputs = self._attempt(program)
        return program, None if outputs is None else gap(self._case.torch, outputs)


def _extras(rank: int) -> Iterator[tuple[str, Spec]]:
    """Layers without weights that one may put after another."""
    if rank == 4:
        window: dict[str, Attribute] = {"kernel_size": [3, 3], "stride": [1, 1], "padding": [1, 1, 1, 1]}
        yield "a 3x3 max pooling", Spec("max_pool2d", window, {})
        for counted in (False, True):
            yield "a 3x3 average pooling", Spec("avg_pool2d", {**window, "count_include_pad": counted}, {})
    for axis in range(1, rank):
        yield f"a softmax over axis {axis}", Spec("softmax", {"axis": axis}, {})
