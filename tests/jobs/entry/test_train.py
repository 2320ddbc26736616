"""The real trainer on a tiny model: it learns, goes on exactly where it was, and several ranks are as one."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from small_training import SmallTraining

pytest.importorskip("paddle")

from aligndbg.jobs.entry.checkpoint import Checkpoint, read
from aligndbg.jobs.expectation import read_expectation
from aligndbg.jobs.formats.detection import parser_named
from aligndbg.jobs.schedule import lr_at

pytestmark = pytest.mark.frameworks


def checkpoint(small: SmallTraining, name: str = "latest") -> Checkpoint:
    return read(small.job / "checkpoints" / name)


def largest_difference(one: Checkpoint, other: Checkpoint) -> float:
    """Over weights and the optimizer's state."""
    assert one.weights.keys() == other.weights.keys() and one.optimizer.keys() == other.optimizer.keys()
    assert len(one.optimizer) >= 4
    return max(
        float(np.abs(mine[name] - its[name]).max())
        for mine, its in ((one.weights, other.weights), (one.optimizer, other.optimizer))
        for name in mine
    )


def killed_after(small: SmallTraining, word: str, *words: str) -> None:
    """Run until the log says `word`, then kill -9."""
    with (small.root / "killed.log").open("w+") as log:
        process = subprocess.Popen(
            small.command(*words), env=small.environment, cwd=small.root, stdout=log, stderr=log, start_new_session=True
        )
        until = time.monotonic() + 60
        while word not in Path(log.name).read_text():
            assert process.poll() is None and time.monotonic() < until, Path(log.name).read_text()
            time.sleep(0.002)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_it_learns_a_handful_of_pictures_and_says_so(small: SmallTraining) -> None:
    small.write(Global__epochs=12, Optimizer__lr={"name": "Cosine", "learning_rate": 0.2})
    done = small.run("--target-top1", "90", "--margin", "0.5")
    assert done.returncode == 0, done.stderr
    train, result = small.results("train"), small.results("eval")
    assert [one["epoch"] for one in train] == [one["epoch"] for one in result] == list(range(12))
    assert train[-1]["loss"] < train[0]["loss"] / 3
    assert result[-1]["top1"] == 100 and "top5" in result[-1]
    steps = [one for one in small.metrics if one["phase"] == "train" and "step" in one]
    assert [(one["epoch"], one["step"]) for one in steps] == [(epoch, step) for epoch in range(12) for step in range(4)]
    assert steps[0].keys() >= {"loss", "top1", "top5", "lr", "ips", "batch_cost", "reader_cost", "time", "rank", "total_steps"}
    expected = read_expectation(small.job)
    assert (expected.epochs, expected.steps_per_epoch, expected.classes) == (12, 4, 3)
    assert (expected.target_top1, expected.margin) == (90, 0.5)
    assert expected.schedule
    assert [one["lr"] for one in steps] == pytest.approx([lr_at(expected.schedule, step) for step in range(48)])
    parser = parser_named("aligndbg")
    assert all(parser.feed(line) for line in (small.job / "metrics.jsonl").read_text().splitlines())
    assert "batches of 4 pictures a rank, 4 in all on 1 rank" in done.stdout
    assert checkpoint(small, "best_model").progress.metric == 1.0
    assert (small.job / "checkpoints" / "epoch_12.pdparams").is_file()


@pytest.mark.parametrize("optimizer", ["Momentum", "AdamW"])
def test_a_run_that_was_killed_goes_on_as_if_it_had_not_been(tmp_path: Path, optimizer: str) -> None:
    """With dropout, batch normalisation, momentum and a changing rate; bit for bit."""
    runs = []
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
        small = SmallTraining(tmp_path / name)
        small.model(dropout=0.3, norm=True)
        decay = {"weight_decay": 0.01} if optimizer == "AdamW" else {"regularizer": {"name": "L2", "coeff": 1e-3}}
        small.write(Optimizer={"name": optimizer, "lr": {"name": "Cosine", "learning_rate": 0.05}, **decay})
        runs.append(small)
    whole, killed = runs
    assert whole.run().returncode == 0
    killed_after(killed, "epoch 1/4 saved")
    before = checkpoint(killed).progress.epoch
    assert before in (2, 3)
    done = killed.run("--resume", str(killed.job / "checkpoints"))
    assert done.returncode == 0, done.stderr
    assert f"going on after {before} epochs" in done.stdout
    assert checkpoint(killed).progress == checkpoint(whole).progress
    assert largest_difference(checkpoint(killed), checkpoint(whole)) == 0
    last = [[one["loss"] for one in small.results("eval")][-1] for small in runs]
    assert last[0] == last[1]


def test_two_ranks_are_as_one_with_twice_the_batch(tmp_path: Path) -> None:
    """15 pictures in batches of 8, one of them bad: the gradient is the mean over all ranks, and none is evaluated twice."""
    found, results, losses = [], [], []
    for name, batch, ranks in (("one", 8, 1), ("two", 4, 2)):
        (tmp_path / name).mkdir()
        small = SmallTraining(tmp_path / name)
        (small.pictures / "red" / "2.png").write_bytes(b"no picture")
        small.write(DataLoader__Train__sampler__batch_size=batch, DataLoader__Eval__sampler__batch_size=batch, Global__epochs=3)
        done = small.run(ranks=ranks)
        assert done.returncode == 0, done.stdout + done.stderr
        found.append(checkpoint(small))
        results.append([(one["loss"], one["top1"]) for one in small.results("eval")])
        losses.append([(one["loss"], one["top1"]) for one in small.results("train")])
        assert {one["rank"] for one in small.metrics if "step" in one} == set(range(ranks))
        assert "1 pictures of epoch 0 could not be decoded" in done.stdout
    assert largest_difference(*found) < 1e-6
    assert np.allclose(results[0], results[1], rtol=1e-5) and np.allclose(losses[0], losses[1], rtol=1e-5)
    assert all(round(top1 * 14 / 100, 6) == round(top1 * 14 / 100) for _, top1 in results[1])


def test_a_loss_that_is_not_finite(small: SmallTraining) -> None:
    small.write(Optimizer__lr={"name": "Constant", "learning_rate": 1e25}, Global__epochs=2, Global__eval_during_train=False)
    done = small.run()
    assert done.returncode == 0, done.stderr
    assert [one["loss"] for one in small.results("train")][-1] == "nan"
    parser = parser_named("aligndbg")
    read = [parser.feed(line) for line in (small.job / "metrics.jsonl").read_text().splitlines()]
    assert any(sample and math.isnan(sample.values["loss"]) for sample in read)
    stopped = small.run("--stop-on-nan")
    assert stopped.returncode == 1
    assert "error: the loss is nan at step" in stopped.stdout


def test_going_on_with_another_run_is_told_or_refused(small: SmallTraining) -> None:
    small.write(Optimizer__lr={"name": "Constant", "learning_rate": 0.01}, Global__epochs=1)
    assert small.run().returncode == 0
    folder = str(small.job / "checkpoints")
    other = small.run("--resume", folder, "-o", "Global.epochs=2", "-o", "Global.seed=8", "-o", "Global.eval_during_train=False")
    assert other.returncode == 0
    assert "warning: seed was 7 and is 8" in other.stdout
    classes = small.run("--resume", folder, "-o", "Arch.class_num=4")
    assert classes.returncode == 2
    assert "fc.weight is [8, 3]" in classes.stderr and "Traceback" not in classes.stderr
    none = small.run("--resume", str(small.root / "none"))
    assert none.returncode == 2 and "none.pdparams does not exist" in none.stderr


def test_a_pretrained_model_fills_what_fits(small: SmallTraining) -> None:
    small.write(Optimizer__lr={"name": "Constant", "learning_rate": 0.01}, Global__epochs=1)
    assert small.run().returncode == 0
    best = small.job / "checkpoints" / "latest"
    tuned = small.run(
        "-o", f"Global.pretrained_model={best}", "-o", "Arch.class_num=4", "-o", "Global.epochs=1", "--output", "tuned"
    )
    assert tuned.returncode == 0, tuned.stderr
    assert "warning: fc.weight is [8, 3]" in tuned.stdout
    begun = read(small.root / "tuned" / "latest").weights
    assert begun["fc.weight"].shape == (8, 4)


def test_a_folder_that_takes_no_checkpoints_is_told_at_once(small: SmallTraining) -> None:
    (small.root / "file").write_text("")
    done = small.run("--output", str(small.root / "file" / "below"))
    assert done.returncode == 3
    assert "checkpoints cannot be kept in" in done.stderr and "train epoch" not in done.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("-o", "Global.epoch=2"), "did you mean 'epochs'?"),
        (("-o", "Arch.class_num=2"), "has 3 classes, the model has 2"),
        (
            ("-o", "DataLoader.Train.sampler.batch_size=100", "-o", "DataLoader.Train.sampler.drop_last=True"),
            "make no batch of 100",
        ),
        (("-o", "DataLoader.Train.dataset.image_root=nowhere"), "nowhere does not exist"),
        (("--pair", "nowhere.yaml"), "nowhere.yaml does not exist"),
    ],
)
def test_what_cannot_be_trained_is_one_line(small: SmallTraining, words: tuple[str, ...], told: str) -> None:
    done = small.run(*words)
    assert done.returncode == 2
    assert told in done.stderr and "Traceback" not in done.stderr
    assert sum(line.startswith("error: ") for line in done.stderr.splitlines()) == 1
