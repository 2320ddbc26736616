"""How long a regex of a user's can take on the worst line, told from its structure before it ever runs.

Python's `re` backtracks and cannot be interrupted, so that `(a+)+b` on forty characters stops the app for good. The bound is the
number of ways in which the pattern's repeats, options and alternatives can share a line's characters: each repeat that could
stop at several places multiplies it. A repeat whose next character cannot be its own (`[0-9.]+,`) stops at one place only, and
what an atomic group or a possessive repeat has taken it never gives back.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# The tree of the engine's own parser: private, but in every Python from 3.11 on, and exact where a parser of our own would guess.
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

_CHARACTERS = frozenset(range(128)) | {-1}
"""ASCII, and -1 for everything else."""
_REPEATS = (op.MAX_REPEAT, op.MIN_REPEAT)
_SINGLE = (op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN)
Items = Sequence[tuple[Any, Any]]
_ANYTHING: Items = ((op.SUCCESS, None),)


@dataclass(frozen=True, slots=True)
class _Cost:
    """Bits of the number of ways: `outside` multiply what surrounds the item, `inside` are spent within it at most."""

    outside: float
    inside: float = 0.0

    @property
    def total(self) -> float:
        return max(self.outside, self.inside)


def worst_bits(pattern: str, longest: int) -> float:
    """log2 of the ways to search a line of `longest` characters; infinite for back references, whose cost has no bound here.

    The pattern is read with re.ASCII. Raises re.error, ValueError, OverflowError or RecursionError for what is no pattern.
    """
    tree = _parser.parse(pattern, re.ASCII)
    folded = bool(tree.state.flags & re.IGNORECASE)
    start = math.log2(longest)  # A search may start at every character.
    return start + _sequence(list(tree), [], longest, folded).total


def _sequence(items: Items, after: Items, longest: int, folded: bool) -> _Cost:
    outside = inside = 0.0
    for index, (kind, argument) in enumerate(items):
        cost = _item(kind, argument, [*items[index + 1 :], *after], longest, folded)
        inside = max(inside, outside + cost.inside)
        outside += cost.outside
    return _Cost(outside, inside)


def _item(kind: Any, argument: Any, after: Items, longest: int, folded: bool) -> _Cost:
    if kind in _SINGLE or kind is op.AT:
        return _Cost(0)
    if kind is op.SUBPATTERN:
        return _sequence(list(argument[3]), after, longest, folded)
    if kind in _REPEATS:
        return _repeat(argument, after, longest, folded)
    if kind is op.POSSESSIVE_REPEAT:
        return _Cost(0, _repeat(argument, [], longest, folded).total)
    if kind is op.ATOMIC_GROUP:
        return _Cost(0, _sequence(list(argument), [], longest, folded).total)
    if kind in (op.ASSERT, op.ASSERT_NOT):
        return _Cost(0, _sequence(list(argument[1]), [], longest, folded).total)
    if kind is op.BRANCH:
        ways = [_sequence(list(branch), after, longest, folded) for branch in argument[1]]
        return _Cost(math.log2(len(ways)) + max(way.outside for way in ways), max(way.inside for way in ways))
    return _Cost(math.inf)


def _repeat(argument: tuple[int, Any, Any], after: Items, longest: int, folded: bool) -> _Cost:
    least, most, repeated = argument[0], min(int(argument[1]), longest), list(argument[2])
    # A round may be followed by the next one, so that nothing is known of what comes behind it.
    content = _sequence(repeated, _ANYTHING if most > 1 else after, longest, folded)
    if len(repeated) == 1 and repeated[0][0] in _SINGLE:
        # Where all that follows may be empty, the first stop ends the match, and none is tried after it.
        stops = 0.0 if _taken(repeated[0], folded).isdisjoint(_first(after, folded)[0]) else math.log2(max(1, most - least + 1))
        return _Cost(stops)
    stops = math.log2(max(1, most - least + 1))
    times = max(1, most)
    return _Cost(stops + content.outside * times, content.inside + content.outside * times)


def _first(items: Items, folded: bool) -> tuple[frozenset[int], bool]:
    """The characters that a match of the items may start with, and whether it may be empty."""
    taken: frozenset[int] = frozenset()
    for kind, argument in items:
        own, empty = _first_of(kind, argument, folded)
        taken |= own
        if not empty:
            return taken, False
    return taken, True


def _first_of(kind: Any, argument: Any, folded: bool) -> tuple[frozenset[int], bool]:
    if kind in _SINGLE:
        return _taken((kind, argument), folded), False
    if kind is op.SUBPATTERN or kind is op.ATOMIC_GROUP:
        return _first(list(argument[3] if kind is op.SUBPATTERN else argument), folded)
    if kind in (*_REPEATS, op.POSSESSIVE_REPEAT):
        own, empty = _first(list(argument[2]), folded)
        return own, empty or argument[0] == 0
    if kind is op.BRANCH:
        ways = [_first(list(branch), folded) for branch in argument[1]]
        return frozenset().union(*(own for own, _ in ways)), any(empty for _, empty in ways)
    if kind is op.AT and argument in (op.AT_END, op.AT_END_STRING):
        return frozenset({ord("\n")}), False
    if kind in (op.AT, op.ASSERT, op.ASSERT_NOT):
        return frozenset(), True
    return _CHARACTERS, True


def _taken(item: tuple[Any, Any], folded: bool) -> frozenset[int]:
    """The characters that an item for a single one takes."""
    kind, argument = item
    if kind is op.ANY:
        return _CHARACTERS
    if kind is op.LITERAL:
        return _fold([argument], folded)
    if kind is op.NOT_LITERAL:
        return _CHARACTERS - _fold([argument], folded)
    members: set[int] = set()
    negated = False
    for part, value in argument:
        if part is op.NEGATE:
            negated = True
        elif part is op.LITERAL:
            members |= _fold([value], folded)
        elif part is op.RANGE:
            members |= _fold(range(value[0], min(value[1], 128) + 1), folded)
        else:
            members |= _category(value)
    # Every character beyond ASCII is -1, so that a negated set still holds it.
    return (_CHARACTERS - frozenset(members)) | {-1} if negated else frozenset(members)


def _fold(codes: Iterable[int], folded: bool) -> frozenset[int]:
    known = {code if code < 128 else -1 for code in codes}
    return frozenset(known | {ord(chr(code).swapcase()) for code in known if code >= 0} if folded else known)


_CATEGORIES = {
    op.CATEGORY_DIGIT: r"\d",
    op.CATEGORY_NOT_DIGIT: r"\D",
    op.CATEGORY_SPACE: r"\s",
    op.CATEGORY_NOT_SPACE: r"\S",
    op.CATEGORY_WORD: r"\w",
    op.CATEGORY_NOT_WORD: r"\W",
}


def _category(category: Any) -> frozenset[int]:
    escape = re.compile(_CATEGORIES[category], re.ASCII)
    return frozenset(code for code in range(128) if escape.match(chr(code))) | (
        frozenset({-1}) if escape.match("é") else frozenset()
    )
