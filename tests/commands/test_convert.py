"""`aligndbg convert`: torch's weights as a file that Paddle reads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from project import HERE, Project, both_frameworks

pytestmark = both_frameworks

TRAINED = """
import sys, torch
sys.path.insert(0, sys.argv[1])
from torch_models import Plain
torch.manual_seed(1)
model = Plain()
model(torch.randn(8, 3, 8, 8))
torch.save({"state_dict": model.state_dict()}, "wrapped.pth")
torch.save(model.state_dict(), "plain.pth")
"""
"""The running statistics are no longer those of a fresh model."""

FORWARD = """
import sys, numpy as np
sys.path.insert(0, {folder!r})
{body}
np.save({result!r}, result.numpy())
"""
TORCH = """
import torch
from torch_models import Plain
model = Plain()
model.load_state_dict(torch.load({weights!r}, weights_only=True))
with torch.no_grad(): result = model.eval()(torch.from_numpy(np.load({x!r})))
"""
PADDLE = """
import paddle
from paddle_models import Plain
model = Plain()
state = paddle.load({weights!r})
assert set(state) == set(model.state_dict())
missing, unexpected = model.set_state_dict(state)
assert not missing and not unexpected
model.eval()
with paddle.no_grad(): result = model(paddle.to_tensor(np.load({x!r})))
"""


def forward(project: Project, body: str, weights: Path) -> np.ndarray:
    result = project.root / "result.npy"
    code = FORWARD.format(
        folder=str(HERE), result=str(result), body=body.format(weights=str(weights), x=str(project.root / "x.npy"))
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    found: np.ndarray = np.load(result)
    return found


def test_the_converted_file_gives_torchs_outputs_in_paddle(project: Project) -> None:
    project.pair("plain")
    np.save(project.root / "x.npy", np.random.default_rng(0).standard_normal((2, 3, 8, 8), np.float32))
    subprocess.run([sys.executable, "-c", TRAINED, str(HERE)], cwd=project.root, check=True)
    done = project.run("convert", "plain", "--weights", "wrapped.pth", "-o", "out.pdparams", "--plan", "plan.json")
    assert done.code == 0, done.err
    assert "8 tensors mapped, 0 unfilled, 0 unused" in done.out
    assert "written" in done.out and "out.pdparams" in done.out
    plan = json.loads((project.root / "plan.json").read_text())
    rules = {rule["paddle"]: (rule["torch"], rule["rule"]) for rule in plan["rules"]}
    assert rules["fc.weight"] == ("fc.weight", "transpose")
    assert rules["features.1._variance"] == ("features.1.running_var", "copy")
    torch = forward(project, TORCH, project.root / "plain.pth")
    paddle = forward(project, PADDLE, project.root / "out.pdparams")
    assert np.abs(torch).max() > 0.01
    np.testing.assert_allclose(paddle, torch, atol=1e-5)
    assert [path.name for path in project.root.glob(".out*")] == []


def test_a_tensor_that_nothing_fills_is_told_and_exits_1(project: Project) -> None:
    project.pair("single", "Pair", "Single", input={"shape": [2, 3]})
    done = project.run("convert", "single", "-o", "out.pdparams", "--plan", "-", "--display", "none")
    assert (done.code, done.err) == (1, "")
    assert done.json["unfilled"] == ["two.weight", "two.bias"]
    assert (project.root / "out.pdparams").is_file()


def test_what_cannot_be_converted_leaves_the_old_file(project: Project) -> None:
    project.pair("unlike", torch="Perceptron")
    (project.root / "out.pdparams").write_text("the old one")
    done = project.run("convert", "unlike", "-o", "out.pdparams")
    assert done.code == 4
    assert done.error[0].startswith("error: the two models cannot be paired")
    assert done.out == ""
    assert (project.root / "out.pdparams").read_text() == "the old one"


@pytest.mark.parametrize("name", ["absent.npz", "text.safetensors"])
def test_weights_in_other_formats_are_refused_in_a_line(project: Project, name: str) -> None:
    project.pair("plain")
    (project.root / "text.safetensors").write_text("nothing of the kind")
    done = project.run("convert", "plain", "--weights", name, "-o", "out.pdparams", "--display", "none")
    assert done.code == 2
    assert len(done.err.splitlines()) == 2 and name in done.error[0]
    assert not (project.root / "out.pdparams").exists()
