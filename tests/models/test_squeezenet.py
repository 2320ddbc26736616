"""The pairs that come with aligndbg: the published names, equal shapes, and exactly the faults that are meant."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import aligndbg
from aligndbg.pairs.load import load_pair

ROOT = Path(aligndbg.__file__).parents[1]
MODELS = ROOT / "models"
SOUND, BROKEN = MODELS / "squeezenet1_0", MODELS / "broken" / "squeezenet1_0"

MENDS = [
    ("narrow = self.expand1x1(x)", "narrow = nn.functional.relu(self.expand1x1(x))"),
    ("[wide, narrow]", "[narrow, wide]"),
    ("nn.MaxPool2D(kernel_size=3, stride=2)", "nn.MaxPool2D(kernel_size=3, stride=2, ceil_mode=True)"),
]
"""What is wrong in the broken port, and what it should say."""

pytestmark = pytest.mark.frameworks


def facts(side: str, source: str | Path) -> dict[str, Any]:
    script = Path(__file__).with_name("model_facts.py")
    done = subprocess.run(
        [sys.executable, str(script), side, str(source), "squeezenet1_0"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def torch_facts() -> dict[str, Any]:
    return facts("torch", SOUND / "torch_model.py")


@pytest.fixture(scope="module")
def paddle_facts() -> dict[str, Any]:
    return facts("paddle", SOUND / "paddle_model.py")


def fires() -> dict[str, tuple[int, int, int]]:
    """Inputs, squeeze and expand channels of fire2 to fire9: table 1 of the paper."""
    table = [
        (96, 16, 64),
        (128, 16, 64),
        (128, 32, 128),
        (256, 32, 128),
        (256, 48, 192),
        (384, 48, 192),
        (384, 64, 256),
        (512, 64, 256),
    ]
    return dict(zip((f"features.{index}" for index in (3, 4, 5, 7, 8, 9, 10, 12)), table, strict=True))


def test_parameters_are_those_of_the_papers_table(torch_facts):
    expected = {"features.0.weight": [96, 3, 7, 7], "features.0.bias": [96]}
    for path, (inputs, squeeze, expand) in fires().items():
        for name, shape in (
            ("squeeze", [squeeze, inputs, 1, 1]),
            ("expand1x1", [expand, squeeze, 1, 1]),
            ("expand3x3", [expand, squeeze, 3, 3]),
        ):
            expected |= {f"{path}.{name}.weight": shape, f"{path}.{name}.bias": shape[:1]}
    expected |= {"classifier.1.weight": [1000, 512, 1, 1], "classifier.1.bias": [1000]}
    assert torch_facts["state"] == expected
    assert list(torch_facts["state"]) == list(expected)


def test_the_published_weights_fit(torch_facts):
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    published = facts("torch", "torchvision")
    assert list(torch_facts["state"].items()) == list(published["state"].items())
    assert torch_facts["outputs"] == published["outputs"]
    np.testing.assert_allclose(torch_facts["logits"], published["logits"], atol=1e-5)


def test_both_sides_have_the_same_names_and_shapes(torch_facts, paddle_facts):
    assert paddle_facts["state"] == torch_facts["state"] and paddle_facts["outputs"] == torch_facts["outputs"]
    np.testing.assert_allclose(paddle_facts["logits"], torch_facts["logits"], atol=1e-4)
    assert torch_facts["outputs"][""] == [1, 1000]
    assert "classifier.0" in paddle_facts["outputs"], "Dropout keeps its place"


def test_the_broken_port_differs_where_it_is_meant_to(paddle_facts):
    broken = facts("paddle", BROKEN / "paddle_model.py")
    assert broken["state"] == paddle_facts["state"], "the weights of the sound pair fit"
    missing = set(paddle_facts["outputs"]) - set(broken["outputs"])
    assert missing == {"features.3.expand1x1_activation"}
    assert broken["outputs"]["features.6"] == [1, 256, 26, 26] and paddle_facts["outputs"]["features.6"] == [1, 256, 27, 27]
    others = {path for path, shape in broken["outputs"].items() if shape != paddle_facts["outputs"][path]}
    within = ("features.6", "features.7", "features.8", "features.9", "features.10")
    assert all(path.startswith(within) for path in others)
    assert broken["outputs"][""] == [1, 1000]


@pytest.mark.parametrize("left", range(len(MENDS)), ids=["relu", "concat", "ceil_mode"])
def test_each_fault_alone_moves_the_logits(paddle_facts, tmp_path, left):
    found = facts("paddle", mended(tmp_path, [mend for index, mend in enumerate(MENDS) if index != left]))
    assert np.abs(np.subtract(found["logits"], paddle_facts["logits"])).max() > 0.1


def test_the_broken_port_has_no_other_fault(paddle_facts, tmp_path):
    found = facts("paddle", mended(tmp_path, MENDS))
    np.testing.assert_array_equal(found["logits"], paddle_facts["logits"])


def mended(folder: Path, mends: list[tuple[str, str]]) -> Path:
    text = (BROKEN / "paddle_model.py").read_text()
    for wrong, right in mends:
        assert text.count(wrong) == 1
        text = text.replace(wrong, right)
    path = folder / "mended.py"
    path.write_text(text)
    return path


def test_the_broken_pair_is_the_sound_one_but_for_the_port():
    sound, broken = load_pair(SOUND / "pair.yaml"), load_pair(BROKEN / "pair.yaml")
    assert broken.weights == sound.weights and broken.model_inputs == sound.model_inputs and broken.tolerance == sound.tolerance
    assert (broken.root / broken.torch.model.partition(":")[0]).resolve() == SOUND / "torch_model.py"
