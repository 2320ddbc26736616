"""The seam to what runs behind a screen: where events come from, and what can be opened."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from textual.message import Message
from textual.screen import Screen

from aligndbg.pairs.schema import PairSpec
from aligndbg.settings import Settings
from aligndbg.workflows.events import Event

if TYPE_CHECKING:
    from aligndbg.workflows.board import JobRow
    from aligndbg.workflows.checkpoints import CheckState


class Run(Protocol):
    """One run, going on or replayed. `events` blocks between events and is read in a thread of its own."""

    def events(self) -> Iterator[Event]: ...

    def cancel(self) -> None:
        """Ask for the end, from any thread and at any time: `events` ends soon, the children are gone."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a screen opens. `start` begins a fresh run each time; it is called in a thread and may raise AligndbgError.

    `read_only` says why there is no re-run, `""` where there is. `watch_paths` are the files that the run came from; it may raise
    AligndbgError while one of them cannot be read. `what_if` begins a run with fixes, each named `layer:id`, applied to the
    port in memory; None where that cannot be done. `pair` reads the pair's file, which may raise AligndbgError; None where the
    run has none.
    """

    name: str
    start: Callable[[], Run]
    read_only: str = ""
    watch_paths: Callable[[], Iterable[Path]] | None = None
    what_if: Callable[[Sequence[str]], Run] | None = None
    pair: Callable[[], PairSpec] | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the home screen. It opens `target`, the `screen` that is made, or the folder of a `job`; where none of them is
    given `error` says why."""

    name: str
    note: str = ""
    when: str = ""
    verdict: str = ""
    target: Target | None = None
    error: str = ""
    job: Path | None = None
    screen: Callable[[], Screen[None]] | None = None


List = Callable[[], Sequence[Entry]]
"""Makes a list of the home screen, in a thread; may raise AligndbgError."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the app reaches beside what it was opened on. `jobs` is their folder; None where this app is to have none."""

    pairs: List
    sessions: List
    jobs: Path | None = None
    settings: Settings | None = None


@dataclass
class BoardChanged(Message):
    """How all jobs stand now, and by pair its checkpoints `eval` and `train`. `fault` says why that is unknown."""

    rows: tuple[JobRow, ...]
    checks: Mapping[str, Mapping[str, CheckState]]
    fault: str = ""
