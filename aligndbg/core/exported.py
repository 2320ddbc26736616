"""Which op of an exported program is which call of the model that it was exported from."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher

from aligndbg.core.kinds import EQUIVALENT
from aligndbg.core.layers import Call

_GROUP = {kind: min(group) for group in EQUIVALENT for kind in group}


def exported_calls(calls: Sequence[Call], ops: Sequence[Call]) -> dict[int, int]:
    """Index of a call -> index of the op with its result; calls without one are left out.

    `ops` are in the exported program's order, their paths `MODULE.OP` with the path of the module that ran them. A layer is what
    ran under its path: of a layer that was called k times, each call is a k-th of it. Ops that a model's own code calls are matched
    in their order, by kind and shape.
    """
    by_module: dict[str, list[Call]] = {}
    for op in ops:
        by_module.setdefault(op.path.rpartition(".")[0], []).append(op)
    times = Counter(_base(call.path) for call in calls)
    seen: Counter[str] = Counter()
    own: dict[str, list[Call]] = {}
    found: dict[int, int] = {}
    for call in calls:
        base = _base(call.path)
        inside = [op for module, several in by_module.items() if module == base or module.startswith(f"{base}.") for op in several]
        if not inside:
            own.setdefault(base.rpartition(".")[0], []).append(call)
            continue
        inside.sort(key=lambda op: op.index)
        share, rest = divmod(len(inside), times[base])
        seen[base] += 1
        if not rest:
            part = inside[(seen[base] - 1) * share : seen[base] * share]
            result = next((op for op in reversed(part) if op.output.shape == call.output.shape), None)
            if result is not None:
                found[call.index] = result.index
    for module, several in own.items():
        found |= _in_order(several, by_module.get(module, []))
    return found


def _in_order(calls: Sequence[Call], ops: Sequence[Call]) -> dict[int, int]:
    matcher = SequenceMatcher(None, [_key(call) for call in calls], [_key(op) for op in ops], autojunk=False)
    return {
        calls[block.a + place].index: ops[block.b + place].index
        for block in matcher.get_matching_blocks()
        for place in range(block.size)
    }


def _key(call: Call) -> tuple[str, tuple[int, ...]]:
    return _GROUP.get(call.kind, call.kind), call.output.shape


def _base(path: str) -> str:
    return re.sub(r"#\d+$", "", path)
