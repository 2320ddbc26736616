"""The details of the selected row: what they tell, zoom, panes, copying."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import driving
import fake_run
import pytest
from driving import compare, detail, opened, playing, screen_text, table, told
from textual.pilot import Pilot

from aligndbg.core.layers import LayerPair
from aligndbg.core.stats import DiffStats
from aligndbg.core.verdict import LayerResult, OnnxDiff, Verdict
from aligndbg.tui.widgets.layer_detail import LayerDetail
from aligndbg.workflows.events import LayerDiffed, LayersPaired, RunEnded, RunStarted


async def go_to(pilot: Pilot[Any], path: str) -> str:
    """The details of the layer of this path."""
    shown = table(pilot)
    row = shown.outline.find(path)
    assert row is not None
    shown.go_to(row)
    await driving.until(pilot, lambda: detail(pilot)._row == row)
    return detail(pilot).plain


async def test_a_layer_is_told_in_full() -> None:
    async with opened() as pilot:
        text = await go_to(pilot, "features.2")
        headings = [
            "Difference",
            "Layer",
            "Attributes",
            "Outputs",
            "Pairing",
            "Worst elements",
            "Histogram of |d|",
            "Channels",
            "Heatmap",
        ]
        places = [text.index(f"\n{heading} ─") for heading in headings]
        assert places == sorted(places)
        assert text.startswith("features.2  ✗ born\nits input agrees, its output does not\n")
        assert "0.743 at [0, 3, 53, 0]" in text
        assert "≠ 1 differs" in text
        assert any(line.split() == ["ceil_mode", "≠", "yes", "no"] for line in text.splitlines())
        assert "[0, 3, 53, 0]       0.8    0.0567    0.743" in text
        assert "tolerance 1e-4" in text
        assert "max_pool2d, same shape, next in both orders" in text
        assert "squeezenet1_0/torch_model.py:42" in text


async def test_a_verdict_is_not_torn_from_its_glyph() -> None:
    async with opened(size=(120, 30)) as pilot:
        await go_to(pilot, "features.3.expand1x1_activation")
        assert detail(pilot)._width < len("features.3.expand1x1_activation  ▼ inherited")
        assert "│ ▼ inherited " in screen_text(pilot)


async def test_what_only_one_side_has_is_told_without_marks() -> None:
    async with opened() as pilot:
        text = await go_to(pilot, "features.5.squeeze_activation")
        assert "○ unpaired" in text
        assert "no Paddle call between its neighbours is a relu of this shape" in text
        assert "—" in text
        assert "≠" not in text
        assert "Difference" not in text


async def test_a_layer_that_waits_says_so() -> None:
    run = fake_run.FakeRun(fake_run.events(), hold=25)
    async with opened(lambda: run, wait=False) as pilot:
        await driving.until(pilot, lambda: compare(pilot).state.results)
        await pilot.press("G")
        await driving.until(pilot, lambda: detail(pilot).plain.startswith("flatten  · waiting"))
        assert "start_axis" in detail(pilot).plain
        run.go()
        await driving.ended(pilot)
        assert "▼ inherited" in detail(pilot).plain
        assert "tolerance 1e-4" in detail(pilot).plain


async def test_a_group_counts_its_verdicts_and_lists_what_is_wrong_worst_first() -> None:
    async with opened() as pilot:
        text = await go_to(pilot, "features")
        assert "61" in text
        assert "2 ✗ born" in text
        assert "1 ○ unpaired" in text
        lines = text.splitlines()
        start = next(place for place, line in enumerate(lines) if line.startswith("Mismatches"))
        assert lines[start + 1].split() == ["2", "0.743", "✗", "born"]
        assert lines[start + 3].split() == ["9.cat", "1.46", "✗", "born"]
        assert "… and 47 more" in lines


def with_everything() -> list[Any]:
    """One layer of which all is known that can be."""
    layer = replace(fake_run.layers()[2], index=0)
    diff = fake_run.diff((1, 96, 54, 54), 0.5, nan=3)
    local = DiffStats(0.4, 0.01, 0.02, 0.9, None, 0.2, 0, 0, (0, 0, 0, 0))
    result = LayerResult(0, Verdict.NAN, True, diff, local, OnnxDiff(1e-7, 0.5), 2e-7, "paddle", "it has NaN")
    return [RunStarted("one", "", ""), LayersPaired((layer,)), LayerDiffed(result)]


async def test_local_diff_onnx_noise_floor_blame_and_counts_are_told_where_known() -> None:
    async with opened(playing(with_everything())) as pilot:
        text = await go_to(pilot, "features.2")
        assert "● nan" in text
        assert "blame    paddle" in text
        assert "noise    2.0e-07" in text
        assert "3 NaN, 0 Inf on one side only" in text
        assert "Local ─" in text
        assert "Against ONNX ─" in text
        assert "20.0 %" in text


async def test_kinds_and_shapes_of_both_sides_are_marked_where_they_differ() -> None:
    layer = fake_run.layers()[0]
    assert layer.torch is not None and layer.paddle is not None
    output = replace(layer.paddle.output, shape=(1, 96, 108, 108))
    pair = LayerPair(0, layer.torch, replace(layer.paddle, outputs=(output,)), "order", "at the same place")
    result = LayerResult(0, Verdict.SHAPE, True, note="shapes differ")
    async with opened(playing([RunStarted("one", "", ""), LayersPaired((pair,)), LayerDiffed(result)])) as pilot:
        text = await go_to(pilot, "features.0")
        assert any(line.split()[:2] == ["output", "≠"] for line in text.splitlines())


async def test_the_tolerance_marks_the_histogram_as_soon_as_it_is_known() -> None:
    events = fake_run.events()
    run = fake_run.FakeRun(events, hold=len(events) - 1)
    async with opened(lambda: run, wait=False) as pilot:
        await driving.until(pilot, lambda: len(compare(pilot).state.results) == 66)
        await pilot.press("n")
        assert "tolerance" not in await go_to(pilot, "features.2")
        run.go()
        await driving.ended(pilot)
        assert isinstance(events[-1], RunEnded)
        await driving.until(pilot, lambda: "tolerance 1e-4" in detail(pilot).plain)


async def test_the_details_scroll_by_the_same_keys_and_start_at_the_top_of_each_layer() -> None:
    async with opened() as pilot:
        pane = detail(pilot)
        await pilot.press("tab")
        assert pane.has_focus
        page = pane.scrollable_content_region.height
        for key, expected in {"j": 1, "k": 0, "down": 1, "up": 0, "ctrl+d": pane.size.height // 2, "ctrl+u": 0}.items():
            await pilot.press(key)
            assert pane.scroll_offset.y == expected, key
        await pilot.press("pagedown")
        assert pane.scroll_offset.y == page
        await pilot.press("pageup", "G")
        assert pane.scroll_offset.y == pane.max_scroll_y > page
        await pilot.press("home", "end", "n")
        assert pane.scroll_offset.y == 0


async def test_the_wheel_scrolls_the_details() -> None:
    async with opened() as pilot:
        await driving.wheel(pilot, (100, 15), down=True)
        await driving.until(pilot, lambda: detail(pilot).scroll_offset.y > 0)


async def test_tab_changes_panes_and_escape_goes_back_step_by_step() -> None:
    async with opened() as pilot:
        panes = compare(pilot).query_one("#panes")
        await pilot.press("tab")
        assert detail(pilot).has_focus
        await pilot.press("shift+tab")
        assert table(pilot).has_focus
        await driving.type_filter(pilot, "kind:conv")
        await pilot.press("enter", "s", "enter", "z")
        assert panes.has_class("-zoomed") and detail(pilot).has_focus
        await pilot.press("escape")
        assert not panes.has_class("-zoomed")
        await pilot.press("escape")
        assert table(pilot).has_focus and table(pilot).outline.filtered
        await pilot.press("escape")
        assert not table(pilot).outline.filtered and table(pilot).sorted
        await pilot.press("escape")
        assert not table(pilot).sorted
        await pilot.press("escape", "escape")
        assert pilot.app.screen is compare(pilot)


async def test_zoom_gives_the_focused_pane_all_the_width() -> None:
    async with opened() as pilot:
        await pilot.press("z")
        assert not detail(pilot).display
        assert table(pilot).size.width > 110
        await pilot.press("tab")
        assert detail(pilot).display and not compare(pilot).query_one("#layers").display
        await pilot.press("z")
        assert detail(pilot).display and compare(pilot).query_one("#layers").display


async def test_zoomed_details_have_the_pictures_beside_the_figures() -> None:
    async with opened() as pilot:
        await pilot.press("tab", "z")
        await pilot.pause()
        figures, pictures = detail(pilot).query("Static")
        assert figures.region.y == pictures.region.y
        assert pictures.region.x >= figures.region.right
        await pilot.press("z")
        await pilot.pause()
        assert pictures.region.y >= figures.region.bottom


async def test_a_click_gives_a_pane_the_focus() -> None:
    async with opened() as pilot:
        await pilot.click(LayerDetail)
        assert detail(pilot).has_focus
        await pilot.click("#layers LayerTable", offset=(5, 3))
        assert table(pilot).has_focus


async def test_the_line_of_a_layer_is_copied_or_its_details_or_the_report() -> None:
    async with opened() as pilot:
        await pilot.press("y")
        assert pilot.app.clipboard == "features.2  MaxPool2d  1x96x54x54  0.743  1  ✗ born"
        await pilot.press("tab", "y")
        assert pilot.app.clipboard == detail(pilot).plain
        await pilot.press("Y")
        assert pilot.app.clipboard.startswith("#")
        assert "features.9.cat" in pilot.app.clipboard
        assert told(pilot) == ["copied the line of features.2", "copied the details of features.2", "copied the report as Markdown"]


async def test_the_text_that_is_selected_is_copied_first() -> None:
    async with opened() as pilot:
        line = driving.line_of(pilot, "0.743 at [0, 3, 53, 0]")
        x = screen_text(pilot).splitlines()[line].index("0.743 at")
        await pilot.mouse_down(offset=(x, line))
        await pilot.hover(offset=(x + 4, line))
        await pilot.mouse_up(offset=(x + 4, line))
        await pilot.press("y")
        assert pilot.app.clipboard == "0.743"
        assert told(pilot) == ["copied the selection"]


async def test_without_layers_or_a_report_the_headline_is_copied() -> None:
    run = fake_run.FakeRun(fake_run.opening(), hold=8)
    async with opened(lambda: run, wait=False) as pilot:
        await driving.until(pilot, lambda: compare(pilot).state.download)
        await pilot.press("y")
        assert pilot.app.clipboard == f"{fake_run.PAIR}: downloading squeezenet1_0-b66bff10.pth"
        await pilot.press("Y")
        assert told(pilot)[-1] == "copied the headline; there is no report yet"


@pytest.mark.parametrize("width", [40, 80, 120, 160])
async def test_no_line_of_the_details_is_wider_than_the_pane(width: int) -> None:
    async with opened(size=(width, 30)) as pilot:
        await pilot.press("tab")
        for path in ("features.2", "features.0", "features.12.cat", "features"):
            await go_to(pilot, path)
            room = detail(pilot)._width
            figures, pictures = detail(pilot)._halves(room)
            for line in (*figures.split("\n"), *pictures.split("\n")):
                # Sentences wrap; what is laid out in columns must not.
                assert line.cell_length <= room or line.plain.rstrip(".").count(" ") > 3, line.plain
