"""A format of the user's own: a regex whose named groups are metrics and positions.

`.*` outside of groups is a gap: it skips to the next place at which the rest fits and never looks back. So a pattern of the usual
form, `step (?P<step>[0-9]+).*loss=(?P<loss>[0-9.]+)`, takes linear time on every line, which `re` alone does not give.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Literal

from aligndbg.errors import UsageError
from aligndbg.jobs.formats.parser import Format, Memory, Reading
from aligndbg.jobs.formats.regex_cost import worst_bits
from aligndbg.jobs.formats.text import NUMBER, WHOLE
from aligndbg.jobs.metrics import CANONICAL, Phase, canonical, is_accuracy, percent

LONGEST_PATTERN = 1000
"""Characters of a pattern."""
LONGEST_LINE = 512
"""Characters of a line that a user's pattern sees."""
MOST_BITS = 20.0
"""Ways to match a line, as a power of two, of a piece between gaps: one repeat that could stop anywhere, and two options."""

_POSITION = ("epoch", "step", "total_steps", "rank", "phase")
_PHASES: dict[str, Phase] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("eval", "evaluation", "val", "valid", "validation", "validate", "test", "testing"), "eval"),
}
_NUMBER, _WHOLE = re.compile(NUMBER), re.compile(WHOLE)
_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*+\]|\.\*[?+]?|.", re.DOTALL)
_FLAGS = re.compile(r"\(\?[a-zA-Z]{1,8}\)")


def custom_format(pattern: str, accuracy: Literal["percent", "fraction"] = "percent", phase: Phase = "train") -> Format:
    """The format of lines that `pattern` finds.

    `accuracy` is the scale in which the log prints top-k; `phase` is that of a line without a `phase` group. Epochs and steps
    are taken as they are printed; without both, lines are steps, counted from 0.

    Raises UsageError, with a sentence and what to write instead, for a pattern that is none, that names no metric or an unknown
    one, or that some line could keep busy for long.
    """
    pieces = _compiled(pattern)
    names = [name for piece in pieces for name in piece.groupindex]
    metrics = [name for name in names if name not in _POSITION]
    for name in metrics:
        if canonical(name) not in CANONICAL and not is_accuracy(canonical(name)):
            near = get_close_matches(name, (*CANONICAL, *_POSITION), 1)
            hint = f"did you mean {near[0]}?" if near else f"groups may be called {', '.join((*CANONICAL, *_POSITION))}"
            raise UsageError(f"the log regex has a group {name!r}, which is neither a metric nor a position", hint)
    if not metrics:
        known = ", ".join(CANONICAL)
        raise UsageError(
            "the log regex names no metric", f"name a group after one, as in loss=(?P<loss>[0-9.]+); known are {known}"
        )

    def read(text: str, memory: Memory) -> Reading | None:
        if (groups := _search(pieces, text[:LONGEST_LINE])) is None:
            return None
        values: dict[str, float] = {}
        for name in metrics:
            if _NUMBER.fullmatch(groups[name]) is not None:
                known, value = canonical(name), float(groups[name])
                values[known] = percent(value) if accuracy == "fraction" and is_accuracy(known) else value
        if not values:
            return None
        whole = {name: int(count) for name in ("step", "total_steps", "rank") if _WHOLE.fullmatch(count := groups.get(name, ""))}
        epoch = float(number) if _NUMBER.fullmatch(number := groups.get("epoch", "")) else None
        step = whole.get("step")
        if "step" not in names and "epoch" not in names:
            step = memory.counts.get("step", 0)
            memory.counts["step"] = step + 1
        own = _PHASES.get(groups.get("phase", "").lower(), phase)
        finite = epoch if epoch is not None and abs(epoch) < 1e9 else None
        return Reading(own, values, finite, step, whole.get("total_steps"), rank=whole.get("rank"))

    return Format("custom", read)


def _search(pieces: list[re.Pattern[str]], text: str) -> dict[str, str] | None:
    """The named groups, without blanks around; None where a piece is not found behind the one before it."""
    groups: dict[str, str] = {}
    start = 0
    for piece in pieces:
        if (found := piece.search(text, start)) is None:
            return None
        start = found.end()
        groups |= {name: (part or "").strip() for name, part in found.groupdict().items()}
    return groups


def _compiled(pattern: str) -> list[re.Pattern[str]]:
    if len(pattern) > LONGEST_PATTERN:
        raise UsageError(f"the log regex has {len(pattern)} characters; {LONGEST_PATTERN} are the most")
    try:
        whole = re.compile(pattern, re.ASCII)
        pieces = _pieces(pattern, whole.flags)
        bits = max(worst_bits(piece, LONGEST_LINE) for piece in pieces)
        compiled = [re.compile(piece, re.ASCII) for piece in pieces]
    except (re.error, ValueError, OverflowError, RecursionError) as error:
        raise UsageError(f"the log regex is no regular expression: {error}") from error
    if bits > MOST_BITS:
        raise UsageError(
            "the log regex could take hours on a line made for it: too many of its repeats can stop anywhere",
            "repeat single characters only, and follow a repeat with a character that it does not take itself, as in [^,]*,",
        )
    return compiled


def _pieces(pattern: str, flags: int) -> list[str]:
    """The pattern, cut at each `.*` outside of groups; whole where alternatives or comments stand there."""
    prefix = found[0] if (found := _FLAGS.match(pattern)) is not None else ""
    pieces, depth = [""], 0
    for token in _TOKEN.findall(pattern[len(prefix) :]):
        depth += (token == "(") - (token == ")")
        if depth == 0 and (token == "|" or flags & re.VERBOSE):
            return [pattern]
        if depth == 0 and token.startswith(".*"):
            pieces.append("")
        else:
            pieces[-1] += token
    return [prefix + piece for piece in pieces if piece] or [pattern]
