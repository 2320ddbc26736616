"""Calls made again in a real Paddle child, as they were and changed, and results put in their places."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from child_calls import ask, attempt, build, patch, record, run, state
from numpy.typing import NDArray

from aligndbg.core.layers import Call, Trace
from aligndbg.core.likeness import narrows
from aligndbg.core.program import OWN, Param, Program, Ref, Step
from aligndbg.errors import AligndbgError
from aligndbg.frameworks import wire
from aligndbg.frameworks.channel import Lease
from aligndbg.frameworks.client import Child, listen

pytestmark = pytest.mark.frameworks
FILE = "recorded_paddle.py"
SOURCE = (Path(__file__).parent / FILE).read_text().splitlines()
X = np.random.default_rng(0).standard_normal((2, 3, 4, 4)).astype(np.float32)
CONV, NORM, RELU, SPLIT, MEAN, SUBTRACT, CONCAT, SLICE, ADD, POOL, HEAD = range(11)
NOTHING = Program(())


def own(call: int, *inputs: Ref, params: tuple[Param, ...] = (), arrays: tuple[NDArray[Any], ...] = ()) -> Program:
    return Program((Step(OWN, inputs, params=params, call=call),), arrays)


def done(child: Child, program: Program) -> list[NDArray[Any]]:
    refusal, outputs = attempt(child, program)
    assert not refusal
    return outputs


def equal(one: list[NDArray[Any]], other: list[NDArray[Any]]) -> bool:
    return len(one) == len(other) and all(np.array_equal(mine, others) for mine, others in zip(one, other, strict=True))


Recorded = tuple[Child, Trace, dict[int, list[NDArray[Any]]]]


@pytest.fixture
def chain(paddle_child: Child) -> Iterator[Recorded]:
    """The model `Chain` with all its calls recorded, and their outputs. Patches are taken back."""
    build(paddle_child, "Chain", FILE)
    trace, outputs = record(paddle_child, X, tuple(range(11)))
    assert [call.index for call in trace.calls] == list(range(11))
    yield paddle_child, trace, outputs
    for call in range(11):
        patch(paddle_child, call, NOTHING)


def test_a_call_made_again_gives_the_same_bit_for_bit(chain: Recorded) -> None:
    child, trace, outputs = chain
    for call in trace.calls:
        for _ in range(2):
            # An op in place must not have written into what was kept.
            assert equal(done(child, own(call.index)), outputs[call.index]), call.path
    operand = Program((Step("identity", (Ref("operand", RELU),)),))
    assert equal(done(child, operand), outputs[NORM]) and outputs[NORM][0].min() < 0


def test_a_call_takes_other_operands(chain: Recorded) -> None:
    child, _, outputs = chain
    other = X[:1, :, :2, :2] * 3
    (made,) = done(child, own(CONV, Ref("array", 0), arrays=(other,)))
    assert made.shape == (1, 4, 2, 2)
    first, second = outputs[SPLIT]
    assert equal(done(child, own(CONCAT, Ref("output", SPLIT, 0), Ref("output", SPLIT, 1))), [np.concatenate([first, second], 1)])
    # Fewer operands than the call has: the others stay.
    (made,) = done(child, own(ADD, Ref("array", 0), arrays=(np.zeros_like(outputs[CONCAT][0]),)))
    assert np.array_equal(made, np.broadcast_to(outputs[SLICE][0], made.shape))


def test_one_tensor_in_two_places_is_exchanged_in_one(paddle_child: Child) -> None:
    build(paddle_child, "Squared", FILE)
    trace, outputs = record(paddle_child, X, (0,))
    assert len(trace.calls[0].inputs) == 2
    assert equal(done(paddle_child, own(0)), outputs[0])
    assert equal(done(paddle_child, own(0, Ref("operand", 0), Ref("array", 0), arrays=(X + 1,))), [X * (X + 1)])
    assert equal(done(paddle_child, own(0, Ref("array", 0), arrays=(X - 1,))), [(X - 1) * X])


def test_other_parameters_are_put_back(chain: Recorded) -> None:
    child, _, outputs = chain
    before = state(child)
    weight, bias = np.eye(4, 3, dtype=np.float32)[:, :, None, None], np.arange(4, dtype=np.float32)
    params = (Param("weight", "", 0), Param("bias", "", 1))
    (made,) = done(child, own(CONV, params=params, arrays=(weight, bias)))
    assert np.allclose(made[:, :3], X + bias[:3, None, None], atol=1e-6) and (made[:, 3] == 3).all()
    moved = own(NORM, params=(Param("mean", "", 0),), arrays=(outputs[CONV][0].mean(axis=(0, 2, 3)),))
    assert abs(done(child, moved)[0].mean()) < 1e-6 < abs(outputs[NORM][0].mean())
    # The second parameter does not fit: the first must not stay.
    refusal, _ = attempt(child, own(CONV, params=params, arrays=(weight, np.zeros(7, np.float32))))
    assert refusal
    after = state(child)
    assert before.keys() == after.keys() and all(np.array_equal(before[name], after[name]) for name in before)
    assert equal(done(child, own(CONV)), outputs[CONV])


def test_each_kind_of_reference_is_read(chain: Recorded) -> None:
    child, _, outputs = chain
    steps = (
        Step("relu", (Ref("operand", RELU),)),
        Step(OWN, (Ref("step", 0),), call=SPLIT),
        Step("add", (Ref("step", 1, 1), Ref("array", 0))),
        Step("concat", (Ref("output", SPLIT, 1), Ref("step", 2)), {"axis": 1}),
    )
    shift = np.full_like(outputs[SPLIT][1], 2.0)
    (made,) = done(child, Program(steps, (shift,)))
    second = outputs[SPLIT][1]
    assert np.array_equal(made, np.concatenate([second, second + 2], 1))
    assert equal(done(child, Program((Step("identity", (Ref("operand", SUBTRACT, 1),)),))), outputs[MEAN])


def test_a_layer_of_another_kind_gets_parameters_of_its_own(chain: Recorded) -> None:
    child, _, _ = chain
    weight = np.arange(6, dtype=np.float32).reshape(3, 2)
    layer = Step("linear", (Ref("array", 0),), {"bias": False}, (Param("weight", "io", 1),))
    rows = np.ones((1, 3), np.float32)
    assert equal(done(child, Program((layer,), (rows, weight))), [rows @ weight])
    turned = Step("linear", (Ref("array", 0),), {"bias": False}, (Param("weight", "oi", 1),))
    assert equal(done(child, Program((turned,), (rows, np.ascontiguousarray(weight.T)))), [rows @ weight])


@pytest.mark.parametrize(
    "program",
    [
        Program((Step("no_such_kind", (Ref("output", CONV),)),)),
        own(HEAD, Ref("array", 0), arrays=(np.zeros((2, 5), np.float32),)),
        own(99),
        own(RELU, Ref("operand", RELU, 7)),
        own(CONV, params=(Param("gamma", "", 0),), arrays=(np.zeros(4, np.float32),)),
        Program((Step("relu", (Ref("step", 0),)),)),
    ],
)
def test_what_the_framework_refuses_is_an_answer(chain: Recorded, program: Program) -> None:
    child, _, outputs = chain
    refusal, made = attempt(child, program)
    assert refusal and "\n" not in refusal and not made
    assert equal(done(child, own(CONV)), outputs[CONV])
    assert run(child, X)[0].calls


def test_only_what_was_asked_for_is_kept_and_only_for_one_forward(chain: Recorded) -> None:
    child, _, outputs = chain
    record(child, X, (RELU,))
    assert equal(done(child, own(RELU)), outputs[RELU])
    assert attempt(child, own(CONV))[0]
    child.send(wire.Record())
    assert attempt(child, own(RELU))[0]


def test_a_patch_changes_what_later_calls_see(chain: Recorded) -> None:
    child, before, outputs = chain
    constant = np.full_like(outputs[NORM][0], -1.0)
    patch(child, NORM, Program((Step("identity", (Ref("array", 0),)),), (constant,)))
    trace, captured, [result] = run(child, X, (NORM, RELU, HEAD))
    assert (captured[NORM][0] == -1).all() and (captured[RELU][0] == 0).all()
    assert np.array_equal(result, captured[HEAD][0]) and not np.array_equal(result, outputs[HEAD][0])
    assert [call.inputs for call in trace.calls] == [call.inputs for call in before.calls]
    patch(child, NORM, NOTHING)
    assert equal([run(child, X)[2][0]], outputs[HEAD])


def test_a_patch_shows_in_the_traces_shapes(chain: Recorded) -> None:
    child, _, _ = chain
    window = {"kernel_size": [2, 2], "stride": [2, 2], "padding": [0, 0]}
    patch(child, NORM, Program((Step(OWN, call=NORM), Step("max_pool2d", (Ref("step", 0),), window))))
    patch(child, SLICE, Program((Step("identity", (Ref("array", 0),)),), (np.zeros((2, 1, 2, 2), np.float32),)))
    trace, captured, _ = run(child, X, (NORM, CONCAT))
    assert [call.output.shape for call in trace.calls[: RELU + 1]] == [(2, 4, 4, 4), (2, 4, 2, 2), (2, 4, 2, 2)]
    assert captured[NORM][0].shape == captured[CONCAT][0].shape == (2, 4, 2, 2)


@pytest.mark.parametrize("call", [RELU, ADD])
def test_a_patch_on_an_op_in_place_reaches_who_holds_the_tensor(chain: Recorded, call: int) -> None:
    child, trace, outputs = chain
    doubled = Program((Step(OWN, call=call), Step("multiply", (Ref("step", 0),), {"other": 2.0})))
    patch(child, call, doubled)
    reader = SPLIT if call == RELU else POOL
    again, captured, _ = run(child, X, (call, reader))
    assert np.array_equal(captured[call][0], outputs[call][0] * 2)
    assert equal(captured[reader], [values * 2 for values in outputs[reader]])
    assert [ref.producer for ref in again.calls[reader].inputs] == [call] == [ref.producer for ref in trace.calls[reader].inputs]


def test_two_patches_work_together_and_read_one_another(chain: Recorded) -> None:
    child, _, outputs = chain
    patch(child, CONV, Program((Step(OWN, call=CONV), Step("multiply", (Ref("step", 0),), {"other": 0.0}))))
    patch(child, NORM, Program((Step("add", (Ref("output", CONV), Ref("array", 0))),), (np.float32(1.5).reshape(1),)))
    _, captured, _ = run(child, X, (CONV, NORM))
    assert not captured[CONV][0].any() and (captured[NORM][0] == 1.5).all()
    patch(child, CONV, NOTHING)
    _, captured, _ = run(child, X, (CONV, NORM))
    assert equal(captured[CONV], outputs[CONV]) and np.array_equal(captured[NORM][0], outputs[CONV][0] + 1.5)


def test_a_patch_computes_with_other_parameters(chain: Recorded) -> None:
    child, _, _ = chain
    before = state(child)
    params = (Param("weight", "", 0), Param("bias", "", 1))
    arrays = (np.zeros((4, 3, 1, 1), np.float32), np.arange(4, dtype=np.float32))
    patch(child, CONV, own(CONV, params=params, arrays=arrays))
    _, captured, _ = run(child, X, (CONV,))
    assert (captured[CONV][0] == np.arange(4)[:, None, None]).all()
    after = state(child)
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_a_patch_that_fails_fails_the_forward_and_not_the_child(chain: Recorded) -> None:
    child, _, outputs = chain
    patch(child, HEAD, Program((Step("no_such_kind", (Ref("operand", HEAD),)),)))
    with pytest.raises(AligndbgError, match="no_such_kind"):
        run(child, X)
    child.failed = False
    patch(child, HEAD, NOTHING)
    assert equal(run(child, X)[2], outputs[HEAD])


def test_an_op_in_place_that_changes_the_shape(paddle_child: Child) -> None:
    build(paddle_child, "InPlaceShape", FILE)
    value = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    trace, outputs = record(paddle_child, value, (0, 1, 2))
    assert [call.output.shape for call in trace.calls] == [(2, 3, 2), (2, 6), (2, 6)]
    assert [call.inputs[0].spec.shape for call in trace.calls] == [(2, 3, 2), (2, 3, 2), (2, 6)]
    assert equal(done(paddle_child, own(1)), outputs[1])
    patch(paddle_child, 1, Program((Step(OWN, call=1), Step("multiply", (Ref("step", 0),), {"other": 2.0}))))
    assert equal(run(paddle_child, value)[2], [value.reshape(2, 6) * 4 + 1])
    patch(paddle_child, 1, NOTHING)


def test_an_op_in_place_that_narrows_is_seen_to(paddle_child: Child) -> None:
    build(paddle_child, "InPlaceCast", FILE)
    trace, outputs = record(paddle_child, X, (0, 1, 2))
    cast = trace.calls[1]
    assert cast.kind == "cast" and narrows(cast)
    assert (cast.inputs[0].spec.dtype, cast.output.dtype) == ("float32", "int32")
    assert equal(done(paddle_child, own(1)), outputs[1]) and outputs[1][0].dtype == np.int32
    operand = Program((Step("identity", (Ref("operand", 1),)),))
    assert equal(done(paddle_child, operand), [X * 2])


@pytest.mark.parametrize("side", ["torch", "paddle"])
def test_what_is_given_for_an_op_in_place_has_its_reader(request: pytest.FixtureRequest, side: str) -> None:
    child = request.getfixturevalue(f"{side}_child")
    build(child, "InPlace")
    trace, captured, results = forced(child, np.ones((1, 3, 4, 4), np.float32), (1, 2, 3))
    assert [ref.producer for call in trace.calls for ref in call.inputs[:1]] == [-1, 0, 1, 2, 3]
    # Each captured output was doubled, and what reads it worked on that.
    assert np.array_equal(captured[2], captured[1] * 2 + 1)
    assert np.array_equal(captured[3][:, 1:], captured[2][:, 1:] * 2) and (captured[3][:, 0] == 5).all()
    assert np.array_equal(results, captured[3] * 4)


def forced(child: Child, value: NDArray[Any], wanted: tuple[int, ...]) -> tuple[Trace, dict[int, NDArray[Any]], NDArray[Any]]:
    """One forward that goes on with twice what each wanted call gave; the trace, what those calls gave, and the result."""
    captured: dict[int, NDArray[Any]] = {}
    found: list[tuple[Trace, NDArray[Any]]] = []

    def on_message(child: Child, message: wire.Message, leases: list[Lease]) -> bool:
        (array,) = (np.array(lease.array) for lease in leases)
        leases[0].release()
        if isinstance(message, wire.Captured):
            captured[message.index] = array
            child.send(wire.Forced(), [array * 2])
        if isinstance(message, wire.Traced):
            found.append((message.trace, array))
        return isinstance(message, wire.Traced)

    child.send(wire.Run(wanted, forced=True), [value])
    listen([child], on_message, 120)
    trace, result = found[0]
    return trace, captured, result


def test_what_the_models_hooks_do_is_part_of_the_layer(paddle_child: Child) -> None:
    build(paddle_child, "Shrunk", FILE)
    trace, outputs = record(paddle_child, X, (0, 1))
    assert [call.kind for call in trace.calls] == ["conv2d", "relu"]
    assert equal(done(paddle_child, Program((Step("identity", (Ref("operand", 0),)),))), [X])
    weights = state(paddle_child)
    expected = np.einsum("bihw,oi->bohw", X * 0.5, weights["conv.weight"][..., 0, 0]) + weights["conv.bias"][:, None, None]
    assert np.allclose(outputs[0][0], expected, atol=1e-5)
    assert np.array_equal(outputs[1][0], np.maximum(outputs[0][0], 0) + 1)
    for call in (0, 1):
        assert equal(done(paddle_child, own(call)), outputs[call])
    apart = Param("weight", "oihw", 0), Param("bias", "c", 1)
    spec = Step("conv2d", (Ref("operand", 0),), {"kernel_size": [1, 1]}, apart)
    (bare,) = done(paddle_child, Program((spec,), (weights["conv.weight"], weights["conv.bias"])))
    assert not np.allclose(bare, outputs[0][0], atol=1e-3)


def line_of(call: Call) -> str:
    """The line of the model file that makes the layer."""
    assert call.constructed is not None
    file, _, line = call.constructed.rpartition(":")
    assert file == str(Path(__file__).parent / FILE)
    return SOURCE[int(line) - 1].strip()


def test_layers_inside_forwards_of_the_models_own(paddle_child: Child) -> None:
    build(paddle_child, "Extended", FILE)
    trace, outputs = record(paddle_child, X, tuple(range(6)))
    assert [(call.path, call.kind) for call in trace.calls] == [
        ("first.mul", "multiply"),
        ("first", "conv2d"),
        ("first.add", "add"),
        ("second", "conv2d"),
        ("second.relu", "relu"),
        ("third.sub", "subtract"),
    ]
    first, second = trace.calls[1], trace.calls[3]
    assert first.type == second.type == "Conv2D"
    assert first.attributes["stride"] == [2, 2] and first.attributes["kernel_size"] == [1, 1]
    assert [(param.name, param.role, param.layout) for param in first.params] == [
        ("first.weight", "weight", "oihw"),
        ("first.bias", "bias", "c"),
    ]
    assert [ref.producer for call in trace.calls for ref in call.inputs] == [-1, 0, 1, 2, 3, 4]
    for call in trace.calls:
        assert equal(done(paddle_child, own(call.index)), outputs[call.index]), call.path
    zero = own(1, params=(Param("weight", "", 0),), arrays=(np.zeros((4, 3, 1, 1), np.float32),))
    bias = state(paddle_child)["first.bias"]
    assert np.array_equal(done(paddle_child, zero)[0], np.broadcast_to(bias[:, None, None], outputs[1][0].shape))
    patch(paddle_child, 3, Program((Step("identity", (Ref("array", 0),)),), (-np.ones_like(outputs[3][0]),)))
    _, captured, [result] = run(paddle_child, X, (4,))
    assert not captured[4][0].any() and (result == -1).all()
    patch(paddle_child, 3, NOTHING)


def test_forwards_around_forwards_and_one_that_was_kept(paddle_child: Child) -> None:
    build(paddle_child, "Kept", FILE)
    trace, outputs = record(paddle_child, X, tuple(range(7)))
    assert [(call.path, call.kind) for call in trace.calls] == [
        ("first.mul", "multiply"),
        ("first", "conv2d"),
        ("first.add", "add"),
        ("first.tanh", "tanh"),
        ("second", "conv2d"),
        ("second.abs", "abs"),
        # The hook of a layer whose forward is the model's own is the model's own code, too.
        ("second.add", "add"),
    ]
    assert [[param.name for param in call.params] for call in trace.calls if call.kind == "conv2d"] == [
        ["first.weight", "first.bias"],
        ["second.weight", "second.bias"],
    ]
    for call in trace.calls:
        assert equal(done(paddle_child, own(call.index)), outputs[call.index]), call.path


def test_layers_know_the_line_that_makes_them(chain: Recorded, paddle_child: Child) -> None:
    _, trace, _ = chain
    lines = {call.path: line_of(call) for call in trace.calls if call.constructed}
    assert lines == {
        "conv": "self.conv = nn.Conv2D(3, 4, 1)",
        "norm": "self.norm = nn.BatchNorm2D(4)",
        "head": "self.head = nn.Linear(4, 2)",
    }
    build(paddle_child, "Extended", FILE)
    first, second = (run(paddle_child, X)[0].calls[index] for index in (1, 3))
    assert line_of(first) == "self.first = Scaled(3, 4, 1, stride=2)"
    assert line_of(second).startswith("self.second = with_forward(nn.Conv2D(4, 4, 1)")


def test_only_the_wanted_part_of_the_state_is_sent(chain: Recorded) -> None:
    child, _, _ = chain
    everything = state(child)
    assert {"conv.weight", "norm._mean", "head.bias"} < everything.keys()
    some = state(child, ("head.bias", "conv.weight", "absent"))
    assert some.keys() == {"head.bias", "conv.weight"}
    assert all(np.array_equal(some[name], everything[name]) for name in some)


@pytest.mark.parametrize("side", ["torch", "paddle"])
def test_a_weight_that_the_forward_lays_out_is_the_layers(request: pytest.FixtureRequest, side: str) -> None:
    child = request.getfixturevalue(f"{side}_child")
    build(child, "LaidOut", FILE if side == "paddle" else "laid_out_torch.py")
    trace, _, _ = run(child, np.ones((2, 6), np.float32))
    linear, rounded = (call for call in trace.calls if call.kind == "linear")
    assert [(param.name, param.role, param.layout) for param in linear.params] == [("weight", "weight", "")]
    assert [(param.name, param.role, param.layout) for param in rounded.params] == [("square", "weight", "")]
    assert [ref.producer for ref in linear.inputs] == [-1]
    assert [ref.producer for ref in rounded.inputs] == [linear.index]
    (product,) = (call for call in trace.calls if call.kind == "matmul")
    assert [(param.name, param.role) for param in product.params] == [("square", "operand0")] and len(product.inputs) == 1
    # What else goes into a tensor makes it more than a weight.
    last = trace.calls[-1]
    assert last.kind == "multiply" and not last.params and len(last.inputs) == 2


def test_operands_are_those_of_the_trace_where_a_weight_was_laid_out(paddle_child: Child) -> None:
    build(paddle_child, "LaidOut", FILE)
    value = np.random.default_rng(1).standard_normal((2, 6)).astype(np.float32)
    trace, outputs = record(paddle_child, value, tuple(range(12)))
    square = state(paddle_child, ("square",))["square"]
    for call in trace.calls:
        assert equal(done(paddle_child, own(call.index)), outputs[call.index]), call.path
        for place, ref in enumerate(call.inputs):
            if ref.producer >= 0:
                operand = Program((Step("identity", (Ref("operand", call.index, place),)),))
                assert equal(done(paddle_child, operand), [outputs[ref.producer][ref.output]]), call.path
    (product,) = (call for call in trace.calls if call.kind == "matmul")
    other = np.eye(4, dtype=np.float32)
    assert np.allclose(done(paddle_child, own(product.index, Ref("array", 0), arrays=(other,)))[0], square.T)


def test_a_side_that_keeps_no_calls_says_so(torch_child: Child) -> None:
    torch_child.send(wire.Record((0,)))
    with pytest.raises(AligndbgError, match="torch keeps no calls"):
        ask(torch_child, wire.Sync())
    torch_child.failed = False
    assert ask(torch_child, wire.Sync()) == wire.Done()
