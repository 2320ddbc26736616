"""How far a pair is on the guide's way: what its evaluations and trainings say of the checkpoints that they stand for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Literal

from aligndbg.errors import AligndbgError
from aligndbg.store.listing import SessionSummary
from aligndbg.store.session import open_session
from aligndbg.workflows.board import JobRow
from aligndbg.workflows.record import load_evaluation

CheckState = Literal["done", "in part", "failed", "running", "stopped", "not yet"]
"""`in part`: what was run agrees, and is too little to tell. `stopped`: the run ended before it was decided."""

EVALUATIONS = frozenset(("eval", "paddleclas-eval"))
TRAININGS = frozenset(("train", "paddleclas-train"))
BELOW_TARGET = "below-target"
_BY_VERDICT: Mapping[str, CheckState] = {"within": "done", "beyond": "failed"}


def checkpoints(sessions: Iterable[SessionSummary], rows: Sequence[JobRow]) -> dict[str, dict[str, CheckState]]:
    """By pair: `eval` and `train`, as far as anything was run. Sessions and rows are given newest first, and the newest counts."""
    found: dict[str, dict[str, CheckState]] = {}
    for row in rows:
        pair = row.job.spec.pair if row.job.spec is not None else None
        if pair is None or row.job.spec is None:
            continue
        states = found.setdefault(pair, {})
        if row.job.spec.kind in TRAININGS:
            states.setdefault("train", _of_training(row))
        elif row.job.spec.kind in EVALUATIONS and row.job.state is not None and not row.job.state.final:
            states.setdefault("eval", "running")
    for session in sessions:
        if session.kind == "eval" and not session.error:
            found.setdefault(session.pair, {}).setdefault("eval", _of_evaluation(session))
    return {pair: states for pair, states in found.items() if states}


def _of_evaluation(session: SessionSummary) -> CheckState:
    if session.status == "running":
        return "running"
    state = _BY_VERDICT.get(session.verdict, "stopped")
    return "in part" if state == "done" and _is_small(session.path) else state


@cache
def _is_small(path: Path) -> bool:
    """Whether one picture of the evaluation weighs more than the gap that is allowed."""
    try:
        with open_session(path) as session:
            report = load_evaluation(session)
    except AligndbgError:
        # The list of sessions tells what is wrong with it.
        return False
    return report.images * report.max_gap < 100


def _of_training(row: JobRow) -> CheckState:
    """Done where it ended well and its target, if it has one, is reached, which its logs tell once they are read."""
    state = row.job.state
    assert state is not None
    if not state.final:
        return "running"
    if state.status in ("killed", "lost"):
        return "stopped"
    if row.behind:
        return "not yet"
    missed = row.update is not None and any(violation.rule == BELOW_TARGET for violation in row.update.standing)
    return "failed" if missed or state.status == "failed" else "done"
