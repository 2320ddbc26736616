"""A pair with a tiny Paddle model and a folder of generated pictures, trained by the real trainer in a few seconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

import aligndbg

ENTRY = Path(aligndbg.__file__).parent / "jobs" / "entry" / "train.py"

MODEL = """
import paddle
from paddle import nn

class Tiny(nn.Layer):
    def __init__(self, num_classes=3, dropout=0.0, norm=False):
        super().__init__()
        self.conv = nn.Conv2D(3, 8, 3, stride=2)
        self.norm = nn.BatchNorm2D(8) if norm else nn.Identity()
        self.drop = nn.Dropout(dropout)
        self.fc = nn.Linear(8, num_classes)

    def forward(self, x):
        return self.fc(self.drop(paddle.nn.functional.relu(self.norm(self.conv(x))).mean(axis=[2, 3])))
"""


class SmallTraining:
    """`pictures` are of three classes, which a colour tells apart."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.job = root / "job"
        self.pictures = root / "pictures"
        pair = root / "pair"
        pair.mkdir()
        (pair / "paddle_model.py").write_text(MODEL)
        (pair / "torch_model.py").write_text("")
        self.pair = pair / "pair.yaml"
        self.recipe = root / "recipe.yaml"
        self.model()
        self.draw(5)
        self.write()

    def model(self, **kwargs: Any) -> None:
        sides = {
            "torch": {"model": "torch_model.py:Tiny"},
            "paddle": {"model": "paddle_model.py:Tiny", "kwargs": kwargs},
        }
        self.pair.write_text(yaml.safe_dump({"schema": 1, "name": "tiny", **sides}))

    def draw(self, each: int) -> None:
        rng = np.random.default_rng(0)
        for label, name in enumerate(("blue", "green", "red")):
            (self.pictures / name).mkdir(parents=True, exist_ok=True)
            for number in range(each):
                pixels = rng.integers(0, 120, (20, 24, 3), dtype=np.uint8)
                pixels[..., 2 - label] += 120
                Image.fromarray(pixels).save(self.pictures / name / f"{number}.png")

    def write(self, **changes: Any) -> None:
        """The recipe with `Section__key=value` in place."""

        def loader(batch: int, *augmentation: Any) -> dict[str, Any]:
            operations = [{"DecodeImage": {"backend": "pil"}}, *augmentation, {"NormalizeImage": {"order": ""}}]
            return {
                "dataset": {"name": "ImageFolder", "image_root": str(self.pictures), "transform_ops": operations},
                "sampler": {"batch_size": batch},
                "loader": {"num_workers": 0},
            }

        crop = {"ResizeImage": {"size": [16, 16], "backend": "pil"}}
        document: dict[str, Any] = {
            "Global": {"epochs": 4, "print_batch_step": 1, "seed": 7},
            "Arch": {"class_num": 3},
            "Optimizer": {
                "name": "Momentum",
                "lr": {"name": "Cosine", "learning_rate": 0.1, "warmup_epoch": 1},
                "regularizer": {"name": "L2", "coeff": 1e-4},
            },
            "DataLoader": {"Train": loader(4, crop, {"RandFlipImage": None}), "Eval": loader(4, crop)},
        }
        for key, value in changes.items():
            *sections, name = key.split("__")
            place = document
            for section in sections:
                place = place.setdefault(section, {})
            place[name] = value
        self.recipe.write_text(json.dumps(document, indent=1))

    def command(self, *words: str, ranks: int = 1) -> list[str]:
        launch = ["-m", "paddle.distributed.launch", "--nproc_per_node", str(ranks), "--log_dir", str(self.root / "log")]
        script = [str(ENTRY), "--pair", str(self.pair), "--recipe", str(self.recipe), "--device", "cpu", *words]
        return [sys.executable, "-u", *(launch if ranks > 1 else ()), *script]

    @property
    def environment(self) -> dict[str, str]:
        self.job.mkdir(exist_ok=True)
        own = {name: value for name, value in os.environ.items() if name not in ("CUDA_VISIBLE_DEVICES", "PYTHONPATH")}
        return {**own, "ALIGNDBG_JOB": str(self.job), "OMP_NUM_THREADS": "1"}

    def run(self, *words: str, ranks: int = 1) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words, ranks=ranks),
            env=self.environment,
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    @property
    def metrics(self) -> list[dict[str, Any]]:
        path = self.job / "metrics.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()]

    def results(self, phase: str) -> list[dict[str, Any]]:
        """Of whole epochs."""
        return [one for one in self.metrics if one["phase"] == phase and "step" not in one]
