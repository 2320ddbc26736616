"""What is known of a pair's top-1 elsewhere, to be read beside an evaluation that runs as a job."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from aligndbg.errors import AligndbgError
from aligndbg.pairs.discovery import find_pair
from aligndbg.store.listing import list_sessions
from aligndbg.store.session import open_session
from aligndbg.workflows.record import load_evaluation


@dataclass(frozen=True, slots=True)
class OtherTop1:
    """In percent. `sides` are of the newest whole `aligndbg eval` of the pair, on so many `images`; `published` is the figure of
    torch's weights, None where pair.yaml gives none."""

    sides: tuple[tuple[str, float], ...] = ()
    images: int = 0
    published: float | None = None


def other_top1(pair: str, sessions: Path) -> OtherTop1:
    """Sessions that cannot be read, and a pair that is here no more, leave their figures out."""
    published = _published(pair)
    for summary in list_sessions(sessions):
        if summary.kind != "eval" or summary.pair != pair or summary.error or summary.status != "finished":
            continue
        with open_session(summary.path) as session:
            report = load_evaluation(session)
        sides = tuple((side, one.top1) for side, one in report.sides.items())
        return OtherTop1(sides, report.images, report.target_top1 if published is None else published)
    return OtherTop1(published=published)


def _published(pair: str) -> float | None:
    try:
        return find_pair(pair).eval.target_top1
    except AligndbgError:
        # A job may be older than the pair's file: the figure is unknown then.
        return None
