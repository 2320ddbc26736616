"""The home screen: pairs and sessions, to be found, opened, copied and read again."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import driving
import fake_run
from driving import screen_text, told, until
from textual.pilot import Pilot

from aligndbg.errors import EnvironmentFault
from aligndbg.tui.apps import HomeApp
from aligndbg.tui.run import Entry, Surroundings, Target
from aligndbg.tui.screens.compare import CompareScreen
from aligndbg.tui.screens.home import HomeScreen
from aligndbg.tui.widgets.entry_list import EntryList
from aligndbg.tui.widgets.filter_bar import FilterBar

PAIRS = (
    Entry("squeezenet1_0", "SqueezeNet 1.0, the guide's example", target=Target("squeezenet1_0", fake_run.starting(False))),
    Entry("broken/squeezenet1_0", "with three mistakes", target=Target("broken/squeezenet1_0", fake_run.starting())),
    Entry("mine", error="models/mine/pair.yaml:7: unknown key `wieghts`"),
)

STORED = Target("20260101T120000.000Z-squeezenet1_0-3fa1", fake_run.starting(), "this is a stored run")

SESSIONS = (
    Entry("squeezenet1_0", "mismatch — breaks first at features.2", "2026-01-01 12:00 UTC", "mismatch", STORED),
    Entry("squeezenet1_0", "aligned — 65 of 65 layers agree", "2026-01-01 11:00 UTC", "aligned", STORED),
    Entry("20260101T100000.000Z-x-bbbb", error="results.db is missing or no database"),
)


@dataclass
class Maker:
    """A list that counts how often it is made."""

    entries: Sequence[Entry]
    made: int = 0
    go: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.go.set()

    def __call__(self) -> Sequence[Entry]:
        self.made += 1
        self.go.wait(20)
        return self.entries


@asynccontextmanager
async def home(
    pairs: Any = None, sessions: Any = None, size: tuple[int, int] = (120, 30), wait: bool = True
) -> AsyncIterator[Pilot[Any]]:
    app = HomeApp(Surroundings(pairs or Maker(PAIRS), sessions or Maker(SESSIONS)))
    async with app.run_test(size=size, notifications=True) as pilot:
        if wait:
            await until(pilot, lambda: screen(pilot) and all(entries.option_count for entries in lists(pilot)))
        yield pilot


def screen(pilot: Pilot[Any]) -> HomeScreen | None:
    return next((each for each in pilot.app.screen_stack if isinstance(each, HomeScreen)), None)


def lists(pilot: Pilot[Any]) -> list[EntryList]:
    found = screen(pilot)
    assert found is not None
    return list(found.query(EntryList))


async def test_pairs_and_sessions_are_listed_with_what_is_known_of_them() -> None:
    async with home() as pilot:
        text = screen_text(pilot)
        assert "broken/squeezenet1_0  with three mistakes" in text
        assert "◆ mine" in text
        assert "✗ squeezenet1_0  2026-01-01 12:00 UTC" in text
        assert "mismatch — breaks first at features.2" in text
        assert "✓ squeezenet1_0  2026-01-01 11:00 UTC" in text
        assert "results.db is missing" in text


async def test_the_lists_are_made_once_at_the_start_and_again_when_one_comes_back() -> None:
    pairs = Maker(PAIRS)
    async with home(pairs) as pilot:
        assert pairs.made == 1
        await pilot.press("down", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, CompareScreen))
        await driving.ended(pilot)
        assert "broken/squeezenet1_0" in screen_text(pilot)
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is screen(pilot) and pairs.made == 2)
        await until(pilot, lambda: lists(pilot)[0].highlighted == 1)


async def test_the_screen_is_there_before_the_lists_are() -> None:
    pairs = Maker(PAIRS)
    pairs.go.clear()
    async with home(pairs, wait=False) as pilot:
        await until(pilot, lambda: pairs.made)
        assert "Pairs" in screen_text(pilot)
        await pilot.press("j", "enter", "y", "tab", "tab")
        pairs.go.set()
        await until(pilot, lambda: "mine" in screen_text(pilot))


async def test_a_list_is_moved_through_by_the_usual_keys() -> None:
    entries = [Entry(f"pair{index}") for index in range(40)]
    async with home(Maker(entries), size=(80, 24)) as pilot:
        pairs = lists(pilot)[0]
        half = pairs.size.height // 2
        expected = {"j": 1, "k": 0, "down": 1, "up": 0, "ctrl+d": half, "ctrl+u": 0, "G": 39, "g": 0, "end": 39, "home": 0}
        for key, place in expected.items():
            await pilot.press(key)
            assert pairs.highlighted == place, key
        await pilot.press("pagedown")
        assert (pairs.highlighted or 0) > half
        await pilot.press("pageup")
        assert pairs.highlighted == 0


async def test_tab_changes_lists_and_enter_opens_a_session_read_only() -> None:
    async with home() as pilot:
        await pilot.press("tab")
        assert lists(pilot)[1].has_focus
        await pilot.press("shift+tab", "tab", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, CompareScreen))
        await driving.ended(pilot)
        assert "stored run" in screen_text(pilot)
        await pilot.press("r")
        assert told(pilot) == ["this is a stored run"]


async def test_an_entry_is_opened_by_the_mouse() -> None:
    async with home() as pilot:
        await pilot.click(offset=(10, driving.line_of(pilot, "broken/squeezenet1_0")))
        await until(pilot, lambda: isinstance(pilot.app.screen, CompareScreen))


async def test_what_cannot_be_opened_says_why() -> None:
    async with home() as pilot:
        await pilot.press("G", "enter")
        assert told(pilot) == ["models/mine/pair.yaml:7: unknown key `wieghts`"]
        assert pilot.app.screen is screen(pilot)


async def test_the_filter_works_on_both_lists_and_goes_to_the_one_that_has_something() -> None:
    async with home() as pilot:
        await pilot.press("slash", *"aligned")
        await until(pilot, lambda: "1 found" in screen_text(pilot))
        assert "nothing matches" in screen_text(pilot)
        await pilot.press("enter")
        assert lists(pilot)[1].has_focus
        await pilot.press("escape")
        assert "3" in (lists(pilot)[0].border_subtitle or "")
        found = screen(pilot)
        assert found is not None
        assert not found.query_one(FilterBar).has_class("-open")


async def test_a_filter_is_cleared_by_its_key_and_while_typing() -> None:
    async with home() as pilot:
        await pilot.press("slash", *"mine", "enter", "backslash")
        assert lists(pilot)[0].option_count == 3
        await pilot.press("slash", *"mine", "escape")
        assert lists(pilot)[0].option_count == 3
        assert lists(pilot)[0].has_focus


async def test_a_line_is_copied_whole() -> None:
    async with home() as pilot:
        await pilot.press("G", "y")
        assert pilot.app.clipboard == "mine  models/mine/pair.yaml:7: unknown key `wieghts`"
        await pilot.press("tab", "y")
        assert pilot.app.clipboard == "squeezenet1_0  2026-01-01 12:00 UTC  mismatch — breaks first at features.2"


async def test_the_lists_are_read_again_on_demand() -> None:
    pairs = Maker(PAIRS)
    async with home(pairs) as pilot:
        pairs.entries = (*PAIRS, Entry("new"))
        await pilot.press("r")
        await until(pilot, lambda: "new" in screen_text(pilot))


async def test_empty_lists_say_how_to_fill_them() -> None:
    async with home(Maker(()), Maker(())) as pilot:
        assert "`aligndbg pairs new` makes one" in screen_text(pilot)
        assert "no session yet" in screen_text(pilot)
        await pilot.press("enter", "y", "tab", "enter", "y", "j", "G", "ctrl+d")
        assert told(pilot) == []


async def test_a_list_that_cannot_be_made_is_an_entry_that_says_why() -> None:
    def refused() -> Sequence[Entry]:
        raise EnvironmentFault("sessions cannot be read in /var/lib: Permission denied", "name another folder")

    def broken() -> Sequence[Entry]:
        raise ZeroDivisionError("division by zero")

    async with home(broken, refused) as pilot:
        text = screen_text(pilot)
        assert "the pairs cannot be listed" in text
        assert "the sessions cannot be listed" in text
        await pilot.press("enter", "tab", "enter")
        refusal = "sessions cannot be read in /var/lib: Permission denied: name another folder"
        assert told(pilot) == ["ZeroDivisionError: division by zero", refusal]


async def test_lists_that_come_after_the_end_of_the_app_are_nobodys(recwarn: Any) -> None:
    pairs = Maker(PAIRS)
    pairs.go.clear()
    async with home(pairs, wait=False) as pilot:
        await until(pilot, lambda: pairs.made)
        await pilot.press("q")
    pairs.go.set()
    for thread in threading.enumerate():
        if thread.name == "pairs":
            thread.join(10)
    assert not [warning for warning in recwarn if "thread" in str(warning.message).lower()]


async def test_quitting_a_run_that_was_opened_from_here_returns_its_headline() -> None:
    async with home() as pilot:
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, CompareScreen))
        await driving.ended(pilot)
        await pilot.press("q")
    assert "aligned" in (pilot.app.return_value or "")
