"""The line that shows the whole network, and the born layers alone."""

from __future__ import annotations

from dataclasses import replace

import driving
from driving import compare, opened, playing, rows, screen_text, small, table

from aligndbg.core.verdict import OnnxDiff
from aligndbg.tui.widgets.filter_bar import FilterBar
from aligndbg.tui.widgets.network_strip import NetworkStrip
from aligndbg.workflows.events import Event, LayerDiffed


def marks(strip: NetworkStrip) -> str:
    return str(strip.render())


async def test_each_layer_has_a_mark_in_the_order_of_execution() -> None:
    async with opened(playing(small("a", "b.0", "b.1", "c", "d", verdicts=" bui "))) as pilot:
        strip = compare(pilot).query_one(NetworkStrip)
        assert marks(strip) == "▁▇▂▄▁"


async def test_where_there_are_more_layers_than_cells_the_worst_of_each_is_shown() -> None:
    paths = [f"layer{index}" for index in range(500)]
    async with opened(playing(small(*paths, verdicts=" " * 300 + "b"))) as pilot:
        strip = compare(pilot).query_one(NetworkStrip)
        width = strip.content_size.width
        assert len(marks(strip)) == width
        assert marks(strip).index("▇") == 300 * width // 500
        await pilot.click(NetworkStrip, offset=(1 + marks(strip).index("▇"), 0))
        await driving.until(pilot, lambda: table(pilot).path == "layer300")


async def test_the_cursor_is_seen_behind_its_layer() -> None:
    async with opened(playing(small("a", "b", "c", verdicts=" b"))) as pilot:
        strip = compare(pilot).query_one(NetworkStrip)

        def on_ground() -> bool:
            born = next(segment for segment in strip.render_line(0) if "▇" in segment.text)
            return born.style is not None and born.style.bgcolor != strip.rich_style.bgcolor

        assert on_ground()
        await pilot.press("g")
        await driving.until(pilot, lambda: not on_ground())


async def test_layers_that_wait_are_dots() -> None:
    async with opened(playing(small("a", "b", "c")[:3])) as pilot:
        assert marks(compare(pilot).query_one(NetworkStrip)) == "▁··"


async def test_the_strip_goes_where_there_are_few_lines() -> None:
    async with opened(size=(80, 12)) as pilot:
        strip = compare(pilot).query_one(NetworkStrip)
        assert not strip.display
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert strip.display


async def test_the_born_layers_alone_and_all_again() -> None:
    async with opened() as pilot:
        await pilot.press("b")
        await driving.until(pilot, lambda: table(pilot).outline.matches == 2)
        assert rows(pilot) == ["features", "features.2", "features.9", "features.9.cat"]
        assert "/ verdict:born" in screen_text(pilot)
        assert table(pilot).has_focus
        await pilot.press("b")
        await driving.until(pilot, lambda: len(rows(pilot)) == 76)
        assert not compare(pilot).query_one(FilterBar).has_class("-open")
        await pilot.press("slash", "b", "b")
        assert compare(pilot).query_one(FilterBar).text == "bb"


def located() -> list[Event]:
    """A run of which the local diffs, ONNX Runtime's and the side at fault are known."""
    events: list[Event] = []
    for event in small("a", "b", verdicts=" b"):
        if isinstance(event, LayerDiffed) and event.result.propagated:
            local = event.result.propagated.stats
            event = LayerDiffed(replace(event.result, local=local, onnx=OnnxDiff(1e-7, 0.25), blame="paddle"))
        events.append(event)
    return events


async def test_columns_of_what_is_not_known_take_no_room_until_it_is() -> None:
    async with opened(playing(small("a", "b", verdicts=" b"), located()), size=(160, 45)) as pilot:
        heading = screen_text(pilot).splitlines()[driving.line_of(pilot, "verdict")]
        assert "rel" in heading
        assert not any(title in heading for title in ("local", "onnx", "blame"))
        await pilot.press("r")
        await driving.until(pilot, lambda: compare(pilot).state.results and compare(pilot).state.phase != "running")
        heading = screen_text(pilot).splitlines()[driving.line_of(pilot, "verdict")]
        assert all(title in heading for title in ("local", "onnx", "blame"))
        assert any("0.25 ✗ born" in line and "paddle" in line for line in screen_text(pilot).splitlines())
