"""`aligndbg report` on tiny real models: verdicts, exit codes, what goes where."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from project import FAST, Project, both_frameworks, target

pytestmark = both_frameworks

DIFF = "max_abs mean_abs rms max_rel cosine over_tolerance nan inf argmax"
LAYER = "index torch paddle kind op torch_shape paddle_shape match verdict mismatch note propagated local onnx noise_floor blame"
KEYS = {
    "": "schema aligndbg pair verdict exit_code headline first_born first_mismatch sensitivity environment weights input tolerance "
    "output layers unpaired findings gradients notices error timing session",
    "sensitivity": "ok logit_range moves_with_input advice",
    "environment": "torch paddle onnxruntime numpy threads tf32",
    "weights": "source sha256 mapped unfilled unused plan",
    "output": "met max_abs max_rel cosine top1_equal top5_equal golden_max_abs torch_top5 paddle_top5",
    "unpaired": "torch paddle",
    "timing": "torch_s paddle_s total_s",
}
"""What schema 1 promises (DESIGN 6.3): keys may be added, none may go."""


def born(report: Any) -> list[str]:
    return [layer["torch"] for layer in report["layers"] if layer["verdict"] == "born"]


def test_an_aligned_pair(project: Project) -> None:
    project.pair("plain")
    done = project.run("report", "plain", *FAST)
    assert done.code == 0, done.err
    headline, *rest = done.out.splitlines()
    assert headline.startswith("plain: aligned — 6 of 6 layers agree, 1 unpaired, output max|d| ")
    assert headline.endswith("(1e-4 met)")
    assert any(line.startswith("session ") and line.endswith(f"sessions/{project.sessions[0].name}") for line in rest)
    # Progress is not a result.
    assert "importing torch" in done.err
    assert "importing torch" not in done.out
    assert not done.error


def test_a_mismatch_as_json_on_standard_output(project: Project) -> None:
    """With all that a run measures."""
    project.pair("pools", paddle="AveragePool")
    done = project.run("report", "pools", "--json", "-", "--md", "report.md")
    assert done.code == 1
    report = done.json
    for place, keys in KEYS.items():
        assert set(keys.split()) <= set(report[place] if place else report), place
    for layer in report["layers"]:
        assert set(LAYER.split()) <= set(layer)
        for measured in (layer["propagated"], layer["local"]):
            assert measured is None or set(DIFF.split()) <= set(measured)
        assert layer["onnx"] is None or {"torch_max_abs", "paddle_max_abs"} <= set(layer["onnx"])
    for rule in report["weights"]["plan"]:
        assert {"torch", "paddle", "rule", "reason"} <= set(rule)
    assert (report["schema"], report["pair"], report["verdict"], report["exit_code"]) == (1, "pools", "mismatch", 1)
    assert report["first_born"] == report["first_mismatch"] == "features.3"
    assert born(report) == ["features.3"]
    assert [layer["verdict"] for layer in report["layers"] if layer["mismatch"]] == ["born", "inherited", "inherited"]
    assert report["unpaired"] == {"torch": ["drop"], "paddle": []}
    assert report["weights"]["mapped"] == len(report["weights"]["plan"]) == 8
    assert report["output"]["met"] is False
    assert (project.root / report["session"] / "report.json").is_file()
    markdown = (project.root / "report.md").read_text()
    assert "features.3" in markdown and "pools" in markdown.splitlines()[0]


def test_models_without_a_common_structure(project: Project) -> None:
    project.pair("unlike", torch="Perceptron")
    done = project.run("report", "unlike", "--json", "report.json", "--display", "none")
    assert done.code == 4
    assert done.out.startswith("unlike: cannot be paired — ")
    assert done.err == ""
    report = json.loads((project.root / "report.json").read_text())
    assert (report["verdict"], report["exit_code"], report["layers"]) == ("cannot-pair", 4, [])
    assert report["error"]["kind"] == "CannotPair"


def test_several_pairs_end_in_a_table_and_the_worst_code(project: Project) -> None:
    for name, paddle in (("one", "Plain"), ("two", "AveragePool")):
        project.pair(name, paddle=paddle)
    done = project.run("report", "one", "nope", "two", "--json", "all.json", *FAST)
    assert done.code == 2
    reports = json.loads((project.root / "all.json").read_text())
    assert [(report["pair"], report["verdict"], report["exit_code"]) for report in reports] == [
        ("one", "aligned", 0),
        ("nope", "error", 2),
        ("two", "mismatch", 1),
    ]
    table = done.out[done.out.index("pair ") :].splitlines()
    cells = [line.split() for line in table]
    assert ["one", "✓", "aligned"] in [row[:3] for row in cells]
    assert ["two", "✗", "mismatch"] in [row[:3] for row in cells]
    assert any("there is no pair 'nope'" in line for line in table)
    assert table[-1] == "1 of 3 pairs aligned"
    assert done.error[0] == "error: there is no pair 'nope'"


@pytest.mark.parametrize("form", ["file", "module"])
def test_a_pair_without_a_file(project: Project, form: str) -> None:
    here = Path(__file__).parent
    for side in ("torch", "paddle"):
        (project.root / f"{side}_side.py").write_text((here / f"{side}_models.py").read_text())
    ending = ".py" if form == "file" else ""
    targets = ("--torch", f"torch_side{ending}:Plain", "--paddle", f"paddle_side{ending}:AveragePool")
    report = project.report(*targets, "--shape", "1,3,8,8", "--input", "randn")
    assert (report["pair"], report["verdict"], born(report)) == ("Plain-AveragePool", "mismatch", ["features.3"])


def test_results_in_a_dict_a_tuple_and_a_list(project: Project) -> None:
    project.pair("structured", "Structured", "Structured")
    report = project.report("structured")
    assert (report["verdict"], report["notices"]) == ("aligned", [])
    assert [layer["torch"] for layer in report["layers"]] == ["conv", "aux", "mean"]
    assert report["output"]["top1_equal"] is None


def test_a_result_that_only_one_side_gives_is_said(project: Project) -> None:
    project.pair("single", "Pair", "Single", input={"shape": [2, 3]})
    report = project.report("single")
    assert (report["verdict"], report["weights"]["unfilled"]) == ("mismatch", ["two.weight", "two.bias"])
    assert any("torch gives 2 results, Paddle 1" in notice for notice in report["notices"])


def test_several_inputs(project: Project) -> None:
    inputs = [{"shape": [2, 3], "kind": "randn"}, {"shape": [2, 5], "kind": "rand", "seed": 1}]
    project.pair("inputs", "TwoInputs", "TwoInputs", inputs=inputs)
    report = project.report("inputs")
    assert (report["verdict"], report["input"]) == ("aligned", "randn 2x3 (seed 0); rand 2x5 (seed 1)")
    done = project.run("report", "inputs", "--shape", "2,3")
    assert (done.code, done.error[0]) == (2, "error: --shape: inputs has 2 inputs, whose shapes one option cannot give")


def test_a_batch_from_a_file(project: Project) -> None:
    project.pair("plain")
    values = np.random.default_rng(1).standard_normal((4, 3, 8, 8))
    np.save(project.root / "batch.npy", values)
    report = project.report("plain", "--input", "batch.npy", "--atol", "1e-3")
    assert (report["verdict"], report["input"]) == ("aligned", "batch.npy 4x3x8x8, from float64")
    assert {layer["torch_shape"][0] for layer in report["layers"]} == {4}
    assert report["tolerance"] == {"atol": 1e-3, "rtol": 0.0}


def test_shapes_that_differ_on_a_batch_only(project: Project) -> None:
    project.pair("mixes", "Mixes", "Mixes", input={"shape": [4, 6], "kind": "randn"})
    report = project.report("mixes")
    assert (report["verdict"], report["first_mismatch"]) == ("mismatch", "flatten")
    flatten = report["layers"][1]
    assert (flatten["torch_shape"], flatten["paddle_shape"]) == ([4, 6], [1, 24])
    assert report["output"]["max_abs"] is None
    assert "breaks first at flatten (flatten, shape 4x6 in torch, 1x24 in Paddle)" in report["headline"]
    assert project.report("mixes", "--shape", "1,6")["verdict"] == "aligned"


def test_options_reach_both_sides(project: Project) -> None:
    sides = {side: {"model": target(side, "Plain"), "kwargs": {"channels": 6}} for side in ("torch", "paddle")}
    project.pair("wide", **sides)
    one, other = (project.report("wide", "--seed", seed, "--weights", "default") for seed in ("1", "2"))
    assert one["layers"][0]["torch_shape"] == one["layers"][0]["paddle_shape"] == [1, 6, 6, 6]
    assert one["output"]["torch_top5"] != other["output"]["torch_top5"]
    assert (one["input"], one["weights"]["source"]) == (
        "randn 1x3x8x8 (seed 1)",
        "random: the initialisation of torch's own layers",
    )
