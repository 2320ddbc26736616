"""The normal form of attributes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aligndbg.core.attributes import FIXED, equal, normal, normal_of
from aligndbg.core.layers import Attribute, Call, ParamSpec, TensorRef, TensorSpec

KINDS = [
    *(f"{kind}{n}d" for kind in ("conv", "conv_transpose", "max_pool", "avg_pool", "adaptive_avg_pool") for n in (1, 2, 3)),
    *"batch_norm dropout interpolate pad softmax mean flatten transpose unsqueeze stack embedding attention gelu split".split(),
]
small = st.integers(0, 7)
values: dict[str, st.SearchStrategy[Any]] = {
    "kernel_size": small | st.lists(small, min_size=1, max_size=3),
    "stride": small | st.none() | st.lists(small, min_size=1, max_size=3),
    "dilation": small,
    "padding": small | st.lists(small, min_size=1, max_size=6) | st.sampled_from(["same", "SAME", "valid", "VALID"]),
    "pad": st.lists(small, min_size=1, max_size=3).map(lambda pads: [pad for pad in pads for _ in range(2)]),
    "output_size": small | st.lists(st.integers(-1, 7), min_size=1, max_size=3),
    "axis": st.integers(-3, 2) | st.none() | st.lists(st.integers(-3, 2), min_size=1, max_size=3),
    "swap": st.lists(st.integers(-3, 2), min_size=2, max_size=2),
    "epsilon": st.floats(0, 1) | st.integers(0, 1),
    "approximate": st.booleans() | st.sampled_from(["none", "tanh"]),
    "data_format": st.sampled_from(["NCHW", "NHWC", "NCL", "NLC", "NC", None]),
    "mode": st.sampled_from(["nearest", "bilinear", "BILINEAR", "constant", "reflect"]),
    "align_corners": st.booleans() | st.none(),
    "align_mode": st.integers(0, 1),
    "scale_factor": st.none() | st.integers(1, 4) | st.lists(st.floats(0.5, 4), min_size=1, max_size=3),
    "padding_idx": st.none() | st.integers(-5, 4),
    "num_embeddings": st.just(5),
    "training": st.booleans(),
    "p": st.floats(0, 1),
    "value": st.none() | st.floats(-1, 1),
}
attributes = st.fixed_dictionaries({}, optional=values)


@given(st.sampled_from(KINDS), attributes, st.none() | st.integers(3, 5))
def test_a_normal_form_is_its_own(kind: str, given: dict[str, Attribute], rank: int | None) -> None:
    once = normal(kind, given, rank)
    assert normal(kind, once, rank) == once


@given(st.sampled_from(KINDS), attributes, st.integers(3, 5))
def test_the_given_attributes_are_left_alone(kind: str, given: dict[str, Attribute], rank: int) -> None:
    before = {name: list(value) if isinstance(value, list) else value for name, value in given.items()}
    normal(kind, given, rank)
    assert given == before


@given(st.integers(1, 3).flatmap(lambda n: st.lists(small, min_size=n, max_size=n)))
def test_symmetric_paddings_are_equal_in_every_form(pads: list[int]) -> None:
    kind = f"conv{len(pads)}d"
    every = [pad for pad in pads for _ in range(2)]
    forms: list[Attribute] = [[*pads], every, [0, 0, 0, 0, *every]]
    if len(set(pads)) == 1:
        forms.append(pads[0])
    assert {tuple(padding(kind, form)) for form in forms} == {tuple(every)}


@given(st.integers(2, 3).flatmap(lambda n: st.lists(small, min_size=2 * n, max_size=2 * n)))
def test_the_channels_of_a_padding_are_where_the_format_says(pads: list[int]) -> None:
    kind = f"conv{len(pads) // 2}d"
    assert padding(kind, [0, 0, *pads, 0, 0], data_format="NHWC") == padding(kind, [0, 0, 0, 0, *pads]) == pads


def padding(kind: str, value: Attribute, **more: Attribute) -> list[Any]:
    found = normal(kind, {"padding": value, **more})["padding"]
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize(
    ("kernel", "dilation", "stride", "size", "pads"),
    [
        (3, 1, 1, 8, [1, 1]),
        (5, 2, 1, 8, [4, 4]),
        # An even kernel: the odd one comes after, as in torch (torch/nn/modules/conv.py, `_ConvNd`) and Paddle.
        (2, 1, 1, 8, [0, 1]),
        # Measured: paddle.nn.functional.conv2d of size 8, kernel 3, stride 2.
        (3, 1, 2, 8, [0, 1]),
        (3, 1, 2, 7, [1, 1]),
        (1, 1, 2, 8, [0, 0]),
    ],
)
def test_same_is_what_it_pads(kernel: int, dilation: int, stride: int, size: int, pads: list[int]) -> None:
    given = {"kernel_size": kernel, "dilation": dilation, "stride": stride, "padding": "SAME"}
    call = made("conv1d", (1, 4, size), given)
    assert normal_of(call)["padding"] == pads
    assert normal("conv1d", given)["padding"] == (pads if stride == 1 else "same")


def test_a_functional_convolution_takes_its_kernel_from_its_weight() -> None:
    weight = ParamSpec("w", "weight", "oihw", TensorSpec((8, 4, 3, 5)))
    assert normal_of(made("conv2d", (1, 4, 9, 9), {"padding": "same"}, params=(weight,)))["padding"] == [1, 1, 2, 2]


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        ("softmax", {"axis": -1}, {"axis": 3}),
        ("softmax", {"axis": None}, {"axis": 1}),
        ("mean", {"axis": [-1, -2]}, {"axis": [2, 3]}),
        ("mean", {"axis": -1}, {"axis": [3]}),
        ("mean", {"axis": None}, {"axis": [0, 1, 2, 3]}),
        ("stack", {"axis": -1}, {"axis": 4}),
        ("concat", {"axis": -1}, {"axis": 3}),
        ("flatten", {"start_axis": 1, "stop_axis": -1}, {"start_axis": 1, "stop_axis": 3}),
        ("transpose", {"swap": [1, -1]}, {"axis": [0, 3, 2, 1]}),
        ("transpose", {"axis": [0, -2, -1, 1]}, {"axis": [0, 2, 3, 1]}),
        ("adaptive_avg_pool2d", {"output_size": [-1, 7]}, {"output_size": [9, 7]}),
        ("adaptive_avg_pool2d", {"output_size": 1}, {"output_size": [1, 1]}),
        ("max_pool2d", {"kernel_size": 3, "stride": None}, {"kernel_size": [3, 3], "stride": [3, 3], "dilation": [1, 1]}),
        ("interpolate", {"mode": "nearest", "align_corners": None}, {"align_corners": False, "align_mode": 0}),
        ("interpolate", {"mode": "bilinear", "align_corners": True, "align_mode": 1}, {"align_mode": 0}),
        ("interpolate", {"mode": "bilinear", "align_mode": 1}, {"align_mode": 1}),
        ("interpolate", {"scale_factor": 2}, {"scale_factor": [2.0, 2.0]}),
        ("gelu", {"approximate": True}, {"approximate": "tanh"}),
        ("relu6", {}, {"min": 0.0, "max": 6.0}),
        ("hardsigmoid", {"slope": 0.1666667}, {"slope": 1 / 6}),
        ("hardsigmoid", {"slope": 0.2}, {"slope": 0.2}),
        ("pad", {"pad": [1, 1, 0, 0], "value": None}, {"pad": [1, 1], "value": 0.0}),
        ("embedding", {"padding_idx": -1, "num_embeddings": 10}, {"padding_idx": 9}),
        ("attention", {"p": 0.5, "training": False, "scale": None}, {"p": 0.0, "scale": 9**-0.5}),
    ],
)
def test_what_the_input_tells(kind: str, given: dict[str, Attribute], expected: dict[str, Attribute]) -> None:
    found = normal_of(made(kind, (2, 4, 9, 9), given))
    assert {name: found[name] for name in expected} == expected


def test_an_int_of_split_is_read_as_the_parts_that_came_out() -> None:
    parts = (TensorSpec((1, 2, 9)), TensorSpec((1, 2, 9)))
    torch = made("split", (1, 4, 9), {"axis": 1, "split_size": 2}, outputs=parts)
    paddle = made("split", (1, 4, 9), {"axis": -2, "sections": 2}, outputs=parts)
    assert normal_of(torch) == normal_of(paddle) == {"axis": 1, "sections": [2, 2]}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1e-5, 1.0000000000000001e-05, True),
        (0.1, 1 - 0.9, True),
        (1e-5, 1e-6, False),
        (1.0, 1, True),
        (True, 1, False),
        (None, 0.0, False),
        ([1, 1], [1, 1], True),
        ([1, 1], [1, 2], False),
        ([1], [1, 1], False),
        ("same", [1, 1], False),
        ("zeros", "zeros", True),
    ],
)
def test_equal(one: Attribute, other: Attribute, same: bool) -> None:
    assert equal(one, other) is equal(other, one) is same


def test_what_is_fixed_is_in_normal_form() -> None:
    for kind, fixed in FIXED.items():
        found = normal(kind, {})
        assert found.keys() == fixed.keys() and normal(kind, found) == found


def made(
    kind: str,
    shape: tuple[int, ...],
    given: dict[str, Attribute],
    params: tuple[ParamSpec, ...] = (),
    outputs: tuple[TensorSpec, ...] = (TensorSpec((1,)),),
) -> Call:
    return Call(0, kind, kind, kind, outputs, (TensorRef(-1, 0, TensorSpec(shape)),), given, params)
