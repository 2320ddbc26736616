"""The index against a naive model: all of the file in memory, cut at line ends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aligndbg.jobs import log_index
from aligndbg.jobs.log_index import Change, LogIndex

PIECES = st.lists(
    st.sampled_from(
        [b"\n", b"\r", b"\r\n", b"a", b"step 12 loss 0.5", b"\xff\xfe", "é層".encode(), "層".encode()[:2], b"\x00", b"x" * 70]
    ),
    max_size=40,
).map(b"".join)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of a hundred bytes have many blocks, lines span several, and most are cut."""
    monkeypatch.setattr(log_index, "BLOCK", 16)
    monkeypatch.setattr(log_index, "PIECE", 4)
    monkeypatch.setattr(log_index, "SHOWN", 24)
    monkeypatch.setattr(log_index, "CACHED_BLOCKS", 2)
    monkeypatch.setattr(log_index, "OVERLAP", 4)


def states(data: bytes) -> list[bytes]:
    lines = data.split(b"\n")
    return [line.rstrip(b"\r").rpartition(b"\r")[2] for line in (lines if lines[-1] else lines[:-1])]


def naive(data: bytes) -> list[str]:
    return [state.decode("utf-8", "replace") for state in states(data)]


def shown(index: LogIndex) -> list[str]:
    """All lines as they are read to be shown, each checked against the whole line."""
    texts = []
    for line in index.read(index.first, index.end - index.first):
        whole = index.whole(line.key)
        assert whole.startswith(line.text.removesuffix("\ufffd")) if line.cut else line.text == whole
        texts.append(whole)
    return texts


def finish(index: LogIndex) -> LogIndex:
    while index.step(0.0):
        pass
    return index


def catch_up(index: LogIndex) -> None:
    while index.refresh() is not Change.NONE:
        finish(index)


quick = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(PIECES)
def test_lines_are_those_of_the_whole_file(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "log"
    path.write_bytes(data)
    index = finish(LogIndex(path))
    assert shown(index) == naive(data)
    assert index.end - index.settled == (1 if data and not data.endswith(b"\n") else 0)


@quick
@given(PIECES)
def test_the_end_is_known_first_and_keys_stay(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "log"
    path.write_bytes(data)
    index = LogIndex(path)
    known: dict[int, str] = {}
    more = True
    while more:
        more = index.step(0.0)
        lines = dict(zip(range(index.first, index.end), shown(index), strict=True))
        assert known.items() <= lines.items()
        assert list(lines.values()) == (naive(data)[-len(lines) :] if lines else [])
        known = lines
    assert list(known.values()) == naive(data)


@quick
@given(st.lists(PIECES, min_size=1, max_size=6), st.booleans())
def test_growth_in_any_pieces(tmp_path: Path, pieces: list[bytes], missing: bool) -> None:
    path = tmp_path / "log"
    path.unlink(missing_ok=True)
    if not missing:
        path.write_bytes(pieces[0])
    index = finish(LogIndex(path))
    data = b"" if missing else pieces[0]
    for piece in pieces if missing else pieces[1:]:
        keys = dict(zip(range(index.first, index.settled), naive(data), strict=False))
        with path.open("ab") as file:
            file.write(piece)
        was_there = bool(index.size)
        catch_up(index)
        data += piece
        assert shown(index) == naive(data)
        if was_there:
            assert keys == {key: index.whole(key) for key in keys}


@quick
@given(PIECES, PIECES, st.sampled_from(["truncate", "rotate", "rewrite"]))
def test_another_file_in_its_place(tmp_path: Path, before: bytes, after: bytes, how: str) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"the old banner\n" + before)
    index = finish(LogIndex(path))
    if how == "rotate":
        path.replace(tmp_path / "log.1")
        assert index.refresh() is Change.NONE
        assert shown(index) == naive(b"the old banner\n" + before)
    # `rewrite`: the same inode, and longer than it was.
    now = b"another banner\n" + (before if how == "rewrite" else b"") + after if how != "truncate" else after[:14]
    path.write_bytes(now)
    assert index.refresh() is Change.REPLACED
    finish(index)
    catch_up(index)
    assert shown(index) == naive(now)


@quick
@given(PIECES, st.sampled_from([b"a", b"step", b"12 loss", b"x", b"\xff"]), st.integers(0, 5), st.integers(1, 50))
def test_candidates_are_the_lines_that_hold_the_bytes(tmp_path: Path, data: bytes, needle: bytes, skipped: int, count: int) -> None:
    path = tmp_path / "log"
    path.write_bytes(data)
    index = finish(LogIndex(path))

    def scan(piece: bytes) -> Iterator[int]:
        return (match.start() for match in re.finditer(re.escape(needle), piece))

    lines = (data.removesuffix(b"\n") if data.endswith(b"\n") else data).split(b"\n") if data else []
    expected = [number for number, line in enumerate(lines) if needle in line and skipped <= number < skipped + count]
    found = index.candidates(index.first + skipped, count, scan)
    # A hit in a line of several pieces may lie across more than the overlap.
    missed = {number for number in expected if number + index.first not in found}
    assert {key - index.first for key in found} <= set(expected)
    assert all(len(lines[number]) >= log_index.BLOCK for number in missed)
    assert not missed or len(needle) > log_index.OVERLAP


def test_a_file_cut_short_while_it_is_read_harms_nothing(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"0123456789\n" * 30)
    index = finish(LogIndex(path))
    path.write_bytes(b"new\n")
    assert len(index.read(index.first, 30)) == 30
    assert index.refresh() is Change.REPLACED
    assert shown(finish(index)) == ["new"]


def test_what_cannot_be_read_is_told_until_it_can(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.mkdir()
    index = LogIndex(path)
    assert index.fault
    assert index.refresh() is Change.NONE
    path.rmdir()
    path.write_bytes(b"line\n")
    assert index.refresh() is Change.REPLACED
    assert (index.fault, shown(finish(index))) == ("", ["line"])


def test_no_such_line(tmp_path: Path) -> None:
    index = LogIndex(tmp_path / "none")
    assert index.read(0, 10) == []
    with pytest.raises(IndexError):
        index.whole(0)


def test_a_line_of_many_mib_and_its_last_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    path = tmp_path / "log"
    path.write_bytes(b"first\n" + b"y" * (3 << 20) + b"\r" + b"z" * (1 << 20) + b"\r\r\nlast\n")
    index = finish(LogIndex(path))
    lines = index.read(index.first, 3)
    assert [line.text[:5] for line in lines] == ["first", "zzzzz", "last"]
    assert [line.cut for line in lines] == [False, True, False]
    assert len(lines[1].text) == log_index.SHOWN
    assert index.whole(lines[1].key) == "z" * (1 << 20)


def test_a_large_file_costs_one_count_a_mib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    path = tmp_path / "log"
    path.write_bytes(b"one line of the log\n" * 200_000)
    index = finish(LogIndex(path))
    assert index.end - index.first == 200_000
    assert len(index._counts) == 4
