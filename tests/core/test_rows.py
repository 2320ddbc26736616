from __future__ import annotations

import random
import time

from hypothesis import given
from hypothesis import strategies as st

from aligndbg.core.layers import Call, LayerPair, TensorSpec
from aligndbg.core.rows import NO_ROW, Outline, build_rows
from aligndbg.core.verdict import LayerResult, Verdict


def layer(index: int, torch: str | None, paddle: str | None = "") -> LayerPair:
    """`paddle` is torch's path where it is not given."""

    def call(path: str | None) -> Call | None:
        return None if path is None else Call(index, path, "relu", "ReLU", (TensorSpec((1, 4)),))

    return LayerPair(index, call(torch), call(torch if paddle == "" else paddle), "type+order", "")


def outline(*paths: str) -> Outline:
    return Outline([layer(index, path) for index, path in enumerate(paths)])


def shape(tree: Outline) -> list[tuple[int, str]]:
    return [(row.depth, row.label) for row in tree.rows]


def wrong(index: int, verdict: Verdict = Verdict.INHERITED) -> LayerResult:
    return LayerResult(index, verdict, True)


def right(index: int) -> LayerResult:
    return LayerResult(index, Verdict.OK, False)


def test_dotted_paths_become_groups_in_order_of_execution() -> None:
    tree = outline("features.0", "features.3.squeeze", "features.3.cat", "classifier.1", "classifier.2", "flatten")
    assert shape(tree) == [
        (0, "features"),
        (1, "0"),
        (1, "3"),
        (2, "squeeze"),
        (2, "cat"),
        (0, "classifier"),
        (1, "1"),
        (1, "2"),
        (0, "flatten"),
    ]
    assert [row.path for row in tree.rows][2] == "features.3"


def test_a_group_of_one_row_is_merged_into_it() -> None:
    assert shape(outline("head.fc", "a.b.c.x", "a.b.c.y")) == [(0, "head.fc"), (0, "a.b.c"), (1, "x"), (1, "y")]


def test_a_module_that_runs_again_gets_a_second_group() -> None:
    tree = outline("a.x", "a.y", "b.x", "b.y", "a.x#2", "a.y#2")
    assert [label for depth, label in shape(tree) if depth == 0] == ["a", "b", "a#2"]


def test_a_paddle_call_without_partner_does_not_split_the_group_it_stands_in() -> None:
    rows = [layer(0, "features.0"), layer(1, None, "_fire.extra"), layer(2, "features.1"), layer(3, "out")]
    assert shape(Outline(rows)) == [(0, "features"), (1, "0"), (1, "_fire.extra"), (1, "1"), (0, "out")]


def test_a_paddle_call_keeps_its_own_module_where_that_splits_nothing() -> None:
    rows = [layer(0, "a.0"), layer(1, "a.1"), layer(2, None, "drop.x"), layer(3, None, "drop.y"), layer(4, "b.0"), layer(5, "b.1")]
    assert [label for _, label in shape(Outline(rows))] == ["a", "0", "1", "drop", "x", "y", "b", "0", "1"]


def test_a_call_without_a_path_is_named_by_its_kind() -> None:
    assert shape(outline("")) == [(0, "relu")]


def test_another_run_takes_over_folds_and_filter_by_path() -> None:
    old = outline("a.0", "a.1", "b.0", "b.1", "c.0", "c.1")
    old.toggle(old.find("a") or 0)
    old.filter(lambda row, result: not row.path.startswith("c"))
    old.toggle(old.find("b") or 0)
    new = outline("stem", "a.0", "a.1", "b.0", "b.1", "c.0", "c.1")
    new.take_over(old)
    assert [new.rows[index].path for index in new.visible()] == ["stem", "a", "a.0", "a.1", "b"]
    new.filter(None)
    assert [new.rows[index].path for index in new.visible()] == ["stem", "a", "b", "b.0", "b.1", "c", "c.0", "c.1"]


names = st.lists(st.sampled_from("abc"), min_size=1, max_size=5).map(".".join)


@given(st.lists(st.tuples(names, st.sampled_from(["both", "torch", "paddle"])), max_size=30))
def test_rows_are_a_preorder_tree_of_all_layers(paths: list[tuple[str, str]]) -> None:
    layers = [
        layer(index, None if side == "paddle" else path, path if side != "torch" else None)
        for index, (path, side) in enumerate(paths)
    ]
    rows = build_rows(layers)
    assert [row.layer for row in rows if row.layer != NO_ROW] == list(range(len(layers)))
    for index, row in enumerate(rows):
        assert index < row.end <= len(rows)
        assert (row.parent == NO_ROW) == (row.depth == 0)
        if row.parent != NO_ROW:
            parent = rows[row.parent]
            assert parent.layer == NO_ROW
            assert row.parent < index < row.end <= parent.end
            assert row.depth == parent.depth + 1
        if row.layer == NO_ROW:
            # A group is there for at least two rows.
            assert rows[index + 1].end < row.end
        else:
            assert row.end == index + 1


@given(st.lists(names, min_size=1, max_size=25), st.randoms(use_true_random=False))
def test_a_group_shows_the_worst_of_its_layers(paths: list[str], chance: random.Random) -> None:
    tree = outline(*paths)
    results = [
        chance.choice([right(index), wrong(index), wrong(index, Verdict.BORN), LayerResult(index, Verdict.NOISE, False)])
        for index in range(len(paths))
    ]
    tree.update(results)
    rank = [Verdict.OK, Verdict.NOISE, Verdict.INHERITED, Verdict.BORN]
    for index, summary in enumerate(tree.summaries):
        below = [results[position] for position in tree.layers_below(index)]
        assert summary.mismatch == any(result.mismatch for result in below)
        assert summary.verdict == max((result.verdict for result in below), key=rank.index)


def test_a_revised_result_may_make_a_group_better() -> None:
    tree = outline("a.0", "a.1")
    tree.update([wrong(0, Verdict.BORN), right(1)])
    assert tree.summaries[0].verdict is Verdict.BORN
    tree.update([right(0)])
    assert tree.summaries[0].verdict is Verdict.OK
    assert not tree.summaries[0].mismatch


def test_a_harmless_unpaired_layer_does_not_mark_its_group() -> None:
    tree = outline("a.0", "a.1")
    tree.update([LayerResult(0, Verdict.UNPAIRED, False), right(1)])
    assert tree.summaries[0].verdict is Verdict.OK


def test_folding_hides_what_is_below_and_unfolding_shows_it_again() -> None:
    tree = outline("a.b.0", "a.b.1", "a.c", "d")
    everything = tree.visible()
    tree.toggle(1)
    assert [tree.rows[index].label for index in tree.visible()] == ["a", "b", "c", "d"]
    tree.fold_all()
    assert [tree.rows[index].label for index in tree.visible()] == ["a", "d"]
    tree.reveal(2)
    assert tree.visible() == everything
    tree.unfold_all()
    assert tree.visible() == everything


def test_a_filter_shows_matches_with_the_groups_around_them_and_gives_the_folds_back() -> None:
    tree = outline("a.0", "a.1", "b.0", "b.1", "c")
    tree.toggle(0)
    tree.filter(lambda row, result: row.path.endswith("1"))
    assert [tree.rows[index].path for index in tree.visible()] == ["a", "a.1", "b", "b.1"]
    assert tree.matches == 2
    tree.filter(None)
    assert [tree.rows[index].path for index in tree.visible()] == ["a", "b", "b.0", "b.1", "c"]


@given(st.lists(names, max_size=25), st.sets(st.integers(0, 40)), st.sets(st.integers(0, 24)))
def test_what_shows_is_what_no_fold_and_no_filter_hides(paths: list[str], folds: set[int], kept: set[int]) -> None:
    tree = outline(*paths)
    tree.filter(lambda row, result: row.index in kept)
    for index in folds:
        if index < len(tree.rows):
            tree.toggle(index)
    shown = set(tree.visible())
    for index, row in enumerate(tree.rows):
        hidden = False
        parent = row.parent
        while parent != NO_ROW:
            hidden = hidden or parent in tree.folded
            parent = tree.rows[parent].parent
        matches = any(tree.layers[position].index in kept for position in tree.layers_below(index))
        assert (index in shown) == (matches and not hidden)


def test_a_filter_on_figures_follows_the_results() -> None:
    tree = outline("a", "b")
    tree.filter(lambda row, result: result is not None and result.mismatch)
    assert tree.visible() == []
    tree.update([right(0), wrong(1)])
    assert [tree.rows[index].path for index in tree.visible()] == ["b"]


def test_mismatches_are_found_in_both_directions_and_round_the_end() -> None:
    tree = outline("a.0", "a.1", "b", "c")
    tree.update([right(0), wrong(1), right(2), wrong(3)])
    second, fourth = tree.row_of(1), tree.row_of(3)
    assert tree.mismatch(0, 1) == (second, False)
    assert tree.mismatch(second, 1) == (fourth, False)
    assert tree.mismatch(fourth, 1) == (second, True)
    assert tree.mismatch(second, -1) == (fourth, True)
    assert outline("a").mismatch(0, 1) == (None, False)


def test_the_only_mismatch_is_found_from_itself() -> None:
    tree = outline("a", "b")
    tree.update([wrong(0), right(1)])
    assert tree.mismatch(0, 1) == (0, True)


def test_the_first_is_the_first_born_and_else_the_first_mismatch() -> None:
    tree = outline("a", "b", "c")
    tree.update([right(0), wrong(1), right(2)])
    assert tree.first() == 1
    tree.update([wrong(2, Verdict.BORN)])
    assert tree.first() == 2
    assert outline("a").first() is None


def test_a_result_of_an_unknown_layer_is_passed_over() -> None:
    tree = outline("a")
    tree.update([wrong(7)])
    assert tree.summaries[0].verdict is None


def test_depth_1200_and_50000_rows() -> None:
    deep = outline(*(".".join(["m"] * depth + ["x"]) for depth in range(1, 1200)))
    assert max(row.depth for row in deep.rows) > 1100
    deep.fold_all()
    assert len(deep.visible()) == 1
    wide = outline(*(f"stage{index // 500}.block{index // 5 % 100}.op{index % 5}" for index in range(50_000)))
    wide.update([wrong(49_999, Verdict.BORN)])
    started = time.process_time()
    wide.fold_all()
    assert len(wide.visible()) == 100
    wide.unfold_all()
    assert len(wide.visible()) == len(wide.rows)
    # Measured at a few tens of milliseconds; the bound only catches a change of order.
    assert time.process_time() - started < 1.0
    assert wide.summaries[wide.rows[-1].parent].verdict is Verdict.BORN
