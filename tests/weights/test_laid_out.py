"""Weights of products that the forward lays out before: which way round they are stored is not known."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

from aligndbg.core.layers import LayerPair, Trace
from aligndbg.core.matching import match
from aligndbg.weights.convert import apply_rule, plan

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from nets import Net


def product(shape: tuple[int, int], laid_out: bool) -> Trace:
    """`x @ w + b`, or `x @ w.T + b`: the product then has the weight as it is stored, in an order that is not known."""
    net = Net("io")
    net.op("relu", "act", (1, 8))
    if laid_out:
        net.call("transpose", "fc.transpose", (8, 4), [], {"operand0": ("ab", shape)})
    net.call("matmul", "fc.matmul", (1, 4), [0], {"operand1": ("" if laid_out else "ab", shape)})
    net.call("add", "fc.add", (1, 4), None, {"operand1": ("a", (4,))})
    for place, call in enumerate(net.calls):
        params = tuple(dataclasses.replace(param, name="fc.weight") for param in call.params if len(param.spec.shape) == 2)
        net.calls[place] = dataclasses.replace(call, params=params or call.params)
    return net.trace


@pytest.mark.parametrize(
    ("shape", "laid_out", "axes"), [((8, 4), False, (1, 0)), ((4, 8), True, ()), ((8, 4), True, (1, 0))], ids=["xw", "xwt", "other"]
)
def test_a_linear_layer_pairs_with_a_product_of_either_order(shape: tuple[int, int], laid_out: bool, axes: tuple[int, ...]) -> None:
    torch = Net()
    torch.op("relu", "act", (1, 8))
    torch.linear("fc", 8, 4)
    paddle = product(shape, laid_out)
    rows = match(torch.trace, paddle)
    assert {(row.torch.path, row.paddle.path) for row in rows if row.torch and row.paddle} == {("act", "act"), ("fc", "fc.add")}
    (fused,) = (row for row in rows if row.match == "fused")
    assert fused.paddle is not None and fused.paddle.kind == "matmul"
    made = plan(rows, torch.trace.state, paddle.state)
    assert made.unfilled == made.unused == ()
    weight = next(rule for rule in made.rules if rule.paddle == "fc.weight")
    assert (weight.torch, weight.axes) == ("fc.weight", axes)
    value = np.arange(32.0).reshape(4, 8)
    assert apply_rule(weight, value).shape == shape
    assert ("by-shape" in weight.flags) == laid_out


def test_of_two_orders_that_fit_the_unchanged_one_is_taken() -> None:
    torch = Net()
    torch.op("relu", "act", (1, 4))
    torch.linear("fc", 4, 4)
    paddle = product((4, 4), laid_out=True)
    rows: list[LayerPair] = list(match(torch.trace, paddle))
    (weight,) = (rule for rule in plan(rows, torch.trace.state, paddle.state).rules if rule.paddle == "fc.weight")
    assert (weight.axes, weight.flags) == ((), ("by-shape", "square"))
