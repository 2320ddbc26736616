"""torchvision against paddle.vision, and transformers: what is sound aligns, what is not differs where it is known to."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import aligndbg
from aligndbg.pairs.discovery import find_pair
from aligndbg.pairs.load import load_pair
from aligndbg.pairs.schema import ModelSpec

ROOT = Path(aligndbg.__file__).parents[1]
ZOO = sorted((ROOT / "models" / "zoo").glob("*.yaml"))
HERE = Path(__file__).parent

pytestmark = pytest.mark.frameworks
with_torchvision = pytest.mark.skipif(importlib.util.find_spec("torchvision") is None, reason="torchvision is not installed")


def child(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        **options,
    )


def report(tmp_path: Path, *words: str) -> dict[str, Any]:
    sessions = str(tmp_path / "sessions")
    done = child("-m", "aligndbg", "report", *words, "--no-onnx", "--display", "none", "--json", "-", "--sessions", sessions)
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def transformers(tmp_path: Path, torch: str, paddle: str) -> dict[str, Any]:
    targets = ("--torch", f"{HERE / 'transformers_torch.py'}:{torch}", "--paddle", f"{HERE / 'transformers_paddle.py'}:{paddle}")
    return report(tmp_path, *targets, "--shape", "2,3,16,16", "--input", "randn", "--weights", "kaiming")


def born(found: dict[str, Any]) -> list[str]:
    return [layer["torch"] for layer in found["layers"] if layer["verdict"] == "born"]


@pytest.mark.parametrize("path", ZOO, ids=lambda path: path.stem)
def test_every_pair_of_the_zoo_loads(path: Path) -> None:
    spec = load_pair(path)
    assert spec.name == f"zoo/{path.stem}" and find_pair(spec.name) == spec
    assert spec.weights.source == "kaiming"


@with_torchvision
def test_both_sides_of_the_zoo_are_the_same_variant() -> None:
    """Every callable exists, takes its kwargs, and makes as many weights as its partner."""
    assert len(ZOO) == 41
    specs = [load_pair(path) for path in ZOO]
    counts = [weights([getattr(spec, side) for spec in specs], side) for side in ("torch", "paddle")]
    unequal = [path.stem for path, torch, paddle in zip(ZOO, *counts, strict=True) if torch != paddle]
    assert unequal == ["googlenet", "shufflenet_v2_x2_0"]


def weights(models: list[ModelSpec], side: str) -> list[int]:
    """How many weights each of `models` has."""
    targets = json.dumps([[model.model, dict(model.kwargs)] for model in models])
    done = child(str(HERE / "count_weights.py"), side, input=targets)
    assert done.returncode == 0, done.stderr[-2000:]
    found: list[int] = json.loads(done.stdout.splitlines()[-1])
    return found


@with_torchvision
def test_a_sound_pair_aligns(tmp_path: Path) -> None:
    found = report(tmp_path, "zoo/resnet18", "--shape", "1,3,64,64")
    assert (found["verdict"], born(found), found["notices"]) == ("aligned", [], [])
    assert found["weights"]["mapped"] == 102 and not found["weights"]["unfilled"]
    assert found["unpaired"] == {"torch": [], "paddle": []}
    # Statistics that fit the weights: neither explodes nor dies.
    assert 1 < max(entry["logit"] for entry in found["output"]["torch_top5"]) < 100


@with_torchvision
def test_a_port_with_known_faults_differs_at_them(tmp_path: Path) -> None:
    """paddle.vision's SqueezeNet 1.1 pads its first convolution, rounds the sizes of pooled maps down, and scales in Dropout."""
    # On a picture of this size every pooling has half a window left over.
    found = report(tmp_path, "zoo/squeezenet1_1", "--shape", "1,3,97,97")
    assert found["verdict"] == "mismatch" and not found["weights"]["unfilled"]
    assert found["unpaired"] == {"torch": [], "paddle": []}
    assert born(found) == ["features.0", "features.2", "features.5", "features.8", "classifier.0"]


def test_transformer_encoders_align(tmp_path: Path) -> None:
    """torch keeps q, k and v in one matrix, Paddle in three."""
    found = transformers(tmp_path, "Encoders", "Encoders")
    assert (found["verdict"], found["unpaired"]) == ("aligned", {"torch": [], "paddle": []})
    plan = found["weights"]["plan"]
    assert not found["weights"]["unfilled"] and not found["weights"]["unused"]
    assert {rule["paddle"].rpartition("self_attn.")[2] for rule in plan if rule["rule"] == "split"} == {
        f"{part}_proj.{what}" for part in "qkv" for what in ("weight", "bias")
    }


def test_attention_that_is_spelled_out_is_compared_at_its_end(tmp_path: Path) -> None:
    found = transformers(tmp_path, "VisionTransformer", "VisionTransformer")
    assert found["verdict"] == "aligned" and not found["weights"]["unfilled"]
    pairs = {layer["torch"]: layer["paddle"] for layer in found["layers"] if layer["torch"]}
    assert pairs["blocks.0.attn.scaled_dot_product_attention"] == "blocks.0.attn.matmul#2"
    assert pairs["blocks.1.attn.unbind"] is None, "one call that takes three parts is none of three that take one each"
