"""Mismatch navigation, the first born, the filter."""

from __future__ import annotations

import driving
import fake_run
from driving import compare, detail, opened, playing, rows, small, table, told, type_filter

from aligndbg.tui.widgets.filter_bar import FilterBar, FilterInput

PATHS = ("a.0", "a.1", "b.0", "b.1", "c")
FAULTY = " ib i"


async def test_mismatches_are_visited_in_order_both_ways_and_round_the_end() -> None:
    async with opened(playing(small(*PATHS, verdicts=FAULTY))) as pilot:
        assert table(pilot).path == "b.0"
        visited = []
        for key in ("n", "n", "n", "N", "N"):
            await pilot.press(key)
            visited.append(table(pilot).path)
        assert visited == ["c", "a.1", "b.0", "a.1", "c"]
        assert told(pilot) == ["from the beginning again", "from the end again"]


async def test_a_mismatch_in_a_folded_group_is_unfolded() -> None:
    async with opened(playing(small(*PATHS, verdicts=FAULTY))) as pilot:
        await pilot.press("E", "g", "n")
        assert table(pilot).path == "a.1"
        assert rows(pilot) == ["a", "a.0", "a.1", "b", "c"]


async def test_sorted_mismatches_are_visited_by_difference() -> None:
    async with opened(playing(small(*PATHS, verdicts=FAULTY))) as pilot:
        await pilot.press("s", "n", "n")
        assert table(pilot).path == "c"
        await pilot.press("n")
        assert table(pilot).path == "b.0"
        assert told(pilot) == ["from the beginning again"]


async def test_the_first_born_is_found_from_anywhere_else_the_first_mismatch() -> None:
    async with opened(playing(small(*PATHS, verdicts=FAULTY), small(*PATHS, verdicts="  i i"))) as pilot:
        await pilot.press("G", "f")
        assert table(pilot).path == "b.0"
        await pilot.press("E", "f")
        assert table(pilot).path == "b.0"
        await pilot.press("r")
        await driving.ended(pilot)
        await pilot.press("G", "f")
        assert table(pilot).path == "b.0"


async def test_where_all_agree_it_is_said() -> None:
    async with opened(playing(small(*PATHS))) as pilot:
        await pilot.press("n", "N", "f")
        assert told(pilot) == ["no mismatch"] * 3


async def test_a_filter_narrows_while_it_is_typed_and_counts() -> None:
    async with opened() as pilot:
        await pilot.press("slash", *"8.cat")
        await driving.until(pilot, lambda: rows(pilot) == ["features", "features.8", "features.8.cat"])
        assert "1 of 66" in driving.screen_text(pilot)
        await pilot.press("enter")
        assert table(pilot).has_focus
        assert "/ 8.cat" in driving.screen_text(pilot)
        await pilot.press("escape")
        assert len(rows(pilot)) == 76
        assert not compare(pilot).query_one(FilterBar).has_class("-open")


async def test_letters_typed_into_a_filter_are_no_commands() -> None:
    async with opened() as pilot:
        await pilot.press("slash", *"nqrfsy?/ \\")
        assert compare(pilot).query_one(FilterInput).value == "nqrfsy?/ \\"
        assert pilot.app.screen is compare(pilot)
        assert told(pilot) == []


PASSING = {
    "kind:conv": 26,
    "!kind:relu max>1e-3": 38,
    "verdict:born": 2,
    "shape:1x1000": 4,
    "is:renamed": 7,
    "final_fire": 7,
    "features.*.cat": 8,
}


async def test_the_filters_language_reaches_the_table() -> None:
    async with opened() as pilot:
        for query, count in PASSING.items():
            await type_filter(pilot, query)
            assert table(pilot).outline.matches == count, query
            assert f"{count} of 66" in driving.screen_text(pilot)


async def test_what_is_wrong_with_a_filter_is_said_in_full_and_the_rest_of_it_holds() -> None:
    async with opened(size=(80, 24)) as pilot:
        await type_filter(pilot, "kind:conv verd:x")
        said = " ".join(driving.screen_text(pilot).replace("┃", " ").split())
        assert "✗ no field 'verd': one of kind, verdict, shape, match, blame, is" in said
        assert table(pilot).outline.matches == 26
        await type_filter(pilot, "kind:conv verdict:born")
        assert "✗ no field" not in driving.screen_text(pilot)


async def test_a_filter_that_nothing_passes_says_so_in_the_table() -> None:
    async with opened() as pilot:
        await type_filter(pilot, "zebra")
        text = driving.screen_text(pilot)
        assert "no layer passes the filter" in text
        assert "0 of 66" in text
        assert "no layer is selected" in text
        await pilot.press("enter", "j", "space", "n", "f", "s", "y", "enter")
        await pilot.press("backslash")
        assert "no layer passes" not in driving.screen_text(pilot)


async def test_an_empty_filter_leaves_no_line_behind() -> None:
    async with opened() as pilot:
        await pilot.press("slash", "enter")
        assert not compare(pilot).query_one(FilterBar).has_class("-open")
        await pilot.press("slash", "x", "escape")
        assert not compare(pilot).query_one(FilterBar).has_class("-open")
        assert table(pilot).has_focus


async def test_the_cursor_goes_back_to_where_it_was_before_the_filter() -> None:
    async with opened() as pilot:
        before = table(pilot).path
        await type_filter(pilot, "classifier")
        assert table(pilot).path != before
        await pilot.press("escape")
        assert table(pilot).path == before


async def test_the_cursor_stays_on_a_row_that_was_chosen_under_the_filter() -> None:
    async with opened() as pilot:
        await type_filter(pilot, "classifier")
        await pilot.press("enter", "j", "j", "escape")
        assert table(pilot).path == "classifier.1"


async def test_folds_of_before_come_back_when_the_filter_goes() -> None:
    async with opened(playing(small(*PATHS))) as pilot:
        await pilot.press("g", "space")
        await type_filter(pilot, "0")
        assert rows(pilot) == ["a", "a.0", "b", "b.0"]
        await pilot.press("escape")
        assert rows(pilot) == ["a", "b", "b.0", "b.1", "c"]


async def test_navigation_stays_within_the_filter() -> None:
    async with opened(playing(small(*PATHS, verdicts=FAULTY))) as pilot:
        await type_filter(pilot, "a")
        await pilot.press("enter", "n", "n")
        assert table(pilot).path == "a.1"
        await pilot.press("f")
        assert told(pilot)[-1] == "the filter hides it: \\ shows all again"
        await type_filter(pilot, "a.0")
        await pilot.press("enter", "n")
        assert told(pilot)[-1] == "no mismatch among the rows shown"


async def test_a_filter_on_verdicts_follows_the_results() -> None:
    run = fake_run.FakeRun(small(*PATHS, verdicts=FAULTY), hold=4)
    async with opened(lambda: run, wait=False) as pilot:
        await driving.until(pilot, lambda: len(compare(pilot).state.results) == 2)
        await type_filter(pilot, "is:mismatch")
        assert rows(pilot) == ["a", "a.1"]
        run.go()
        await driving.ended(pilot)
        assert rows(pilot) == ["a", "a.1", "b", "b.0", "c"]


async def test_a_filter_is_left_for_the_details_and_holds() -> None:
    async with opened() as pilot:
        await type_filter(pilot, "kind:conv")
        await pilot.press("tab")
        assert detail(pilot).has_focus
        assert table(pilot).outline.matches == 26
        await pilot.press("slash")
        assert compare(pilot).query_one(FilterInput).has_focus


async def test_a_filter_hides_no_mismatch_of_the_count() -> None:
    async with opened() as pilot:
        await type_filter(pilot, "kind:conv")
        await pilot.press("enter")
        assert "63 mismatch" in driving.screen_text(pilot)
