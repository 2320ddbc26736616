"""A list to choose from: pairs, sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from textual import on
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from aligndbg.tui.actions import bindings
from aligndbg.tui.cells import clean, fit
from aligndbg.tui.run import Entry
from aligndbg.tui.theme import MUTED, verdict_style
from aligndbg.tui.widgets.choice_list import ChoiceList
from aligndbg.workflows.wording import GLYPHS

NAME_MOST = 40
"""Cells of the names' column; longer names push their note aside."""


def entry_text(entry: Entry) -> str:
    """All that is known of an entry, in one line."""
    return "  ".join(clean(part) for part in (entry.name, entry.when, entry.note, entry.error) if part)


def _key(entry: Entry) -> tuple[str, str]:
    """Tells an entry from the others in its list, whatever its note says by now."""
    return ("", str(entry.job)) if entry.job is not None else (entry.name, entry.when)


class EntryList(ChoiceList):
    """Entries with their notes, beside them or, where `tall`, under them; those that cannot be opened say why."""

    BINDINGS = bindings("list")

    @dataclass
    class Chosen(Message):
        entry: Entry

    def __init__(self, title: str, empty: str, *, tall: bool = False, id: str | None = None) -> None:
        super().__init__(id=id)
        self.border_title = title
        self._empty = empty
        self._tall = tall
        self._entries: tuple[Entry, ...] = ()
        self._shown: list[Entry] = []
        self._filter = ""

    def load(self, entries: Sequence[Entry]) -> None:
        """Show these. The highlighted entry stays so wherever it is now; where only words have changed, nothing is scrolled."""
        before, chosen = [_key(entry) for entry in self._shown], self.entry
        self._entries = tuple(entries)
        shown = self._matching()
        keys = [_key(entry) for entry in shown]
        if keys and keys == before:
            self._renew(shown)
            return
        self._fill()
        if chosen is not None and _key(chosen) in keys:
            self.highlighted = keys.index(_key(chosen))

    def filter(self, text: str) -> int:
        """Show the entries that hold all words of `text`; how many do."""
        self._filter = text.lower()
        self._fill()
        return len(self._shown)

    def _matching(self) -> list[Entry]:
        words = self._filter.split()
        return [entry for entry in self._entries if all(word in entry_text(entry).lower() for word in words)]

    def _renew(self, shown: list[Entry]) -> None:
        for index, (entry, prompt) in enumerate(zip(shown, self._prompts(shown), strict=True)):
            if entry != self._shown[index]:
                self.replace_option_prompt_at_index(index, prompt)
        self._shown = shown

    def _fill(self) -> None:
        self._shown = self._matching()
        self.clear_options()
        self.add_options([Option(prompt) for prompt in self._prompts(self._shown)])
        if not self._shown:
            self.add_option(Option(Content.styled("nothing matches" if self._entries else self._empty, MUTED), disabled=True))
        else:
            self.highlighted = 0
        self.border_subtitle = str(len(self._shown)) if self._entries else ""

    @property
    def entry(self) -> Entry | None:
        """The highlighted one."""
        return self._shown[self.highlighted] if self._shown and self.highlighted is not None else None

    def _prompts(self, shown: Sequence[Entry]) -> list[Content]:
        names = max((cell_len(clean(entry.name)) for entry in shown), default=0)
        times = max((cell_len(clean(entry.when)) for entry in shown), default=0)
        return [self._prompt(entry, min(names, NAME_MOST), times) for entry in shown]

    def _prompt(self, entry: Entry, names: int, times: int) -> Content:
        if entry.error:
            mark = ("◆ ", "bold $text-error")
        elif entry.verdict:
            mark = (f"{GLYPHS.get(entry.verdict, '·')} ", verdict_style(entry.verdict) if entry.verdict in GLYPHS else MUTED)
        else:
            mark = ("  ", "")
        name = clean(entry.name)
        note = (clean(entry.error), "$text-error") if entry.error else (clean(entry.note), MUTED)
        if self._tall:
            return Content.assemble(mark, (name, "bold"), (f"  {clean(entry.when)}", MUTED), "\n  ", note)
        when = f"{fit(clean(entry.when), times)}  " if times else ""
        return Content.assemble(mark, (fit(name, names) if cell_len(name) <= names else name, "bold"), "  ", (when, MUTED), note)

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.post_message(self.Chosen(self._shown[event.option_index]))
