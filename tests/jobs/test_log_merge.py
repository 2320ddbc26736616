"""Several ranks as one log, against lists of lines."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aligndbg.jobs import log_index, log_merge
from aligndbg.jobs.log_index import Change
from aligndbg.jobs.log_merge import LogMerge
from aligndbg.jobs.log_search import Needle, Search, kept
from aligndbg.jobs.log_time import time_of

quick = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

SECONDS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), max_size=12).map(sorted)
"""Of one rank's lines, in order: when, and how many lines without a time follow."""


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_index, "BLOCK", 64)
    monkeypatch.setattr(log_merge, "STRIDE", 4)
    monkeypatch.setattr(log_merge, "RUN", 3)


def lines_of(rank: int, seconds: list[tuple[int, int]]) -> list[tuple[int, str]]:
    """Each with its time."""
    lines = []
    for number, (second, following) in enumerate(seconds):
        lines.append((second, f"[2026/11/24 00:00:0{second}] rank {rank} line {number}"))
        lines += [(second, f"  of {rank} {number} {each}") for each in range(following)]
    return lines


def write(path: Path, lines: list[str], mode: str = "w") -> None:
    with path.open(mode) as file:
        file.write("".join(f"{line}\n" for line in lines))


def finish(merge: LogMerge) -> LogMerge:
    while merge.step(0.0):
        pass
    return merge


def shown(merge: LogMerge) -> list[tuple[int | None, str]]:
    lines = merge.read(merge.first, merge.end - merge.first)
    assert [line.key for line in lines] == list(range(merge.first, merge.end))
    assert [merge.whole(line.key) for line in lines] == [line.text for line in lines]
    return [(line.rank, line.text) for line in lines]


@quick
@given(st.lists(SECONDS, min_size=1, max_size=3))
def test_timestamps_tell_the_order_and_lines_without_one_follow(tmp_path: Path, ranks: list[list[tuple[int, int]]]) -> None:
    expected = []
    for rank, seconds in enumerate(ranks):
        lines = lines_of(rank, seconds)
        write(tmp_path / f"log.{rank}", [text for _, text in lines])
        expected += [(second, rank, text) for second, text in lines]
    merge = LogMerge({rank: tmp_path / f"log.{rank}" for rank in range(len(ranks))})
    known: dict[int, str] = {}
    while merge.step(0.0):
        now = {line.key: line.text for line in merge.read(merge.first, merge.end - merge.first)}
        assert known.items() <= now.items()
        known = now
    # Sorting is stable: within a second, a rank's lines stay in their order.
    expected.sort(key=lambda line: line[:2])
    assert shown(merge) == [(rank, text) for _, rank, text in expected]


@quick
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 5)), max_size=12), st.sets(st.integers(0, 2)))
def test_what_is_written_later_comes_as_it_arrives(tmp_path: Path, writes: list[tuple[int, int]], ranks: set[int]) -> None:
    paths = {rank: tmp_path / f"log.{rank}" for rank in range(3)}
    for rank, path in paths.items():
        write(path, [f"begun {rank}"])
    merge = finish(LogMerge(paths))
    expected: list[tuple[int | None, str]] = [(rank, f"begun {rank}") for rank in range(3)]
    merge.show(ranks)
    for number, (rank, count) in enumerate(writes):
        lines = [f"{number} {each}" for each in range(count)]
        write(paths[rank], lines, "a")
        assert merge.refresh() is Change.GREW
        expected += [(rank, line) for line in lines]
        assert shown(merge) == [line for line in expected if line[0] in ranks]
    merge.show({0, 1, 2})
    assert shown(merge) == expected


def test_files_without_times_stand_one_after_the_other_and_cost_one_look_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_index, "BLOCK", 1 << 20)
    looks = 0

    def counted(text: str, year: int) -> float | None:
        nonlocal looks
        looks += 1
        return time_of(text, year)

    monkeypatch.setattr(log_merge, "time_of", counted)
    paths = {rank: tmp_path / f"log.{rank}" for rank in range(2)}
    for rank, path in paths.items():
        write(path, [f"{rank} {number}" for number in range(2000)])
    assert shown(finish(LogMerge(paths))) == [(rank, f"{rank} {number}") for rank in range(2) for number in range(2000)]
    assert looks < 5000


def test_an_unended_line_stands_last_until_it_ends(tmp_path: Path) -> None:
    paths = {0: tmp_path / "a", 1: tmp_path / "b"}
    paths[0].write_text("first\n 10%")
    paths[1].write_text("other\n")
    merge = finish(LogMerge(paths))
    assert shown(merge) == [(0, "first"), (1, "other"), (0, " 10%")]
    assert merge.settled == merge.end - 1
    write(paths[1], ["more"], "a")
    with paths[0].open("a") as file:
        file.write("\r 20%")
    merge.refresh()
    assert shown(merge) == [(0, "first"), (1, "other"), (1, "more"), (0, " 20%")]
    write(paths[0], ["\r100%"], "a")
    merge.refresh()
    assert shown(merge)[-1] == (0, "100%")
    assert merge.settled == merge.end


def test_a_rotated_rank_begins_again_and_a_late_one_comes(tmp_path: Path) -> None:
    paths = {0: tmp_path / "a", 1: tmp_path / "b"}
    write(paths[0], ["one"])
    merge = finish(LogMerge(paths))
    write(paths[1], ["late"])
    assert merge.refresh() is Change.REPLACED
    assert shown(finish(merge)) == [(0, "one"), (1, "late")]
    paths[0].rename(tmp_path / "a.1")
    write(paths[0], ["anew"])
    assert merge.refresh() is Change.REPLACED
    assert shown(finish(merge)) == [(0, "anew"), (1, "late")]


def test_search_goes_through_the_ranks_in_the_order_of_the_view(tmp_path: Path) -> None:
    paths = {rank: tmp_path / f"log.{rank}" for rank in range(2)}
    for rank, path in paths.items():
        write(path, [f"[2026/11/24 00:00:{second:02}] step {second % 5}" for second in range(rank, 60, 2)])
    merge = finish(LogMerge(paths))
    needle = Needle("step 3")
    assert len(kept(merge, needle, merge.first, merge.end - merge.first)) == 12
    search = Search(merge, needle, merge.first, 1)
    while search.run(0.0):
        pass
    assert search.found == merge.first + 3
    assert merge.read(search.found)[0].rank == 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("[1970/01/02 00:00:01] ppcls INFO", 86401.0),
        ("[1970-01-01 00:00:18,250] [ WARNING] logger.py:73 - A", 18.25),
        ("LAUNCH ERROR 1970-01-01 00:12:03,705 Device", 723.705),
        ("I0101 00:00:39.750782 17719 tcp_utils.cc:109] Retry", 39.750782),
        ("1970-01-01T00:00:01.5Z", 1.5),
        ("[1970/13/01 00:00:01]", None),
        ("no time", None),
        ("x" * 70 + "1970-01-01 00:00:00", None),
    ],
)
def test_times(text: str, seconds: float | None) -> None:
    assert time_of(text, 1970) == (None if seconds is None else pytest.approx(seconds))
