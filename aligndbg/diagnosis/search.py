"""From a located fault to its causes: differences are tried one by one, then what no attribute tells.

The differences that matter are found by leaving out of all that differ, one at a time, those without which the fix still holds: a
minimal set by delta debugging (Zeller and Hildebrandt 2002, "Simplifying and isolating failure-inducing input").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aligndbg.core.program import Program
from aligndbg.diagnosis.case import Arrays, Attempt, Case, Flow, gap
from aligndbg.diagnosis.hidden import hidden_cause
from aligndbg.diagnosis.items import Item, items_of, program_of
from aligndbg.diagnosis.patterns import Hidden
from aligndbg.diagnosis.programs import Draft, Inexpressible, paddle_spec, right_spec
from aligndbg.diagnosis.shape import hints_of


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a search gave. `items` are the differences that matter and `hidden` what no attribute tells; with neither the cause is
    unknown, and `hints` say what the error looks like. `program` computes the end of the region rightly, `after` is the largest |d|
    that it leaves; None where nothing does."""

    items: tuple[Item, ...] = ()
    hidden: Hidden | None = None
    hints: tuple[str, ...] = ()
    program: Program | None = None
    after: float | None = None


def explain(case: Case, flow: Flow, attempt: Attempt) -> Explanation:
    """The cause of one fault."""
    search = _Search(case, flow, attempt)
    faithful = search.is_faithful()
    items = items_of(case, flow)
    found = search.fix(items) if items else None
    if found is not None and faithful:
        return search.explained(found)
    if (hidden := search.hidden()) is not None:
        return hidden
    if found is not None:
        return search.explained(found)
    return Explanation(hints=(*search.trials(), *hints_of(case.torch, case.paddle)))


class _Search:
    def __init__(self, case: Case, flow: Flow, attempt: Attempt) -> None:
        self._case = case
        self._flow = flow
        self._attempt = attempt
        self._repeats = True

    def is_faithful(self) -> bool:
        """Whether Paddle's call computes what its class, attributes and weights say. Unless that is known it does."""
        own = self._attempt(Draft(self._case, self._flow).program(None))
        if own is None:
            return True
        again = gap(own, self._case.paddle)
        self._repeats = again is not None and again <= self._case.limit
        said = self._attempt(Draft(self._case, self._flow).program(None, paddle_spec(self._case, self._case.other)))
        if said is None:
            return True
        apart = gap(own, said)
        return apart is not None and apart <= self._case.limit

    def fix(self, items: Sequence[Item]) -> tuple[Item, ...] | None:
        """The items that matter, the fewest that can be found; None where not even all of them mend the layer."""
        if not self._mends(items):
            return self._few(items)
        kept = list(items)
        for item in items:
            fewer = [other for other in kept if other is not item]
            if fewer and self._mends(fewer):
                kept = fewer
        return tuple(kept)

    def explained(self, items: tuple[Item, ...]) -> Explanation:
        program, outputs = self._mending(items) or (None, ())
        return Explanation(items, program=program, after=gap(self._case.torch, outputs))

    def hidden(self) -> Explanation | None:
        """What no attribute tells, found by computing torch's call wrongly on purpose."""
        try:
            draft = Draft(self._case, self._flow)
            right = draft.program(draft.torch_operands(), right_spec(self._case))
        except Inexpressible:
            right = None
        outputs = None if right is None else self._attempt(right)
        mended = self._case.fits(outputs)
        found = hidden_cause(self._case, self._flow, self._attempt, mended, self._repeats)
        if found is None:
            return None
        if mended and outputs is not None:
            return Explanation(hidden=found, program=right, after=gap(self._case.torch, outputs))
        if found.after is not None and found.after <= self._case.limit:
            return Explanation(hidden=found, program=found.program, after=found.after)
        # What it looks like, but no fix that was seen to mend it.
        return Explanation(hints=(f"it {found.told}", *self.trials(), *hints_of(self._case.torch, self._case.paddle)))

    def trials(self) -> list[str]:
        """What was tried in vain, for an unknown cause."""
        if not self._repeats:
            return ["the layer gives another result each time that it runs on the same input"]
        return []

    def _few(self, items: Sequence[Item]) -> tuple[Item, ...] | None:
        """One item by itself, where all together are refused: some of them do not go with the others."""
        for item in reversed(items):
            if self._mends([item]):
                return (item,)
        return None

    def _mends(self, items: Sequence[Item]) -> bool:
        return self._mending(items) is not None

    def _mending(self, items: Sequence[Item]) -> tuple[Program, Arrays] | None:
        """The program with these items that gives torch's outputs, and what it gives."""
        for own in (True, False) if any(item.roles for item in items) else (True,):
            try:
                program = program_of(self._case, self._flow, items, own)
            except Inexpressible:
                return None
            outputs = self._attempt(program)
            if outputs is not None and self._case.fits(outputs):
                return program, outputs
        return None
