"""Keys that come in one go, as through a slow ssh: each is meant for the pane that the one before it leads to."""

from __future__ import annotations

from typing import Any

import driving
from driving import compare, detail, opened, rows, table
from test_home import home
from textual import events
from textual.pilot import Pilot

from aligndbg.tui.screens.compare import CompareScreen
from aligndbg.tui.widgets.filter_bar import FilterInput

CHARACTERS = {
    "slash": "/",
    "enter": "\r",
    "tab": "\t",
    "escape": None,
    "question_mark": "?",
    "ctrl+p": None,
    "backspace": "\x7f",
    "home": None,
}


def at_once(pilot: Pilot[Any], *keys: str) -> None:
    for key in keys:
        pilot.app.post_message(events.Key(key, CHARACTERS.get(key, key)))


async def test_what_follows_the_slash_is_typed_and_commands_nothing() -> None:
    async with opened() as pilot:
        at_once(pilot, "slash", *"qr")
        await driving.until(pilot, lambda: compare(pilot).query_one(FilterInput).value == "qr")
        assert not pilot.app._exit


async def test_what_follows_the_end_of_typing_goes_to_the_rows() -> None:
    async with opened() as pilot:
        at_once(pilot, "slash", *"cat", "enter", "G", "enter", "G")
        await driving.until(pilot, lambda: detail(pilot).scroll_offset.y > 0)
        assert table(pilot).path == "features.12.cat"
        assert rows(pilot)[-1] == "features.12.cat"


async def test_what_follows_a_change_of_panes_goes_to_the_other() -> None:
    async with opened() as pilot:
        at_once(pilot, "tab", "G", "tab", "j")
        await driving.until(pilot, lambda: table(pilot).path == "features.3")
        await driving.until(pilot, lambda: table(pilot).has_focus)


async def test_what_follows_help_closes_it() -> None:
    async with opened() as pilot:
        at_once(pilot, "question_mark", "q")
        await pilot.pause()
        await driving.until(pilot, lambda: pilot.app.screen is compare(pilot))
        assert not pilot.app._exit


async def test_what_follows_the_end_of_a_filter_at_home_opens_the_entry() -> None:
    async with home() as pilot:
        at_once(pilot, "slash", *"three", "enter", "enter")
        await driving.until(pilot, lambda: isinstance(pilot.app.screen, CompareScreen))
        assert compare(pilot).target.name == "broken/squeezenet1_0"


async def test_letters_do_not_overtake_the_keys_that_edit() -> None:
    async with opened() as pilot:
        at_once(pilot, "slash", *"catx", "backspace", "y", "home", "z")
        line = compare(pilot).query_one(FilterInput)
        await driving.until(pilot, lambda: "z" in line.value)
        await pilot.pause()
        assert line.value == "zcaty"
