"""The table of actions is the truth: bindings, help, palette and methods follow from it."""

from __future__ import annotations

from collections import Counter

import driving
import fake_run
import pytest
from textual.binding import Binding
from textual.command import CommandPalette

from aligndbg.tui.actions import ACTIONS, Action, actions_of, bindings, key_text, keys_text, markdown_table
from aligndbg.tui.app import AligndbgApp
from aligndbg.tui.apps import HomeApp
from aligndbg.tui.run import Entry, Surroundings
from aligndbg.tui.screens.compare import CompareScreen
from aligndbg.tui.screens.help import HelpScreen
from aligndbg.tui.screens.home import HomeScreen
from aligndbg.tui.screens.job import JobScreen
from aligndbg.tui.screens.job_pages import StopPage
from aligndbg.tui.screens.launch import LaunchScreen
from aligndbg.tui.screens.pages import Page
from aligndbg.tui.screens.triage import TriageScreen
from aligndbg.tui.widgets.curves import CurvesPane
from aligndbg.tui.widgets.entry_list import EntryList
from aligndbg.tui.widgets.filter_bar import FilterInput
from aligndbg.tui.widgets.findings_pane import FindingsPane
from aligndbg.tui.widgets.form import FormInput
from aligndbg.tui.widgets.image_table import ImageTable
from aligndbg.tui.widgets.layer_detail import LayerDetail
from aligndbg.tui.widgets.layer_table import LayerTable
from aligndbg.tui.widgets.log_pane import LogPane
from aligndbg.tui.widgets.log_view import LogView

PLACES: dict[str, type] = {
    "app": AligndbgApp,
    "compare": CompareScreen,
    "home": HomeScreen,
    "table": LayerTable,
    "detail": LayerDetail,
    "list": EntryList,
    "filter": FilterInput,
    "findings": FindingsPane,
    "page": Page,
    "job": JobScreen,
    "curves": CurvesPane,
    "launch": LaunchScreen,
    "form field": FormInput,
    "triage": TriageScreen,
    "images": ImageTable,
    "log": LogView,
    "log pane": LogPane,
    "question": StopPage,
}

EACH = [pytest.param(action, place, id=f"{place}-{action.name}") for action in ACTIONS for place in action.places]


def test_every_place_exists() -> None:
    assert {place for action in ACTIONS for place in action.places} == set(PLACES)


@pytest.mark.parametrize(("action", "place"), EACH)
def test_each_action_is_carried_out_where_it_is_offered(action: Action, place: str) -> None:
    assert callable(getattr(PLACES[place], f"action_{action.name}", None))


@pytest.mark.parametrize(("action", "place"), EACH)
def test_each_key_is_bound_where_it_is_offered(action: Action, place: str) -> None:
    bound = {(one.key, one.action) for one in PLACES[place].BINDINGS if isinstance(one, Binding)}
    assert {(key, action.name) for key in action.keys} <= bound


@pytest.mark.parametrize("place", PLACES)
def test_no_key_means_two_things_in_one_place(place: str) -> None:
    keys = Counter(key for action in actions_of((place,)) for key in action.keys)
    assert [key for key, count in keys.items() if count > 1] == []


def test_an_action_of_two_places_is_offered_by_each_once() -> None:
    for place in PLACES:
        names = Counter(action.name for action in actions_of((place,)))
        assert max(names.values()) == 1


def test_the_first_key_alone_is_in_the_footer() -> None:
    shown = [one.key for one in bindings("filter") if isinstance(one, Binding) and one.show]
    assert shown == ["escape", "enter"]


def test_keys_are_named_as_they_are_printed() -> None:
    assert [key_text(key) for key in ("slash", "ctrl+p", "question_mark", "N")] == ["/", "^p", "?", "N"]


def test_the_table_of_the_readme_has_every_key() -> None:
    text = markdown_table()
    for action in ACTIONS:
        assert all(f"`{key_text(key)}`" in text for key in action.keys)
        assert action.help.replace("|", "\\|") in text


def everything_said(page: HelpScreen) -> str:
    return " ".join(page.content(200).plain.split())


async def test_help_of_a_run_has_every_action_that_can_be_met_there() -> None:
    async with driving.opened() as pilot:
        await pilot.press("question_mark")
        page = pilot.app.screen
        assert isinstance(page, HelpScreen)
        said = everything_said(page)
        for action in actions_of(("app", "compare", "table", "detail", "findings", "filter", "page")):
            assert f"{keys_text(action)} {action.help}" in said
        assert "kind:conv" in said
        assert "mouse" in said


def home(pairs: int = 3) -> HomeApp:
    entries = [Entry(f"pair{index}", "a pair") for index in range(pairs)]
    return HomeApp(Surroundings(lambda: entries, lambda: []))


async def test_help_of_home_has_every_action_that_can_be_met_there() -> None:
    app = home()
    async with app.run_test() as pilot:
        await pilot.press("question_mark")
        page = app.screen
        assert isinstance(page, HelpScreen)
        said = everything_said(page)
        for action in actions_of(("app", "home", "list", "filter", "page")):
            assert f"{keys_text(action)} {action.help}" in said
        assert "next mismatching" not in said


async def test_help_goes_by_the_keys_that_opened_it_and_by_escape() -> None:
    async with driving.opened() as pilot:
        for key in ("question_mark", "escape", "q", "enter", "i"):
            await pilot.press("question_mark", key)
            assert isinstance(pilot.app.screen, CompareScreen)


def offered(app: AligndbgApp) -> dict[str, type]:
    """What the palette offers, and the class of the node that carries it out."""
    return {action.name: type(node) for action, node in app.available(app.screen)}


async def test_the_palette_has_every_action_of_a_run() -> None:
    async with driving.opened() as pilot:
        app = driving.app_of(pilot)
        names = {action.name for action in actions_of(("app", "compare", "table", "findings"))}
        assert set(offered(app)) == names
        titles = {command.title for command in app.get_system_commands(app.screen)}
        for action in actions_of(("app", "compare", "table", "findings")):
            assert (f"{action.label} ({key_text(action.keys[0])})" in titles) == (action.name != "command_palette")


async def test_the_palette_acts_on_the_pane_in_use() -> None:
    async with driving.opened() as pilot:
        app = driving.app_of(pilot)
        assert offered(app)["bottom"] is LayerTable
        await pilot.press("tab")
        assert offered(app)["bottom"] is LayerDetail
        assert offered(app)["fold"] is LayerTable
        await pilot.press("slash")
        assert offered(app)["done"] is FilterInput
        await pilot.press("escape", "i")
        assert offered(app)["bottom"] is type(app.screen)
        assert offered(app)["dismiss"] is type(app.screen)


async def test_the_palette_has_every_action_of_home() -> None:
    app = home()
    async with app.run_test() as pilot:
        await pilot.pause()
        assert set(offered(app)) == {action.name for action in actions_of(("app", "home", "list"))}


async def test_an_action_can_be_chosen_in_the_palette() -> None:
    async with driving.opened() as pilot:
        await pilot.press("ctrl+p")
        assert isinstance(pilot.app.screen, CommandPalette)
        await pilot.press(*"zoom")
        await driving.until(pilot, lambda: "give the focused pane" in driving.screen_text(pilot))
        await pilot.press("enter")
        await driving.until(pilot, lambda: driving.compare(pilot).query_one("#panes").has_class("-zoomed"))


async def test_a_layer_can_be_chosen_in_the_palette() -> None:
    async with driving.opened() as pilot:
        await driving.type_filter(pilot, "kind:relu")
        await pilot.press("ctrl+p")
        await pilot.press(*"8.cat")
        await driving.until(pilot, lambda: "features.8.cat" in driving.screen_text(pilot))
        assert "▼ inherited" in driving.screen_text(pilot)
        await pilot.press("enter")
        await driving.until(pilot, lambda: driving.table(pilot).path == "features.8.cat")
        assert not driving.table(pilot).outline.filtered


async def test_the_best_of_many_layers_are_offered() -> None:
    paths = [f"c{index}.a.t" for index in range(200)] + ["the.cat"]
    async with driving.opened(driving.playing(driving.small(*paths))) as pilot:
        await pilot.press("ctrl+p")
        await pilot.press(*"cat")
        await driving.until(pilot, lambda: "the.cat" in driving.screen_text(pilot))


async def test_every_key_of_the_footer_can_be_clicked() -> None:
    async with driving.opened(size=(80, 24)) as pilot:
        footer = driving.screen_text(pilot).splitlines()[-1]
        for action in actions_of(("table", "compare", "app")):
            assert (f"{key_text(action.keys[0])} {action.label}" in footer) == action.footer
        await pilot.click(offset=(footer.index("Help"), 23))
        assert isinstance(pilot.app.screen, HelpScreen)


async def test_a_disabled_action_is_not_carried_out_by_the_palette() -> None:
    async with driving.opened() as pilot:
        app = driving.app_of(pilot)
        await pilot.press("s")
        for name in ("fold", "close", "expand", "fold_all"):
            node = next(node for action, node in app.available(app.screen) if action.name == name)
            await app.run_action(name, node)
        assert driving.table(pilot).sorted
        assert not driving.table(pilot).outline.folded


async def test_the_theme_switches_both_ways() -> None:
    async with driving.opened() as pilot:
        assert pilot.app.current_theme.dark
        await pilot.press("ctrl+t")
        assert not pilot.app.current_theme.dark
        await pilot.press("ctrl+t")
        assert pilot.app.current_theme.dark


async def test_suspending_is_textuals(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[None] = []
    monkeypatch.setattr("textual.app.App.action_suspend_process", lambda self: asked.append(None))
    async with driving.opened() as pilot:
        await pilot.press("ctrl+z")
        assert asked == [None]


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
async def test_the_app_quits_at_once_and_returns_the_headline(key: str) -> None:
    async with driving.opened() as pilot:
        await pilot.press(key)
        await driving.until(pilot, lambda: pilot.app._exit)
    assert pilot.app.return_value is not None
    assert pilot.app.return_value.startswith(f"{fake_run.PAIR}: mismatch")
