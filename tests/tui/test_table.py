"""The layer table under keyboard and mouse: moving, folding, sorting."""

from __future__ import annotations

from typing import Any

import driving
import fake_run
from driving import detail, opened, playing, rows, small, table
from textual.pilot import Pilot

from aligndbg.tui.widgets.layer_table import HEADER, LayerTable

DEEP = tuple(f"net.stage{stage}.block{block}.{op}" for stage in range(3) for block in range(3) for op in ("conv", "bn", "relu"))


def deep() -> Any:
    return playing(small(*DEEP, verdicts=" " * 13 + "biiii"))


async def test_the_cursor_moves_by_lines_pages_and_to_both_ends() -> None:
    async with opened() as pilot:
        shown = table(pilot)
        last, page = len(shown.shown) - 1, shown.size.height - HEADER
        moves = {
            "g": 0,
            "j": 1,
            "down": 2,
            "k": 1,
            "up": 0,
            "ctrl+d": page // 2,
            "pagedown": page // 2 + page,
            "ctrl+u": page,
            "pageup": 0,
            "ctrl+f": page,
            "ctrl+b": 0,
            "G": last,
            "home": 0,
            "end": last,
        }
        for key, expected in moves.items():
            await pilot.press(key)
            assert shown.cursor == expected, key
            assert shown.scroll_offset.y <= shown.cursor < shown.scroll_offset.y + page, key
        await pilot.press("j")
        assert shown.cursor == last


async def test_the_details_follow_the_cursor() -> None:
    async with opened() as pilot:
        await pilot.press("j")
        await driving.until(pilot, lambda: "layers   7" in detail(pilot).plain)
        await pilot.press("j")
        await driving.until(pilot, lambda: detail(pilot).plain.startswith("features.3.squeeze  ▼ inherited"))


async def test_a_run_shown_in_one_go_starts_at_the_first_born_with_what_is_above_it() -> None:
    async with opened() as pilot:
        assert table(pilot).path == "features.2"
        assert table(pilot).scroll_offset.y == 0


async def test_a_row_far_below_comes_into_sight_when_the_table_gets_its_size() -> None:
    paths = [f"layer{index}" for index in range(300)]
    async with opened(playing(small(*paths, verdicts=" " * 250 + "b"))) as pilot:
        await driving.until(pilot, lambda: table(pilot).path == "layer250")
        top = table(pilot).scroll_offset.y
        assert top < 250 < top + table(pilot).size.height - HEADER - 3


async def test_groups_fold_and_unfold_by_space_enter_and_vim_keys() -> None:
    async with opened(deep()) as pilot:
        everything = rows(pilot)
        await pilot.press("g", "space")
        assert rows(pilot) == ["net"]
        await pilot.press("enter")
        assert rows(pilot) == everything
        await pilot.press("h")
        assert rows(pilot) == ["net"]
        await pilot.press("l", "l")
        assert rows(pilot) == everything
        assert table(pilot).path == "net.stage0"
        await pilot.press("right", "right", "space")
        assert table(pilot).path == "net.stage0.block0"
        assert "net.stage0.block0.conv" not in rows(pilot)
        await pilot.press("left")
        assert table(pilot).path == "net.stage0"


async def test_space_on_a_layer_folds_its_group_and_h_leaves_it() -> None:
    async with opened(deep()) as pilot:
        table(pilot).go_to(table(pilot).outline.find("net.stage1.block1.bn"))
        await pilot.press("h")
        assert table(pilot).path == "net.stage1.block1"
        await pilot.press("l", "j", "space")
        assert table(pilot).path == "net.stage1.block1"
        assert "net.stage1.block1.bn" not in rows(pilot)


async def test_all_groups_fold_and_unfold() -> None:
    async with opened(deep()) as pilot:
        everything = rows(pilot)
        await pilot.press("E")
        assert rows(pilot) == ["net"]
        await pilot.press("E")
        assert rows(pilot) == everything


async def test_a_group_shows_the_worst_of_its_layers() -> None:
    async with opened(deep()) as pilot:
        await pilot.press("E")
        line = driving.screen_text(pilot).splitlines()[driving.line_of(pilot, "▸ net")]
        assert "→ bn" in line
        assert "0.5" in line
        assert "✗ born" in line


async def test_a_thousand_levels_can_be_folded_and_drawn() -> None:
    paths = [".".join(["m"] * depth + ["x"]) for depth in range(1, 1000)]
    async with opened(playing(small(*paths))) as pilot:
        await pilot.press("G")
        assert "998›" in driving.screen_text(pilot)
        await pilot.press("E")
        assert len(rows(pilot)) == 1


async def test_sorting_shows_the_largest_difference_first_and_keeps_the_layer_on_the_way_back() -> None:
    async with opened() as pilot:
        await pilot.press("s")
        assert table(pilot).path == "features.9.cat"
        figures = [table(pilot).outline.summaries[row].max_abs or 0.0 for row in table(pilot).shown]
        assert figures == sorted(figures, reverse=True)
        assert "Layers by max|d|" in driving.screen_text(pilot)
        assert "▾max|d|" in driving.screen_text(pilot)
        await pilot.press("j", "s")
        assert table(pilot).path == "features.10.squeeze"
        assert "Layers by max|d|" not in driving.screen_text(pilot)


async def test_sorted_layers_are_no_tree() -> None:
    async with opened() as pilot:
        await pilot.press("s")
        before = rows(pilot)
        await pilot.press("space", "h", "l", "E")
        assert rows(pilot) == before
        await pilot.press("escape")
        assert not table(pilot).sorted
        assert not table(pilot).outline.folded


async def test_results_that_come_while_sorted_are_put_in_their_place() -> None:
    run = fake_run.FakeRun(small("a", "b", "c", verdicts="ii"), hold=4)
    async with opened(lambda: run, wait=False) as pilot:
        await driving.until(pilot, lambda: len(driving.compare(pilot).state.results) == 2)
        await pilot.press("s", "j")
        run.go()
        await driving.ended(pilot)
        assert rows(pilot) == ["a", "b", "c"]
        assert table(pilot).path == "b"


def at(pilot: Pilot[Any], text: str) -> tuple[int, int]:
    """Where on the screen a text stands."""
    line = driving.line_of(pilot, text)
    return driving.screen_text(pilot).splitlines()[line].index(text), line


async def test_a_click_selects_and_a_double_click_opens() -> None:
    async with opened() as pilot:
        await pilot.click(offset=at(pilot, "expand3x3 "))
        assert table(pilot).path == "features.3.expand3x3"
        assert table(pilot).has_focus
        await pilot.click(offset=at(pilot, "expand3x3 "), times=2)
        await driving.until(pilot, lambda: detail(pilot).has_focus)


async def test_the_arrow_folds_by_a_click_and_the_name_by_two() -> None:
    async with opened(deep()) as pilot:
        await pilot.press("g")
        await pilot.click(offset=at(pilot, "▾ block1"))
        assert "net.stage0.block1.conv" not in rows(pilot)
        x, y = at(pilot, "▾ block2")
        await pilot.click(offset=(x + 3, y))
        assert table(pilot).path == "net.stage0.block2"
        assert "net.stage0.block2.conv" in rows(pilot)
        await pilot.click(offset=(x + 4, y), times=2)
        assert "net.stage0.block2.conv" not in rows(pilot)


async def test_a_click_on_the_heading_sorts_and_another_ends_it() -> None:
    async with opened() as pilot:
        await pilot.click(offset=at(pilot, "kind"))
        assert not table(pilot).sorted
        await pilot.click(offset=at(pilot, "max|d|"))
        await driving.until(pilot, lambda: table(pilot).sorted)
        await pilot.click(offset=at(pilot, "layer "))
        await driving.until(pilot, lambda: not table(pilot).sorted)


async def test_a_click_under_the_rows_changes_nothing() -> None:
    async with opened(playing(small("a", "b"))) as pilot:
        cursor = table(pilot).cursor
        await pilot.click(LayerTable, offset=(5, 15))
        assert table(pilot).cursor == cursor


async def test_the_wheel_scrolls_and_leaves_the_cursor() -> None:
    async with opened() as pilot:
        cursor = table(pilot).cursor
        await driving.wheel(pilot, at(pilot, "squeeze "), down=True)
        await driving.until(pilot, lambda: table(pilot).scroll_offset.y > 0)
        assert table(pilot).cursor == cursor
        await pilot.press("j")
        assert table(pilot).scroll_offset.y <= table(pilot).cursor


async def test_the_cursors_row_keeps_the_colour_of_its_verdict() -> None:
    async with opened() as pilot:
        shown = table(pilot)
        y = shown.cursor - shown.scroll_offset.y + HEADER
        colours = {}
        for cursor in (shown.cursor, 0):
            shown.cursor = cursor
            colours[cursor] = next(segment.style for segment in shown.render_line(y) if "born" in segment.text)
        on, off = colours.values()
        assert on.color == off.color
        assert on.bold and off.bold
        assert on.bgcolor != off.bgcolor


async def test_an_unpaired_layer_that_does_no_harm_is_quiet() -> None:
    async with opened(fake_run.starting(broken=False)) as pilot:
        shown = table(pilot)
        shown.go_to(shown.outline.find("classifier.0"))
        await pilot.pause()
        await driving.until(pilot, lambda: "classifier.0  ○ unpaired" in detail(pilot).plain)
        assert "Dropout does nothing in eval mode" in detail(pilot).plain
        assert not shown.outline.summaries[shown.row].mismatch


async def test_no_key_harms_before_there_are_layers() -> None:
    run = fake_run.FakeRun(small("a", "b", verdicts=" b"), hold=1)
    async with opened(lambda: run, wait=False) as pilot:
        await driving.until(pilot, lambda: driving.compare(pilot).state.pair == "small")
        await pilot.press(*"j l h n N f E G y Y s s z z".split(), "space", "enter", "tab", "tab")
        assert "no mismatch so far" in driving.told(pilot)
        run.go()
        await driving.ended(pilot)
        assert rows(pilot) == ["a", "b"]
        assert table(pilot).path == "b"


async def test_a_filter_may_be_typed_before_there_are_layers() -> None:
    run = fake_run.FakeRun(small("a", "b", "c"), hold=1)
    async with opened(lambda: run, wait=False) as pilot:
        await driving.until(pilot, lambda: driving.compare(pilot).state.pair == "small")
        await driving.type_filter(pilot, "c")
        run.go()
        await driving.ended(pilot)
        assert rows(pilot) == ["c"]
