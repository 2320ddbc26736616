"""Search and filters against the naive model: every line looked at."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aligndbg.errors import UsageError
from aligndbg.jobs import log_filter, log_search
from aligndbg.jobs.ansi import plain
from aligndbg.jobs.log_filter import Filtered
from aligndbg.jobs.log_index import Change, LogIndex
from aligndbg.jobs.log_search import AtLeast, Both, Keep, Level, Needle, Search, level_of

WORDS = st.sampled_from(
    ["loss 0.5", "Loss nan", "[ ERROR] x", "W1124 00:12:39.1 tcp", "é層", "\x1b[31mred\x1b[0m", "a\rb", "", "INFO a", "x" * 60]
)
LINES = st.lists(st.lists(WORDS, max_size=3).map(" ".join), max_size=40)
KEEPS = st.sampled_from(
    [
        *map(Needle, ("loss", "Loss", "/l.ss \\d/", "/^red/", "/b$/", "/^$/", "層")),
        *map(AtLeast, (Level.ERROR, Level.WARNING, Level.INFO)),
        Both(Needle("x"), AtLeast(Level.ERROR)),
    ]
)

quick = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (log_search, log_filter):
        monkeypatch.setattr(module, "CHUNK", 4)
    monkeypatch.setattr(log_filter, "CACHED_LINES", 6)


def written(path: Path, lines: list[str], mode: str = "wb") -> None:
    with path.open(mode) as file:
        file.write("".join(f"{line}\n" for line in lines).encode())


def indexed(path: Path) -> LogIndex:
    index = LogIndex(path)
    while index.step():
        pass
    return index


def states(lines: list[str]) -> list[str]:
    return [plain(line.rpartition("\r")[2]) for line in lines]


def passing(lines: list[str], keep: Keep) -> list[int]:
    return [number for number, text in enumerate(states(lines)) if keep.accepts(text)]


def ran(search: Search) -> Search:
    while search.run(0.0):
        pass
    return search


@quick
@given(LINES, KEEPS, st.integers(0, 39), st.sampled_from([1, -1]))
def test_search_finds_the_next_line_or_the_one_before(tmp_path: Path, lines: list[str], keep: Keep, start: int, step: int) -> None:
    path = tmp_path / "log"
    written(path, lines)
    index = indexed(path)
    start = min(start, max(0, len(lines) - 1))
    search = ran(Search(index, keep, index.first + start, step))
    hits = passing(lines, keep)
    beyond = [hit for hit in hits if (hit - start) * step > 0]
    around = [hit for hit in hits if (hit - start) * step <= 0]
    nearest = min if step > 0 else max
    expected = nearest(beyond) if beyond else nearest(around) if around else None
    assert search.found == (None if expected is None else expected + index.first)
    assert search.wrapped == (not beyond and bool(around))


@quick
@given(LINES, LINES, st.text("ab\r", max_size=3), KEEPS)
def test_a_filter_keeps_what_passes_while_the_file_grows(
    tmp_path: Path, lines: list[str], more: list[str], part: str, keep: Keep
) -> None:
    path = tmp_path / "log"
    written(path, lines)
    index = indexed(path)
    filtered = Filtered(index, keep)
    known: dict[int, str] = {}
    while True:
        finding = filtered.step(0.0)
        now = {line.key: line.text for line in filtered.read(filtered.first, filtered.end - filtered.first)}
        assert known.items() <= now.items()
        known = now
        if not finding:
            break
    assert [filtered.origin(key) - index.first for key in known] == passing(lines, keep)
    for addition in ("".join(f"{line}\n" for line in more), part, "\n"):
        with path.open("ab") as file:
            file.write(addition.encode())
        filtered.refresh()
    # The bytes of the file, read anew.
    everything = path.read_bytes().decode().split("\n")[:-1]
    everything = [line.rstrip("\r") for line in everything]
    keys = range(filtered.first, filtered.end)
    assert [filtered.origin(key) - index.first for key in keys] == passing(everything, keep)
    assert [filtered.place(filtered.origin(key)) for key in keys] == list(keys)


def test_a_replaced_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "log"
    written(path, ["loss 1", "loss 2"])
    filtered = Filtered(indexed(path), Needle("loss"))
    written(path, ["loss 3"])
    assert filtered.refresh() is Change.REPLACED


def test_a_hit_in_an_overwritten_state_is_none(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b" 10%|#\r 20%|##\r 30%|###\nother\n")
    index = indexed(path)
    assert ran(Search(index, Needle("20%"), index.first, 1)).found is None
    assert ran(Search(index, Needle("30%"), index.first + 1, 1)).found == index.first


def test_a_search_can_be_cancelled(tmp_path: Path) -> None:
    path = tmp_path / "log"
    written(path, ["a"] * 100)
    index = indexed(path)
    search = Search(index, Needle("b"), index.first, 1, cancelled=lambda: True)
    assert search.run() is False
    assert search.found is None


def test_hits_in_the_shown_text() -> None:
    assert Needle("loss").hits("Loss loss") == [(0, 4), (5, 9)]
    assert Needle("Loss").hits("Loss loss") == [(0, 4)]
    assert Needle("/\\d*/").hits("a12b3") == [(1, 3), (4, 5)]


@pytest.mark.parametrize("text", ["/(/", "/[a/", "/(a+)+b/", "/(?:x(\\d*,)y)*/", "/((a|b)+c){2,}/"])
def test_what_is_no_expression_or_may_take_for_ever_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Needle(text)


@pytest.mark.parametrize("text", ["/(a|b)+/", "/a+b*c/", "/[(+)+]+/", "/(\\d+)\\.(\\d+)/", "/home/", "//", "/(\\+)+/", "(a+)+"])
def test_harmless_expressions_are_taken(text: str) -> None:
    Needle(text)


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("[2026-11-24 00:18:18,191] [ WARNING] logger.py:73 - A new filed (use_gpu) detected!", Level.WARNING),
        ("[2026/11/24 00:24:20] ppcls INFO: Error rate 0.5", Level.INFO),
        ("LAUNCH ERROR 2026-11-24 00:12:03,705 Device not found 0", Level.ERROR),
        ("I1124 00:12:39.750782 17719 tcp_utils.cc:109] Retry to connect", Level.INFO),
        ("E1124 00:12:39.750782 17719 tcp_utils.cc:109] failed", Level.ERROR),
        ("dataloader.py:759: UserWarning: 'pin_memory' argument", Level.WARNING),
        ("Traceback (most recent call last):", Level.ERROR),
        ('  File "train.py", line 12, in main', Level.ERROR),
        ("ValueError: x", Level.ERROR),
        ("  paddle.base.core.EnforceNotMet: OutOfRangeException", Level.ERROR),
        ("Test: Acc@1 0.5 error 0.3", Level.NONE),
        ("", Level.NONE),
    ],
)
def test_levels_are_guessed(text: str, level: Level) -> None:
    assert level_of(text) is level
    # What has a level is never passed over by the scan of the bytes.
    assert not level or list(AtLeast(Level.INFO).scan(text.encode())) != []


@quick
@given(
    st.lists(
        st.sampled_from(["ERROR", "warning", "Warning", "INFO", "E1124 00:12", "x", "Killed", "DEBUGGER", "_", " ", ":"]),
        max_size=8,
    ).map("".join)
)
def test_the_scan_misses_no_level(text: str) -> None:
    for level in (Level.INFO, Level.WARNING, Level.ERROR):
        if AtLeast(level).accepts(text):
            assert list(AtLeast(level).scan(text.encode())) != []


def test_a_scan_of_dense_bytes_gives_one_offset_a_line() -> None:
    data = b"a a a\n" * 50
    for needle in (Needle("a"), Needle("/a/"), Needle("/a\\s*/")):
        assert len({data.count(b"\n", 0, at) for at in needle.scan(data)}) == 50
        assert len(list(needle.scan(data))) <= 51
    assert re.MULTILINE & Needle("/^a/").pattern.flags
