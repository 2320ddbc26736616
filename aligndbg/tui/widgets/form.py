"""A form: labelled fields, each with what is wrong with it below."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input, Select, Static

from aligndbg.tui.actions import bindings
from aligndbg.tui.cells import clean
from aligndbg.tui.widgets.filter_bar import HARMLESS

ENTRIES_READ = 5000
"""Names of a folder that a completion looks at."""

Holds = Literal["text", "file", "folder", "choice"]


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """What a field is called, what may be typed, and what is said while it is empty; `choices` are (words, value)."""

    name: str
    label: str
    hint: str = ""
    holds: Holds = "text"
    choices: tuple[tuple[str, str], ...] = ()


class FormField(Vertical):
    """`bases` says where relative paths start, for completions."""

    DEFAULT_CSS = """
    FormField {
        height: auto;
        & > Horizontal { height: 1; }
        & .label { width: 12; color: $text-muted; }
        &:focus-within .label { color: $text-accent; text-style: bold; }
        & > .wrong { display: none; height: auto; color: $text-error; padding: 0 0 0 12; }
        &.-wrong > .wrong { display: block; }
        &.-wrong .label { color: $text-error; }
        & Input, & Input:focus { border: none; height: 1; padding: 0 1; width: 1fr; background: $panel; }
        & Input:focus { background: $primary 25%; background-tint: $background 0%; }
        & Choice { width: 1fr; height: 1; }
        & Choice > SelectCurrent, & Choice:focus > SelectCurrent {
            border: none; height: 1; padding: 0 1 !important; background: $panel;
        }
        & Choice:focus > SelectCurrent { background: $primary 25%; background-tint: $background 0%; }
        & Choice > SelectOverlay, & Choice > SelectOverlay:focus {
            border: round $accent; background: $surface; background-tint: $background 0%;
            & > .option-list--option-highlighted { background: $primary 30%; color: $foreground; text-style: none; }
        }
    }
    """

    @dataclass
    class Changed(Message):
        """The value is another one than `before`; the first one is told as well."""

        name: str
        value: str
        before: str

    def __init__(self, spec: FieldSpec, value: str, bases: Callable[[], Sequence[Path]]) -> None:
        super().__init__(id=f"field-{spec.name.replace('_', '-')}")
        self.spec = spec
        self._first = self._last = value
        self._bases = bases

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield Static(self.spec.label, classes="label", markup=False)
            if self.spec.holds == "choice":
                yield Choice(self.spec.choices, value=self._first, allow_blank=False, compact=True)
            else:
                paths = self.spec.holds in ("file", "folder")
                suggester = PathSuggester(self._bases, self.spec.holds == "folder") if paths else None
                yield FormInput(self._first, self.spec.hint, restrict=HARMLESS, suggester=suggester, select_on_focus=False)
        yield Static("", classes="wrong", markup=False)

    @property
    def control(self) -> FormInput | Choice:
        found = self.query(FormInput)
        return found.first() if found else self.query_one(Choice)

    @property
    def value(self) -> str:
        return str(self.control.value) if self.is_mounted else self._first

    def tell(self, wrong: str) -> None:
        """What is wrong with the value; `""` takes it away."""
        self.set_class(bool(wrong), "-wrong")
        self.query_one(".wrong", Static).update(Content(f"✗ {clean(wrong)}" if wrong else ""))

    @on(Input.Changed)
    @on(Select.Changed)
    def _changed(self, event: Input.Changed | Select.Changed) -> None:
        event.stop()
        before, self._last = self._last, str(event.value)
        self.post_message(self.Changed(self.spec.name, self._last, before))


class FormInput(Input):
    BINDINGS: ClassVar[list[BindingType]] = bindings("form field")

    def action_next_field(self) -> None:
        self.screen.focus_next()

    def action_previous_field(self) -> None:
        self.screen.focus_previous()


class Choice(Select[str], inherit_bindings=False):
    """Enter opens it; left and right take the choice beside, up and down go to other fields, as from any field."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,space", "show_overlay", show=False),
        Binding("left", "beside(-1)", show=False),
        Binding("right", "beside(1)", show=False),
        Binding("down", "next_field", show=False),
        Binding("up", "previous_field", show=False),
    ]

    def action_beside(self, step: int) -> None:
        values = [value for _, value in self._options]
        self.value = values[(values.index(self.value) + step) % len(values)]

    def action_next_field(self) -> None:
        self.screen.focus_next()

    def action_previous_field(self) -> None:
        self.screen.focus_previous()


class PathSuggester(Suggester):
    """The first path, in the order of names, that begins with what is typed; it starts at the first of `bases` that has one."""

    def __init__(self, bases: Callable[[], Sequence[Path]], folders_only: bool = False) -> None:
        # Folders change.
        super().__init__(use_cache=False, case_sensitive=True)
        self._bases = bases
        self._folders_only = folders_only

    async def get_suggestion(self, value: str) -> str | None:
        # A folder may be slow to read: on a network, or where there are very many names.
        return await asyncio.to_thread(completed, value, self._bases(), self._folders_only)


def completed(value: str, bases: Iterable[Path], folders_only: bool = False) -> str | None:
    """`value`, the beginning of a path, to the end of a name that exists, with a `/` behind a folder; None where there is none."""
    if not value or "\0" in value:
        return None
    head, slash, tail = value.rpartition("/")
    for base in bases:
        try:
            folder = base / Path(head + slash).expanduser()
            with os.scandir(folder) as entries:
                names = [
                    entry.name + "/" * entry.is_dir()
                    for entry, _ in zip(entries, range(ENTRIES_READ), strict=False)
                    if entry.name.startswith(tail)
                    and entry.name.isprintable()
                    and (tail.startswith(".") or not entry.name.startswith("."))
                    and (entry.is_dir() or not folders_only)
                ]
        except (OSError, RuntimeError, ValueError):
            # Not there, not to be read, or the home of nobody: nothing to suggest.
            continue
        if names:
            found = head + slash + min(names)
            return found if found != value else None
    return None
