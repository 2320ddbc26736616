"""What two faults are together, and which patches carry a fix out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hand_made import Port

from aligndbg.core.program import OWN, Patch, Ref
from aligndbg.diagnosis.items import Item
from aligndbg.diagnosis.remedy import Remedy, Solved
from aligndbg.diagnosis.search import Explanation


def kinds(patch: Patch) -> list[str]:
    return [step.kind for step in patch.program.steps]


def told(remedies: tuple[Remedy, ...]) -> list[tuple[str, str]]:
    return [(remedy.finding.id, remedy.finding.message) for remedy in remedies]


def later() -> Port:
    """Paddle's ReLU runs after the norm, torch's before it."""
    port = Port()
    port.add("conv2d", "conv")
    port.add("relu", "act", ["torch"])
    port.add("batch_norm", "norm")
    port.add("relu", "act_p", ["paddle"])
    port.add("max_pool2d", "pool")
    return port


def earlier() -> Port:
    """Paddle's ReLU runs before the norm, torch's after it."""
    port = Port()
    port.add("conv2d", "conv")
    port.add("relu", "act_p", ["paddle"])
    port.add("batch_norm", "norm")
    port.add("relu", "act", ["torch"])
    port.add("max_pool2d", "pool")
    return port


def test_a_call_that_runs_too_late_is_one_fault() -> None:
    port = later()
    missing, extra = port.solved(port.case("norm", ["act"])), port.solved(port.case("pool", ["act_p"]))
    for pair in ((missing, extra), (extra, missing)):
        (remedy,) = port.remedies(*pair)
        finding = remedy.finding
        assert (finding.id, finding.message) == (
            "op-order",
            "Paddle runs norm (batch_norm) before act_p (relu); torch runs them the other way round",
        )
        assert finding.fix == "run the two in torch's order" and finding.source == "paddle.py:3"
        assert finding.evidence.before == 0.5 and finding.evidence.after == 1e-8
        assert {patch.call: kinds(patch) for patch in remedy.patches} == {1: ["relu", OWN], 3: [OWN]}


def test_a_call_that_runs_too_early_is_told_against_what_it_passes_in_torch() -> None:
    port = earlier()
    extra, missing = port.solved(port.case("norm", ["act_p"])), port.solved(port.case("pool", ["act"]))
    (remedy,) = port.remedies(extra, missing)
    assert remedy.finding.message == "Paddle runs act_p (relu) before norm (batch_norm); torch runs them the other way round"
    assert {patch.call: kinds(patch) for patch in remedy.patches} == {2: [OWN], 3: ["relu", OWN]}
    norm = next(patch for patch in remedy.patches if patch.call == 2)
    assert norm.program.steps[-1].inputs == (Ref("operand", 1, 0),)


def far(kind: str, between: int) -> Port:
    port = Port()
    port.add("conv2d", "conv")
    port.add(kind, "moved", ["torch"])
    port.add("max_pool2d", "first")
    for place in range(between):
        port.add("sigmoid", f"between{place}")
    port.add(kind, "moved_p", ["paddle"])
    port.add("max_pool2d", "last")
    return port


@pytest.mark.parametrize(
    ("kind", "between", "faults"), [("relu", 0, 1), ("relu", 9, 2), ("batch_norm", 9, 1), ("batch_norm", 90, 2)]
)
def test_a_moved_call_is_known_again_farther_off_where_it_has_weights(kind: str, between: int, faults: int) -> None:
    port = far(kind, between)
    found = port.remedies(port.solved(port.case("first", ["moved"])), port.solved(port.case("last", ["moved_p"])))
    assert len(found) == faults
    assert (found[0].finding.id == "op-order") == (faults == 1)


def test_an_activation_in_place_of_another_is_one_fault() -> None:
    port = Port()
    port.add("batch_norm", "norm")
    port.add("silu", "act", ["torch"])
    port.add("conv2d", "conv")
    norm, act = port.call("paddle", "norm"), port.call("torch", "act")
    extra = Item("activation-extra", norm, "act='relu'", "act=None", frozenset({"activation"}), told="has act='relu'")
    missing = Item("activation-missing", act, inserted=act.index)
    one, other = port.solved(port.case("norm"), [extra]), port.solved(port.case("conv", ["act"]), [missing])
    for pair in ((one, other), (other, one)):
        (remedy,) = port.remedies(*pair)
        assert told((remedy,)) == [("activation", "norm (batch_norm) applies 'relu', torch's is followed by act (silu)")]
        assert remedy.finding.fix == "act='relu' -> act='silu'"
        assert (remedy.finding.old, remedy.finding.new) == ("act='relu'", "act='silu'")
        assert {patch.call for patch in remedy.patches} == {0, 1}
    unset = replace(extra, attributes=frozenset())
    assert len(port.remedies(port.solved(port.case("norm"), [unset]), other)) == 2


def rewired() -> Port:
    """Paired calls that run in another order."""
    port = Port()
    port.add("conv2d", "conv")
    port.add("relu", "act", ["torch"])
    port.add("batch_norm", "norm", ["torch"])
    port.add("batch_norm", "norm_p", ["paddle"])
    port.add("relu", "act_p", ["paddle"])
    port.cross("act", "act_p")
    port.cross("norm", "norm_p")
    return port


def test_two_paired_calls_that_read_each_other_are_one_fault() -> None:
    port = rewired()
    act, norm = (port.solved(port.case(path)) for path in ("act", "norm"))
    assert all(len(each.explanation.items) == 1 and each.explanation.items[0].rewired for each in (act, norm))
    (remedy,) = port.remedies(act, norm)
    assert told((remedy,)) == [
        ("op-order", "Paddle runs norm_p (batch_norm) before act_p (relu); torch runs them the other way round")
    ]
    first, second = remedy.patches
    assert (first.call, kinds(first)) == (1, ["relu"]) and (second.call, kinds(second)) == (2, ["batch_norm"])
    assert [patch.program.steps[0].inputs for patch in remedy.patches] == [(Ref("operand", 1),), (Ref("operand", 2),)]
    assert len(second.program.arrays) == 4 and not first.program.arrays


def test_a_patch_that_reads_what_runs_later_is_dropped() -> None:
    port = rewired()
    norm = port.solved(port.case("norm"))
    assert norm.explanation.program is not None and Ref("output", 2) in norm.explanation.program.steps[-1].inputs
    (remedy,) = port.remedies(norm)
    assert remedy.patches == () and remedy.finding.id == "op-order"
    # What has run by then is no obstacle.
    (remedy,) = port.remedies(port.solved(port.case("act")))
    assert [patch.call for patch in remedy.patches] == [2]


def test_two_calls_of_two_operands_that_read_each_other_were_handed_them_in_another_order() -> None:
    port = Port()
    port.add("sigmoid", "left", reads=["input"])
    port.add("conv2d", "right", reads=["input"])
    port.add("matmul", "one", ["torch"], reads=["left", "right"])
    port.add("matmul", "two", ["torch"], reads=["one", "right"])
    port.add("matmul", "two_p", ["paddle"], reads=["left", "right"])
    port.add("matmul", "one_p", ["paddle"], reads=["two_p", "right"])
    port.cross("one", "one_p")
    port.cross("two", "two_p")
    (remedy,) = port.remedies(port.solved(port.case("one")), port.solved(port.case("two")))
    assert told((remedy,)) == [
        (
            "input-order",
            "two_p (matmul) and one_p (matmul) read each other's inputs: they are handed over in another order than in torch",
        )
    ]
    # The first of them would need what the second has not computed yet.
    assert remedy.patches == ()


def crossed(kinds: tuple[str, str]) -> Port:
    port = Port()
    port.add("conv2d", "conv")
    port.add("split", "split", outputs=2)
    port.add(kinds[0], "left", reads={"torch": ["split"], "paddle": ["split:1"]})
    port.add(kinds[1], "right", reads={"torch": ["split:1"], "paddle": ["split"]})
    return port


def test_the_outputs_of_one_call_handed_over_in_another_order_are_one_fault() -> None:
    port = crossed(("sigmoid", "tanh"))
    left, right = port.solved(port.case("left")), port.solved(port.case("right"))
    assert left.explanation.items[0].crossed == right.explanation.items[0].crossed == 1
    (remedy,) = port.remedies(left, right)
    assert told((remedy,)) == [
        (
            "input-order",
            "left (sigmoid) and right (tanh) read each other's inputs: they are handed over in another order than in torch",
        )
    ]
    assert remedy.finding.fix == "hand the inputs over in torch's order"
    reads = [patch.program.steps[0].inputs for patch in remedy.patches]
    assert reads == [(Ref("output", 1, 0),), (Ref("output", 1, 1),)]


def test_faults_of_different_calls_stay_apart() -> None:
    port = Port()
    port.add("conv2d", "conv")
    port.add("relu", "act", ["torch"])
    port.add("max_pool2d", "first")
    port.add("sigmoid", "extra", ["paddle"])
    port.add("max_pool2d", "second")
    found = port.remedies(port.solved(port.case("first", ["act"])), port.solved(port.case("second", ["extra"])))
    assert told(found) == [
        ("activation-missing", "Paddle lacks act (relu), which torch computes before first"),
        ("activation-extra", "Paddle computes extra (sigmoid), which torch does not"),
    ]
    assert [[patch.call for patch in remedy.patches] for remedy in found] == [[1], [3]]


def test_three_faults_of_which_two_are_one() -> None:
    port = later()
    port.add("sigmoid", "gate", ["torch"])
    port.add("conv2d", "last")
    missing, extra = port.solved(port.case("norm", ["act"])), port.solved(port.case("pool", ["act_p"]))
    other = port.solved(port.case("last", ["gate"]))
    assert [remedy.finding.id for remedy in port.remedies(missing, other, extra)] == ["op-order", "activation-missing"]


def test_unknown_faults_are_told_each_and_have_no_patches() -> None:
    port = later()
    unknown = Explanation(hints=("the error is the same everywhere: 1",))
    found = port.remedies(Solved(port.case("norm"), unknown), Solved(port.case("pool"), unknown))
    assert [(remedy.finding.id, remedy.finding.layer, remedy.patches) for remedy in found] == [
        ("unknown", "norm", ()),
        ("unknown", "pool", ()),
    ]


def branching() -> Port:
    """A ReLU that Paddle lacks, whose result two calls read."""
    port = Port()
    port.add("conv2d", "conv")
    port.add("relu", "act", ["torch"])
    port.add("max_pool2d", "left", reads={"torch": ["act"], "paddle": ["conv"]})
    port.add("avg_pool2d", "right", reads={"torch": ["act"], "paddle": ["conv"]})
    return port


def test_a_fix_is_carried_out_at_every_end_of_its_region() -> None:
    port = branching()
    (remedy,) = port.remedies(port.solved(port.case("left", ["act"], ["left", "right"])))
    assert {patch.call: kinds(patch) for patch in remedy.patches} == {1: ["relu", OWN], 2: ["relu", OWN]}
    assert [patch.program.steps[0].inputs for patch in remedy.patches] == [(Ref("operand", 1),), (Ref("operand", 2),)]


def test_a_fix_that_one_end_cannot_have_is_not_carried_out_at_all() -> None:
    port = branching()
    calls = port.nets["torch"].calls
    place = port.call("torch", "right").index
    source = replace(calls[place].inputs[0], producer=-1, spec=replace(calls[place].inputs[0].spec, shape=(3, 3)))
    calls[place] = replace(calls[place], inputs=(*calls[place].inputs, source))
    (remedy,) = port.remedies(port.solved(port.case("left", ["act"], ["left", "right"])))
    assert remedy.patches == () and remedy.finding.id == "activation-missing"


def test_two_faults_that_end_in_one_row_are_one_where_elements_were_moved() -> None:
    port = later()
    case = port.case("pool")
    laid = Item("flatten", case.other, rewired=True, told="reads elements that were moved in another way than torch's", laid=True)
    moved, other = port.solved(case, [laid]), Solved(replace(case, born=port.rows[2]), Explanation())
    for pair in ((moved, other), (other, moved)):
        (remedy,) = port.remedies(*pair)
        assert told((remedy,)) == [("flatten", "pool (max_pool2d) reads elements that were moved in another way than torch's")]
        assert [patch.call for patch in remedy.patches] == [3]
    assert len(port.remedies(other, replace(other, explanation=Explanation()))) == 2
