"""The log view: any number of lines of a growing log, of which only those on the screen are read."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from textual.content import Content
from textual.message import Message

from aligndbg.jobs.ansi import plain
from aligndbg.jobs.log_filter import Filtered
from aligndbg.jobs.log_reader import POLL_S, LogReader
from aligndbg.jobs.log_search import AtLeast, Both, Keep, Level, Needle
from aligndbg.jobs.masking import mask_text
from aligndbg.tui.actions import bindings
from aligndbg.tui.cells import clean
from aligndbg.tui.clipboard import copy
from aligndbg.tui.widgets.log_lines import LogLines

SLICE_S = 0.05
"""Seconds that reading works between two paints; the app ends no later than this after it is asked to."""

LEVEL_STEPS = (Level.NONE, Level.WARNING, Level.ERROR)
LEVEL_WORDS = {Level.NONE: "", Level.WARNING: "warnings and errors", Level.ERROR: "errors"}


class LogView(LogLines):
    """`files` are the logs by rank; those of several ranks are merged. It opens at the end and follows."""

    BINDINGS = bindings("log")

    @dataclass
    class Searched(Message):
        """A search has ended. `line` counts from 1 in what shows; None: nowhere."""

        line: int | None
        wrapped: bool

    def __init__(self, files: Mapping[int, Path], *, id: str | None = None) -> None:
        self._reader = LogReader(files)
        super().__init__(self._reader.view, len(str(max(files))) + 1 if len(files) > 1 else 0, id=id)
        self.files = dict(files)
        self.level = Level.NONE
        self.rank: int | None = None
        self.text_filter: Needle | None = None
        self._generation = (0, 0)
        self._wake = asyncio.Event()
        self._told = ""
        names = " ".join(clean(path.name) for path in self.files.values())
        self.border_title = Content(names if len(names) < 60 else f"{len(self.files)} logs")

    # -- reading ------------------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        self.run_worker(self._read_on(), name="log", group="log")
        self.tell()

    def on_unmount(self) -> None:
        self._reader.close()

    @property
    def numbered(self) -> bool:
        """Whether all lines are known that there are."""
        return self._reader.complete

    async def _read_on(self) -> None:
        while True:
            more = await asyncio.to_thread(self._reader.advance, SLICE_S)
            self._take_in()
            if not more:
                self._wake.clear()
                try:
                    await asyncio.wait_for(self._wake.wait(), POLL_S)
                except TimeoutError:
                    # Time to look at the files again.
                    continue

    def _take_in(self) -> None:
        """Show what the reader has come to know."""
        reader = self._reader
        generation = reader.generation, reader.source_generation
        anew = generation != self._generation
        stay = self._origin() if generation[1] == self._generation[1] and reader.view is reader.source else None
        if anew:
            self.source, self._generation = reader.view, generation
            self.paused_at = self.source.end
            self._strips.clear()
        first, end = self.source.first, self.source.end
        changed = anew or end != self.end or self.source.settled < end
        if changed or first != self.first:
            top = self.top
            self.first, self.end = first, end
            if anew:
                self.cursor = end - 1
            self.stretch(None if self.following or anew else top, changed)
            if anew and stay is not None:
                # The filter has gone: what it let see, among its neighbours.
                self.go_to(stay)
        if reader.sought is not None:
            sought, reader.sought = reader.sought, None
            if sought.key is not None:
                self.go_to(sought.key)
            self.post_message(self.Searched(None if sought.key is None else sought.key - first + 1, sought.wrapped))
        self.tell()

    def _origin(self) -> int | None:
        """The cursor's line in the source, where a filter holds and nothing is followed."""
        view = self.source
        if self.following or not isinstance(view, Filtered) or not view.first <= self.cursor < view.end:
            return None
        return view.origin(self.cursor)

    def tell(self) -> None:
        reader = self._reader
        parts = ["following"] if self.following else ["paused"]
        if not self.following:
            new = self.end - self.paused_at
            parts = [f"paused, {new:,} new line{'s' * (new != 1)}: G follows" if new > 0 else "paused: G follows"]
            parts.append(f"{self.cursor - self.first + 1:,} of {self.end - self.first:,}")
        elif reader.complete:
            parts.append(f"{self.end - self.first:,} line{'s' * (self.end - self.first != 1)}")
        if not reader.complete:
            parts.append("reading")
        if reader.searching:
            parts.append("searching")
        parts += [LEVEL_WORDS[self.level]] if self.level else []
        parts += [f"rank {self.rank}"] if self.rank is not None else []
        parts += [f"with {clean(self.text_filter.text)}"] if self.text_filter is not None else []
        parts += [f"from cell {self.left + 1}"] if self.left else []
        parts += [f"cannot be read: {clean(self.source.fault)}"] if self.source.fault else []
        self.set_class(not self.following, "-paused")
        subtitle = " · ".join(parts)
        if subtitle != self._told:
            self._told = subtitle
            self.border_subtitle = Content(subtitle)

    # -- finding ------------------------------------------------------------------------------------------------------

    def highlight(self, needle: Needle | None) -> None:
        """Show where it stands on the screen; the search keys look for it."""
        if needle is None:
            self._reader.cancel_search()
        self.needle = needle
        self.redraw()

    def search(self, step: int) -> None:
        """For the needle, from the cursor on or, where `step` is -1, back."""
        if self.needle is not None and self.end > self.first:
            # Back from the end, the last line is the first that counts.
            self._reader.search(self.needle, self.end if self.following and step < 0 else self.cursor, step)
            self._wake.set()

    def action_next_hit(self) -> None:
        self.search(1)

    def action_previous_hit(self) -> None:
        self.search(-1)

    def filter(self, level: Level, text: Needle | None = None) -> None:
        """Show the lines of this level or a higher one that hold the text."""
        self.level, self.text_filter = level, text
        keep: Keep | None = AtLeast(level) if level else text
        if level and text is not None:
            keep = Both(text, AtLeast(level))
        self._reader.filter(keep)
        self._wake.set()
        self.tell()

    def action_level(self) -> None:
        self.filter(LEVEL_STEPS[(LEVEL_STEPS.index(self.level) + 1) % len(LEVEL_STEPS)], self.text_filter)

    def show_rank(self, rank: int | None) -> None:
        """Of a merged log, the lines of this rank alone; None: of all."""
        self.rank = rank
        self._reader.show_ranks(self.files if rank is None else (rank,))
        self._wake.set()
        self.tell()

    def action_rank(self) -> None:
        if len(self.files) > 1:
            ranks = [None, *sorted(self.files)]
            self.show_rank(ranks[(ranks.index(self.rank) + 1) % len(ranks)])

    async def action_copy(self) -> None:
        if self.end > self.first:
            key = self.cursor
            # A line may have any length.
            try:
                text = await asyncio.to_thread(self._whole, key)
            except IndexError:
                self.notify("the line is gone: the log was replaced", severity="warning")
                return
            copy(self.screen, text, f"line {key - self.first + 1:,}")

    def _whole(self, key: int) -> str:
        return plain(mask_text(self.source.whole(key)))
