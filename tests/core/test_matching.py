from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aligndbg.core.layers import Call, LayerPair, Trace
from aligndbg.core.likeness import does_nothing
from aligndbg.core.matching import match
from aligndbg.errors import CannotPair, PairError

sys.path.insert(0, str(Path(__file__).parent))
from nets import Net, renamed, trace_of, vgg, without


def pairs(rows: tuple[LayerPair, ...]) -> list[tuple[str | None, str | None, str]]:
    return [(row.torch and row.torch.path, row.paddle and row.paddle.path, row.match) for row in rows]


def partners(rows: tuple[LayerPair, ...]) -> dict[str | None, str | None]:
    return {row.torch and row.torch.path: row.paddle and row.paddle.path for row in rows}


def alone(rows: tuple[LayerPair, ...]) -> list[str]:
    return [row.path for row in rows if row.torch is None or row.paddle is None]


NETS = st.lists(
    st.tuples(st.sampled_from(["plain", "residual", "dropout", "pool", "concat"]), st.sampled_from([8, 16, 24])), max_size=10
)


def build(blocks: list[tuple[str, int]], linear_layout: str = "oi") -> Trace:
    net = Net(linear_layout)
    net.conv("stem", 3, 8)
    width = 8
    for number, (what, wide) in enumerate(blocks):
        path = f"blocks.{number}"
        start = len(net.calls) - 1
        if what == "dropout":
            net.op("dropout", f"{path}.drop", net.calls[start].output.shape)
            continue
        if what == "pool":
            net.op("max_pool2d", f"{path}.pool", net.calls[start].output.shape)
            continue
        net.conv(f"{path}.conv", width, wide)
        net.norm(f"{path}.norm", wide)
        if what == "residual":
            shortcut = net.conv(f"{path}.shortcut", width, wide, 1, inputs=[start])
            net.op("add", f"{path}.add", (1, wide, 8, 8), [shortcut - 1, shortcut])
        if what == "concat":
            net.op("concat", f"{path}.cat", (1, wide + width, 8, 8), [len(net.calls) - 1, start])
        width = wide + width if what == "concat" else wide
        net.op("relu", f"{path}.relu", (1, width, 8, 8))
    net.op("flatten", "flatten", (1, width * 64))
    net.linear("fc", width * 64, 10)
    return net.trace


@given(NETS)
@settings(max_examples=60, deadline=None)
def test_a_trace_pairs_with_itself_call_by_call(blocks: list[tuple[str, int]]) -> None:
    trace = build(blocks)
    rows = match(trace, trace)
    assert [(row.index, row.torch, row.paddle, row.match) for row in rows] == [
        (call.index, call, call, "type+name") for call in trace.calls
    ]


@given(NETS)
@settings(max_examples=60, deadline=None)
def test_other_names_and_linear_layout_change_only_the_rule(blocks: list[tuple[str, int]]) -> None:
    torch, paddle = build(blocks), renamed(build(blocks, "io"), lambda path: f"net.{path[::-1]}")
    rows = match(torch, paddle)
    assert [(row.torch and row.torch.index, row.paddle and row.paddle.index) for row in rows] == [
        (place, place) for place in range(len(torch.calls))
    ]
    assert {row.match for row in rows} == {"type+order"}
    back = match(paddle, torch)
    assert partners(back) == {other: one for one, other in partners(rows).items()}


@given(NETS)
@settings(max_examples=60, deadline=None)
def test_removing_dropouts_leaves_exactly_these_alone(blocks: list[tuple[str, int]]) -> None:
    torch = build(blocks)
    rows = match(torch, without(torch, lambda call: call.kind == "dropout"))
    assert alone(rows) == [call.path for call in torch.calls if call.kind == "dropout"]
    assert all(row.match in ("type+name", "unpaired") for row in rows)


@given(NETS, NETS, st.data())
@settings(max_examples=60, deadline=None)
def test_each_call_is_in_one_row_and_order_holds(
    one: list[tuple[str, int]], other: list[tuple[str, int]], data: st.DataObject
) -> None:
    torch, paddle = build(one), build(other, "io")
    dropped = data.draw(st.sets(st.integers(0, len(paddle.calls) - 1), max_size=2))
    paddle = without(paddle, lambda call: call.index in dropped)
    try:
        rows = match(torch, paddle)
    except CannotPair as error:
        assert error.hint
        return
    assert [row.index for row in rows] == list(range(len(rows)))
    assert [row.torch.index for row in rows if row.torch] == list(range(len(torch.calls)))
    assert sorted(row.paddle.index for row in rows if row.paddle) == list(range(len(paddle.calls)))
    ordered = [row.paddle.index for row in rows if row.paddle and row.match != "out-of-order"]
    assert ordered == sorted(ordered)
    assert all(row.reason and (row.match in ("unpaired", "fused")) == (not (row.torch and row.paddle)) for row in rows)


def test_paddles_own_calls_keep_their_order_when_the_data_flow_moves_a_pair() -> None:
    shared = [("plain", 8)] * 4
    torch, paddle = build([*shared, ("dropout", 8), ("plain", 8)]), build([*shared, ("concat", 8), ("plain", 8)], "io")
    rows = match(torch, paddle)
    assert [row.paddle.index for row in rows if row.paddle] == list(range(len(paddle.calls)))
    assert partners(rows)["blocks.5.norm"] == "blocks.4.norm"


def test_a_missing_relu_stands_alone_where_it_ran() -> None:
    torch = vgg()
    rows = match(torch, without(torch, lambda call: call.path == "features.1.relu"))
    assert pairs(rows)[5] == ("features.1.relu", None, "unpaired")
    assert alone(rows) == ["features.1.relu"]
    assert "between features.1.norm and features.2.conv" in rows[5].reason


def test_paddles_own_call_is_a_row_where_it_ran() -> None:
    paddle = vgg()
    rows = match(without(paddle, lambda call: call.path == "features.0.relu"), paddle)
    assert pairs(rows)[2] == (None, "features.0.relu", "unpaired")


def test_other_sizes_downstream_still_pair() -> None:
    torch = vgg(4)
    shrunk = trace_of(
        [
            replace(call, outputs=(replace(call.output, shape=(*call.output.shape[:2], 7, 7)),))
            if len(call.output.shape) == 4 and call.index > 3
            else call
            for call in torch.calls
        ]
    )
    rows = match(torch, shrunk)
    assert alone(rows) == []
    assert "output shapes differ, torch 1x16x8x8, Paddle 1x16x7x7" in rows[4].reason


def test_another_activation_is_paired_to_show_the_difference() -> None:
    torch = vgg()
    paddle = trace_of([replace(call, kind="gelu") if call.path == "features.1.relu" else call for call in torch.calls])
    row = match(torch, paddle)[5]
    assert (row.match, row.torch and row.torch.kind, row.paddle and row.paddle.kind) == ("order", "relu", "gelu")
    assert "torch computes relu where Paddle computes gelu" in row.reason


def test_other_widths_pair_with_the_difference_in_the_reason() -> None:
    torch, paddle = Net(), Net()
    for net, middle in ((torch, 16), (paddle, 20)):
        net.conv("a", 3, 8)
        net.conv("b", 8, middle)
        net.conv("c", middle, 8)
        for place in range(6):
            net.conv(f"d{place}", 8, 8)
    rows = match(torch.trace, paddle.trace)
    assert alone(rows) == []
    assert "weight shapes differ" in rows[1].reason and "out_channels" not in rows[1].reason


def test_an_extra_conv_of_equal_shape_does_not_shift_the_rest() -> None:
    paddle = vgg(4)
    torch = without(paddle, lambda call: call.path == "features.2.norm")
    assert alone(match(torch, paddle)) == ["features.2.norm"]


@pytest.mark.parametrize(
    ("one", "other", "shape"),
    [("flatten", "reshape", (1, 512)), ("mean", "adaptive_avg_pool2d", (1, 8, 1, 1)), ("slice", "split", (1, 4))],
)
def test_equivalent_kinds(one: str, other: str, shape: tuple[int, ...]) -> None:
    torch, paddle = Net(), Net()
    for net, kind in ((torch, one), (paddle, other)):
        net.conv("a", 3, 8)
        net.op(kind, kind, shape)
    assert pairs(match(torch.trace, paddle.trace))[1] == (one, other, "equivalent")


def test_module_and_functional_activation_pair() -> None:
    torch = vgg()
    paddle = trace_of([replace(call, path="relu", type="relu") if call.kind == "relu" else call for call in torch.calls])
    assert alone(match(torch, paddle)) == []


def test_a_layer_with_its_own_activation_is_compared_after_the_activation() -> None:
    torch = vgg()
    fused = without(torch, lambda call: call.kind == "relu")
    paddle = trace_of(
        [
            replace(call, attributes={**call.attributes, "activation": "relu"}) if call.kind == "batch_norm" else call
            for call in fused.calls
        ]
    )
    rows = match(torch, paddle)
    assert pairs(rows)[1:3] == [
        ("features.0.norm", None, "fused"),
        ("features.0.relu", "features.0.norm", "equivalent"),
    ]
    assert rows[1].reason == "part of features.0.norm, which is compared with the output of features.0.relu"
    assert partners(match(paddle, torch))["features.0.norm"] == "features.0.relu"
    # Without the activation the two batch_norms are each other's partner, and the relu is missing.
    assert alone(match(torch, fused)) == ["features.0.relu", "features.1.relu", "features.2.relu"]


def test_linear_is_matmul_and_add() -> None:
    torch, paddle = Net(), Net()
    torch.conv("a", 3, 8)
    torch.linear("fc", 8, 4)
    paddle.conv("a", 3, 8)
    paddle.call("matmul", "matmul", (1, 4), None, {"operand1": ("ab", (8, 4))})
    paddle.call("add", "add", (1, 4), None, {"operand1": ("a", (4,))})
    assert pairs(match(torch.trace, paddle.trace))[1:] == [(None, "matmul", "fused"), ("fc", "add", "equivalent")]


def test_pooling_and_flatten_are_one_mean() -> None:
    torch, paddle = Net(), Net()
    torch.conv("a", 3, 8)
    torch.op("mean", "mean", (1, 8))
    paddle.conv("a", 3, 8)
    paddle.op("adaptive_avg_pool2d", "pool", (1, 8, 1, 1))
    paddle.op("flatten", "flatten", (1, 8))
    assert pairs(match(torch.trace, paddle.trace))[1:] == [(None, "pool", "fused"), ("mean", "flatten", "equivalent")]


def branches(first: str) -> Trace:
    """Two branches off the stem and their sum; `first` runs first."""
    net = Net()
    stem = net.conv("stem", 3, 8)

    def main() -> int:
        net.conv("main.conv1", 8, 16, inputs=[stem])
        net.norm("main.norm1", 16)
        net.op("relu", "main.relu", (1, 16, 8, 8))
        net.conv("main.conv2", 16, 16)
        return net.norm("main.norm2", 16)

    def side() -> int:
        net.conv("side.conv", 8, 16, 1, inputs=[stem])
        return net.norm("side.norm", 16)

    ends = [main(), side()] if first == "main" else [side(), main()]
    net.op("add", "add", (1, 16, 8, 8), ends)
    net.linear("fc", 16 * 64, 10)
    return net.trace


def test_branches_in_the_other_order() -> None:
    rows = match(branches("main"), branches("side"))
    assert alone(rows) == []
    assert all(row.torch and row.paddle and row.torch.path == row.paddle.path for row in rows)
    assert [row.path for row in rows if row.match == "out-of-order"] == ["side.conv", "side.norm"]
    assert "call 6 in torch, 1 in Paddle" in rows[6].reason
    assert match(branches("side"), branches("main"))


def test_what_one_call_computes_for_two_keeps_its_place_when_branches_cross() -> None:
    torch, paddle = Net(), Net()
    for net in (torch, paddle):
        stem = net.conv("stem", 3, 8)
        if net is torch:
            net.conv("conv", 8, 8, inputs=[stem])
            net.norm("norm", 8)
            net.op("relu", "relu")
        for source, kind in zip([stem, None, None, None], ("gelu", "tanh", "sigmoid", "silu"), strict=True):
            net.op(kind, kind, inputs=None if source is None else [source])
        if net is paddle:
            net.conv("conv", 8, 8, inputs=[stem])
            net.norm("norm", 8, activation="relu")
        net.op("add", "add", inputs=[4 if net is paddle else 3, len(net.calls) - 1])
    rows = match(torch.trace, paddle.trace)
    assert pairs(rows)[2:4] == [("norm", None, "fused"), ("relu", "norm", "equivalent")]
    assert [row.path for row in rows if row.match == "out-of-order"] == ["gelu", "tanh", "sigmoid", "silu"]


def test_operations_in_the_wrong_order_stay_alone() -> None:
    torch, paddle = Net(), Net()
    for net, kinds in ((torch, ["relu", "max_pool2d"]), (paddle, ["max_pool2d", "relu"])):
        net.conv("a", 3, 8)
        for kind in kinds:
            net.op(kind, kind)
        net.conv("b", 8, 8)
    assert len(alone(match(torch.trace, paddle.trace))) == 2


def test_reused_modules_and_swapped_operands() -> None:
    torch, paddle = Net(), Net()
    for net, swap in ((torch, False), (paddle, True)):
        for path in ("a", "b", "c"):
            start = len(net.calls) - 1
            net.conv(path, 8 if start >= 0 else 3, 8)
            net.op("relu", "relu")
            ends = [start, start + 2] if start >= 0 else [start + 2]
            net.op("concat", "cat", inputs=ends[::-1] if swap else ends)
    rows = match(torch.trace, paddle.trace)
    assert alone(rows) == []
    assert partners(rows)["relu#2"] == "relu#2" and partners(rows)["cat#3"] == "cat#3"


def test_pins_win_over_everything() -> None:
    torch = vgg(3)
    rows = match(torch, torch, {"features.0.relu": "features.1.relu"})
    assert partners(rows)["features.0.relu"] == "features.1.relu"
    assert [row.path for row in rows if row.match == "pinned"] == ["features.0.relu"]
    assert sorted(row.torch.index for row in rows if row.torch) == sorted(row.paddle.index for row in rows if row.paddle)


def test_crossing_pins() -> None:
    net = Net()
    for path in ("a", "b", "c", "d"):
        net.conv(path, 3, 8)
    rows = match(net.trace, net.trace, {"b": "c", "c": "b"})
    assert partners(rows) == {"a": "a", "b": "c", "c": "b", "d": "d"}
    assert [row.match for row in rows] == ["type+name", "pinned", "pinned", "type+name"]


def test_ignored_layers_keep_their_partner() -> None:
    torch = vgg()
    rows = match(torch, renamed(torch, lambda path: path.replace("features", "body")), ignored=("features.1.*", "classifier.0"))
    assert [row.path for row in rows if row.match == "ignored"] == [
        "features.1.conv",
        "features.1.norm",
        "features.1.relu",
        "classifier.0",
    ]
    assert all(row.torch and row.paddle for row in rows)
    assert "features.1.*" in rows[3].reason


def test_an_ignored_layer_takes_no_other_out_of_the_comparison() -> None:
    torch = vgg()
    paddle = trace_of([replace(call, kind="gelu", path="gelu") if call.path == "features.1.relu" else call for call in torch.calls])
    rows = match(torch, paddle, ignored=("features.1.relu",))
    assert pairs(rows)[5:7] == [("features.1.relu", None, "ignored"), (None, "gelu", "unpaired")]


@pytest.mark.parametrize(
    ("pinned", "ignored", "message", "hint"),
    [
        ({"features.0.rellu": "flatten"}, (), "torch model runs no layer 'features.0.rellu'", "did you mean 'features.0.relu'?"),
        ({"features.0.relu": "relu9"}, (), "Paddle model runs no layer 'relu9'", "relu"),
        ({"features.0": "features.0.relu"}, (), "torch model runs no layer 'features.0'", "features.0.conv, features.0.norm"),
        ({"features.0.relu": "flatten", "flatten": "flatten"}, (), "Paddle's 'flatten' is paired twice", "one torch layer"),
        ({}, ("clasifier.*",), "'clasifier.*' matches no layer", "did you mean 'classifier."),
    ],
)  # fmt: skip
def test_wrong_paths_are_refused(pinned: dict[str, str], ignored: tuple[str, ...], message: str, hint: str) -> None:
    with pytest.raises(PairError) as caught:
        match(vgg(), vgg(), pinned, ignored)
    assert message in caught.value.message and hint in caught.value.hint


def test_models_without_common_layers_cannot_be_paired() -> None:
    torch = vgg(6)
    bare = without(torch, lambda call: call.kind == "batch_norm")
    narrow = build([("plain", 24)] * 6)
    with pytest.raises(CannotPair, match=r"7 of torch's 13 layers with weights .*batch_norm 6 against 0") as caught:
        match(torch, bare)
    assert "Paddle has no batch_norm at all, torch has 6" in caught.value.hint
    with pytest.raises(CannotPair) as caught:
        match(torch, narrow)
    assert "weights differ in shape, first features.0.norm 8 in torch, blocks.0.norm 24 in Paddle" in caught.value.hint
    with pytest.raises(CannotPair):
        match(torch, Trace((), (), (), ()))
    assert match(Trace((), (), (), ()), Trace((), (), (), ())) == ()


@pytest.mark.parametrize(
    ("kind", "attributes", "shapes", "expected"),
    [
        ("dropout", {"mode": "upscale_in_train"}, (8, 8), True),
        ("dropout", {"mode": "downscale_in_infer"}, (8, 8), False),
        ("identity", {}, (8, 8), True),
        ("concat", {}, (8, 8), True),
        ("adaptive_avg_pool2d", {}, (8, 8), True),
        ("adaptive_avg_pool2d", {}, (8, 4), False),
        ("relu", {}, (8, 8), False),
    ],
)
def test_does_nothing(kind: str, attributes: dict[str, str], shapes: tuple[int, int], expected: bool) -> None:
    net = Net()
    net.op("relu", "relu", (1, shapes[0]))
    net.call(kind, "x", (1, shapes[1]), **attributes)
    assert does_nothing(net.calls[1]) is expected


def test_a_large_model_pairs() -> None:
    net = Net()
    draw = np.random.default_rng(0)
    for place in range(250):
        net.conv(f"a{place}", 8, 8 * int(draw.integers(1, 30)))
        net.norm(f"b{place}", 8 * int(draw.integers(1, 30)))
        net.op("relu", f"c{place}")
    paddle = without(net.trace, lambda call: call.index % 50 == 2)
    assert len(alone(match(net.trace, paddle))) == 15


def test_kinds_of_all_rows_are_known_rules() -> None:
    rows = match(vgg(), vgg(dropout=False))
    assert Counter(row.match for row in rows) == {"type+name": 11, "unpaired": 1}
    assert isinstance(rows[0].torch, Call)
