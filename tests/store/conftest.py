from __future__ import annotations

from pathlib import Path

import pytest

from aligndbg.core.layers import Call, LayerPair, ParamSpec, TensorRef, TensorSpec
from aligndbg.core.stats import Diff, DiffDetail, DiffStats, Heatmap, TensorStats, WorstElement
from aligndbg.core.verdict import LayerResult, Verdict
from aligndbg.pairs.schema import InputSpec, ModelSpec, PairSpec


def _call(index: int, side: str) -> Call:
    spec = TensorSpec((1, 8, 4, 4))
    return Call(
        index,
        f"features.{index}",
        "conv2d",
        "Conv2d" if side == "torch" else "Conv2D",
        (spec,),
        (TensorRef(index - 1, 0, spec),),
        {"kernel_size": [3, 3], "bias": True, "eps": 1e-5, "limit": float("inf"), "mode": "zeros", "groups": 1, "name": None},
        (ParamSpec(f"features.{index}.weight", "weight", "oihw", TensorSpec((8, 8, 3, 3))),),
        None if index % 2 else f"model.py:{index}",
    )


def _result(index: int, verdict: Verdict = Verdict.OK) -> LayerResult:
    tensor = TensorStats(128, -1.5, 2.25, 0.1, 0.9, 3, 1, 0)
    stats = DiffStats(7.5e-8 * (index + 1), 1e-9, 2e-9, 1e-6, 0.999, 0.0, 1, 0, (0, 1, 2, 3))
    heatmap = Heatmap("height x width", (4, 4), 2, 2, (0.0, 1e-8, 2e-8, 7.5e-8))
    worst = (WorstElement((0, 1, 2, 3), 1.0, 1.0000001), WorstElement((0, 0, 0, 0), float("inf"), 1.0))
    detail = DiffDetail(-30, (1, 2, 3), 122, tuple(k * 1e-9 for k in range(256)), heatmap, worst)
    return LayerResult(index, verdict, verdict is not Verdict.OK, Diff(tensor, tensor, stats, detail), note="")


@pytest.fixture
def layers() -> tuple[LayerPair, ...]:
    rows = [LayerPair(k, _call(k, "torch"), _call(k, "paddle"), "type+order", "both are conv2d") for k in range(66)]
    rows[3] = LayerPair(3, _call(3, "torch"), None, "unpaired", "Paddle has no relu here")
    return tuple(rows)


@pytest.fixture
def results(layers: tuple[LayerPair, ...]) -> list[LayerResult]:
    return [_result(layer.index) for layer in layers]


@pytest.fixture
def revised() -> LayerResult:
    return _result(5, Verdict.INHERITED)


@pytest.fixture
def pair(tmp_path: Path) -> PairSpec:
    root = tmp_path / "models" / "tiny"
    root.mkdir(parents=True)
    (root / "pair.yaml").write_text("schema: 1\nname: broken/tiny\n")
    (root / "torch_model.py").write_text("def tiny(): ...\n")
    (root / "paddle_model.py").write_text("def tiny(width): ...\n")
    return PairSpec(
        "broken/tiny",
        ModelSpec("torch_model.py:tiny"),
        ModelSpec("paddle_model.py:tiny", {"width": 8}),
        description="a tiny pair",
        input=InputSpec((1, 3, 32, 32), "randn", 7),
        root=root,
        path=root / "pair.yaml",
    )
