"""Verdicts on calls without a partner, on what is laid out anew, and on what lies behind an output that does not fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from aligndbg.core.judgement import Evidence, Judge, Measured, Region
from aligndbg.core.layers import MODEL_INPUT, Call, LayerPair, ParamSpec, TensorRef, TensorSpec
from aligndbg.core.stats import Diff, DiffDetail, DiffStats, TensorStats
from aligndbg.core.verdict import LayerResult, Verdict

SPEC = TensorSpec((1, 8))
FLOOR = 1e-6


def diff(max_abs: float) -> Diff:
    tensor = TensorStats(8, -4.0, 4.0, 0.0, 0.5, 0, 0, 0)
    stats = DiffStats(max_abs, max_abs, max_abs, 0.5, 0.9, float(max_abs > 1e-4), 0, 0, (0, 0))
    return Diff(tensor, tensor, stats, DiffDetail(0, (), 8, (), None, ()))


GOOD, BAD = diff(1e-7), diff(0.5)


class Rows:
    """A table of rows, written down one by one. `reads` are rows, MODEL_INPUT the model's input."""

    def __init__(self) -> None:
        self.rows: list[LayerPair] = []
        self._calls: dict[str, dict[int, Call]] = {"torch": {}, "paddle": {}}

    def add(
        self,
        kind: str = "conv2d",
        sides: Sequence[str] = ("torch", "paddle"),
        reads: Sequence[int] | None = None,
        params: tuple[ParamSpec, ...] = (),
        outputs: Mapping[str, TensorSpec] | TensorSpec = SPEC,
        match: str = "",
    ) -> int:
        index = len(self.rows)
        made: dict[str, Call] = {}
        for side in sides:
            calls = self._calls[side]
            sources = [index - 1 if index else MODEL_INPUT] if reads is None else reads
            inputs = tuple(
                TensorRef(calls[row].index, 0, calls[row].output) if row in calls else TensorRef(MODEL_INPUT, 0, SPEC)
                for row in sources
            )
            output = outputs if isinstance(outputs, TensorSpec) else outputs[side]
            made[side] = calls[index] = Call(len(calls), f"row{index}", kind, kind, (output,), inputs, params=params)
        paired = "type+name" if len(made) == 2 else "unpaired"
        self.rows.append(LayerPair(index, made.get("torch"), made.get("paddle"), match or paired, ""))
        return index

    def judge(
        self, local: Mapping[int, Measured], diffs: Mapping[int, Measured] | None = None, unforced: Sequence[int] = ()
    ) -> Judge:
        floors = dict.fromkeys(local, FLOOR)
        return Judge(self.rows, Evidence({**local, **(diffs or {})}, dict(local), floors, unforced=set(unforced)))


def words(judge: Judge, rows: Rows, local: Mapping[int, Measured]) -> list[str]:
    results = [judge.compared(row.index) if row.index in local else judge.alone(row.index, False) for row in rows.rows]
    return [f"{each.verdict}{'!' if each.mismatch else ''}" for each in results]


def test_a_compared_row_is_a_region_of_its_own() -> None:
    rows = Rows()
    rows.add()
    rows.add()
    assert rows.judge({0: GOOD, 1: BAD}).region(1) == Region(1, (1,), ())


def test_two_missing_calls_before_one_end_are_one_region() -> None:
    rows = Rows()
    rows.add()
    rows.add("relu", ["torch"])
    rows.add("sigmoid", ["paddle"], reads=[0])
    end = rows.add(reads=[1, 2])
    rows.add()
    local = {0: GOOD, end: BAD, 4: GOOD}
    judge = rows.judge(local)
    assert words(judge, rows, local) == ["ok", "born!", "unpaired!", "inherited!", "ok"]
    assert judge.region(1) == judge.region(2) == Region(end, (end,), (1, 2))


@pytest.mark.parametrize(
    ("local", "ends"),
    [([GOOD, BAD, BAD], (2, 3)), ([GOOD, GOOD, BAD], (3,)), ([GOOD, BAD, GOOD], (2,)), ([GOOD, GOOD, GOOD], ())],
)
def test_a_region_ends_where_its_readers_disagree(local: list[Diff], ends: tuple[int, ...]) -> None:
    rows = Rows()
    rows.add()
    missing = rows.add("relu", ["torch"])
    rows.add(reads=[missing])
    rows.add(reads=[missing])
    judge = rows.judge(dict(zip((0, 2, 3), local, strict=True)))
    found = judge.region(missing)
    assert found.ends == ends
    assert found.end == min(ends, default=missing)
    assert found.alone == ((missing,) if ends else ())
    assert (judge.alone(missing, True).verdict is Verdict.BORN) == bool(ends)


@pytest.mark.parametrize(
    ("source", "target", "is_fault"),
    [
        ("float32", "int32", True),
        ("float32", "float16", True),
        ("float32", "bfloat16", True),
        ("float32", "bool", True),
        ("float32", "float64", False),
        ("float32", "float32", False),
        ("int32", "int64", False),
        ("float16", "float32", False),
    ],
)
@pytest.mark.parametrize("side", ["torch", "paddle"])
def test_a_cast_without_a_partner_is_at_fault_where_it_narrows(side: str, source: str, target: str, is_fault: bool) -> None:
    rows = Rows()
    rows.add(outputs=TensorSpec((1, 8), source))
    cast = rows.add("cast", [side], outputs=TensorSpec((1, 8), target))
    end = rows.add(reads=[0, cast])
    local = {0: GOOD, end: BAD}
    judge = rows.judge(local)
    assert words(judge, rows, local) == (["ok", "born!", "inherited!"] if is_fault else ["ok", "unpaired", "born!"])
    assert judge.region(end if not is_fault else cast) == Region(end, (end,), (cast,) if is_fault else ())


def test_a_call_that_makes_a_weight_leaves_the_fault_to_who_reads_it() -> None:
    weight = ParamSpec("fc.weight", "operand0", "ab", TensorSpec((8, 8)))
    rows = Rows()
    rows.add()
    made = rows.add("multiply", ["paddle"], reads=[], params=(weight,))
    rows.add("transpose", ["paddle"], reads=[], params=(weight,))
    end = rows.add("linear", reads=[0, made], params=(weight,))
    local = {0: GOOD, end: BAD}
    judge = rows.judge(local)
    assert words(judge, rows, local) == ["ok", "unpaired", "unpaired", "born!"]
    assert "prepares a weight" in judge.alone(made, True).note
    # With an operand it is a layer like any other.
    other = Rows()
    other.add()
    other.add("multiply", ["paddle"], params=(weight,))
    other.add("linear", reads=[0, 1])
    local = {0: GOOD, 2: BAD}
    assert words(other.judge(local), other, local) == ["ok", "born!", "inherited!"]


LAID = {"torch": TensorSpec((2, 4, 8)), "paddle": TensorSpec((2, 8, 4))}


def laid(*after: str) -> Rows:
    """A convolution, a transposition that gives unlike shapes, and what comes after."""
    rows = Rows()
    rows.add()
    rows.add("transpose", outputs=LAID)
    for kind in after:
        rows.add(kind, outputs=LAID if kind in ("reshape", "transpose") else SPEC)
    return rows


@pytest.mark.parametrize(
    ("reader", "expected"),
    [(GOOD, ["ok", "ok", "ok"]), (BAD, ["ok", "born!", "inherited!"]), (None, ["ok", "born!", "inherited!"])],
)
def test_what_is_laid_out_anew_is_judged_by_what_reads_it(reader: Measured, expected: list[str]) -> None:
    rows = laid("matmul")
    local = {0: GOOD, 1: None, 2: reader}
    judge = rows.judge(local)
    assert words(judge, rows, local) == expected
    if reader is GOOD:
        assert "another order of axes" in judge.compared(1).note
        return
    assert judge.compared(1).note == "measured at row2: it lays out its elements in another way"
    assert judge.compared(2).note == "row1 lays out its elements in another way"
    assert judge.region(1) == Region(2, (2,), ())


def test_the_first_of_several_that_are_laid_out_anew_is_born() -> None:
    rows = laid("reshape", "matmul", "matmul")
    rows.add(reads=[2])
    local = {0: GOOD, 1: None, 2: None, 3: BAD, 4: GOOD, 5: BAD}
    judge = rows.judge(local)
    assert words(judge, rows, local) == ["ok", "born!", "inherited!", "inherited!", "ok", "inherited!"]
    assert judge.region(1) == Region(3, (3, 5), ())


def test_a_reader_behind_one_that_agrees_does_not_count() -> None:
    rows = laid("matmul", "conv2d")
    local = {0: GOOD, 1: None, 2: GOOD, 3: BAD}
    assert words(rows.judge(local), rows, local) == ["ok", "ok", "ok", "born!"]


def test_only_what_moves_elements_to_the_same_sizes_is_laid_out_anew() -> None:
    rows = Rows()
    rows.add("transpose", outputs={"torch": TensorSpec((2, 4, 8)), "paddle": TensorSpec((2, 4, 9))})
    rows.add("conv2d", outputs=LAID)
    local: dict[int, Measured] = {0: None, 1: None}
    assert words(rows.judge(local), rows, local) == ["born!", "born!"]


def test_what_reads_an_output_that_does_not_fit_is_inherited() -> None:
    rows = Rows()
    for kind in ("conv2d", "conv2d", "transpose", "matmul", "conv2d"):
        rows.add(kind, outputs=LAID if kind == "transpose" else SPEC)
    rows.add(reads=[1])
    local = {0: None, 1: BAD, 2: None, 3: BAD, 4: BAD, 5: BAD}
    judge = rows.judge(local, unforced=[0])
    found = words(judge, rows, local)
    assert found == ["born!", "inherited!", "born!", "inherited!", "born!", "born!"]
    assert judge.compared(1).note == "torch's output of row0 does not fit in Paddle's place"
    # Straight behind what does not fit, what is laid out anew worked on other elements.
    after = rows.judge(local, unforced=[0, 1])
    assert words(after, rows, local)[:4] == ["born!", "inherited!", "inherited!", "inherited!"]
    assert after.compared(2).note == "torch's output of row1 does not fit in Paddle's place"


def test_what_follows_an_unforced_output_that_agrees_is_judged_by_itself() -> None:
    rows = Rows()
    rows.add()
    rows.add()
    local = {0: GOOD, 1: BAD}
    assert words(rows.judge(local, unforced=[0]), rows, local) == ["ok", "born!"]


def test_ignored_rows_lead_through_to_what_they_read() -> None:
    rows = Rows()
    rows.add()
    missing = rows.add("relu", ["torch"])
    ignored = rows.add("dropout", match="ignored")
    rows.rows[ignored] = replace(rows.rows[ignored], reason="left out by pair.yaml")
    end = rows.add()
    local = {0: GOOD, end: BAD}
    judge = rows.judge(local)
    assert judge.region(missing) == Region(end, (end,), (missing,))
    assert judge.alone(ignored, True) == LayerResult(ignored, Verdict.OK, False, note="left out by pair.yaml")
