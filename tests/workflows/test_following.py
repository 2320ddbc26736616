"""A job followed through its logs and metrics, and all jobs on the board."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from written_jobs import made, metrics, over, result, sample

from aligndbg.errors import UsageError
from aligndbg.jobs.expectation import Expectation, write_expectation
from aligndbg.jobs.metrics import Sample
from aligndbg.workflows import board as board_module
from aligndbg.workflows.board import Board
from aligndbg.workflows.following import Follower, Update

PADDLECLAS = (
    "[2026/11/24 00:11:{step:02}] ppcls INFO: [Train][Epoch 1/2][Iter: {step}/40]"
    "lr(Constant): 0.1, top1: 0.1, loss: {loss}, ips: 8.0\n"
)


def read_on(follower: Follower) -> list[Update]:
    updates = [follower.step()]
    while updates[-1].more:
        updates.append(follower.step())
    return updates


def test_metrics_come_as_they_are_written(tmp_path: Path) -> None:
    folder = made(tmp_path)
    follower = Follower(folder)
    assert follower.step().samples == ()
    metrics(folder, sample(0, 7.0), sample(1, 6.5))
    assert [one.values["loss"] for one in follower.step().samples] == [7.0, 6.5]
    metrics(folder, sample(2, 6.25, ips=12.0))
    update = follower.step()
    assert [one.step for one in update.samples] == [2]
    assert update.latest == {("train", "loss"): 6.25, ("train", "ips"): 12.0}
    assert update.epochs == pytest.approx(0.3)


def test_what_is_left_is_reckoned_from_the_pace_and_the_epochs_expected(tmp_path: Path) -> None:
    folder = made(tmp_path)
    write_expectation(folder, Expectation(epochs=5))
    now = 1e9
    lines = [Sample(0, now + step * 2.0, 0, "train", 0.0, step, 10, {"loss": 1.0}) for step in range(10)]
    metrics(folder, *lines)
    follower = Follower(folder)
    update = follower.step()
    assert update.left is not None
    assert update.left.rate == pytest.approx(1 / 20, rel=1.0)
    over(folder)
    assert follower.step().left is None


@pytest.mark.parametrize(("status", "told"), [("ended", ["below-target"]), ("killed", []), ("failed", [])])
def test_a_target_is_judged_where_the_training_ended_well(tmp_path: Path, status: str, told: list[str]) -> None:
    folder = made(tmp_path)
    write_expectation(folder, Expectation(epochs=90, target_top1=58.092))
    metrics(folder, result(0.0, top1=2.0))
    over(folder, status)
    assert [one.rule for one in read_on(Follower(folder))[-1].standing] == told


def test_how_much_of_a_long_log_is_read(tmp_path: Path) -> None:
    folder = made(tmp_path)
    (folder / "log/launcher.log").write_text("a line of words\n" * 50_000)
    shares = [update.read for update in read_on(Follower(folder))]
    assert shares == sorted(shares) and len(shares) > 2
    assert 0.2 < shares[0] < 0.5 and shares[-1] == 1.0
    assert Follower(made(tmp_path, "without-logs")).step().read == 1.0


def test_the_metrics_file_counts_before_the_log(tmp_path: Path) -> None:
    folder = made(tmp_path)
    (folder / "log/launcher.log").write_text(PADDLECLAS.format(step=1, loss=3.5))
    follower = Follower(folder)
    assert [one.values["loss"] for one in follower.step().samples] == [3.5]
    metrics(folder, sample(0, 7.0))
    (folder / "log/launcher.log").write_text(PADDLECLAS.format(step=1, loss=3.5) * 2)
    assert [one.values["loss"] for one in follower.step().samples] == [7.0]


def test_each_rank_is_read_and_the_launchers_copy_of_rank_0_is_not(tmp_path: Path) -> None:
    folder = made(tmp_path, ranks=2)
    (folder / "log/launcher.log").write_text(PADDLECLAS.format(step=1, loss=3.5))
    for rank in range(2):
        (folder / f"log/workerlog.{rank}").write_text(PADDLECLAS.format(step=1, loss=3.5 + rank))
    assert sorted((one.rank, one.values["loss"]) for one in Follower(folder).step().samples) == [(0, 3.5), (1, 4.5)]


def test_a_broken_rule_is_told_once_and_stands(tmp_path: Path) -> None:
    folder = made(tmp_path)
    metrics(folder, sample(0), sample(1, math.nan), sample(2, math.nan))
    follower = Follower(folder)
    update = follower.step()
    assert [one.rule for one in update.fresh] == ["loss-not-finite"]
    metrics(folder, sample(3, math.nan))
    update = follower.step()
    assert (update.fresh, [one.rule for one in update.standing]) == ((), ["loss-not-finite"])


def test_what_is_given_counts_before_what_the_job_expects(tmp_path: Path) -> None:
    folder = made(tmp_path)
    write_expectation(folder, Expectation(epochs=5, classes=10, target_top1=70.0, margin=0.5))
    update = Follower(folder, Expectation(epochs=3, target_top1=60.0)).step()
    assert update.expectation == Expectation(epochs=3, classes=10, target_top1=60.0, margin=0.5)


def test_a_wrong_format_is_refused(tmp_path: Path) -> None:
    folder = made(tmp_path, log_format="papaya")
    (folder / "log/launcher.log").write_text("x\n")
    with pytest.raises(UsageError, match="papaya"):
        Follower(folder).step()


def test_the_board_has_every_job_with_its_progress(tmp_path: Path) -> None:
    first = made(tmp_path, "20260101T120000Z-train-0000")
    second = made(tmp_path, "20260102T120000Z-train-0000", log_format="papaya")
    (second / "log/launcher.log").write_text("x\n")
    (tmp_path / "20260103T120000Z-train-0000").mkdir()
    (tmp_path / "20260103T120000Z-train-0000/spec.json").write_text("{")
    metrics(first, sample(0, 5.5))
    damaged, refused, fine = Board(tmp_path).look()
    assert damaged.job.error
    assert "papaya" in refused.fault
    assert fine.update is not None and fine.update.latest["train", "loss"] == 5.5 and not fine.behind


def test_a_job_that_is_over_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = made(tmp_path)
    metrics(folder, sample(0, 5.5))
    over(folder)
    board = Board(tmp_path)
    before = board.look()
    monkeypatch.setattr(Follower, "step", lambda self: pytest.fail("read again"))
    assert board.look() == before


def test_a_job_that_ends_is_read_to_its_end(tmp_path: Path) -> None:
    folder = made(tmp_path)
    board = Board(tmp_path)
    board.look()
    metrics(folder, sample(0, 5.5))
    over(folder)
    (row,) = board.look()
    assert row.update is not None and row.update.latest["train", "loss"] == 5.5
    assert row.job.state is not None and row.job.state.status == "ended"


def test_a_long_log_is_read_over_several_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aligndbg.jobs.tail.BLOCK", 100)
    folder = made(tmp_path)
    metrics(folder, *(sample(step, 7.0 - step / 10) for step in range(10)))
    over(folder)
    board = Board(tmp_path)
    (row,) = board.look(0.0)
    looks = 1
    while row.behind:
        (row,) = board.look(0.0)
        looks += 1
    assert looks > 3
    assert row.update is not None and row.update.latest["train", "loss"] == pytest.approx(6.1)


def test_of_very_many_jobs_the_newest_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board_module, "MOST_FOLLOWED", 1)
    old = made(tmp_path, "20260101T120000Z-train-0000")
    new = made(tmp_path, "20260102T120000Z-train-0000")
    over(old)
    over(new)
    first, second = Board(tmp_path).look()
    assert first.job.path == new and first.update is not None
    assert second.job.path == old and second.update is None


def test_a_look_is_short_however_many_logs_are_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[Path] = []
    step = Follower.step
    monkeypatch.setattr(Follower, "step", lambda self: (steps.append(self._path), step(self))[1])
    running = made(tmp_path, "20260101T120000Z-train-0000")
    old = [made(tmp_path, f"20260102T12000{number}Z-train-0000") for number in range(4)]
    for folder in old:
        metrics(folder, sample(0, 5.5))
        over(folder)
    board = Board(tmp_path)
    rows = board.look(0.0)
    assert steps == [running, old[3]], "what runs, and the newest of the others"
    assert [row.behind for row in rows] == [False, True, True, True, False]
    for _ in range(3):
        rows = board.look(0.0)
    assert not any(row.behind for row in rows)
    assert all(row.update is not None and row.update.latest for row in rows[:-1])


def test_what_the_logs_of_a_job_that_is_over_say_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = made(tmp_path)
    write_expectation(folder, Expectation(epochs=1))
    metrics(folder, sample(0), sample(1, math.nan), sample(2, 5.5))
    over(folder)
    (before,) = Board(tmp_path).look()
    assert before.update is not None and [one.rule for one in before.update.standing] == ["loss-not-finite"]
    with monkeypatch.context() as patch:
        patch.setattr(Follower, "step", lambda self: pytest.fail("read again"))
        (after,) = Board(tmp_path).look()
    assert after.update is not None and after.job == before.job
    assert (after.update.latest, after.update.epochs) == (before.update.latest, before.update.epochs)
    assert after.update.expectation == before.update.expectation
    assert str(after.update.standing) == str(before.update.standing)


@pytest.mark.parametrize("damage", ["{", "[]", '{"schema": 1}', '{"schema": 9}', '{"schema": 1, "files": {}, "latest": 3}'])
def test_a_summary_that_is_old_or_damaged_is_made_anew(tmp_path: Path, damage: str) -> None:
    folder = made(tmp_path)
    metrics(folder, sample(0, 5.5))
    over(folder)
    Board(tmp_path).look()
    (folder / "summary.json").write_text(damage)
    (row,) = Board(tmp_path).look()
    assert row.update is not None and row.update.latest["train", "loss"] == 5.5
    metrics(folder, sample(1, 4.5))
    (row,) = Board(tmp_path).look()
    assert row.update is not None and row.update.latest["train", "loss"] == 4.5


def test_a_folder_that_cannot_be_written_is_read_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, document: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("aligndbg.workflows.job_summary.write_json", full)
    folder = made(tmp_path)
    metrics(folder, sample(0, 5.5))
    over(folder)
    for _ in range(2):
        (row,) = Board(tmp_path).look()
        assert row.update is not None and row.update.latest["train", "loss"] == 5.5
