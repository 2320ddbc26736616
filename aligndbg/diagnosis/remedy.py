"""Faults with their causes: findings, and the patches that carry a fix out in the live model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from aligndbg.core.findings import Finding, Proof
from aligndbg.core.program import Patch, Ref
from aligndbg.diagnosis.case import Case, Flow
from aligndbg.diagnosis.items import Item, extra_cause, program_of
from aligndbg.diagnosis.programs import Draft, Inexpressible, right_spec
from aligndbg.diagnosis.search import Explanation
from aligndbg.diagnosis.telling import exchanged, findings_of, misread, swapped

_NEAR = 4
"""Rows that the halves of a swap of calls without weights may lie apart."""

_FAR = 60
"""The same of calls with weights, which are known again."""


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
    """One remedy for each cause of each fault, in the order of the faults. What two born layers show of one fault is told once."""
    found: list[Remedy] = []
    taken: set[int] = set()
    for place, one in enumerate(solved):
        if place in taken:
            continue
        for partner in range(place + 1, len(solved)):
            if partner not in taken and (finding := _joined(one, solved[partner], flow)) is not None:
                taken.add(partner)
                found.append(Remedy(finding, _both_patches(one, solved[partner], flow)))
                break
        else:
            patches = _patches(one, flow)
            found += [Remedy(finding, patches) for finding in findings_of(one.case, one.explanation)]
    return tuple(found)


def _joined(one: Solved, other: Solved, flow: Flow) -> Finding | None:
    """What two faults are together: two calls in the wrong order, or one that stands for another. None where they are two."""
    mine, yours = one.explanation.items, other.explanation.items
    apart = abs(one.case.born.index - other.case.born.index)
    proof = Proof(_worst(one.case.before, other.case.before), _worst(one.explanation.after, other.explanation.after), "experiment")
    if one.case.end.index == other.case.end.index:
        laid = next((each for each in (one, other) if each.explanation.items and each.explanation.items[0].laid), None)
        return findings_of(laid.case, laid.explanation)[0] if laid else None
    if len(mine) == len(yours) == 1 and mine[0].rewired and yours[0].rewired:
        return _rewired(one.case, other.case, mine[0], yours[0], proof)
    if _is_moved(mine, yours, apart):
        there, lacking = (other, one) if yours[0].bypassed >= 0 else (one, other)
        extra = there.explanation.items[-1].call
        # What Paddle runs too early passes the end of its own region in torch; what it runs too late, that of the other.
        passed = there.case.other if extra.index < lacking.case.other.index else lacking.case.other
        calls = sorted((extra, passed), key=lambda call: call.index)
        return swapped(one.case, calls, proof)
    if len(mine) == len(yours) == 1 and apart <= _NEAR:
        (first,), (second,) = sorted((mine, yours), key=lambda items: items[0].inserted)
        if first.cause == "activation-extra" and first.attributes:
            return _activated(one, other, first, second, proof, flow)
    return None


def _activated(one: Solved, other: Solved, first: Item, second: Item, proof: Proof, flow: Flow) -> Finding | None:
    """A layer that applies an activation which torch's does not: in place of the one that follows torch's, or beside it."""
    if second.inserted >= 0 and second.bypassed < 0 and second.cause == "activation-missing":
        return exchanged(one.case, first, second, proof)
    stands_for = flow.torch[second.inserted] if second.inserted >= 0 else other.case.one if second.whole else None
    if stands_for is None or f"'{stands_for.kind}'" not in first.old:
        return None
    # The layer applies torch's activation itself, and what stands in its place is one call too many.
    extra = Item(extra_cause(second.call), second.call, bypassed=second.call.index)
    return findings_of(other.case, replace(other.explanation, items=(extra,)))[0]


def _rewired(one: Case, other: Case, mine: Item, yours: Item, proof: Proof) -> Finding | None:
    """Two calls that read each other's place, or the two results of one call."""
    calls = sorted((mine.call, yours.call), key=lambda call: call.index)
    reads = [{ref.producer for ref in call.inputs} for call in calls]
    if calls[0].index in reads[1] and abs(one.born.index - other.born.index) <= _NEAR:
        if mine.cause == yours.cause == "op-order":
            return swapped(one, calls, proof)
        return misread(one, calls, proof)
    crossed = mine.crossed >= 0 and mine.crossed == yours.crossed
    return misread(one, calls, proof) if crossed else None


def _is_moved(mine: Sequence[Item], yours: Sequence[Item], apart: int) -> bool:
    """Whether the calls that one fault inserts are those that the other takes away."""
    if not mine or not yours or apart > _FAR:
        return False
    for missing, extra in ((mine, yours), (yours, mine)):
        if all(item.inserted >= 0 and item.bypassed < 0 for item in missing) and all(
            item.bypassed >= 0 and item.inserted < 0 for item in extra
        ):
            kinds = [Counter(item.call.kind for item in items) for items in (missing, extra)]
            weighted = any(item.call.params for item in missing)
            return kinds[0] == kinds[1] and (weighted or apart <= _NEAR)
    return False


def _both_patches(one: Solved, other: Solved, flow: Flow) -> tuple[Patch, ...]:
    mine, yours = one.explanation.items, other.explanation.items
    if one.case.end.index == other.case.end.index:
        # One call has one program in its place.
        return _patches(one if mine and mine[0].laid else other, flow)
    if mine[0].cause == yours[0].cause == "op-order" and mine[0].rewired:
        return _exchanged(one.case, other.case, flow)
    halves = _patches(one, flow), _patches(other, flow)
    return halves[0] + halves[1] if all(halves) else ()


def _exchanged(one: Case, other: Case, flow: Flow) -> tuple[Patch, ...]:
    """At each of the two places what torch computes there."""
    torch = sorted((one, other), key=lambda case: case.one.index)
    paddle = sorted((one, other), key=lambda case: case.other.index)
    found = []
    for right, place in zip(torch, paddle, strict=True):
        found.append(Patch(place.other.index, Draft(place, flow).program(None, right_spec(right))))
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
