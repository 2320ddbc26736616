"""Where a gap of an alignment lies, if it may lie in several places: around whole modules, as people leave them out, and so that
the others keep their names.

`conv bn relu | conv bn relu` against `conv bn relu` aligns equally well with any three calls in a row left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aligndbg.core.alignment import Step
from aligndbg.core.layers import Call
from aligndbg.core.likeness import alike


def slid(torch: Sequence[Call], paddle: Sequence[Call], steps: Sequence[Step]) -> list[Step]:
    """`steps` with each run of calls of one side alone moved to where it takes fewer modules apart; of one module, to where most
    pairs are of modules of one name."""
    found = list(steps)
    place = 0
    while place < len(found):
        side, last = _side(found[place]), place
        while side is not None and last + 1 < len(found) and _side(found[last + 1]) == side:
            last += 1
        if side is not None:
            run = _Run(tuple(found), place, last, side)
            calls = (torch, paddle)
            places = [run, *_moves(calls, run, -1), *_moves(calls, run, 1)]
            best = min(places, key=lambda each: (each.modules(calls), each.renamed(calls)))
            if best.modules(calls) == 1 or best.modules(calls) < run.modules(calls):
                run = best
            found = list(_parted(calls, run))
        place = last + 1
    return found


def _parted(calls: tuple[Sequence[Call], Sequence[Call]], run: _Run) -> tuple[Step, ...]:
    """The steps with a run of several modules taken apart, its first modules moved up and its last ones down, where that leaves
    fewer pairs of modules with different names."""

    def renamed(each: _Run) -> int:
        return each.renamed(calls)

    best = run
    for cut in range(run.first, run.last):
        own = [_module(calls[run.side][_own(run.steps[place], run.side)]) for place in (cut, cut + 1)]
        if own[0] == own[1]:
            continue
        upper = _Run(run.steps, run.first, cut, run.side)
        upper = min((upper, *_moves(calls, upper, -1)), key=renamed)
        lower = _Run(upper.steps, cut + 1, run.last, run.side)
        best = min((best, lower, *_moves(calls, lower, 1)), key=renamed)
    return best.steps


@dataclass(frozen=True, slots=True)
class _Run:
    """Steps `first` to `last` are calls of one `side` alone: 0 is torch, 1 Paddle."""

    steps: tuple[Step, ...]
    first: int
    last: int
    side: int

    def renamed(self, calls: tuple[Sequence[Call], Sequence[Call]]) -> int:
        """How many pairs are of modules with different names."""
        pairs = [(step.torch, step.paddle) for step in self.steps if step.torch is not None and step.paddle is not None]
        return sum(_module(calls[0][torch]) != _module(calls[1][paddle]) for torch, paddle in pairs)

    def modules(self, calls: tuple[Sequence[Call], Sequence[Call]]) -> int:
        """How many modules its calls are of."""
        own = [calls[self.side][_own(step, self.side)] for step in self.steps[self.first : self.last + 1]]
        return len({_module(call) for call in own})


def _moves(calls: tuple[Sequence[Call], Sequence[Call]], run: _Run, shift: int) -> Iterator[_Run]:
    """The run one step further up (-1) or down (1), again and again, while the calls that it passes can stand for its own."""
    while (moved := _moved(calls, run, shift)) is not None:
        yield (run := moved)


def _moved(calls: tuple[Sequence[Call], Sequence[Call]], run: _Run, shift: int) -> _Run | None:
    passed = run.first - 1 if shift < 0 else run.last + 1
    if not 0 <= passed < len(run.steps):
        return None
    pair, taker = run.steps[passed], run.steps[run.last if shift < 0 else run.first]
    if pair.rule != "order" or pair.torch is None or pair.paddle is None:
        return None
    joined = Step(pair.torch, taker.paddle) if run.side else Step(taker.torch, pair.paddle)
    left = Step(None, pair.paddle) if run.side else Step(pair.torch, None)
    one, other = calls[0][joined.torch or 0], calls[1][joined.paddle or 0]
    if one.kind != other.kind or not alike(one, other) or one.output.shape != other.output.shape:
        return None
    steps = list(run.steps)
    if shift < 0:
        steps[passed : run.last + 1] = [left, *steps[run.first : run.last], joined]
    else:
        steps[run.first : passed + 1] = [joined, *steps[run.first + 1 : run.last + 1], left]
    return _Run(tuple(steps), run.first + shift, run.last + shift, run.side)


def _side(step: Step) -> int | None:
    """Whose call it is, where it is one side's alone."""
    if step.rule != "order" or (step.torch is None) == (step.paddle is None):
        return None
    return 0 if step.paddle is None else 1


def _own(step: Step, side: int) -> int:
    index = step.paddle if side else step.torch
    assert index is not None
    return index


def _module(call: Call) -> str:
    return call.path.rpartition(".")[0]
