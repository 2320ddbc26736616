"""A user's own ONNX file: as the arbiter of a pair, and as the reference in place of torch."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from aligndbg.errors import PairError, UsageError
from aligndbg.pairs.adhoc import onnx_pair, with_overrides
from aligndbg.pairs.load import load_pair
from aligndbg.pairs.schema import ModelSpec, PairSpec
from aligndbg.settings import Settings
from aligndbg.workflows.events import RunEnded, RunFailed
from aligndbg.workflows.inspect import Depth, Inspection
from aligndbg.workflows.report_model import Report

HERE = Path(__file__).parent

needs = [
    pytest.mark.frameworks,
    *(
        pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"{name} is not installed")
        for name in ("torch", "paddle", "onnxruntime", "onnxscript")
    ),
]

EXPORT = """
import sys
sys.path.insert(0, sys.argv[1])
import onnx, torch
from located_torch import Net
torch.manual_seed(0)
model = Net().eval()
torch.save(model.state_dict(), sys.argv[2] + "/net.pth")
path = sys.argv[2] + "/net.onnx"
torch.onnx.export(model, (torch.zeros(1, 3, 16, 16),), path, dynamo=True, optimize=False, external_data=False)
plain = onnx.load(path)
for node in plain.graph.node:
    del node.metadata_props[:]
onnx.save(plain, sys.argv[2] + "/plain.onnx")
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with net.pth, net.onnx and plain.onnx, which does not say which module a node came from."""
    folder = tmp_path_factory.mktemp("exported")
    subprocess.run([sys.executable, "-c", EXPORT, str(HERE), str(folder)], check=True, capture_output=True)
    return folder


def run(pair: PairSpec, folder: Path, depth: Depth) -> Report:
    settings = Settings(folder / "sessions", folder / "cache", folder / "logs")
    for event in Inspection(pair, settings, {}, depth=depth).events():
        match event:
            case RunFailed(error):
                raise error
            case RunEnded(report):
                return report
    raise AssertionError("the run has no end")


def reference(file: Path, *faults: str) -> PairSpec:
    pair = with_overrides(onnx_pair(str(file), f"{HERE / 'located_paddle.py'}:Net"), shape="1,3,16,16", input="randn")
    return replace(pair, paddle=replace(pair.paddle, kwargs={"faults": list(faults)}))


def born(report: Report) -> list[str]:
    return [layer.paddle or layer.torch or "" for layer in report.layers if layer.verdict == "born"]


class TestReference:
    pytestmark = needs

    @pytest.mark.parametrize("file", ["net.onnx", "plain.onnx"])
    def test_a_right_port_is_aligned(self, exported: Path, tmp_path: Path, file: str) -> None:
        report = run(reference(exported / file), tmp_path, Depth())
        assert report.verdict == "aligned", report.headline
        assert report.weights is not None and not report.weights.unfilled
        assert report.environment["torch"] is None and report.environment["onnxruntime"]

    def test_faults_are_born_where_they_are(self, exported: Path, tmp_path: Path) -> None:
        report = run(reference(exported / "plain.onnx", "pool", "dropout"), tmp_path, Depth())
        assert born(report) == ["pool", "drop"]

    def test_an_input_that_does_not_fit_is_told_with_the_shape_that_does(self, exported: Path, tmp_path: Path) -> None:
        pair = with_overrides(reference(exported / "net.onnx"), shape="1,3,32,32")
        with pytest.raises(Exception, match=r"'x' is 1x3x16x16, 1x3x32x32 is given") as caught:
            run(pair, tmp_path, Depth())
        assert getattr(caught.value, "hint", "") == "--shape 1,3,16,16"


class TestArbiter:
    pytestmark = needs

    @pytest.mark.parametrize("file", ["net.onnx", "plain.onnx"])
    def test_it_blames_the_side_that_disagrees_with_it(self, exported: Path, tmp_path: Path, file: str) -> None:
        weights = {"weights": str(exported / "net.pth"), "shape": "1,3,16,16", "input": "randn"}
        pair = PairSpec(
            "arbiter", ModelSpec("located_torch.py:Net"), ModelSpec("located_paddle.py:Net", {"faults": ["concat"]}), root=HERE
        )
        report = run(with_overrides(pair, **weights), tmp_path, Depth(onnx=exported / file))
        assert [(layer.torch, layer.blame) for layer in report.layers if layer.verdict == "born"] == [("cat", "paddle")]


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--onnx: .*absent\.onnx does not exist"):
        onnx_pair(str(tmp_path / "absent.onnx"), "paddle.vision.models:resnet18")


def test_pair_yaml_may_name_an_onnx_file(tmp_path: Path) -> None:
    text = "schema: 1\nname: n\ntorch: {model: net.onnx}\npaddle: {model: paddle.vision.models:resnet18}\n"
    (tmp_path / "pair.yaml").write_text(text)
    with pytest.raises(PairError, match=r"net\.onnx does not exist"):
        load_pair(tmp_path / "pair.yaml")
    (tmp_path / "net.onnx").touch()
    assert load_pair(tmp_path / "pair.yaml").torch.model == "net.onnx"
