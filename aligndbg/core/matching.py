"""Pairing the calls of two traces: the alignment of core.alignment as rows, each with the reason for its match."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from aligndbg.core.alignment import Step, align, join_pins, pin, repaired
from aligndbg.core.dataflow import surroundings
from aligndbg.core.gaps import slid
from aligndbg.core.kinds import WEIGHTED
from aligndbg.core.layers import Call, LayerPair, Trace
from aligndbg.core.likeness import alike, differences, does_nothing, equivalent, is_weighted, same_weights
from aligndbg.core.scoring import score
from aligndbg.errors import CannotPair, PairError

_LEAST_SHARE = 0.6
"""Share of a side's weighted layers that must have their like on the other side for a comparison to mean anything."""

_FEW = 2
"""So many weighted layers without a like never stop a comparison in which others pair."""


def match(
    torch: Trace, paddle: Trace, pinned: Mapping[str, str] | None = None, ignored: Sequence[str] = ()
) -> tuple[LayerPair, ...]:
    """Pair every call of `torch` with at most one of `paddle`; each call is in exactly one row.

    `pinned` maps torch paths to Paddle paths. `ignored` are globs of call paths of either side; ignored calls are paired too,
    for the sake of their weights.
    PairError: a pin or a glob names no call. CannotPair: too few of the weighted layers have a like on the other side.
    """
    pins = _resolve(pinned or {}, torch.calls, paddle.calls)
    for glob in ignored:
        if not any(fnmatchcase(call.path, glob) for call in (*torch.calls, *paddle.calls)):
            raise PairError(
                f"layers.ignore: {glob!r} matches no layer of either model", _nearest(glob, (*torch.calls, *paddle.calls))
            )
    around = surroundings(torch.calls, paddle.calls)
    steps = align(pin(score(torch.calls, paddle.calls, around), pins))
    steps = join_pins(steps, pins)
    steps = slid(torch.calls, paddle.calls, repaired(torch.calls, paddle.calls, steps, around))
    _check(torch.calls, paddle.calls, steps)
    places = [
        _Place(
            None if step.torch is None else torch.calls[step.torch],
            None if step.paddle is None else paddle.calls[step.paddle],
            step.rule,
        )
        for step in steps
    ]
    return tuple(LayerPair(index, *row) for index, row in enumerate(_Rows(places, pins, ignored)))


@dataclass(frozen=True, slots=True)
class _Place:
    """A step of the alignment with its calls."""

    torch: Call | None
    paddle: Call | None
    rule: str

    def side(self, number: int) -> Call | None:
        return self.paddle if number else self.torch


class _Rows:
    """What the steps of an alignment look like to the user."""

    def __init__(self, places: Sequence[_Place], pins: Mapping[int, int], ignored: Sequence[str]) -> None:
        self._places = places
        self._pins = pins
        self._ignored = ignored

    def __iter__(self) -> Iterator[tuple[Call | None, Call | None, str, str]]:
        """(torch, Paddle, match, reason) of each row."""
        for index, place in enumerate(self._places):
            torch, paddle = place.torch, place.paddle
            if torch and paddle:
                shut = [self._glob(torch), self._glob(paddle)]
                if any(shut) and not all(shut) and not alike(torch, paddle) and place.rule == "order":
                    # A layer that is not ignored must not leave the comparison with one that is merely of its kind.
                    yield (torch, None, *self._single(index, torch, 0))
                    yield (None, paddle, *self._single(index, paddle, 1))
                    continue
                name, reason = self._paired(index, torch, paddle)
                yield torch, paddle, *(("ignored", f"{_ignored(shut[0] or shut[1])}; {reason}") if any(shut) else (name, reason))
            elif torch:
                yield (torch, None, *self._single(index, torch, 0))
            elif paddle:
                yield (None, paddle, *self._single(index, paddle, 1))

    def _paired(self, index: int, torch: Call, paddle: Call) -> tuple[str, str]:
        unlike = "".join(f"; {words}" for words in differences(torch, paddle))
        same_path = torch.path == paddle.path
        if self._pins.get(torch.index) == paddle.index:
            return "pinned", f"paired by `layers: pair:` in pair.yaml{unlike}"
        if self._places[index].rule == "whole":
            half = self._places[index - 1]
            if half.torch:
                words = f"Paddle's {paddle.path} computes in one what {half.torch.path} and {torch.path} compute together"
            else:
                first = half.paddle.path if half.paddle else ""
                words = f"torch's {torch.path} computes in one what {first} and {paddle.path} compute together"
            return "equivalent", words + ("" if torch.output.shape == paddle.output.shape else "; output shapes differ")
        if self._places[index].rule == "out-of-order":
            return "out-of-order", (
                f"{torch.kind} with the same sources and equally shaped weights, at another time: call {torch.index} in torch, "
                f"{paddle.index} in Paddle{unlike}"
            )
        if torch.kind == paddle.kind:
            weights = ", weights of the same shapes" if torch.params and same_weights(torch, paddle) else ""
            name = "the same name" if same_path else "another name"
            return "type+name" if same_path else "type+order", f"{torch.kind} at this place, under {name}{weights}{unlike}"
        if equivalent(torch, paddle):
            return "equivalent", f"{torch.kind} and {paddle.kind} can compute the same, and both are at this place{unlike}"
        return "order", f"paired by place alone: torch computes {torch.kind} where Paddle computes {paddle.kind}{unlike}"

    def _single(self, index: int, call: Call, side: int) -> tuple[str, str]:
        if glob := self._glob(call):
            return "ignored", _ignored(glob)
        if self._places[index].rule == "half":
            whole = self._places[index + 1]
            other, partner = whole.side(1 - side), whole.side(side)
            return "fused", f"part of {other and other.path}, which is compared with the output of {partner and partner.path}"
        other_side = "torch" if side else "Paddle"
        before, after = self._neighbour(index, -1, 1 - side), self._neighbour(index, 1, 1 - side)
        quiet = "; it changes nothing in eval" if does_nothing(call) else ""
        return "unpaired", f"{other_side} has no {call.kind} for it between {before} and {after}{quiet}"

    def _neighbour(self, index: int, step: int, side: int) -> str:
        """The other side's path in the nearest row that pairs something."""
        while 0 <= (index := index + step) < len(self._places):
            place = self._places[index]
            if place.torch and place.paddle and (call := place.side(side)):
                return call.path
        return "the input" if step < 0 else "the output"

    def _glob(self, call: Call) -> str:
        return next((glob for glob in self._ignored if fnmatchcase(call.path, glob)), "")


def _ignored(glob: str) -> str:
    return f"ignored by {glob!r} of `layers: ignore:` in pair.yaml"


def _resolve(pinned: Mapping[str, str], torch: Sequence[Call], paddle: Sequence[Call]) -> dict[int, int]:
    """torch index -> Paddle index of pinned paths."""
    found: dict[int, int] = {}
    for path, other in pinned.items():
        places = []
        for wanted, calls, side in ((path, torch, "torch"), (other, paddle, "Paddle")):
            place = next((call.index for call in calls if call.path == wanted), None)
            if place is None:
                raise PairError(f"layers.pair: the {side} model runs no layer {wanted!r}", _nearest(wanted, calls))
            places.append(place)
        if places[1] in found.values():
            raise PairError(f"layers.pair: Paddle's {other!r} is paired twice", "pair each Paddle layer with one torch layer")
        found[places[0]] = places[1]
    return found


def _nearest(path: str, calls: Sequence[Call]) -> str:
    paths = list(dict.fromkeys(call.path for call in calls))
    if inside := [other for other in paths if other.startswith(f"{path}.")]:
        return f"it runs {', '.join(inside[:4])}{', ...' if len(inside) > 4 else ''}: name one of these"
    if near := difflib.get_close_matches(path, paths, 1, 0.5):
        return f"did you mean {near[0]!r}?"
    return f"it runs {', '.join(paths[:4])}, ..." if paths else "it runs no layer at all"


def _check(torch: Sequence[Call], paddle: Sequence[Call], steps: Sequence[Step]) -> None:
    """CannotPair where a side's weighted layers have hardly any like on the other side."""
    liked: tuple[set[int], set[int]] = (set(), set())
    widths: list[tuple[Call, Call]] = []
    for step in steps:
        if step.torch is not None and step.paddle is not None:
            one, other = torch[step.torch], paddle[step.paddle]
            if step.rule in ("whole", "pinned") or alike(one, other):
                liked[0].add(step.torch)
                liked[1].add(step.paddle)
            elif one.kind == other.kind:
                widths.append((one, other))
        elif step.rule == "half":
            liked[0 if step.torch is not None else 1].add(step.torch if step.torch is not None else step.paddle or 0)
    for side, calls, found in (("torch", torch, liked[0]), ("Paddle", paddle, liked[1])):
        weighted = [call.index for call in calls if is_weighted(call)]
        alone = [index for index in weighted if index not in found]
        if (calls and not found) or (len(alone) > _FEW and len(alone) > (1 - _LEAST_SHARE) * len(weighted)):
            subject = f"{len(weighted) - len(alone)} of {side}'s {len(weighted)} layers with weights have a like on the other side"
            raise CannotPair(
                f"the two models cannot be paired: {subject}{_unequal_counts(torch, paddle)}", _advice(torch, paddle, widths)
            )


def _counts(torch: Sequence[Call], paddle: Sequence[Call]) -> list[tuple[str, int, int]]:
    """(kind, torch's number, Paddle's) where the numbers differ, the largest difference first."""
    one, other = Counter(call.kind for call in torch), Counter(call.kind for call in paddle)
    kinds = sorted(one.keys() | other.keys(), key=lambda kind: (-abs(one[kind] - other[kind]), kind))
    return [(kind, one[kind], other[kind]) for kind in kinds if one[kind] != other[kind]]


def _unequal_counts(torch: Sequence[Call], paddle: Sequence[Call]) -> str:
    told = [f"{kind} {one} against {other}" for kind, one, other in _counts(torch, paddle)]
    return f"; torch against Paddle: {', '.join(told[:6])}{', ...' if len(told) > 6 else ''}" if told else ""


def _advice(torch: Sequence[Call], paddle: Sequence[Call], widths: Sequence[tuple[Call, Call]]) -> str:
    for kind, one, other in _counts(torch, paddle):
        if kind in WEIGHTED and min(one, other) == 0 and max(one, other) > _FEW:
            has, lacks = ("torch", "Paddle") if one else ("Paddle", "torch")
            return f"{lacks} has no {kind} at all, {has} has {one or other}: check that both callables build the same variant"
    if widths:
        (one_call, other_call), *_ = widths
        return (
            f"weights differ in shape, first {one_call.path} {_weight_shape(one_call)} in torch, {other_call.path} "
            f"{_weight_shape(other_call)} in Paddle: check the callables and their kwargs (width, depth, number of classes)"
        )
    return "check that both callables build the same architecture; `layers: pair:` in pair.yaml pairs single layers"


def _weight_shape(call: Call) -> str:
    return "x".join(map(str, call.params[0].spec.shape)) if call.params else "without weights"
