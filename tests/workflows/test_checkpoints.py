"""The checkpoints `eval` and `train` follow what was run last of a pair."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from stored_evaluation import pair_of
from written_jobs import made, metrics, over, result

from aligndbg.jobs.expectation import Expectation, write_expectation
from aligndbg.jobs.folder import read_job
from aligndbg.store.listing import SessionSummary, list_sessions
from aligndbg.store.writer import SessionWriter
from aligndbg.workflows.board import Board, JobRow
from aligndbg.workflows.checkpoints import checkpoints
from aligndbg.workflows.evaluate_model import EvalReport, to_json


def evaluated(verdict: str, status: str = "finished", pair: str = "net", kind: str = "eval", error: str = "") -> SessionSummary:
    return SessionSummary(Path("s"), "s", pair, "", status, verdict, "", error, kind)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sessions", "state"),
    [
        ([evaluated("within")], "done"),
        ([evaluated("beyond"), evaluated("within")], "failed"),
        ([evaluated("", "partial")], "stopped"),
        ([evaluated("", "running")], "running"),
        ([evaluated("aligned", kind="report"), evaluated("within")], "done"),
        ([evaluated("within", error="damaged"), evaluated("beyond")], "failed"),
    ],
)
def test_the_newest_evaluation_counts(sessions: list[SessionSummary], state: str) -> None:
    assert checkpoints(sessions, ()) == {"net": {"eval": state}}


@pytest.mark.parametrize(
    ("images", "verdict", "state"), [(499, "within", "in part"), (500, "within", "done"), (8, "beyond", "failed")]
)
def test_agreement_on_too_few_pictures_is_no_proof(tmp_path: Path, images: int, verdict: Any, state: str) -> None:
    writer = SessionWriter.create(tmp_path, pair_of(tmp_path), {}, kind="eval")
    writer.finish(to_json(EvalReport("0", "tiny", verdict, 0, "", images=images)))
    writer.close()
    assert checkpoints(list_sessions(tmp_path), ()) == {"tiny": {"eval": state}}


def test_nothing_run_is_nothing_known() -> None:
    assert checkpoints([evaluated("aligned", kind="report")], ()) == {}


@pytest.mark.parametrize(
    ("status", "top1", "state"),
    [
        (None, 10.0, "running"),
        ("ended", 58.4, "done"),
        ("ended", 57.0, "failed"),
        ("failed", 58.4, "failed"),
        ("killed", 58.4, "stopped"),
        ("lost", 58.4, "stopped"),
    ],
)
def test_a_training_is_done_when_it_reached_its_target(tmp_path: Path, status: str | None, top1: float, state: str) -> None:
    folder = made(tmp_path, pair="net")
    write_expectation(folder, Expectation(epochs=1, target_top1=58.0))
    metrics(folder, result(0.0, top1=top1))
    if status is not None:
        over(folder, status)
    assert checkpoints((), Board(tmp_path).look()) == {"net": {"train": state}}


def test_a_training_whose_logs_are_not_read_yet_is_not_done(tmp_path: Path) -> None:
    folder = made(tmp_path, pair="net")
    over(folder)
    assert checkpoints((), [JobRow(read_job(folder), behind=True)]) == {"net": {"train": "not yet"}}


def test_an_evaluation_that_runs_as_a_job_counts_before_the_last_one(tmp_path: Path) -> None:
    folder = made(tmp_path, "20260101T120000Z-eval-0000", kind="eval", pair="net")
    assert checkpoints([evaluated("within")], Board(tmp_path).look()) == {"net": {"eval": "running"}}
    over(folder)
    assert checkpoints([evaluated("within")], Board(tmp_path).look()) == {"net": {"eval": "done"}}


def test_jobs_of_no_pair_say_nothing(tmp_path: Path) -> None:
    made(tmp_path)
    assert checkpoints((), Board(tmp_path).look()) == {}
