"""Terminals of all sizes, and terminals that change theirs."""

from __future__ import annotations

import driving
import pytest
from driving import compare, detail, opened, screen_text, table
from rich.cells import cell_len

from aligndbg.tui.widgets.bars import FailureBanner


async def test_at_80x24_all_columns_stay_and_the_details_are_a_key_away() -> None:
    async with opened(size=(80, 24)) as pilot:
        lines = screen_text(pilot).splitlines()
        heading = lines[driving.line_of(pilot, "verdict")]
        assert all(title in heading for title in ("layer", "kind", "shape", "max|d|", "rel"))
        said = " ".join(screen_text(pilot).split())
        assert "output max|d| 0.818 (1e-4 not met)" in said
        assert "✓ weights done" in said and "○ eval, train-step, train not yet" in said
        assert "q Quit" in lines[-1]
        assert not detail(pilot).display
        await pilot.press("enter")
        assert detail(pilot).display and not compare(pilot).query_one("#layers").display
        await pilot.press("escape")
        assert table(pilot).has_focus and not detail(pilot).display


async def test_a_narrow_and_tall_terminal_has_one_pane_over_the_other() -> None:
    async with opened(size=(80, 50)) as pilot:
        assert detail(pilot).display
        assert detail(pilot).region.y > table(pilot).region.y
        await pilot.press("z")
        assert not detail(pilot).display


async def test_at_40x10_the_verdicts_stay() -> None:
    async with opened(size=(40, 10)) as pilot:
        text = screen_text(pilot)
        assert "max|d| verdict" in text
        assert "0.743 ✗ born" in text
        assert "▼ inherited" in text
        assert table(pilot).size.height >= 5
        await pilot.press("n", "enter", "G", "escape", "slash", "x", "escape", "question_mark", "escape", "i", "escape", "s", "E")
        assert table(pilot).has_focus


async def test_a_terminal_may_change_its_size_at_any_time() -> None:
    async with opened(size=(160, 45)) as pilot:
        table(pilot).go_to(table(pilot).outline.find("features.10.cat"))
        await pilot.press("tab", "G")
        for size in ((80, 24), (40, 10), (120, 30), (20, 5), (10, 3), (1, 1), (200, 60), (80, 50)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            assert max(map(cell_len, screen_text(pilot).splitlines()), default=0) <= size[0]
            assert detail(pilot).has_focus
        await pilot.press("escape")
        shown = table(pilot)
        assert shown.path == "features.10.cat"
        assert shown.scroll_offset.y <= shown.cursor < shown.scroll_offset.y + shown.size.height - 1


async def test_at_every_size_the_cursors_row_is_in_sight() -> None:
    async with opened(size=(120, 40)) as pilot:
        await pilot.press("G")
        for height in (40, 24, 15, 12, 30):
            await pilot.resize_terminal(100, height)
            await pilot.pause()
            assert "flatten" in screen_text(pilot)


@pytest.mark.parametrize("size", [(80, 24), (40, 10), (30, 8)])
async def test_a_failure_leaves_room_for_the_rows(size: tuple[int, int]) -> None:
    from test_runs import killed

    async with opened(driving.playing(killed()), size=size) as pilot:
        assert table(pilot).size.height >= 3
        assert compare(pilot).query_one(FailureBanner).display == (size[1] >= 16)
        assert "stopped" in screen_text(pilot)


async def test_help_fits_and_scrolls_on_a_small_terminal() -> None:
    async with opened(size=(60, 15)) as pilot:
        await pilot.press("question_mark")
        assert "one line down" in screen_text(pilot)
        await pilot.press("G")
        assert "The mouse" in screen_text(pilot)
