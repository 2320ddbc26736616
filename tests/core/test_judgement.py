"""Verdicts on small hand-made tables of rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from aligndbg.core.judgement import Evidence, Judge, Measured
from aligndbg.core.layers import MODEL_INPUT, Attribute, Call, LayerPair, TensorRef, TensorSpec
from aligndbg.core.stats import Diff, DiffDetail, DiffStats, TensorStats
from aligndbg.core.verdict import LayerResult, Verdict

SPEC = TensorSpec((1, 8))
TENSOR = TensorStats(8, -1.0, 1.0, 0.0, 0.5, 0, 0, 0)
COMPARED = ("type+order", "type+name", "equivalent", "order", "pinned", "out-of-order")


class Table:
    """Rows, and what is measured at each. A side that lacks a row reads through it."""

    def __init__(self) -> None:
        self.rows: list[LayerPair] = []
        self.diffs: dict[int, Measured] = {}
        self._reads: list[tuple[int, ...]] = []
        self._calls: dict[str, list[int]] = {"torch": [], "paddle": []}

    def add(
        self,
        path: str,
        reads: Collection[int] | None = None,
        kind: str = "conv2d",
        sides: Collection[str] = ("torch", "paddle"),
        match: str = "type+order",
        measured: Measured | str = "agrees",
        shapes: Mapping[str, tuple[TensorSpec, ...]] = {},
        **attributes: Attribute,
    ) -> int:
        """The new row's index. It reads the row before unless told otherwise; row -1 is the model's input."""
        index = len(self.rows)
        self._reads.append(tuple(reads if reads is not None else (index - 1,)))
        calls: dict[str, Call | None] = {"torch": None, "paddle": None}
        for side in sides:
            inputs = tuple(TensorRef(place, 0, SPEC) for place in sorted(self._sources(side, index)))
            usual = (TensorSpec((1, 9)),) if side == "paddle" and measured == "shape" else (SPEC,)
            calls[side] = Call(len(self._calls[side]), path, kind, kind, shapes.get(side, usual), inputs, attributes)
            self._calls[side].append(index)
        self.rows.append(
            LayerPair(index, calls["torch"], calls["paddle"], match if len(sides) == 2 or match != "type+order" else "unpaired", "")
        )
        if len(sides) == 2 and match in COMPARED:
            self.diffs[index] = DIFFS[measured] if isinstance(measured, str) else measured
        return index

    def _sources(self, side: str, row: int) -> set[int]:
        found: set[int] = set()
        for read in self._reads[row]:
            if read == MODEL_INPUT or read in self._calls[side]:
                found.add(MODEL_INPUT if read == MODEL_INPUT else self._calls[side].index(read))
            else:
                found |= self._sources(side, read)
        return found

    def judged(self, output_differs: bool = False) -> list[LayerResult]:
        judge = Judge(self.rows, Evidence(self.diffs))
        return [
            judge.compared(row.index) if row.index in self.diffs else judge.alone(row.index, output_differs) for row in self.rows
        ]

    def verdicts(self, output_differs: bool = False) -> list[str]:
        """`ok`, or the verdict with `!` where it speaks against the port."""
        return [f"{result.verdict}{'!' if result.mismatch else ''}" for result in self.judged(output_differs)]


def diff(over: float, nan: int = 0, inf: int = 0) -> Diff:
    stats = DiffStats(1.0 if over else 1e-8, 0.0, 0.0, 0.0, 1.0, over, nan, inf, (0, 0))
    return Diff(TENSOR, TENSOR, stats, DiffDetail(0, (), 8, (), None, ()))


DIFFS: dict[str, Measured] = {
    "agrees": diff(0.0),
    "differs": diff(0.1),
    "nan": diff(0.1, nan=3),
    "inf": diff(0.1, inf=3),
    "shape": None,
}


def chain(*measured: str) -> Table:
    table = Table()
    for index, what in enumerate(measured):
        table.add(f"layer{index}", measured=what)
    return table


def test_everything_agrees() -> None:
    assert chain("agrees", "agrees", "agrees").verdicts() == ["ok", "ok", "ok"]


def test_a_fault_is_born_once_and_inherited_down_the_chain() -> None:
    table = chain("agrees", "differs", "differs", "agrees", "differs")
    # The last one reads a layer that agrees: what is wrong there began there.
    assert table.verdicts() == ["ok", "born!", "inherited!", "ok", "born!"]
    assert table.judged()[2].note == "layer1, which it reads, differs already"


def test_a_fault_on_one_branch_is_inherited_where_the_branches_meet() -> None:
    table = Table()
    stem = table.add("stem")
    left = table.add("left", (stem,), measured="differs")
    right = table.add("right", (stem,))
    table.add("cat", (left, right), kind="concat", measured="differs")
    assert table.verdicts() == ["ok", "born!", "ok", "inherited!"]


def test_two_faults_on_two_branches_are_both_born() -> None:
    table = Table()
    stem = table.add("stem")
    table.add("left", (stem,), measured="differs")
    table.add("right", (stem,), measured="differs")
    assert table.verdicts() == ["ok", "born!", "born!"]


@pytest.mark.parametrize("match", ["ignored", "fused"])
def test_faults_pass_through_rows_that_are_not_compared(match: str) -> None:
    table = Table()
    table.add("conv", measured="differs")
    table.add("odd", kind="relu", match=match, sides=("torch", "paddle") if match == "ignored" else ("paddle",))
    table.add("pool", measured="differs")
    expected = "ok" if match == "ignored" else "unpaired"
    assert table.verdicts(output_differs=True) == ["born!", expected, "inherited!"]


def test_a_row_ignored_on_one_side_is_no_mismatch() -> None:
    table = Table()
    table.add("conv")
    table.add("hook", kind="relu", match="ignored", sides=("torch",))
    table.add("fc", measured="differs")
    assert table.verdicts(output_differs=True) == ["ok", "unpaired", "born!"]


def test_an_unpaired_relu_whose_reader_differs_is_a_mismatch() -> None:
    table = Table()
    table.add("conv")
    relu = table.add("relu", kind="relu", sides=("torch",))
    table.add("fc", measured="differs")
    assert table.verdicts() == ["ok", "unpaired!", "inherited!"]
    assert table.judged()[2].note == "relu, which one side lacks, lies before it"
    assert table.judged()[relu].note == ""


def test_an_extra_layer_of_paddle_is_judged_as_a_missing_one() -> None:
    table = Table()
    table.add("conv")
    table.add("relu", kind="relu", sides=("paddle",))
    table.add("fc", measured="differs")
    assert table.verdicts() == ["ok", "unpaired!", "inherited!"]


def test_an_unpaired_relu_whose_readers_agree_is_none() -> None:
    table = Table()
    table.add("conv")
    relu = table.add("relu", kind="relu", sides=("torch",))
    table.add("fc", (relu,))
    table.add("gate", (relu,))
    # Elsewhere something differs: that is not the ReLU's doing.
    assert table.verdicts(output_differs=True) == ["ok", "unpaired", "ok", "ok"]
    assert table.judged()[relu].note == "what reads it agrees all the same"


def test_one_differing_reader_of_several_is_enough() -> None:
    table = Table()
    table.add("conv")
    relu = table.add("relu", kind="relu", sides=("torch",))
    table.add("fc", (relu,))
    table.add("gate", (relu,), measured="differs")
    assert table.verdicts() == ["ok", "unpaired!", "ok", "inherited!"]


def test_readers_are_found_through_views_and_dropout() -> None:
    table = Table()
    table.add("conv")
    relu = table.add("relu", kind="relu", sides=("torch",))
    table.add("flatten", kind="flatten", sides=("torch",))
    table.add("drop", kind="dropout", sides=("torch",))
    table.add("fc", measured="differs")
    assert table.verdicts() == ["ok", "unpaired!", "unpaired", "unpaired", "inherited!"]
    assert table.judged()[relu].mismatch


@pytest.mark.parametrize(
    ("kind", "note"),
    [("dropout", "changes nothing in eval"), ("identity", "changes nothing in eval"), ("cast", "computes nothing")],
)
def test_an_unpaired_layer_that_computes_nothing_is_harmless_and_explains_nothing(kind: str, note: str) -> None:
    table = Table()
    table.add("conv")
    lone = table.add("lone", kind=kind, sides=("torch",))
    table.add("fc", measured="differs")
    assert table.verdicts(output_differs=True) == ["ok", "unpaired", "born!"]
    assert note in table.judged()[lone].note


def test_a_dropout_that_scales_in_eval_computes() -> None:
    table = Table()
    table.add("conv")
    table.add("drop", kind="dropout", sides=("paddle",), mode="downscale_in_infer", p=0.5)
    table.add("fc", measured="differs")
    assert table.verdicts() == ["ok", "unpaired!", "inherited!"]


@pytest.mark.parametrize("differs", [True, False])
def test_the_last_layer_without_a_partner_is_judged_by_the_output(differs: bool) -> None:
    table = Table()
    table.add("fc")
    table.add("softmax", kind="softmax", sides=("torch",))
    assert table.verdicts(output_differs=differs) == ["ok", "unpaired!" if differs else "unpaired"]


def test_the_first_differing_shape_is_told_and_later_ones_are_inherited() -> None:
    assert chain("agrees", "shape", "shape", "shape").verdicts() == ["ok", "shape!", "inherited!", "inherited!"]


def test_a_shape_that_differs_after_values_did_is_a_fault_of_its_own() -> None:
    table = chain("differs", "shape", "shape", "differs")
    assert table.verdicts() == ["born!", "shape!", "inherited!", "inherited!"]
    assert table.judged()[2].note.startswith("layer1, which it reads")


def test_the_note_of_a_shape_names_the_output_that_the_table_does_not_show() -> None:
    one, other = TensorSpec((1, 4)), TensorSpec((1, 5))
    table = Table()
    table.add("split", kind="split", measured="shape", shapes={"torch": (SPEC, one), "paddle": (SPEC, other)})
    table.add("lstm", (-1,), kind="lstm", measured="shape", shapes={"torch": (SPEC, one, one)})
    table.add("pool", (-1,), measured="shape", shapes={"torch": (one,), "paddle": (other,)})
    notes = [result.note for result in table.judged()]
    assert notes == ["output 1: [1, 4] in torch, [1, 5] in Paddle", "torch has 3 outputs, Paddle 1", ""]


def test_shapes_that_differ_on_the_compared_batch_alone_are_told_without_a_note() -> None:
    table = Table()
    table.add("flatten", measured="shape", shapes={"paddle": (SPEC,)})
    [result] = table.judged()
    assert (result.verdict, result.note) == ("shape", "")


@pytest.mark.parametrize("bad", ["nan", "inf"])
def test_not_a_number_is_told_where_it_appears_first(bad: str) -> None:
    assert chain("agrees", bad, bad, "differs").verdicts() == ["ok", "nan!", "inherited!", "inherited!"]
    assert chain("differs", bad, bad).verdicts() == ["born!", "nan!", "inherited!"]


def test_an_unpaired_layer_explains_shapes_and_nan_behind_it_too() -> None:
    table = Table()
    table.add("conv")
    table.add("pool", kind="max_pool2d", sides=("torch",))
    table.add("norm", measured="nan")
    table.add("fc", (1,), measured="shape")
    assert table.verdicts() == ["ok", "unpaired!", "inherited!", "inherited!"]


def test_rows_not_known_yet_count_as_agreeing() -> None:
    table = chain("differs", "differs")
    late = dict(table.diffs)
    first = late.pop(0)
    judge = Judge(table.rows, Evidence(late))
    assert judge.compared(1).verdict == Verdict.BORN
    late[0] = first
    assert judge.compared(1).verdict == Verdict.INHERITED


def test_layers_in_swapped_order_do_not_blame_each_other() -> None:
    """torch: norm, relu; Paddle: relu, norm; paired by kind."""

    def call(index: int, kind: str) -> Call:
        return Call(index, kind, kind, kind, (SPEC,), (TensorRef(index - 1, 0, SPEC),))

    rows = [
        LayerPair(0, call(0, "batch_norm"), call(1, "batch_norm"), "pinned", ""),
        LayerPair(1, call(1, "relu"), call(0, "relu"), "pinned", ""),
    ]
    judge = Judge(rows, Evidence({0: diff(0.1), 1: diff(0.1)}))
    assert [judge.compared(index).verdict for index in (0, 1)] == ["born", "inherited"]


@st.composite
def tables(draw: st.DrawFn) -> Table:
    table = Table()
    for index in range(draw(st.integers(1, 12))):
        reads = draw(st.sets(st.integers(-1, index - 1), min_size=1, max_size=3))
        kind = draw(st.sampled_from(["conv2d", "relu", "dropout", "flatten"]))
        if draw(st.booleans()) or draw(st.booleans()):
            match = draw(st.sampled_from([*COMPARED, "ignored"]))
            table.add(f"layer{index}", reads, kind, match=match, measured=draw(st.sampled_from(list(DIFFS))))
        else:
            sides = (draw(st.sampled_from(["torch", "paddle"])),)
            table.add(f"layer{index}", reads, kind, sides, match=draw(st.sampled_from(["type+order", "fused", "ignored"])))
    return table


@given(tables())
def test_without_a_wrong_diff_there_is_no_mismatch(table: Table) -> None:
    table.diffs = dict.fromkeys(table.diffs, DIFFS["agrees"])
    assert not any(result.mismatch for result in table.judged())


@given(tables())
def test_the_first_wrong_layer_inherits_nothing(table: Table) -> None:
    wrong = [index for index, measured in table.diffs.items() if measured is not DIFFS["agrees"]]
    assume(wrong)
    first = table.judged()[wrong[0]]
    assert first.mismatch
    if not any(row.match == "unpaired" for row in table.rows[: wrong[0]]):
        assert first.verdict != Verdict.INHERITED


@given(tables(), st.booleans())
def test_a_compared_row_mismatches_exactly_where_its_diff_is_wrong(table: Table, output_differs: bool) -> None:
    for result in table.judged(output_differs):
        if result.index in table.diffs:
            assert result.mismatch == (table.diffs[result.index] is not DIFFS["agrees"])
            assert (result.verdict == Verdict.OK) == (not result.mismatch)
