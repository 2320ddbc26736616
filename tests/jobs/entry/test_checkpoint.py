"""Checkpoints: whole at any moment, and nothing in them is executed."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from aligndbg.errors import EnvironmentFault, InputError
from aligndbg.jobs.entry import checkpoint
from aligndbg.jobs.entry.checkpoint import Checkpoint, Progress, finish, read, read_arrays, save
from aligndbg.weights.pdparams import load


def of_epoch(epoch: int) -> Checkpoint:
    weights = {"conv.weight": np.full((2, 3), epoch, np.float32)}
    return Checkpoint(weights, {"conv_velocity_0": np.full(3, -epoch, np.float32)}, Progress(epoch, 0.5, 1, 7, 12, 2))


def epoch_of(found: Checkpoint) -> int:
    """The epoch that all three files agree on."""
    epoch = found.progress.epoch
    assert (found.weights["conv.weight"] == epoch).all()
    assert (found.optimizer["conv_velocity_0"] == -epoch).all()
    return epoch


def test_what_is_saved_is_read(tmp_path: Path) -> None:
    save(tmp_path / "new" / "folder", "latest", of_epoch(3))
    found = read(tmp_path / "new" / "folder" / "latest")
    assert found.progress == Progress(3, 0.5, 1, 7, 12, 2)
    assert epoch_of(found) == 3
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == [
        "latest.pdopt",
        "latest.pdparams",
        "latest.pdstates",
    ]


def test_all_three_are_read_by_the_restricted_reader_and_by_paddle(tmp_path: Path) -> None:
    paddle = pytest.importorskip("paddle")
    save(tmp_path, "latest", of_epoch(3))
    for suffix, name, value in ((".pdparams", "conv.weight", 3), (".pdopt", "conv_velocity_0", -3), (".pdstates", "epoch", 3)):
        path = tmp_path / f"latest{suffix}"
        with path.open("rb") as file:
            assert load(file)[name].flat[0] == value
        assert paddle.load(str(path))[name].numpy().flat[0] == value


class Killed(BaseException):
    pass


@pytest.mark.parametrize("moment", range(12))
def test_a_kill_at_any_moment_leaves_one_epochs_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int) -> None:
    """Every rename and every write is a moment."""
    save(tmp_path, "latest", of_epoch(1))
    steps = iter(range(100))

    def dies(original: object) -> object:
        def call(*arguments: object) -> object:
            if next(steps) == moment:
                raise Killed
            return original(*arguments)  # type: ignore[operator]

        return call

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", dies(Path.replace))
        patch.setattr(checkpoint, "dump", dies(checkpoint.dump))
        # What a killed process leaves is not tidied up by it.
        patch.setattr(Path, "unlink", lambda *_, **__: None)
        try:
            save(tmp_path, "latest", of_epoch(2))
            completed = True
        except Killed:
            completed = False
    found = epoch_of(read(tmp_path / "latest"))
    assert found in (1, 2)
    assert found == 2 or not completed
    assert completed == (moment >= 9)
    save(tmp_path, "latest", of_epoch(5))
    assert epoch_of(read(tmp_path / "latest")) == 5


def test_a_finished_move_is_not_done_again(tmp_path: Path) -> None:
    save(tmp_path, "latest", of_epoch(1))
    finish(tmp_path / "latest")
    assert epoch_of(read(tmp_path / "latest")) == 1


def test_a_full_disk_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, "latest", of_epoch(1))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "dump", full)
        with pytest.raises(EnvironmentFault, match="No space left on device"):
            save(tmp_path, "latest", of_epoch(2))
    assert epoch_of(read(tmp_path / "latest")) == 1


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("echo executed",)


@pytest.mark.parametrize("suffix", [".pdparams", ".pdopt", ".pdstates"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (pickle.dumps({"a": Evil()}), "which no checkpoint needs"),
        (b"", "damaged"),
        (b"\x80\x04" + b"\xff" * 100, "damaged"),
        (pickle.dumps({"a": np.ones(1000)}, protocol=4)[:500], "damaged"),
    ],
    ids=["executes", "empty", "noise", "cut"],
)
def test_a_hostile_file_is_refused_by_name(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], suffix: str, content: bytes, words: str
) -> None:
    save(tmp_path, "latest", of_epoch(1))
    (tmp_path / f"latest{suffix}").write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        read(tmp_path / "latest")
    assert f"latest{suffix}" in caught.value.message
    assert "executed" not in capfd.readouterr().out


def test_states_that_say_nothing_are_refused(tmp_path: Path) -> None:
    save(tmp_path, "latest", of_epoch(1))
    (tmp_path / "latest.pdstates").write_bytes(pickle.dumps({"metric": np.ones(3)}, protocol=4))
    with pytest.raises(InputError, match="after which epoch"):
        read(tmp_path / "latest")


def test_a_missing_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.pdparams does not exist"):
        read_arrays(tmp_path / "none.pdparams")
