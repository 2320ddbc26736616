"""Beside an evaluation that runs as a job: the pair's own last evaluation, and torch's published figure."""

from __future__ import annotations

from pathlib import Path

import pytest
from stored_evaluation import pair_of
from written_jobs import made, metrics, result

from aligndbg.report.jobs import top1_text
from aligndbg.store.writer import SessionWriter
from aligndbg.workflows.beside import OtherTop1, other_top1
from aligndbg.workflows.evaluate_model import EvalReport, SideReport, to_json
from aligndbg.workflows.following import Follower


def evaluated(root: Path, torch: float, finished: bool = True, target: float | None = 71.878) -> None:
    writer = SessionWriter.create(root / "sessions", pair_of(root), {}, kind="eval")
    sides = {side: SideReport(top1, 96.4, 1.0, 0, 0) for side, top1 in (("torch", torch), ("paddle", 83.9))}
    report = EvalReport("0", "tiny", "within", 0, "", images=250, target_top1=target, sides=sides)
    if finished:
        writer.finish(to_json(report))
    writer.close()


def test_the_newest_whole_evaluation_of_the_pair_counts(tmp_path: Path) -> None:
    evaluated(tmp_path, 80.0)
    evaluated(tmp_path, 84.0)
    evaluated(tmp_path, 99.0, finished=False)
    assert other_top1("tiny", tmp_path / "sessions") == OtherTop1((("torch", 84.0), ("paddle", 83.9)), 250, 71.878)
    assert other_top1("other", tmp_path / "sessions") == OtherTop1()


def test_the_published_figure_of_a_known_pair_needs_no_evaluation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    assert other_top1("squeezenet1_0", tmp_path).published == 58.092


def test_what_is_known_stands_in_one_line(tmp_path: Path) -> None:
    folder = made(tmp_path, kind="paddleclas-eval", pair="tiny")
    update = Follower(folder).step()
    assert top1_text(update, OtherTop1()) == "top-1: none by this job yet"
    metrics(folder, result(0.0, top1=82.9))
    update = Follower(folder).step()
    other = OtherTop1((("torch", 83.9), ("paddle", 83.9)), 250, 71.878)
    assert top1_text(update, other) == (
        "top-1: 82.90 % by this job · 83.90 % torch, 83.90 % Paddle by aligndbg eval on 250 pictures · 71.88 % published"
    )
