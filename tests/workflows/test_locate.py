"""Faults that are planted in a port, several at once, are born exactly where they are."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from aligndbg.pairs.schema import InputSpec, ModelSpec, PairSpec, WeightsSpec
from aligndbg.settings import Settings
from aligndbg.workflows.events import LayerDiffed, RunEnded, RunFailed
from aligndbg.workflows.inspect import Depth, Inspection
from aligndbg.workflows.report_model import LayerReport, Report

pytestmark = [
    pytest.mark.frameworks,
    *(
        pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"{name} is not installed")
        for name in ("torch", "paddle")
    ),
]

PAIR = PairSpec(
    "located",
    ModelSpec("located_torch.py:Net"),
    ModelSpec("located_paddle.py:Net"),
    weights=WeightsSpec("kaiming"),
    input=InputSpec((1, 3, 16, 16), "randn"),
    root=Path(__file__).parent,
)

Run = Callable[..., Report]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def inspect(*faults: str, depth: Depth | None = None, pair: PairSpec = PAIR, inputs: tuple[str, ...] = ()) -> Report:
        pair = replace(pair, paddle=replace(pair.paddle, kwargs={"faults": list(faults)}))
        settings = Settings(tmp_path / "sessions", tmp_path / "cache", tmp_path / "logs")
        told: dict[int, str] = {}
        for event in Inspection(pair, settings, {}, inputs=inputs, depth=depth or Depth(onnx=False)).events():
            match event:
                case LayerDiffed(result):
                    told[result.index] = result.verdict
                case RunFailed(error):
                    raise error
                case RunEnded(report):
                    assert told == {layer.index: layer.verdict for layer in report.layers}
                    return report
        raise AssertionError("the run has no end")

    return inspect


def born(report: Report) -> list[str]:
    return [name(layer) for layer in report.layers if layer.verdict == "born"]


def name(layer: LayerReport) -> str:
    return layer.torch or layer.paddle or ""


def test_a_right_port_has_no_born_layer(run: Run) -> None:
    report = run()
    assert report.verdict == "aligned" and not born(report)
    compared = [layer for layer in report.layers if layer.propagated]
    assert all(layer.local is not None and layer.noise_floor for layer in compared)
    assert all(layer.local.max_abs <= layer.noise_floor for layer in compared if layer.local and layer.noise_floor)
    assert report.output is not None and report.output.golden_max_abs is not None
    assert report.sensitivity is not None and report.sensitivity.ok


@pytest.mark.parametrize(
    ("fault", "layer"),
    [("epsilon", "norm"), ("pool", "pool"), ("dropout", "drop"), ("concat", "cat"), ("no-relu", "act"), ("residual", "iadd")],
)
def test_one_fault_is_born_where_it_is(run: Run, fault: str, layer: str) -> None:
    report = run(fault)
    found = born(report)
    # An extra multiplication is Paddle's own row: the region around it ends at the sum.
    assert len(found) == 1 and (found[0] == layer or fault == "residual")
    assert report.first_born == found[0]
    others = {one.verdict for one in report.layers if name(one) != found[0] and one.mismatch}
    assert others <= {"inherited"}


def test_several_faults_do_not_hide_each_other(run: Run) -> None:
    assert born(run("epsilon", "pool", "concat", "dropout")) == ["norm", "pool", "cat", "drop"]


def test_each_is_blamed_on_paddle_by_onnx_runtime(run: Run) -> None:
    if importlib.util.find_spec("onnxruntime") is None:
        pytest.skip("onnxruntime is not installed")
    report = run("epsilon", "concat", depth=Depth())
    assert [(name(layer), layer.blame) for layer in report.layers if layer.verdict == "born"] == [
        ("norm", "paddle"),
        ("cat", "paddle"),
    ]
    measured = [layer.onnx for layer in report.layers if layer.onnx]
    assert len(measured) > 10
    assert all(gaps.torch_max_abs < 1e-5 for gaps in measured)


def test_without_the_local_pass_only_the_first_of_a_chain_is_told(run: Run) -> None:
    report = run("epsilon", "concat", depth=Depth(local=False, golden=False, onnx=False))
    assert born(report) == ["norm"]
    assert all(layer.local is None for layer in report.layers)


def with_torch(folder: Path, body: str) -> PairSpec:
    """PAIR with a torch model of its own, made from the right one."""
    for file in ("located_torch.py", "located_paddle.py"):
        (folder / file).write_text((PAIR.root / file).read_text())
    text = "import torch\nfrom located_torch import Net as Right\n\nclass Net(Right):\n    def forward(self, x):\n"
    (folder / "own.py").write_text(text + body)
    return replace(PAIR, torch=ModelSpec("own.py:Net"), root=folder)


def test_a_golden_that_fails_costs_the_noise_floor_only(run: Run, tmp_path: Path) -> None:
    body = "        if x.dtype == torch.float64:\n            raise TypeError('single only')\n        return super().forward(x)\n"
    report = run("epsilon", pair=with_torch(tmp_path, body))
    assert born(report) == ["norm"]
    assert any("golden: unavailable" in notice and "single only" in notice for notice in report.notices)
    assert all(layer.noise_floor is None for layer in report.layers)


def test_a_model_that_cannot_be_exported_costs_the_third_opinion_only(run: Run, tmp_path: Path) -> None:
    if importlib.util.find_spec("onnxscript") is None:
        pytest.skip("onnxscript is not installed")
    body = "        if x.sum().item() > 1e9:\n            x = x[:, :, 1:]\n        return super().forward(x)\n"
    report = run("epsilon", pair=with_torch(tmp_path, body), depth=Depth())
    assert born(report) == ["norm"]
    assert any(notice.startswith("onnx: unavailable: ") for notice in report.notices)
    assert all(layer.onnx is None for layer in report.layers)


def test_weights_that_hide_bugs_are_told_with_the_layer_where_the_signal_dies(run: Run, tmp_path: Path) -> None:
    report = run(pair=with_torch(tmp_path, "        return super().forward(x) * 1e-7 + torch.ones(10)\n"))
    assert report.sensitivity is not None and not report.sensitivity.ok
    assert report.sensitivity.dies_at == "add#2" and report.sensitivity.moves_with_input < 1e-3
    assert report.sensitivity.advice is not None and "--weights kaiming" in report.sensitivity.advice
    assert any("these weights can hide bugs" in notice for notice in report.notices)


def test_the_verdict_is_the_worst_over_several_inputs(run: Run) -> None:
    zeros = replace(PAIR, input=InputSpec((1, 3, 16, 16), "zeros"))
    report = run("pool", pair=zeros, inputs=("zeros", "randn"))
    assert born(report) == ["pool"]
    assert report.input == "zeros 1x3x16x16; randn 1x3x16x16 (seed 0)"
