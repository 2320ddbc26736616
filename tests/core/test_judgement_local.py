"""Verdicts where Paddle's layers were fed with torch's inputs, and rounding is known."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from aligndbg.core.judgement import Evidence, Judge, Measured
from aligndbg.core.layers import MODEL_INPUT, Call, LayerPair, TensorRef, TensorSpec
from aligndbg.core.stats import Diff, DiffDetail, DiffStats, TensorStats
from aligndbg.core.verdict import LayerResult, OnnxDiff

SPEC = TensorSpec((1, 8))
FLOOR = 1e-6


def diff(max_abs: float, scale: float = 4.0, nan: int = 0) -> Diff:
    tensor = TensorStats(8, -scale, scale, 0.0, 0.5, 0, 0, 0)
    stats = DiffStats(max_abs, max_abs, max_abs, 0.5, 0.9, float(max_abs > 1e-4 or nan > 0), nan, 0, (0, 0))
    return Diff(tensor, tensor, stats, DiffDetail(0, (), 8, (), None, ()))


def call(index: int, kind: str = "conv2d", reads: int | None = None) -> Call:
    source = index - 1 if reads is None else reads
    return Call(index, f"layer{index}", kind, kind, (SPEC,), (TensorRef(source if source >= 0 else MODEL_INPUT, 0, SPEC),))


def chain(count: int) -> list[LayerPair]:
    return [LayerPair(index, call(index), call(index), "type+name", "") for index in range(count)]


def judged(
    rows: list[LayerPair], propagated: list[Measured], local: list[Measured], floors: float | None = FLOOR
) -> list[LayerResult]:
    places = [row.index for row in rows if row.torch and row.paddle]
    evidence = Evidence(dict(zip(places, propagated, strict=True)), dict(zip(places, local, strict=True)))
    if floors is not None:
        evidence.floors.update(dict.fromkeys(places, floors))
    judge = Judge(rows, evidence)
    return [judge.compared(row.index) if row.index in evidence.diffs else judge.alone(row.index, False) for row in rows]


def words(results: list[LayerResult]) -> list[str]:
    return [f"{result.verdict}{'!' if result.mismatch else ''}" for result in results]


GOOD, BAD = diff(1e-7), diff(0.5)


def test_two_faults_of_a_chain_are_both_born() -> None:
    assert words(judged(chain(4), [GOOD, BAD, BAD, BAD], [GOOD, BAD, GOOD, BAD])) == ["ok", "born!", "inherited!", "born!"]


def test_a_fault_that_another_one_hides_downstream_is_born_all_the_same() -> None:
    assert words(judged(chain(3), [BAD, GOOD, GOOD], [BAD, BAD, GOOD])) == ["born!", "born!", "ok"]


def test_another_shape_on_torchs_inputs_is_born() -> None:
    assert words(judged(chain(2), [None, None], [None, GOOD])) == ["born!", "inherited!"]


def test_over_the_tolerance_but_within_the_floor_is_noise() -> None:
    large = diff(6.7e-4, scale=371.0)
    assert words(judged(chain(1), [large], [large], floors=1e-3)) == ["noise"]
    assert words(judged(chain(1), [large], [large], floors=1e-4)) == ["born!"]


def test_a_small_layer_has_a_smaller_tolerance_where_the_floor_is_known() -> None:
    small = diff(6.7e-5, scale=0.1)
    assert words(judged(chain(1), [small], [small])) == ["born!"]
    assert words(judged(chain(1), [small], [small], floors=None)) == ["ok"]
    assert words(judged(chain(1), [diff(6.7e-5, scale=4.0)], [GOOD])) == ["ok"]


def test_nan_is_over_any_floor() -> None:
    assert words(judged(chain(1), [diff(0.0, nan=3)], [diff(0.0, nan=3)], floors=math.inf)) == ["born!"]


@pytest.mark.parametrize(("region", "expected"), [(BAD, ["ok", "born!", "inherited!"]), (GOOD, ["ok", "unpaired", "inherited!"])])
def test_a_missing_layer_is_judged_by_the_region_that_it_is_in(region: Diff, expected: list[str]) -> None:
    missing = LayerPair(1, call(1, "relu"), None, "unpaired", "")
    end = LayerPair(2, call(2), call(1, reads=0), "type+name", "")
    results = judged([chain(1)[0], missing, end], [GOOD, BAD], [GOOD, region])
    assert words(results) == expected
    if region is BAD:
        assert results[1].local == BAD.stats and "layer2, the end of the region" in results[1].note


def test_what_reads_an_output_that_could_not_be_replaced_is_not_born() -> None:
    rows = chain(3)
    evidence = Evidence({0: None, 1: None, 2: BAD}, {0: None, 1: None, 2: BAD}, dict.fromkeys(range(3), FLOOR), unforced={0, 1})
    judge = Judge(rows, evidence)
    assert words([judge.compared(row.index) for row in rows]) == ["born!", "inherited!", "inherited!"]
    assert "layer0 does not fit in Paddle's place" in judge.compared(1).note


@pytest.mark.parametrize(
    ("torch", "paddle", "blame"),
    [(1e-7, 0.5, "paddle"), (0.5, 1e-7, "torch"), (0.5, 0.5, None), (1e-7, math.inf, "paddle"), (1e-7, math.nan, "paddle")],
)
def test_blame_goes_to_the_side_that_disagrees_with_onnx_runtime(torch: float, paddle: float, blame: str | None) -> None:
    evidence = Evidence({0: BAD}, {0: BAD}, {0: FLOOR}, {0: OnnxDiff(torch, paddle)})
    assert Judge(chain(1), evidence).compared(0).blame == blame


def test_without_onnx_runtime_golden_speaks_for_torch() -> None:
    evidence = Evidence({0: BAD}, {0: BAD}, {0: FLOOR})
    assert Judge(chain(1), evidence).compared(0).blame == "paddle"
    assert Judge(chain(1), replace(evidence, floors={})).compared(0).blame is None


@pytest.mark.parametrize(
    ("kind", "shape", "verdict"),
    [("split", (2, 17, 4, 8), "ok"), ("split", (2, 17, 4, 9), "born!"), ("conv2d", (2, 17, 4, 8), "born!")],
)
def test_elements_in_another_order_of_axes_are_left_to_what_reads_them(kind: str, shape: tuple[int, ...], verdict: str) -> None:
    torch, paddle = (replace(call(0, kind), outputs=(TensorSpec(sizes),)) for sizes in ((2, 4, 17, 8), shape))
    rows = [LayerPair(0, torch, paddle, "type+order", ""), chain(2)[1]]
    evidence = Evidence({0: None, 1: GOOD}, {0: None, 1: GOOD}, dict.fromkeys(range(2), FLOOR), unforced={0})
    assert words([Judge(rows, evidence).compared(row.index) for row in rows]) == [verdict, "ok"]
