"""Noticing that files have changed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aligndbg.errors import PairError
from aligndbg.tui.watch import Watcher, signature

QUICK = 0.005


class Looks:
    """A list of files that counts how often it is asked for, so that tests can wait for looks instead of seconds."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self.paths = list(paths)
        self.broken = False
        self._looked = threading.Semaphore(0)

    def __call__(self) -> Iterable[Path]:
        self._looked.release()
        if self.broken:
            raise PairError("pair.yaml:3: unknown key")
        return self.paths

    def wait(self, looks: int = 4) -> None:
        while self._looked.acquire(blocking=False):
            pass
        for _ in range(looks):
            assert self._looked.acquire(timeout=10)


@contextmanager
def watching(looks: Looks) -> Iterator[Callable[[], int]]:
    """How often a change was told so far."""
    told: list[None] = []
    watcher = Watcher(looks, lambda: told.append(None), QUICK)
    looks.wait()
    yield lambda: len(told)
    watcher.stop()


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / name for name in ("pair.yaml", "paddle_model.py")]
    for path in paths:
        path.write_text("one")
    return paths


def test_a_signature_knows_times_sizes_and_absence(files: list[Path], tmp_path: Path) -> None:
    found = signature([*files, tmp_path / "absent"])
    assert found[files[0]] == (files[0].stat().st_mtime_ns, 3)
    assert found[tmp_path / "absent"] is None


def test_one_change_is_told_once(files: list[Path]) -> None:
    looks = Looks(files)
    with watching(looks) as told:
        assert told() == 0
        files[1].write_text("another")
        looks.wait()
        assert told() == 1
        looks.wait()
        assert told() == 1


def test_a_file_that_is_away_for_a_moment_is_waited_for(files: list[Path]) -> None:
    looks = Looks(files)
    with watching(looks) as told:
        files[1].unlink()
        looks.wait()
        assert told() == 0
        files[1].write_text("again")
        looks.wait()
        assert told() == 1


def test_a_file_that_was_never_there_keeps_no_other_from_being_seen(files: list[Path], tmp_path: Path) -> None:
    looks = Looks([*files, tmp_path / "absent"])
    with watching(looks) as told:
        files[0].write_text("another")
        looks.wait()
        assert told() == 1


def test_a_new_file_is_a_change(files: list[Path], tmp_path: Path) -> None:
    looks = Looks(files)
    with watching(looks) as told:
        (tmp_path / "layers.py").write_text("")
        looks.paths.append(tmp_path / "layers.py")
        looks.wait()
        assert told() == 1


def test_files_that_cannot_be_named_for_a_while_are_those_known_before(files: list[Path]) -> None:
    looks = Looks(files)
    with watching(looks) as told:
        looks.broken = True
        files[0].write_text("half of a ya")
        looks.wait()
        assert told() == 1
        looks.broken = False
        files[0].write_text("whole again")
        looks.wait()
        assert told() == 2


def test_nothing_is_told_after_the_stop(files: list[Path]) -> None:
    told = threading.Event()
    looks = Looks(files)
    watcher = Watcher(looks, told.set, QUICK)
    looks.wait()
    watcher.stop()
    files[0].write_text("another")
    assert not told.wait(10 * QUICK)
