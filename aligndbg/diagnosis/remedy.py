"""Faults with their causes: findings, and the patches that carry a fix out in the live model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aligndbg.core.findings import Finding, Proof
from aligndbg.core.program import Patch, Ref
from aligndbg.diagnosis.case import Case, Flow
from aligndbg.diagnosis.items import program_of
from aligndbg.diagnosis.programs import Draft, Inexpressible, torch_spec
from aligndbg.diagnosis.search import Explanation
from aligndbg.diagnosis.telling import findings_of, swapped

_NEAR = 4
"""Rows that the halves of a swap may lie apart."""


@dataclass(frozen=True, slots=True)
class Solved:
    """A fault and what the search gave."""

    case: Case
    explanation: Explanation


@dataclass(frozen=True, slots=True)
class Remedy:
    """A finding, and the patches that carry its fix out; () where it cannot be carried out in a forward."""

    finding: Finding
    patches: tuple[Patch, ...]


def remedies(solved: Sequence[Solved], flow: Flow) -> tuple[Remedy, ...]:
    """One remedy for each cause of each fault, in the order of the faults. Two halves of a swap are one fault."""
    found: list[Remedy] = []
    taken: set[int] = set()
    for place, one in enumerate(solved):
        if place in taken:
            continue
        partner = next((k for k in range(place + 1, len(solved)) if k not in taken and _halves(one, solved[k])), None)
        if partner is None:
            patches = _patches(one, flow)
            found += [Remedy(finding, patches) for finding in findings_of(one.case, one.explanation)]
        else:
            taken.add(partner)
            found.append(_swap(one, solved[partner], flow))
    return tuple(found)


def _halves(one: Solved, other: Solved) -> bool:
    """Whether two faults are what runs first and what runs second of two calls in the wrong order."""
    if abs(one.case.born.index - other.case.born.index) > _NEAR:
        return False
    first, second = one.explanation.items, other.explanation.items
    if len(first) != 1 or len(second) != 1:
        return False
    (mine,), (yours,) = first, second
    if mine.rewired and yours.rewired:
        reads = {ref.producer for ref in mine.call.inputs} | {ref.producer for ref in yours.call.inputs}
        return mine.cause == yours.cause == "op-order" and bool(reads & {mine.call.index, yours.call.index})
    moved = (mine.inserted >= 0 and yours.bypassed >= 0) or (mine.bypassed >= 0 and yours.inserted >= 0)
    return moved and mine.call.kind == yours.call.kind


def _swap(one: Solved, other: Solved, flow: Flow) -> Remedy:
    proof = Proof(_worst(one.case.before, other.case.before), _worst(one.explanation.after, other.explanation.after), "experiment")
    if one.explanation.items[0].rewired:
        calls = sorted((one.case.other, other.case.other), key=lambda call: call.index)
        return Remedy(swapped(one.case, calls, proof), _exchanged(one.case, other.case))
    moved = next(solved for solved in (one, other) if solved.explanation.items[0].bypassed >= 0)
    call = moved.explanation.items[0].call
    neighbour = (one if moved is other else other).case.other
    calls = sorted((call, neighbour), key=lambda each: each.index)
    return Remedy(swapped(one.case, calls, proof), _patches(one, flow) + _patches(other, flow))


def _exchanged(one: Case, other: Case) -> tuple[Patch, ...]:
    """At each of the two places what torch computes there."""
    torch = sorted((one, other), key=lambda case: case.one.index)
    paddle = sorted((one, other), key=lambda case: case.other.index)
    found = []
    for right, place in zip(torch, paddle, strict=True):
        draft = Draft(place, Flow(place.layers))
        found.append(Patch(place.other.index, draft.program(None, torch_spec(right, right.one))))
    return tuple(found)


def _patches(solved: Solved, flow: Flow) -> tuple[Patch, ...]:
    explanation, case = solved.explanation, solved.case
    if explanation.program is None:
        return ()
    found = [Patch(case.other.index, explanation.program)]
    if explanation.items:
        for end in case.ends:
            if end.index != case.end.index:
                try:
                    found.append(Patch(case.at(end).other.index, program_of(case.at(end), flow, explanation.items)))
                except Inexpressible:
                    return ()
    return tuple(found) if all(_runs_before(patch) for patch in found) else ()


def _runs_before(patch: Patch) -> bool:
    """Whether all that a patch reads exists by the time that its call runs."""
    refs: Iterator[Ref] = (ref for step in patch.program.steps for ref in step.inputs)
    return all(
        ref.index < patch.call or (ref.of == "operand" and ref.index == patch.call) or ref.of in ("step", "array") for ref in refs
    )


def _worst(one: float | None, other: float | None) -> float | None:
    known = [value for value in (one, other) if value is not None]
    return max(known, default=None)
