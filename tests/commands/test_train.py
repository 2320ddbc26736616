"""`aligndbg train` as users run it."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from project import Project, both_frameworks

RECIPE = {
    "Global": {"epochs": 2, "print_batch_step": 1, "device": "cpu"},
    "Arch": {"class_num": 2},
    "Optimizer": {"name": "Momentum", "lr": {"name": "Cosine", "learning_rate": 0.1}},
    "DataLoader": {
        name: {
            "dataset": {
                "name": "ImageFolder",
                "image_root": "pictures",
                "transform_ops": [{"DecodeImage": {"backend": "pil"}}, {"NormalizeImage": {"order": ""}}],
            },
            "sampler": {"batch_size": 2},
        }
        for name in ("Train", "Eval")
    },
}

MODEL = """
from paddle import nn

def make(num_classes=1000):
    return nn.Sequential(nn.Conv2D(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2D(1), nn.Flatten(), nn.Linear(4, num_classes))
"""


@pytest.fixture
def trainable(project: Project) -> Project:
    folder = project.root / "models" / "mine"
    folder.mkdir()
    (folder / "model.py").write_text(MODEL)
    (folder / "train.yaml").write_text(json.dumps(RECIPE))
    sides = "torch: {model: model.py:make}\npaddle: {model: model.py:make}\n"
    (folder / "pair.yaml").write_text(f"schema: 1\nname: mine\n{sides}train: {{recipe: train.yaml}}\n")
    for label, name in enumerate(("dark", "light")):
        (project.root / "pictures" / name).mkdir(parents=True)
        for number in range(4):
            pixels = np.full((12, 12, 3), 40 + 150 * label + number, np.uint8)
            Image.fromarray(pixels).save(project.root / "pictures" / name / f"{number}.png")
    return project


def metrics(root: Path, job: str) -> list[dict[str, float]]:
    return [json.loads(line) for line in (root / "jobs" / job / "metrics.jsonl").read_text().splitlines()]


def test_the_exact_command_is_printed_and_nothing_starts(trainable: Project) -> None:
    done = trainable.run("train", "mine", "--nproc", "2", "--dry-run", "-o", "Global.output_dir=a b")
    assert done.code == 0, done.err
    (line,) = done.out.splitlines()
    assert line.startswith(f"cd {trainable.root} && CUDA_VISIBLE_DEVICES=0,1 PADDLE_DISTRI_BACKEND=gloo ")
    assert "paddle.distributed.launch --nproc_per_node 2" in line and "'Global.output_dir=a b'" in line
    assert f"--output '{trainable.root}/a b'" in line
    assert not (trainable.root / "jobs").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("nobody",), "there is no pair 'nobody'"),
        (("mine", "--recipe", "gone.yaml"), "gone.yaml does not exist"),
        (("mine", "-o", "Global.epoch=3"), "did you mean 'epochs'?"),
        (("mine", "--nproc", "0"), "--nproc: expected 1 or more"),
        (("mine", "--list", "l.txt"), "--list needs --data"),
        (("mine", "--data", "gone"), "there is no folder"),
        (("mine", "--resume"), "no checkpoint to go on from"),
        (("mine", "--resume", "gone"), "no folder, no checkpoint and no job"),
        (("mine", "--target-top1", "101"), "expected percent"),
        (("mine", "--nnodes", "2"), "need to know where to meet"),
    ],
)
def test_what_cannot_be_started_is_told(trainable: Project, words: tuple[str, ...], told: str) -> None:
    done = trainable.run("train", *words)
    assert done.code == 2
    assert told in " ".join(done.error)
    assert not (trainable.root / "jobs").exists()


def test_a_recipe_for_a_gpu_that_is_not_there_is_told(trainable: Project) -> None:
    done = trainable.run("train", "mine", "-o", "Global.device=gpu", "--dry-run")
    if Path("/dev/nvidiactl").exists():
        pytest.skip("this machine has a GPU")
    assert done.code == 0 and "this machine has none: the training runs on the CPU" in done.err


@pytest.mark.parametrize("mark", [pytest.param(None, marks=both_frameworks)])
def test_two_ranks_train_are_followed_stopped_and_resumed(trainable: Project, mark: None) -> None:
    root = trainable.root
    done = trainable.run("train", "mine", "--nproc", "2", "--jobs", "jobs")
    assert done.code == 0, done.out + done.err
    assert "batches of 2 pictures a rank, 4 in all on 2 ranks" in done.out
    (job,) = [path.name for path in (root / "jobs").iterdir()]
    lines = metrics(root, job)
    assert {one["rank"] for one in lines} == {0, 1}
    assert [one["epoch"] for one in lines if one["phase"] == "eval"] == [0, 1]

    begun = trainable.run("train", "mine", "--nproc", "2", "--jobs", "jobs", "--detach", "-o", "Global.epochs=100000")
    job = begun.out.strip()
    saved = root / "jobs" / job / "checkpoints" / "latest.pdstates"
    until = time.monotonic() + 60
    while not saved.exists():
        assert time.monotonic() < until, "it saves nothing"
        time.sleep(0.05)
    ranks = [
        int(line.split()[1])
        for line in trainable.run("jobs", "show", job, "--jobs", "jobs").out.splitlines()
        if line.startswith("process") and "train.py" in line and "launch" not in line
    ]
    os.kill(ranks[-1], signal.SIGKILL)
    ended = trainable.run("jobs", "attach", job, "--jobs", "jobs")
    # The launcher may see first that the other rank lost it.
    assert ended.code == 1 and re.search(r"rank \d (was killed by|ended without a word, as by) SIGKILL", ended.err), ended.err
    epochs = max(one["epoch"] for one in metrics(root, job)) + 3
    words = ("--resume", job, "-o", f"Global.epochs={epochs:g}", "-o", "Optimizer.lr.name=Constant")
    resumed = trainable.run("train", "mine", "--nproc", "2", "--jobs", "jobs", *words)
    assert resumed.code == 0, resumed.out + resumed.err
    assert "going on after" in resumed.out
