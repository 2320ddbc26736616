"""Why: causes of the faults that were located, each tried in the Paddle child before it is told."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aligndbg.core.judgement import Evidence, Judge
from aligndbg.core.layers import Call, LayerPair
from aligndbg.core.program import Patch, Program
from aligndbg.core.tolerance import Tolerances
from aligndbg.core.verdict import LayerResult, Verdict
from aligndbg.diagnosis.case import Arrays as Outputs
from aligndbg.diagnosis.case import Case, Flow, State
from aligndbg.diagnosis.items import items_of, program_of
from aligndbg.diagnosis.programs import Draft, Inexpressible
from aligndbg.diagnosis.remedy import Remedy, Solved, remedies
from aligndbg.diagnosis.search import Explanation, explain
from aligndbg.errors import ChildDied
from aligndbg.frameworks import wire
from aligndbg.frameworks.channel import Lease
from aligndbg.frameworks.client import Child, listen
from aligndbg.settings import MIB
from aligndbg.weights.convert import apply_rule
from aligndbg.weights.plan import WeightPlan
from aligndbg.workflows.compare import compared_rows
from aligndbg.workflows.meeting import Meeting
from aligndbg.workflows.sides import Arrays, Sides

RECORDED = 512 * MIB
"""Bytes of tensors that are kept at once; more faults take one more forward."""


def diagnose(
    sides: Sides,
    layers: tuple[LayerPair, ...],
    plan: WeightPlan,
    inputs: Arrays,
    results: Mapping[int, LayerResult],
    judge: Judge,
    evidence: Evidence,
    tolerances: Tolerances,
) -> tuple[Remedy, ...]:
    """The causes of the faults that are born in `layers`, in their order. A run without any pays nothing.

    Takes one more forward of both sides, on which the born layers are recorded; the trials are made on the records.
    """
    flow = Flow(layers, evidence.unforced)
    rows = {row.index: row for row in layers}
    born = [rows[index] for index, result in sorted(results.items()) if result.verdict is Verdict.BORN and result.mismatch]
    cases = [_case(row, rows, results[row.index], judge, evidence, tolerances) for row in born]
    solved: list[Solved] = []
    for group in _groups(cases, flow):
        state = _state(sides, group, flow, plan)
        solved += _solve(sides, layers, [replace(case, state=state) for case in group], flow, inputs)
    return remedies(solved, flow)


def apply(sides: Sides, patches: Sequence[Patch]) -> None:
    """Put programs in the places of calls of the live Paddle model. Its source is not touched."""
    for patch in patches:
        sides.paddle.send(wire.PatchCall(patch.call, patch.program.steps), list(patch.program.arrays))
    sides.paddle.send(wire.Sync())
    listen((sides.paddle,), lambda child, message, leases: isinstance(message, wire.Done))


def _case(
    born: LayerPair,
    rows: Mapping[int, LayerPair],
    result: LayerResult,
    judge: Judge,
    evidence: Evidence,
    tolerances: Tolerances,
) -> Case:
    region = judge.region(born.index)
    end = rows[region.end]
    alone = [rows[index] for index in region.alone]
    half = rows.get(end.index - 1)
    fused = half is not None and half.match == "fused"
    return Case(
        born,
        end,
        tuple(rows[index] for index in region.ends),
        tuple(row.torch for row in alone if row.torch),
        tuple(row.paddle for row in alone if row.paddle),
        State({}, {}, {}, {}),
        result.blame or "paddle",
        _limit(end, evidence, tolerances),
        fused=fused,
        half=half.torch if half is not None and fused else None,
    )


def _limit(end: LayerPair, evidence: Evidence, tolerances: Tolerances) -> float:
    """The noise floor; where torch's rounding was not measured, the tolerance, for small layers in proportion."""
    if end.index in evidence.floors:
        return evidence.floors[end.index]
    assert end.torch is not None
    atol, _ = tolerances.of(end.torch.path)
    measured = evidence.diffs.get(end.index)
    return atol * min(1.0, measured.torch.max_abs) if measured else atol


def _groups(cases: Sequence[Case], flow: Flow) -> Iterator[list[Case]]:
    """The cases in portions whose records fit in memory."""
    group: list[Case] = []
    size = 0
    for case in cases:
        needed = sum(_bytes(call) for call in (case.other, *flow.between(case.other)))
        if group and size + needed > RECORDED:
            yield group
            group, size = [], 0
        group.append(case)
        size += needed
    if group:
        yield group


def _bytes(call: Call) -> int:
    """About what a record of the call takes: what flows in and out, and torch's output beside it."""
    specs = [ref.spec for ref in call.inputs] + [*call.outputs] * 2
    return 4 * sum(math.prod(spec.shape) for spec in specs)


def _state(sides: Sides, cases: Sequence[Case], flow: Flow, plan: WeightPlan) -> State:
    """The weights of the calls in question, of both sides."""
    paddle = {
        param.name
        for case in cases
        for call in (case.other, *case.paddle_alone, *flow.between(case.other))
        for param in call.params
    }
    rules = [rule for rule in plan.rules if rule.paddle in paddle]
    torch = {param.name for case in cases for call in _torch_calls(case, flow) for param in call.params} | {
        rule.torch for rule in rules
    }
    values = sides.state_of(sides.torch, tuple(sorted(torch))) if torch else {}
    return State(
        values,
        sides.state_of(sides.paddle, tuple(sorted(paddle))) if paddle else {},
        {rule.paddle: apply_rule(rule, values[rule.torch]) for rule in rules if rule.torch in values},
        {rule.paddle: rule.torch for rule in rules},
    )


def _torch_calls(case: Case, flow: Flow) -> Iterator[Call]:
    """torch's call at the end, and those before it that are not compared."""
    todo = [case.one]
    seen: set[int] = set()
    while todo:
        call = todo.pop()
        yield call
        for ref in call.inputs:
            if ref.producer >= 0 and ref.producer not in flow.partners and ref.producer not in seen:
                seen.add(ref.producer)
                todo.append(flow.torch[ref.producer])


def _solve(sides: Sides, layers: Sequence[LayerPair], cases: Sequence[Case], flow: Flow, inputs: Arrays) -> list[Solved]:
    outputs, failure = _record(sides, layers, cases, flow, inputs)
    attempt = _Child(sides.paddle)
    found = []
    for case in cases:
        if case.end.index not in outputs:
            found.append(Solved(case, Explanation(hints=(f"not looked into: {failure}",))))
            continue
        torch, paddle = outputs[case.end.index]
        known = replace(case, torch=torch, paddle=paddle)
        try:
            explanation = explain(known, flow, attempt)
        except ChildDied as error:
            explanation = Explanation(hints=(f"causes could not be tried: {error.message}",))
        found.append(Solved(known, explanation))
    if not sides.paddle.dead:
        sides.paddle.send(wire.Record())
    return found


def _record(
    sides: Sides, layers: Sequence[LayerPair], cases: Sequence[Case], flow: Flow, inputs: Arrays
) -> tuple[dict[int, tuple[Outputs, Outputs]], str]:
    """One forward under teacher forcing that keeps what the cases' programs read; both sides' outputs at their ends, by row.

    A forward that ends early, because shapes do not fit any more, has kept what came before: the second value says what ended it.
    """
    ends = {case.end.index for case in cases}
    found: dict[int, tuple[Outputs, Outputs]] = {}

    def on_row(index: int, outputs: Mapping[str, Arrays]) -> None:
        if index in ends and outputs.keys() >= {"torch", "paddle"}:
            found[index] = _copies(outputs["torch"]), _copies(outputs["paddle"])

    sides.paddle.send(wire.Record(tuple(sorted(set().union(*(_read(case, flow) for case in cases))))))
    children = {child.side: child for child in sides.both}
    meeting = Meeting(children, compared_rows(layers), on_row, forced="paddle", optional=frozenset({"paddle"}))
    meeting.run(inputs)
    failure = meeting.failures.get("paddle")
    return found, failure.message if failure else ""


def _read(case: Case, flow: Flow) -> set[int]:
    """The Paddle calls that the programs of a case need."""
    needed = {case.other.index, *(call.index for call in flow.between(case.other))}
    drafts: list[Program] = []
    for items in ((), items_of(case, flow)):
        try:
            drafts.append(program_of(case, flow, items))
            draft = Draft(case, flow)
            drafts.append(draft.program(draft.torch_operands()))
        except Inexpressible:
            continue
    return needed.union(*(program.calls() for program in drafts))


def _copies(arrays: Arrays) -> tuple[NDArray[Any], ...]:
    return tuple(np.array(values) for values in arrays)


class _Child:
    """Attempts, carried out by the Paddle child."""

    def __init__(self, child: Child) -> None:
        self._child = child

    def __call__(self, program: Program) -> Outputs | None:
        found: list[Outputs | None] = []

        def on_message(child: Child, message: wire.Message, leases: list[Lease]) -> bool:
            assert isinstance(message, wire.Outcome)
            found.append(None if message.refusal else tuple(lease.array.copy() for lease in leases))
            for lease in leases:
                lease.release()
            return True

        self._child.send(wire.Attempt(program.steps), list(program.arrays))
        listen((self._child,), on_message)
        return found[0]
