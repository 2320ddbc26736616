"""What the catalogue tells of two paired calls, and what it would try."""

from __future__ import annotations

import pytest

from aligndbg.core.attributes import equal, normal_of
from aligndbg.core.findings import CAUSES
from aligndbg.core.layers import Attribute, Call, TensorRef, TensorSpec
from aligndbg.diagnosis.catalogue import CATALOGUE, AttributeDifference, alternatives, attribute_differences

CONV: dict[str, Attribute] = {"kernel_size": [3, 3], "stride": [1, 1], "padding": [1, 1], "dilation": [1, 1], "groups": 1}
POOL: dict[str, Attribute] = {"kernel_size": [3, 3], "stride": [2, 2], "padding": [0, 0], "dilation": [1, 1], "ceil_mode": False}
AVERAGE: dict[str, Attribute] = {**POOL, "count_include_pad": True, "divisor_override": None}
NORM: dict[str, Attribute] = {"epsilon": 1e-5, "momentum": 0.1, "affine": True, "bias": True, "batch_stats": False}
DROPOUT: dict[str, Attribute] = {"p": 0.5, "mode": "upscale_in_train", "training": False}
TYPES = {
    "conv2d": "Conv2D",
    "max_pool2d": "MaxPool2D",
    "avg_pool2d": "AvgPool2D",
    "batch_norm": "BatchNorm2D",
    "dropout": "Dropout",
}
ALIKE: list[tuple[str, dict[str, Attribute], dict[str, Attribute]]] = [
    # Pairs that are set alike, in other words.
    ("conv2d", {**CONV, "padding": "same"}, CONV),
    ("conv2d", CONV, {**CONV, "padding": "SAME"}),
    ("conv2d", CONV, {**CONV, "padding": [1, 1, 1, 1], "data_format": "NCHW"}),
    ("conv2d", {**CONV, "padding": [0, 0]}, {**CONV, "padding": "VALID"}),
    ("conv2d", {**CONV, "padding": 0, "padding_mode": "reflect"}, {**CONV, "padding": 0, "padding_mode": "zeros"}),
    ("conv2d", {"kernel_size": 1, "dilation": 2}, {"kernel_size": 1, "dilation": 1}),
    ("max_pool2d", {**POOL, "stride": None}, {**POOL, "stride": [3, 3]}),
    ("avg_pool2d", AVERAGE, {**AVERAGE, "count_include_pad": False}),
    ("adaptive_avg_pool2d", {"output_size": [-1, 1]}, {"output_size": [9, 1]}),
    ("batch_norm", NORM, {**NORM, "epsilon": 1.0000000000000001e-05, "momentum": round(1 - 0.9, 12), "activation": None}),
    ("softmax", {"axis": -1}, {"axis": 3}),
    ("flatten", {"start_axis": 1, "stop_axis": -1}, {"start_axis": 1}),
    ("flatten", {"start_axis": 1, "stop_axis": -1}, {"start_axis": 0, "stop_axis": -2}),
    ("squeeze", {"axis": None}, {"axis": [2, 3]}),
    ("mean", {"axis": [-2, -1], "keepdim": False}, {"axis": [2, 3], "keepdim": False}),
    ("interpolate", {"size": [18, 18], "scale_factor": None}, {"size": None, "scale_factor": 2}),
    ("gelu", {"approximate": "none"}, {"approximate": False}),
    ("hardsigmoid", {}, {"slope": 0.1666667, "offset": 0.5}),
    ("add", {"other": 1}, {}),
    ("multiply", {"other": 2}, {"other": 2.0}),
    ("embedding", {"padding_idx": 9, "num_embeddings": 10}, {"padding_idx": -1, "num_embeddings": 10}),
    ("attention", {"p": 0.0, "scale": None}, {"p": 0.1, "training": False, "scale": 1 / 3}),
]
UNLIKE: list[tuple[str, dict[str, Attribute], dict[str, Attribute], tuple[str, bool, str, str]]] = [
    # Kind, torch's, Paddle's; cause, whether it shows, old, new.
    ("conv2d", {**CONV, "padding": 0}, CONV, ("padding", True, "padding=1", "padding=0")),
    ("conv2d", CONV, {**CONV, "padding": [0, 2, 1, 1]}, ("padding", True, "padding=[0, 2, 1, 1]", "padding=1")),
    ("conv2d", {**CONV, "padding": [1, 2]}, CONV, ("padding", True, "padding=1", "padding=[1, 2]")),
    ("conv2d", {**CONV, "bias": True}, {**CONV, "bias": False}, ("bias-missing", True, "bias_attr=False", "bias_attr=None")),
    ("conv2d", {**CONV, "bias": False}, {**CONV, "bias": True}, ("bias-extra", True, "bias_attr=None", "bias_attr=False")),
    ("conv2d", CONV, {**CONV, "data_format": "NHWC"}, ("data-format", True, "data_format='NHWC'", "data_format='NCHW'")),
    (
        "conv2d",
        {**CONV, "padding_mode": "reflect"},
        {**CONV, "padding_mode": "zeros"},
        ("padding-mode", True, "padding_mode='zeros'", "padding_mode='reflect'"),
    ),
    # An input of 9: windows of 3 at a stride of 2 fit, of 2 do not.
    ("max_pool2d", {**POOL, "ceil_mode": True}, POOL, ("ceil-mode", False, "ceil_mode=False", "ceil_mode=True")),
    (
        "max_pool2d",
        {**POOL, "kernel_size": 2, "ceil_mode": True},
        {**POOL, "kernel_size": 2},
        ("ceil-mode", True, "ceil_mode=False", "ceil_mode=True"),
    ),
    ("max_pool2d", {**POOL, "dilation": 2}, {**POOL, "dilation": 1}, ("dilation", True, "", "")),
    (
        "avg_pool2d",
        {**AVERAGE, "padding": 1},
        {**AVERAGE, "padding": 1, "count_include_pad": False},
        ("count-include-pad", True, "exclusive=True", "exclusive=False"),
    ),
    ("batch_norm", NORM, {**NORM, "epsilon": 1e-3}, ("epsilon", True, "epsilon=0.001", "epsilon=1e-05")),
    ("batch_norm", NORM, {**NORM, "momentum": 0.01}, ("momentum", False, "momentum=0.99", "momentum=0.9")),
    (
        "batch_norm",
        NORM,
        {**NORM, "batch_stats": True},
        ("running-stats", True, "use_global_stats=False", "use_global_stats=None"),
    ),
    (
        "batch_norm",
        NORM,
        {**NORM, "affine": False, "bias": False},
        ("affine", True, "weight_attr=False, bias_attr=False", "weight_attr=None, bias_attr=None"),
    ),
    ("batch_norm", NORM, {**NORM, "activation": "relu"}, ("activation-extra", True, "act='relu'", "act=None")),
    ("dropout", DROPOUT, {**DROPOUT, "p": 0.2}, ("dropout-p", False, "p=0.2", "p=0.5")),
    (
        "dropout",
        DROPOUT,
        {**DROPOUT, "mode": "downscale_in_infer"},
        ("dropout-mode", True, "mode='downscale_in_infer'", "mode='upscale_in_train'"),
    ),
    (
        "dropout",
        {**DROPOUT, "p": 0.0},
        {**DROPOUT, "p": 0.0, "mode": "downscale_in_infer"},
        ("dropout-mode", False, "mode='downscale_in_infer'", "mode='upscale_in_train'"),
    ),
    ("dropout", DROPOUT, {**DROPOUT, "training": True}, ("dropout-active", True, "", "")),
    ("softmax", {"axis": 1}, {"axis": -1}, ("axis", True, "axis=-1", "axis=1")),
    ("concat", {"axis": 1}, {"axis": 0}, ("concat-axis", True, "axis=0", "axis=1")),
    ("gelu", {"approximate": "tanh"}, {"approximate": False}, ("activation-param", True, "approximate=False", "approximate=True")),
    ("multiply", {"other": 0.5}, {"other": 0.25}, ("scale", True, "y=0.25", "y=0.5")),
    (
        "embedding",
        {"padding_idx": None, "num_embeddings": 10},
        {"padding_idx": 0, "num_embeddings": 10},
        ("padding", True, "padding_idx=0", "padding_idx=None"),
    ),
]


def made(kind: str, attributes: dict[str, Attribute], type_name: str = "") -> Call:
    inputs = (TensorRef(-1, 0, TensorSpec((2, 4, 9, 9))),)
    outputs = (TensorSpec((2, 4, 18, 18) if kind == "interpolate" else (2, 4, 9, 9)),)
    return Call(0, kind, kind, type_name or TYPES.get(kind, kind), outputs, inputs, attributes)


@pytest.mark.parametrize(("kind", "torch", "paddle"), ALIKE)
def test_other_words_for_the_same_are_no_difference(kind: str, torch: dict[str, Attribute], paddle: dict[str, Attribute]) -> None:
    assert attribute_differences(made(kind, torch), made(kind, paddle)) == ()


@pytest.mark.parametrize(("kind", "torch", "paddle", "expected"), UNLIKE)
def test_a_difference_is_named_with_what_to_type(
    kind: str, torch: dict[str, Attribute], paddle: dict[str, Attribute], expected: tuple[str, bool, str, str]
) -> None:
    (found,) = attribute_differences(made(kind, torch), made(kind, paddle))
    assert (found.cause, found.shows, found.old, found.new) == expected


@pytest.mark.parametrize(
    ("kind", "type_name", "old", "new"),
    [
        ("multiply", "mul", "* 3", "* 0.5"),
        ("rsubtract", "rsub", "3 -", "0.5 -"),
        ("divide", "truediv", "/ 3", "/ 0.5"),
        ("multiply", "multiply", "y=3", "y=0.5"),
    ],
)
def test_an_operand_is_written_as_in_its_expression(kind: str, type_name: str, old: str, new: str) -> None:
    (found,) = attribute_differences(made(kind, {"other": 0.5}), made(kind, {"other": 3}, type_name))
    assert (found.old, found.new) == (old, new)


def test_parts_of_another_tensor_are_no_difference() -> None:
    def split(channels: int, first: int) -> Call:
        whole = (TensorRef(-1, 0, TensorSpec((1, channels, 9))),)
        parts = (TensorSpec((1, first, 9)), TensorSpec((1, channels - first, 9)))
        return Call(0, "split", "split", "split", parts, whole, {"axis": 1})

    assert attribute_differences(split(8, 4), split(6, 3)) == ()
    (found,) = attribute_differences(split(8, 4), split(8, 2))
    assert (found.cause, found.torch, found.paddle) == ("output-size", [4, 4], [2, 6])


def test_the_old_batch_norm_has_names_of_its_own() -> None:
    found = attribute_differences(
        made("batch_norm", {**NORM, "num_features": 4}),
        made("batch_norm", {**NORM, "affine": False, "num_features": 8}, "BatchNorm"),
    )
    assert [each.old for each in found] == ["param_attr=False, bias_attr=False", "num_channels=8"]


def test_what_a_call_does_not_say_is_no_difference() -> None:
    assert attribute_differences(made("max_pool2d", POOL), made("max_pool2d", {"kernel_size": [3, 3]})) == ()


def test_calls_of_unrelated_kinds_are_not_compared() -> None:
    assert attribute_differences(made("max_pool2d", {**POOL, "padding": 1}), made("avg_pool2d", AVERAGE)) == ()


def test_equivalent_kinds_are_compared_by_what_both_have() -> None:
    assert attribute_differences(made("relu6", {}), made("hardtanh", {"min": 0, "max": 6})) == ()
    (found,) = attribute_differences(made("relu6", {}), made("hardtanh", {"min": 0, "max": 1}, "Hardtanh"))
    assert found == AttributeDifference("max", "activation-param", 6.0, 1.0, True, "max=1", "max=6.0")


def test_every_cause_is_one_that_a_finding_can_have() -> None:
    assert {row.cause for row in CATALOGUE} | {row.extra for row in CATALOGUE if row.extra} <= CAUSES


def test_no_attribute_of_a_kind_has_two_rows() -> None:
    every = [(row.name, kind) for row in CATALOGUE for kind in row.kinds]
    assert len(every) == len(set(every))


@pytest.mark.parametrize(
    ("kind", "attributes", "expected"),
    [
        ("max_pool2d", POOL, [("ceil_mode", True), ("padding", [1, 1, 1, 1]), ("stride", [1, 1])]),
        ("conv2d", CONV, [("padding", [0, 1, 0, 1]), ("padding", [0, 0, 0, 0]), ("dilation", [2, 2])]),
        ("avg_pool2d", {**AVERAGE, "padding": 1}, [("count_include_pad", False)]),
        ("batch_norm", NORM, [("epsilon", 1e-3), ("epsilon", 1e-6), ("epsilon", 1e-12), ("batch_stats", True)]),
        ("leaky_relu", {"negative_slope": 0.01}, [("negative_slope", 0.1), ("negative_slope", 0.2)]),
        ("softmax", {"axis": -1}, [("axis", 0), ("axis", 1), ("axis", 2)]),
        ("gelu", {"approximate": False}, [("approximate", "tanh")]),
        ("dropout", DROPOUT, [("mode", "downscale_in_infer")]),
        ("interpolate", {"mode": "bilinear", "align_corners": False}, [("align_corners", True), ("align_mode", 1)]),
    ],
)
def test_alternatives(kind: str, attributes: dict[str, Attribute], expected: list[tuple[str, Attribute]]) -> None:
    found = alternatives(made(kind, attributes))
    assert all(value in found for value in expected)


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [("conv2d", CONV), ("max_pool2d", POOL), ("avg_pool2d", AVERAGE), ("batch_norm", NORM), ("softmax", {"axis": 1})],
)
def test_no_alternative_is_what_the_call_says_nor_comes_twice(kind: str, attributes: dict[str, Attribute]) -> None:
    call = made(kind, attributes)
    found, own = alternatives(call), normal_of(call)
    assert found and all(not equal(value, own[name]) for name, value in found)
    assert len({(name, str(value)) for name, value in found}) == len(found)
