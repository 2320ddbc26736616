"""The log view: it opens at the end, follows, pauses, searches, filters, and obeys nothing of what it shows."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from driving import line_of, screen_text, told, until, wheel
from rich.cells import cell_len
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widgets import Input

from aligndbg.jobs import log_reader
from aligndbg.jobs.log_search import Level
from aligndbg.tui.actions import actions_of
from aligndbg.tui.theme import DARK
from aligndbg.tui.widgets.log_pane import LogPane
from aligndbg.tui.widgets.log_view import LogView

SnapCompare = Callable[..., bool]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the files often."""
    monkeypatch.setattr(log_reader, "POLL_S", 0.01)
    monkeypatch.setattr("aligndbg.tui.widgets.log_view.POLL_S", 0.01)
    monkeypatch.setattr("textual.widgets.Input.cursor_blink", False)


class LogApp(App[None]):
    def __init__(self, files: Mapping[int, Path]) -> None:
        super().__init__()
        self.files = files
        self.quits = 0
        self.register_theme(DARK)
        self.theme = DARK.name

    def compose(self) -> ComposeResult:
        yield LogPane(self.files)

    def on_mount(self) -> None:
        self.query_one(LogView).focus()


def write(path: Path, *lines: str, mode: str = "a") -> None:
    with path.open(mode + "b") as file:
        file.write("".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape"))


def numbered(count: int, first: int = 0) -> list[str]:
    return [f"step {number:05}" for number in range(first, first + count)]


@asynccontextmanager
async def opened(*paths: Path, size: tuple[int, int] = (80, 20)) -> AsyncIterator[Pilot[None]]:
    app = LogApp(dict(enumerate(paths)))
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: view(pilot)._reader.complete and view(pilot)._told.count("reading") == 0)
        yield pilot


def view(pilot: Pilot[Any]) -> LogView:
    return pilot.app.query_one(LogView)


def lines(pilot: Pilot[Any]) -> list[str]:
    """What stands within the border."""
    shown = [line.strip() for line in screen_text(pilot).splitlines() if line.strip().startswith("│")]
    return [line.strip("│").rstrip(" ▁▂▃▄▅▆▇█").strip() for line in shown]


def subtitle(pilot: Pilot[Any]) -> str:
    return str(view(pilot).border_subtitle)


async def test_it_opens_at_the_end_and_follows(tmp_path: Path) -> None:
    path = tmp_path / "workerlog.0"
    write(path, *numbered(1000))
    async with opened(path) as pilot:
        assert lines(pilot)[-1] == "step 00999"
        assert "following · 1,000 lines" in screen_text(pilot)
        assert "workerlog.0" in screen_text(pilot)
        assert None not in grounds_of(pilot, "step 00998")
        write(path, *numbered(500, 1000))
        await until(pilot, lambda: "step 01499" in screen_text(pilot))
        assert lines(pilot) == numbered(18, 1482)


@pytest.mark.parametrize("how", ["key", "wheel", "page", "scrollbar"])
async def test_scrolling_up_pauses_and_says_so(tmp_path: Path, how: str) -> None:
    path = tmp_path / "log"
    write(path, *numbered(1000))
    async with opened(path) as pilot:
        if how == "wheel":
            await wheel(pilot, (10, 10), down=False)
        elif how == "scrollbar":
            await pilot.click(LogView, offset=(78, 3))
        else:
            await pilot.press("k" if how == "key" else "pageup")
        await until(pilot, lambda: "paused: G follows" in subtitle(pilot))
        before = lines(pilot)
        write(path, *numbered(40, 1000))
        await until(pilot, lambda: "paused, 40 new lines: G follows" in subtitle(pilot))
        assert lines(pilot) == before
        assert "paused, 40 new lines" in screen_text(pilot)
        await pilot.press("G")
        await until(pilot, lambda: "step 01039" in screen_text(pilot))
        assert "following" in subtitle(pilot)
        write(path, "the very last")
        await until(pilot, lambda: "the very last" in screen_text(pilot))


async def test_moving_reaches_both_ends(tmp_path: Path) -> None:
    path = tmp_path / "log"
    write(path, *numbered(1000))
    async with opened(path) as pilot:
        await pilot.press("g")
        await until(pilot, lambda: lines(pilot)[0] == "step 00000")
        await pilot.press("j", "pagedown", "ctrl+d", "k")
        assert view(pilot).cursor - view(pilot).first == 1 + 18 + 9 - 1
        assert "28 of 1,000" in subtitle(pilot)
        await pilot.press(*["pagedown"] * 60)
        assert lines(pilot)[-1] == "step 00999"
        assert "1,000 of 1,000" in subtitle(pilot)
        await pilot.press("end")
        assert view(pilot).following


async def test_a_progress_line_shows_its_last_state(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"begin\n 10%|#")
    async with opened(path) as pilot:
        assert "10%" in screen_text(pilot)
        with path.open("ab") as file:
            file.write(b"\r 20%|##")
        await until(pilot, lambda: "20%" in screen_text(pilot))
        assert "10%" not in screen_text(pilot)


async def test_rotation_and_a_file_that_comes_late(tmp_path: Path) -> None:
    path = tmp_path / "log"
    async with opened(path) as pilot:
        assert "nothing is written yet" in screen_text(pilot)
        write(path, "the first file")
        await until(pilot, lambda: "the first file" in screen_text(pilot))
        path.rename(tmp_path / "log.1")
        write(path, "the second file")
        await until(pilot, lambda: "the second file" in screen_text(pilot))
        assert "the first file" not in screen_text(pilot)


async def test_a_log_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    async with opened(tmp_path) as pilot:
        await until(pilot, lambda: "cannot be read: Is a directory" in screen_text(pilot))


HOSTILE = (
    "[red]x[/red] [@click=app.quit]q[/] [/nope] [",
    "\x1b[2J\x1b[H\x1b]52;c;AAAA\x07 cleared?",
    "\x9b31m\x90q \x00\x00 nuls",
    "bell\x07 back\x08space \x0b \x0c",
    "\u202eevil\u2066 \u2028 \ue000",
    "\udcff\udcfe invalid",
    "e\u0301\u200d\ufe0f" * 20,
    "層の名前" * 60,
    "x" * 1_000_000,
    "\x1b[31mreally red\x1b[0m and not",
    "\x1b[38;5;300mz\x1b[999999999999999999m",
)


@pytest.mark.parametrize("wrap", [False, True])
async def test_a_hostile_log_shows_as_text(tmp_path: Path, wrap: bool) -> None:
    path = tmp_path / "[bold]log[@click=app.quit]"
    write(path, *HOSTILE)
    async with opened(path, size=(80, 60)) as pilot:
        await pilot.press(*"w" * wrap)
        await until(pilot, lambda: "really red and not" in screen_text(pilot))
        red = colours_of(pilot, "really red")
        await pilot.press("g")
        await until(pilot, lambda: HOSTILE[0] in screen_text(pilot))
        text = screen_text(pilot)
        assert "[bold]log[@click=app.quit]" in text
        for part in (HOSTILE[0], "\\x1b[2J\\x1b[H\\x1b]52;c;AAAA\\x07 cleared?", "\\x9b31m\\x90q \\x00\\x00 nuls"):
            assert part in text
        assert "\ufffd\ufffd invalid" in text
        assert [character for character in text if not character.isprintable() and character != "\n"] == []
        assert red.isdisjoint(colours_of(pilot, "nuls") | {None})
        # The border stands where it should: no line is wider than its place.
        assert {cell_len(line) for line in text.splitlines()} == {80}


async def test_wrapped_lines_show_all_and_the_end_is_reached(tmp_path: Path) -> None:
    path = tmp_path / "log"
    write(path, *(f"{number:02} " + "word " * 40 + f"end{number:02}" for number in range(50)))
    async with opened(path) as pilot:
        assert "end49" not in screen_text(pilot)
        await pilot.press("w")
        await until(pilot, lambda: "end49" in screen_text(pilot))
        assert lines(pilot)[-1].endswith("end49") or lines(pilot)[-2].endswith("end49")
        await pilot.press(*"kkkkkkkk")
        await until(pilot, lambda: "41 word" in screen_text(pilot))
        await pilot.press("w")
        assert view(pilot).cursor - view(pilot).first == 41


async def test_long_lines_scroll_to_the_side_and_stay_there(tmp_path: Path) -> None:
    path = tmp_path / "log"
    write(path, "".join(f"{number:03}|" for number in range(100)))
    async with opened(path) as pilot:
        await pilot.press("l")
        await until(pilot, lambda: "from cell 17" in subtitle(pilot))
        assert lines(pilot)[0].startswith("004|005|")
        write(path, "another line")
        await until(pilot, lambda: view(pilot).end - view(pilot).first == 2)
        assert lines(pilot)[0].startswith("004|005|")
        await pilot.press("h", "h")
        await until(pilot, lambda: lines(pilot)[0].startswith("000|001|"))


def colours_of(pilot: Pilot[Any], text: str) -> set[Any]:
    """Of the pieces of the log that hold the text."""
    strips = pilot.app.screen._compositor.render_strips()[2:-1]
    return {piece.style.color if piece.style else None for strip in strips for piece in strip if text in piece.text}


def grounds_of(pilot: Pilot[Any], text: str) -> set[Any]:
    strips = pilot.app.screen._compositor.render_strips()[2:-1]
    return {piece.style.bgcolor if piece.style else None for strip in strips for piece in strip if text in piece.text}


async def search(pilot: Pilot[Any], text: str) -> None:
    await pilot.press("slash")
    pilot.app.query_one(Input).value = text
    await pilot.pause()
    await pilot.press("enter")
    await until(pilot, lambda: not view(pilot)._reader.searching and view(pilot)._reader.sought is None)


async def test_search_next_and_previous(tmp_path: Path) -> None:
    path = tmp_path / "log"
    write(path, *numbered(5000))
    async with opened(path) as pilot:
        await search(pilot, "777")
        await until(pilot, lambda: "line 4,778" in screen_text(pilot))
        assert "step 04777" in screen_text(pilot)
        assert not view(pilot).following
        # Under the cursor, too.
        assert grounds_of(pilot, "777") == {view(pilot).get_component_rich_style("log-lines--hit").bgcolor}
        assert colours_of(pilot, "777") == {view(pilot).get_component_rich_style("log-lines--hit").color}
        await pilot.press("N")
        await until(pilot, lambda: "line 3,778" in screen_text(pilot))
        await pilot.press("n", "n")
        await until(pilot, lambda: "line 778, round the end" in screen_text(pilot) or "line 4,778" in screen_text(pilot))
        await search(pilot, "/^step 0123[45]$/")
        await until(pilot, lambda: "line 1,2" in screen_text(pilot))
        await search(pilot, "nowhere at all")
        await until(pilot, lambda: "in no line" in screen_text(pilot))
        await search(pilot, "/(/")
        assert "not a regular expression" in screen_text(pilot)
        await pilot.press("escape")
        await until(pilot, lambda: "not a regular" not in screen_text(pilot))
        assert view(pilot).needle is None


async def test_levels_and_hits_filter_and_the_line_stays_when_the_filter_goes(tmp_path: Path) -> None:
    path = tmp_path / "log"
    text = numbered(3000)
    text[1000] = "[ WARNING] odd"
    text[2000] = "ERROR 1"
    text[100] = "ValueError: 0"
    write(path, *text)
    async with opened(path) as pilot:
        await pilot.press("e")
        await until(pilot, lambda: [line for line in lines(pilot) if line] == ["ValueError: 0", "[ WARNING] odd", "ERROR 1"])
        await pilot.press("e")
        await until(pilot, lambda: [line for line in lines(pilot) if line] == ["ValueError: 0", "ERROR 1"])
        assert "errors" in subtitle(pilot)
        write(path, "ERROR 2")
        await until(pilot, lambda: "ERROR 2" in screen_text(pilot))
        await pilot.press("k", "k")
        await pilot.press("e")
        await until(pilot, lambda: "step 00099" in screen_text(pilot))
        assert view(pilot).cursor - view(pilot).first == 100
        await search(pilot, "0299")
        await pilot.press("ampersand")
        await until(pilot, lambda: len([line for line in lines(pilot) if line]) == 10 + 1)
        assert "with 0299" in subtitle(pilot)
        await pilot.press("escape")
        await until(pilot, lambda: view(pilot).end - view(pilot).first == 3001)


async def test_lines_found_later_in_front_fill_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"
    text = numbered(20_000)
    text[::5000] = [f"ERROR {number}" for number in range(4)]
    write(path, *text)
    # One chunk between two paints.
    monkeypatch.setattr("aligndbg.tui.widgets.log_view.SLICE_S", 0.0)
    async with opened(path) as pilot:
        view(pilot).filter(Level.ERROR)
        await until(pilot, lambda: view(pilot)._reader.complete and view(pilot).first == -4)
        await until(pilot, lambda: [line for line in lines(pilot) if line] == [f"ERROR {number}" for number in range(4)])


async def test_an_empty_filter_says_so(tmp_path: Path) -> None:
    path = tmp_path / "log"
    write(path, *numbered(10))
    async with opened(path) as pilot:
        view(pilot).filter(Level.ERROR)
        await until(pilot, lambda: "no line passes the filter" in screen_text(pilot))
        await pilot.press("j", "k", "g", "G", "pageup", "n", "y", "w", "l")
        await pilot.pause()
        assert "no line passes the filter" in screen_text(pilot)


async def test_ranks_are_merged_and_shown_one_by_one(tmp_path: Path) -> None:
    paths = [tmp_path / f"workerlog.{rank}" for rank in range(2)]
    for rank, path in enumerate(paths):
        write(path, *(f"[2026/11/24 00:00:0{second}] of {rank}" for second in range(rank, 8, 2)))
    async with opened(*paths) as pilot:
        assert [line[0] for line in lines(pilot) if line] == list("01010101")
        write(paths[0], "later")
        await until(pilot, lambda: [line for line in lines(pilot) if line][-1] == "0│later")
        await pilot.press("r", "r")
        await until(pilot, lambda: {line[0] for line in lines(pilot) if line} == {"1"})
        assert "rank 1" in subtitle(pilot)
        await pilot.press("r")
        await until(pilot, lambda: len([line for line in lines(pilot) if line]) == 9)


async def test_a_line_is_copied_whole_without_its_colours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"
    write(path, "first", "\x1b[31m" + "z" * 1_000_000 + "\x1b[0m", "last")
    copied: list[str] = []
    async with opened(path) as pilot:
        monkeypatch.setattr(pilot.app, "copy_to_clipboard", copied.append)
        await pilot.click(LogView, offset=(5, 2))
        await pilot.press("y")
        await until(pilot, lambda: copied)
        assert copied == ["z" * 1_000_000]
        assert told(pilot) == ["copied line 2"]


async def test_a_click_puts_the_cursor_and_a_resize_keeps_the_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    write(path, *numbered(100))
    async with opened(path) as pilot:
        await pilot.resize_terminal(60, 10)
        await until(pilot, lambda: lines(pilot)[-1] == "step 00099")
        assert view(pilot).following
        await pilot.resize_terminal(60, 30)
        await until(pilot, lambda: lines(pilot)[-1] == "step 00099" and line_of(pilot, "step 00099") == 28)
        assert view(pilot).following
        await pilot.click(LogView, offset=(5, 3))
        assert view(pilot).cursor - view(pilot).first == 74
        assert not view(pilot).following


async def test_the_app_ends_while_much_is_searched(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one line of a log\n" * 500_000)
    async with opened(path) as pilot:
        await pilot.press("slash")
        pilot.app.query_one(Input).value = "/[x-z]{9}/"
        await pilot.press("enter")
        await pilot.pause()
        reader = view(pilot)._reader
    assert reader._closed
    assert reader.advance() is False


def test_no_key_means_two_things_in_a_pane() -> None:
    keys = [key for action in actions_of(("log", "log pane")) for key in action.keys]
    assert len(keys) == len(set(keys))


async def test_secrets_are_neither_shown_nor_copied(tmp_path: Path) -> None:
    path = tmp_path / "log"
    write(path, "HF_TOKEN=abcdef123456 loss 1.0")
    async with opened(path) as pilot:
        await until(pilot, lambda: "HF_TOKEN=*** loss 1.0" in screen_text(pilot))
        await pilot.press("y")
        await until(pilot, lambda: bool(pilot.app.clipboard))
        assert pilot.app.clipboard == "HF_TOKEN=*** loss 1.0"
        assert "abcdef" not in screen_text(pilot)


def test_the_look_of_two_ranks(snap_compare: SnapCompare, tmp_path: Path) -> None:
    paths = [tmp_path / f"workerlog.{rank}" for rank in range(2)]
    for rank, path in enumerate(paths):
        stamps = [f"[2026/11/24 00:00:{second:02}] ppcls" for second in range(rank, 20, 2)]
        write(path, *(f"{stamp} INFO: [Train][Epoch 1/2] loss: {json.dumps(0.5 + rank)}" for stamp in stamps))
    write(paths[1], "[2026/11/24 00:00:21] ppcls WARNING: lr is not the recipe's", "[2026/11/24 00:00:22] ppcls ERROR: loss is nan")
    write(paths[0], "\x1b[32mgreen\x1b[0m and \x1b[1;34mblue\x1b[0m, \x1b[2J as text")

    async def before(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: view(pilot)._reader.complete and "green and" in screen_text(pilot))
        await search(pilot, "loss: 1.5")
        await until(pilot, lambda: "line " in screen_text(pilot))
        await pilot.press("N")
        await until(pilot, lambda: view(pilot).cursor - view(pilot).first == 17)

    assert snap_compare(LogApp(dict(enumerate(paths))), terminal_size=(90, 20), run_before=before)
