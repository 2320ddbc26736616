from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aligndbg.core.layers import LayerPair, ParamSpec, TensorSpec, Trace
from aligndbg.core.matching import match
from aligndbg.errors import PairError
from aligndbg.weights.convert import apply_rule, plan
from aligndbg.weights.plan import WeightPlan, WeightRule

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from nets import Net, renamed, trace_of, vgg, without


def spec(name: str, role: str, layout: str, *shape: int) -> ParamSpec:
    return ParamSpec(name, role, layout, TensorSpec(shape))


def planned(torch: Trace, paddle: Trace, **options: Any) -> WeightPlan:
    return plan(match(torch, paddle), torch.state, paddle.state, **options)


def rules(made: WeightPlan) -> dict[str, WeightRule]:
    return {rule.paddle: rule for rule in made.rules}


def one_layer(kind: str, torch: list[ParamSpec], paddle: list[ParamSpec]) -> WeightPlan:
    """The plan of two paired layers of `kind`."""
    calls = []
    for params in (torch, paddle):
        net = Net()
        net.op(kind, "layer", (1, 4))
        calls.append(dataclasses.replace(net.calls[0], params=tuple(params)))
    return plan([LayerPair(0, calls[0], calls[1], "type+name", "")], torch, paddle)


def test_a_network_is_filled_completely_and_by_class() -> None:
    torch, paddle = vgg(), renamed(vgg(linear_layout="io", dropout=False), lambda path: f"body.{path}")
    made = planned(torch, paddle)
    assert (made.unfilled, made.unused, made.reasons) == ((), (), {})
    assert {rule.paddle: rule.torch for rule in made.rules} == {param.name: param.name for param in paddle.state}
    assert [rule.torch for rule in made.rules if rule.rule == "transpose"] == ["classifier.1.weight"]
    fc = rules(made)["classifier.1.weight"]
    assert (fc.axes, fc.flags) == ((1, 0), ())
    assert fc.reason == "weight of linear; torch stores [out, in], Paddle [in, out]"


def test_statistics_by_role_and_the_count_is_not_unused() -> None:
    torch = [spec("bn.running_mean", "mean", "c", 4), spec("bn.running_var", "variance", "c", 4), spec("bn.num", "count", "")]
    paddle = [spec("bn._variance", "variance", "c", 4), spec("bn._mean", "mean", "c", 4)]
    made = one_layer("batch_norm", torch, paddle)
    assert {rule.paddle: rule.torch for rule in made.rules} == {"bn._variance": "bn.running_var", "bn._mean": "bn.running_mean"}
    assert made.unused == () and made.unfilled == ()


def test_a_square_matrix_is_transposed_by_class_and_flagged() -> None:
    torch, paddle = [spec("w", "weight", "oi", 4, 4)], [spec("w", "weight", "io", 4, 4)]
    (rule,) = one_layer("linear", torch, paddle).rules
    assert (rule.rule, rule.axes, rule.flags) == ("transpose", (1, 0), ("square",))
    (same,) = one_layer("linear", torch, torch).rules
    assert (same.rule, same.flags) == ("copy", ())


@pytest.mark.parametrize(
    ("torch", "paddle", "expected"),
    [
        ((3, 5), (5, 3), ("transpose", (1, 0), ("by-shape",))),
        ((3, 5), (3, 5), ("copy", (), ("by-shape",))),
        ((3, 3), (3, 3), ("copy", (), ("by-shape", "square"))),
        ((7,), (7,), ("copy", (), ("by-shape",))),
        ((2, 3, 4), (4, 2, 3), ("transpose", (2, 0, 1), ("by-shape",))),
        ((2, 2, 3), (3, 2, 2), None),
        ((3, 5), (3, 6), None),
        ((), (), ("copy", (), ("by-shape",))),
    ],
)
def test_an_unknown_class_goes_by_shape(
    torch: tuple[int, ...], paddle: tuple[int, ...], expected: tuple[str, tuple[int, ...], tuple[str, ...]] | None
) -> None:
    made = one_layer("mystery", [spec("w", "weight", "", *torch)], [spec("w", "weight", "", *paddle)])
    if expected is None:
        assert made.unfilled == ("w",) and made.unused == ("w",)
        assert "the class tells none" in made.reasons["paddle:w"]
    else:
        (rule,) = made.rules
        assert (rule.rule, rule.axes, rule.flags) == expected


def test_fused_attention_is_split() -> None:
    torch = [
        spec("attn.in_proj_weight", "qkv.weight", "oi", 12, 4),
        spec("attn.in_proj_bias", "qkv.bias", "c", 12),
        spec("attn.out_proj.weight", "out.weight", "oi", 4, 4),
    ]
    paddle = [spec(f"attn.{part}_proj.weight", f"{part}.weight", "io", 4, 4) for part in "qkv"]
    paddle += [spec(f"attn.{part}_proj.bias", f"{part}.bias", "c", 4) for part in "qkv"]
    paddle += [spec("attn.out_proj.weight", "out.weight", "io", 4, 4)]
    made = one_layer("multihead_attention", torch, paddle)
    assert made.unfilled == made.unused == ()
    value = rules(made)["attn.v_proj.weight"]
    assert (value.rule, value.part, value.parts, value.axes) == ("split", 2, 3, (1, 0))
    assert "part 3 of 3 of torch's fused qkv.weight" in value.reason
    assert rules(made)["attn.k_proj.bias"].axes == ()
    fused = np.arange(48.0).reshape(12, 4)
    np.testing.assert_array_equal(apply_rule(value, fused), fused[8:].T)
    back = one_layer("multihead_attention", paddle, torch)
    assert "keeps q, k and v apart" in back.reasons["paddle:attn.in_proj_weight"]


@given(st.permutations(list("oihw")), st.permutations(list("oihw")), st.tuples(*[st.integers(1, 4)] * 4))
def test_a_rule_puts_each_axis_where_its_letter_is(torch: list[str], paddle: list[str], sizes: tuple[int, ...]) -> None:
    size = dict(zip("oihw", sizes, strict=True))
    source = spec("w", "weight", "".join(torch), *(size[letter] for letter in torch))
    target = spec("w", "weight", "".join(paddle), *(size[letter] for letter in paddle))
    (rule,) = one_layer("conv2d", [source], [target]).rules
    array = np.random.default_rng(0).standard_normal(source.spec.shape)
    made = apply_rule(rule, array)
    assert made.shape == target.spec.shape and made.flags.c_contiguous
    np.testing.assert_array_equal(made, np.einsum(f"{source.layout}->{target.layout}", array))


def test_apply_rule_keeps_scalars_and_dtype() -> None:
    copy = WeightRule("a", "b", "copy", "")
    assert apply_rule(copy, np.array(3, np.int64)).shape == ()
    assert apply_rule(copy, np.ones((2, 3), np.float16).T).flags.c_contiguous
    assert apply_rule(copy, np.ones(2, np.float16)).dtype == np.float16


def test_another_width_is_not_planned_and_told() -> None:
    torch, paddle = [spec("w", "weight", "oi", 10, 4)], [spec("w", "weight", "io", 4, 12)]
    made = one_layer("linear", torch, paddle)
    assert (made.rules, made.unfilled, made.unused) == ((), ("w",), ("w",))
    assert made.reasons["paddle:w"] == "torch's w does not fit: torch's shape is 10x4, 4x10 transposed, Paddle's 4x12"


def test_a_bias_on_one_side_only() -> None:
    torch, paddle = [spec("w", "weight", "oi", 2, 3), spec("b", "bias", "c", 2)], [spec("w", "weight", "io", 3, 2)]
    made = one_layer("linear", torch, paddle)
    assert made.unused == ("b",) and made.reasons == {"torch:b": "Paddle's layer has no bias"}
    made = one_layer("linear", paddle, torch)
    assert made.unfilled == ("b",) and made.reasons == {"paddle:b": "torch's layer has no bias"}


def test_a_layer_without_partner_is_told() -> None:
    torch = vgg(4)
    made = planned(torch, without(torch, lambda call: call.path == "features.1.norm"))
    assert made.unused == tuple(f"features.1.norm.{role}" for role in ("weight", "bias", "mean", "variance"))
    assert made.reasons["torch:features.1.norm.bias"] == "its layer features.1.norm has no partner in Paddle"


def test_shared_weights_are_planned_once() -> None:
    net = Net()
    net.conv("stem", 3, 8)
    net.conv("shared", 8, 8)
    net.conv("shared", 8, 8)
    made = planned(net.trace, net.trace)
    assert [rule.paddle for rule in made.rules] == ["stem.weight", "shared.weight"]
    own = [dataclasses.replace(call.params[0], name=f"{call.index}.w") for call in net.calls]
    apart = trace_of(
        [
            dataclasses.replace(call, path=f"{call.path}{call.index}", params=(param,))
            for call, param in zip(net.calls, own, strict=True)
        ]
    )
    shared_by_paddle = planned(apart, net.trace)
    assert {rule.torch for rule in shared_by_paddle.rules} == {"0.w", "1.w"}
    assert shared_by_paddle.unused == ("2.w",)
    assert shared_by_paddle.reasons["torch:2.w"] == "Paddle's shared.weight is shared, and already filled from 1.w"
    shared_by_torch = planned(net.trace, apart)
    assert {rule.paddle: rule.torch for rule in shared_by_torch.rules}["2.w"] == "shared.weight"


def test_a_layer_that_applies_its_activation_gets_its_weights() -> None:
    torch = vgg()
    fused = without(torch, lambda call: call.kind == "relu")
    paddle = trace_of(
        [
            dataclasses.replace(call, attributes={**call.attributes, "activation": "relu"}) if call.kind == "batch_norm" else call
            for call in fused.calls
        ]
    )
    assert planned(torch, paddle).unfilled == () == planned(torch, paddle).unused


def test_a_product_and_a_sum_get_the_weights_of_linear() -> None:
    torch, paddle = Net(), Net()
    torch.conv("a", 3, 8)
    torch.linear("fc", 8, 4)
    paddle.conv("a", 3, 8)
    paddle.call("matmul", "matmul", (1, 4), None, {"operand1": ("ab", (8, 4))})
    paddle.call("add", "add", (1, 4), None, {"operand1": ("a", (4,))})
    made = planned(torch.trace, paddle.trace)
    assert made.unfilled == made.unused == ()
    assert rules(made)["matmul.operand1"].axes == (1, 0) and rules(made)["add.operand1"].torch == "fc.bias"


def test_one_operand_on_each_side_is_the_same_one() -> None:
    torch, paddle = [spec("pos", "operand1", "abc", 1, 2, 3)], [spec("pos", "operand0", "abc", 1, 2, 3)]
    (rule,) = one_layer("add", torch, paddle).rules
    assert (rule.rule, rule.flags) == ("copy", ())


def test_idle_parameters_by_name() -> None:
    torch, paddle = vgg(), vgg(linear_layout="io")
    torch_state = [*torch.state, spec("aux.fc.weight", "weight", "oi", 4, 2), spec("aux.bn.running_mean", "mean", "c", 2)]
    torch_state += [spec("aux.old", "old", "", 3), spec("aux.bn.num_batches_tracked", "count", "")]
    paddle_state = [*paddle.state, spec("aux.fc.weight", "weight", "io", 2, 4), spec("aux.bn._mean", "mean", "c", 2)]
    paddle_state += [spec("aux.new", "new", "", 3)]
    made = plan(match(torch, paddle), torch_state, paddle_state, {}, [])
    assert rules(made)["aux.fc.weight"].flags == ("by-name",) and rules(made)["aux.fc.weight"].axes == (1, 0)
    assert rules(made)["aux.bn._mean"].torch == "aux.bn.running_mean"
    assert made.unfilled == ("aux.new",) and made.unused == ("aux.old",)
    assert set(made.reasons) == {"paddle:aux.new", "torch:aux.old"}


def test_the_users_map_comes_first() -> None:
    net = Net()
    net.conv("a", 8, 8)
    net.conv("b", 8, 8)
    made = planned(net.trace, net.trace, mapped={"a.weight": "b.weight", "b.weight": "a.weight"})
    assert {rule.paddle: rule.torch for rule in made.rules} == {"a.weight": "b.weight", "b.weight": "a.weight"}
    assert "weights: map:" in made.rules[0].reason
    half = planned(net.trace, net.trace, mapped={"a.weight": "b.weight"})
    assert half.unfilled == ("a.weight",) and half.unused == ("b.weight",)
    assert half.reasons["paddle:a.weight"] == "torch's a.weight goes to b.weight by `weights: map:`"


MAPPABLE = dataclasses.replace(vgg(), state=(*vgg().state, spec("a.bias", "bias", "c", 4), spec("b.bias", "bias", "c", 4)))


@pytest.mark.parametrize(
    ("mapped", "message", "hint"),
    [
        ({"classifier.1.wieght": "classifier.1.weight"}, "torch model has no parameter 'classifier.1.wieght'", "did you mean"),
        ({"zz": "classifier.9.weight"}, "torch model has no parameter 'zz'", "it has a.bias, b.bias"),
        ({"classifier.1.bias": "clasifier.1.bias"}, "Paddle model has no parameter 'clasifier.1.bias'", "'classifier.1.bias'"),
        ({"classifier.1.bias": "features.0.conv.weight"}, "torch's shape is 10", "equal shapes"),
        ({"a.bias": "b.bias", "b.bias": "b.bias"}, "Paddle's 'b.bias' is filled twice", "'a.bias'"),
    ],
)  # fmt: skip
def test_a_wrong_map_is_refused(mapped: dict[str, str], message: str, hint: str) -> None:
    with pytest.raises(PairError) as caught:
        planned(MAPPABLE, MAPPABLE, mapped=mapped)
    assert message in caught.value.message and hint in caught.value.hint


def test_ignored_keys_are_left_alone_and_not_listed() -> None:
    made = planned(vgg(), vgg(), ignore=["features.1.*"])
    assert not any("features.1." in rule.paddle for rule in made.rules)
    assert made.unfilled == made.unused == ()
    with pytest.raises(PairError, match="too"):
        planned(vgg(), vgg(), ignore=["features.1.*"], mapped={"features.1.norm.bias": "features.0.norm.bias"})
