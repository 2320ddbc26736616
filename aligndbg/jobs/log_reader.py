"""One log, of one rank or of several, read in slices: growth, filter and search. It holds no screen and starts no thread."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from aligndbg.jobs.log_filter import Filtered
from aligndbg.jobs.log_index import Change, LogIndex, LogSource
from aligndbg.jobs.log_merge import LogMerge
from aligndbg.jobs.log_search import Keep, Search

POLL_S = 0.25
"""Seconds between two looks at the files."""


@dataclass(frozen=True, slots=True)
class Sought:
    """The end of a search: the key of the line found, and whether that was round the end."""

    key: int | None
    wrapped: bool


class LogReader:
    """`advance` may run in a thread; what is asked meanwhile is done by the next one. `view` is what shows.

    `generation` grows when the keys of the view begin anew: other lines show; `source_generation` when those of the source do:
    the log was replaced, or other ranks show. At least one file, by rank.
    """

    def __init__(self, files: Mapping[int, Path]) -> None:
        rank, path = next(iter(files.items()))
        self.source: LogIndex | LogMerge = LogMerge(files) if len(files) > 1 else LogIndex(path, rank)
        self.view: LogSource = self.source
        self.generation = self.source_generation = 0
        self.sought: Sought | None = None
        self._keep: Keep | None = None
        self._wanted_ranks: Collection[int] | None = None
        self._made: Keep | None = None
        self._search: Search | None = None
        self._looked = monotonic()
        self._closed = False

    def close(self) -> None:
        """What runs in a thread ends within a MiB."""
        self._closed = True
        self.source.close()

    @property
    def complete(self) -> bool:
        """Whether all lines are known that there are."""
        return self.source.complete and self.view.complete and self._made == self._keep

    @property
    def searching(self) -> bool:
        return self._search is not None

    def filter(self, keep: Keep | None) -> None:
        self._keep = keep
        self._search = None

    def show_ranks(self, ranks: Collection[int]) -> None:
        self._wanted_ranks = frozenset(ranks)
        self._search = None

    def search(self, keep: Keep, key: int, step: int) -> None:
        """From a line of the view on, or where `step` is -1 back; `sought` tells the end. A search that runs is given up."""
        self.sought = None
        self._search = Search(self.view, keep, key, step, lambda: self._closed)

    def cancel_search(self) -> None:
        self._search = None

    def advance(self, limit_s: float = 0.05) -> bool:
        """Work for about so long; whether there is more to do at once."""
        if self._closed:
            return False
        if monotonic() - self._looked >= POLL_S:
            self._looked = monotonic()
            if self.view.refresh(limit_s) is Change.REPLACED:
                self._renew_source()
        if self.source.step(limit_s):
            return True
        if self._wanted_ranks is not None and isinstance(self.source, LogMerge):
            self.source.show(self._wanted_ranks)
            self._wanted_ranks = None
            self._renew_source()
        keep = self._keep
        if self._made != keep:
            self._renew(keep)
        if self.view.step(limit_s):
            return True
        search = self._search
        if search is None:
            return False
        more = search.run(limit_s)
        if search is self._search and not more:
            self._search = None
            self.sought = Sought(search.found, search.wrapped)
        return more

    def _renew_source(self) -> None:
        self.source_generation += 1
        self._renew(None)

    def _renew(self, keep: Keep | None) -> None:
        self._search = None
        self.view = self.source if keep is None else Filtered(self.source, keep, lambda: self._closed or self._keep != keep)
        self.generation += 1
        self._made = keep
