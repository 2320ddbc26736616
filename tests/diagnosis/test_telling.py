"""Findings in sentences, and what to type."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hand_made import Port

from aligndbg.core.findings import CAUSES, Finding, Status
from aligndbg.core.layers import Attribute, Call, LayerPair, TensorRef, TensorSpec
from aligndbg.diagnosis.case import Case
from aligndbg.diagnosis.catalogue import alternatives, attribute_differences
from aligndbg.diagnosis.items import Item, items_of
from aligndbg.diagnosis.patterns import Hidden
from aligndbg.diagnosis.search import Explanation
from aligndbg.diagnosis.telling import dropout_warning, findings_of, warning_of

WINDOW: dict[str, Attribute] = {"kernel_size": [3, 3], "stride": [2, 2], "padding": [0, 0], "ceil_mode": False}


def well_formed(finding: Finding) -> Finding:
    """The finding, if it reads like one."""
    plain = finding.message
    for typed in sorted((finding.old, finding.new), key=len, reverse=True):
        plain = plain.replace(typed, "x") if typed else plain
    assert finding.id in CAUSES
    for text in (plain, finding.fix, *finding.hints):
        assert text and text == text.strip() and "  " not in text and "\n" not in text
        assert " ()" not in text and "( " not in text and not text.endswith((":", ",", ".", "has", "is"))
    assert "None" not in plain
    assert bool(finding.old) or not finding.new
    return finding


def told(case: Case, explanation: Explanation) -> tuple[Finding, ...]:
    return tuple(well_formed(finding) for finding in findings_of(case, explanation))


def one(case: Case, *items: Item) -> Finding:
    (finding,) = told(case, Explanation(items, after=1e-8))
    return finding


def said(finding: Finding) -> tuple[str, str, str, str, str]:
    return finding.id, finding.message, finding.fix, finding.old, finding.new


def pool(**paddle: Attribute) -> tuple[Port, Case]:
    """A pooling that Paddle sets otherwise, as a layer that knows its line."""
    port = Port()
    port.add("conv2d", "conv")
    port.add("max_pool2d", "pool", **WINDOW)
    calls = port.nets["paddle"].calls
    calls[1] = replace(calls[1], type="MaxPool2D", attributes={**WINDOW, **paddle}, constructed="net.py:7")
    return port, port.case("pool")


def test_an_argument_that_differs_is_told_as_it_is_typed() -> None:
    port, case = pool(stride=[1, 1])
    (item,) = items_of(case, port.flow)
    finding = one(case, item)
    assert said(finding) == (
        "stride",
        "pool (MaxPool2D) has stride=1, torch's has stride=2",
        "stride=1 -> stride=2",
        "stride=1",
        "stride=2",
    )
    assert (finding.layer, finding.paddle_layer, finding.side, finding.source) == ("pool", "pool", "paddle", "net.py:7")
    assert (finding.evidence.before, finding.evidence.after, finding.evidence.how) == (0.5, 1e-8, "attribute")
    assert finding.status is Status.FOUND


def test_each_argument_that_matters_is_a_finding() -> None:
    port, case = pool(stride=[1, 1], padding=[1, 1])
    found = told(case, Explanation(items_of(case, port.flow), after=0.0))
    assert [(finding.id, finding.new) for finding in found] == [("stride", "stride=2"), ("padding", "padding=0")]


def test_what_paddle_has_no_argument_for_is_told_by_its_name() -> None:
    port = Port()
    port.add("conv2d", "conv")
    port.add("max_pool2d", "pool", **WINDOW, dilation=[2, 2])
    calls = port.nets["paddle"].calls
    calls[1] = replace(calls[1], attributes={**WINDOW, "dilation": [1, 1]})
    case = port.case("pool")
    (item,) = items_of(case, port.flow)
    assert said(one(case, item)) == ("dilation", "pool (max_pool2d) has dilation [1, 1], torch's has [2, 2]", "as in torch", "", "")
    (difference,) = attribute_differences(case.one, case.other)
    warning = well_formed(warning_of(case.end, difference))
    assert said(warning)[:3] == ("dilation", one(case, item).message, "set dilation as in torch")


def lacking(side: str, *lone: tuple[str, str]) -> tuple[Port, Case]:
    port = Port()
    port.add("conv2d", "conv")
    for kind, path in lone:
        port.add(kind, path, [side])
    port.add("max_pool2d", "pool")
    return port, port.case("pool", [path for _, path in lone])


@pytest.mark.parametrize(
    ("lone", "cause", "names", "last"),
    [
        ([("relu", "act")], "activation-missing", "act (relu)", "relu"),
        ([("batch_norm", "norm"), ("relu", "act")], "missing-layer", "norm (batch_norm) and act (relu)", "relu"),
        ([("relu", "a"), ("tanh", "b")], "activation-missing", "a (relu) and b (tanh)", "tanh"),
        ([("relu", "a"), ("tanh", "b"), ("gelu", "c")], "activation-missing", "a (relu), b (tanh) and c (gelu)", "gelu"),
    ],
)
def test_what_paddle_lacks_is_one_finding(lone: list[tuple[str, str]], cause: str, names: str, last: str) -> None:
    port, case = lacking("torch", *lone)
    finding = one(case, *items_of(case, port.flow))
    assert said(finding) == (
        cause,
        f"Paddle lacks {names}, which torch computes before pool",
        f"apply {last} before pool",
        "",
        "",
    )
    assert finding.layer == lone[0][1] and finding.paddle_layer is None
    # The place to change is where Paddle calls what comes next.
    assert finding.source == "paddle.py:2" and finding.evidence.how == "experiment"


@pytest.mark.parametrize(
    ("lone", "cause", "names", "fix"),
    [
        ([("relu", "act")], "activation-extra", "act (relu)", "remove relu"),
        ([("batch_norm", "norm"), ("relu", "act")], "extra-layer", "norm (batch_norm) and act (relu)", "remove relu"),
        ([("cast", "narrow")], "dtype", "narrow (cast)", "remove cast"),
    ],
)
def test_what_paddle_computes_too_much_is_one_finding(lone: list[tuple[str, str]], cause: str, names: str, fix: str) -> None:
    port, case = lacking("paddle", *lone)
    finding = one(case, *items_of(case, port.flow))
    assert said(finding) == (cause, f"Paddle computes {names}, which torch does not", fix, "", "")
    assert finding.source == f"paddle.py:{len(lone) + 1}"
    assert finding.layer == finding.paddle_layer == lone[0][1]


def test_a_dropout_that_scales_is_told_by_its_mode() -> None:
    port = Port()
    port.add("conv2d", "conv")
    port.add("dropout", "drop", ["paddle"], mode="downscale_in_infer")
    port.add("max_pool2d", "pool")
    case = port.case("pool", ["drop"])
    assert said(one(case, *items_of(case, port.flow))) == (
        "dropout-mode",
        "drop (dropout) has mode='downscale_in_infer': it scales by 1 - p in eval",
        "mode='downscale_in_infer' -> mode='upscale_in_train'",
        "mode='downscale_in_infer'",
        "mode='upscale_in_train'",
    )


def test_a_dropout_in_training_is_told_how_to_end_it() -> None:
    port = Port()
    port.add("conv2d", "conv")
    port.add("dropout", "drop", ["paddle"], training=True)
    port.add("max_pool2d", "pool")
    case = port.case("pool", ["drop"])
    finding = one(case, *items_of(case, port.flow))
    assert said(finding)[::2] == ("dropout-active", "training=self.training, and eval() before evaluation", "")


def test_another_layer_in_a_layers_place_is_told_with_both_names() -> None:
    port = Port()
    port.add("conv2d", "conv")
    port.add("silu", "act", ["torch"])
    port.add("relu", "act_p", ["paddle"])
    port.add("max_pool2d", "pool")
    case = port.case("pool", ["act", "act_p"])
    finding = one(case, *items_of(case, port.flow))
    assert said(finding) == ("activation", "act_p (relu) is relu, torch's is silu", "relu -> silu", "relu", "silu")
    assert finding.source == "paddle.py:2"


def test_a_weight_is_told_by_what_became_of_it() -> None:
    port = Port()
    port.add("conv2d", "conv")
    case = port.case("conv")
    weight = case.state.paddle["conv.weight"]
    for change, cause, words, fix in (
        (weight.swapaxes(0, 1), "weight-transposed", "conv (conv2d) holds conv.weight transposed", "transpose the weight that"),
        (weight[::-1], "weight-permuted", "conv (conv2d) holds conv.weight reversed along axis 0", "bring the weight that it"),
        (weight + 1, "weight-value", "conv (conv2d) holds values in conv.weight that are not torch's", "compute with the weight"),
    ):
        wrong = replace(case, state=replace(case.state, paddle={**case.state.paddle, "conv.weight": np.ascontiguousarray(change)}))
        finding = one(wrong, *items_of(wrong, port.flow))
        assert (finding.id, finding.message) == (cause, words) and finding.fix.startswith(fix)


@pytest.mark.parametrize(
    ("hidden", "expected"),
    [
        (
            Hidden("stride", "behaves as if it had stride=2", "stride=2", "stride=1"),
            ("stride", "pool (MaxPool2D) behaves as if it had stride=2", "stride=2 -> stride=1", "stride=2", "stride=1"),
        ),
        (
            Hidden("scale", "gives 2 times what torch gives", "* 2"),
            ("scale", "pool (MaxPool2D) gives 2 times what torch gives", "compute what torch computes", "* 2", ""),
        ),
        (
            Hidden("dropout-active", "drops 50% of its elements at random and scales the rest by 2, in eval"),
            (
                "dropout-active",
                "pool (MaxPool2D) drops 50% of its elements at random and scales the rest by 2, in eval",
                "training=self.training, and eval() before evaluation",
                "",
                "",
            ),
        ),
    ],
)
def test_what_no_attribute_tells_is_told_by_what_it_does(hidden: Hidden, expected: tuple[str, ...]) -> None:
    _, case = pool()
    (finding,) = told(case, Explanation(hidden=hidden, after=1e-9))
    assert said(finding) == expected
    assert finding.source == "net.py:7" and finding.evidence.how == "experiment"


def test_an_unknown_cause_says_what_to_compare_and_what_the_error_looks_like() -> None:
    _, case = pool()
    (finding,) = told(case, Explanation(hints=("only channel 3 of 8", "12.5% of the elements are wrong")))
    assert finding.status is Status.UNKNOWN and finding.id == "unknown" and finding.source == "net.py:7"
    assert finding.message == "pool (MaxPool2D) computes something else than torch does, and no cause that was tried explains it"
    assert finding.fix == "compare pool (max_pool2d) in torch with pool (MaxPool2D) in Paddle"
    assert finding.hints == ("only channel 3 of 8", "12.5% of the elements are wrong")
    assert finding.evidence.after is None


@pytest.mark.parametrize(
    ("side", "fix"),
    [
        ("torch", "compare act (relu) in torch with nothing in Paddle"),
        ("paddle", "compare nothing in torch with act (relu) in Paddle"),
    ],
)
def test_an_unknown_cause_at_a_call_without_a_partner(side: str, fix: str) -> None:
    _, case = lacking(side, ("relu", "act"))
    (finding,) = told(case, Explanation())
    assert finding.fix == fix and finding.layer == "act"
    assert finding.message.startswith("act (relu) computes something else")


def test_a_warning_says_whether_a_forward_shows_it() -> None:
    _, case = pool(ceil_mode=True)
    (difference,) = attribute_differences(case.one, case.other)
    shown, silent = (well_formed(warning_of(case.end, replace(difference, shows=shows))) for shows in (True, False))
    assert shown.message == "pool (MaxPool2D) has ceil_mode=True, torch's has ceil_mode=False"
    assert silent.message == f"{shown.message}: no forward in eval shows it"
    assert shown.status is silent.status is Status.WARNING
    assert (shown.fix, shown.source) == ("ceil_mode=True -> ceil_mode=False", "net.py:7")
    assert (shown.evidence.before, shown.evidence.after) == (None, None)


def dropout(side: str, kind: str = "dropout", **attributes: Attribute) -> Call:
    spec = TensorSpec((1, 8))
    name = "Dropout" if kind == "dropout" else "Identity"
    return Call(3, f"{side}.drop", kind, name, (spec,), (TensorRef(2, 0, spec),), attributes, constructed=f"{side}.py:4")


def test_a_dropout_of_one_side_is_a_warning() -> None:
    torch, paddle = dropout("torch", p=0.3), dropout("paddle", p=0.3)
    identity = dropout("paddle", "identity")
    missing = dropout_warning(LayerPair(3, torch, None, "unpaired", ""))
    other = dropout_warning(LayerPair(3, torch, identity, "type+order", ""))
    extra = dropout_warning(LayerPair(3, None, paddle, "unpaired", ""))
    assert missing and other and extra
    assert [well_formed(finding).message for finding in (missing, other, extra)] == [
        "torch.drop: torch's Dropout drops 0.3 in training, Paddle's is missing",
        "torch.drop: torch's Dropout drops 0.3 in training, Paddle's is Identity",
        "paddle.drop (Dropout) drops 0.3 in training, torch has no Dropout there",
    ]
    assert [finding.fix for finding in (missing, other, extra)] == ["nn.Dropout(0.3)", "nn.Dropout(0.3)", "remove Dropout"]
    assert [finding.id for finding in (missing, other, extra)] == ["missing-layer", "missing-layer", "extra-layer"]
    assert [finding.source for finding in (missing, other, extra)] == [None, "paddle.py:4", "paddle.py:4"]
    assert all(finding.status is Status.WARNING for finding in (missing, other, extra))
    still = dropout("torch", p=0.0), dropout("paddle", p=0.0)
    for row in ((torch, paddle), (still[0], None), (None, still[1]), (None, identity), (still[0], identity)):
        assert dropout_warning(LayerPair(3, *row, "unpaired", "")) is None


LAYERS: dict[str, tuple[str, tuple[int, ...], dict[str, Attribute]]] = {
    "conv2d": (
        "Conv2D",
        (1, 8, 9, 9),
        {**WINDOW, "dilation": [1, 1], "groups": 1, "padding_mode": "zeros", "bias": True, "data_format": "NCHW"},
    ),
    "max_pool2d": ("MaxPool2D", (1, 8, 9, 9), {**WINDOW, "dilation": [1, 1]}),
    "avg_pool2d": ("AvgPool2D", (1, 8, 9, 9), {**WINDOW, "count_include_pad": True, "divisor_override": None}),
    "adaptive_avg_pool2d": ("AdaptiveAvgPool2D", (1, 8, 9, 9), {"output_size": [1, 1]}),
    "batch_norm": ("BatchNorm2D", (1, 8, 9, 9), {"epsilon": 1e-5, "momentum": 0.1, "affine": True, "batch_stats": False}),
    "layer_norm": ("LayerNorm", (1, 4, 8), {"epsilon": 1e-5, "normalized_shape": [8], "affine": True}),
    "softmax": ("softmax", (1, 4, 8), {"axis": -1}),
    "concat": ("concat", (1, 4, 8), {"axis": 1}),
    "mean": ("mean", (1, 4, 8, 8), {"axis": [2, 3], "keepdim": False}),
    "gelu": ("GELU", (1, 8), {"approximate": "none"}),
    "leaky_relu": ("LeakyReLU", (1, 8), {"negative_slope": 0.01}),
    "dropout": ("Dropout", (1, 8), {"p": 0.5, "mode": "upscale_in_train", "training": False}),
    "interpolate": (
        "interpolate",
        (1, 8, 9, 9),
        {"mode": "bilinear", "align_corners": False, "size": [18, 18], "scale_factor": None},
    ),
    "multiply": ("mul", (1, 8), {"other": 2.0}),
    "transpose": ("transpose", (1, 4, 8), {"axis": [0, 2, 1]}),
}
MORE: dict[str, list[tuple[str, Attribute]]] = {
    "multiply": [("other", 3.0), ("other", -1)],
    "avg_pool2d": [("divisor_override", 3), ("padding", [1, 0])],
    "conv2d": [("groups", 2), ("dilation", [2, 2]), ("padding", "same"), ("padding", [0, 1, 0, 1]), ("bias", False)],
    "max_pool2d": [("dilation", [2, 2])],
    "dropout": [("p", 0.1)],
    "interpolate": [("size", [9, 9])],
    "transpose": [("axis", [1, 0, 2])],
    "layer_norm": [("normalized_shape", [4, 8])],
}


@pytest.mark.parametrize("kind", LAYERS)
def test_every_difference_of_the_catalogue_reads_as_a_sentence(kind: str) -> None:
    name, shape, attributes = LAYERS[kind]
    spec = TensorSpec(shape)
    torch = Call(0, "layer", kind, kind, (spec,), (TensorRef(-1, 0, spec),), attributes)
    port = Port()
    port.add("relu", "act")
    case = port.case("act")
    seen = 0
    for attribute, value in (*alternatives(torch), *MORE.get(kind, ())):
        other = {**attributes, attribute: value}
        for mine, theirs in ((attributes, other), (other, attributes)):
            row = LayerPair(0, replace(torch, attributes=mine), replace(torch, type=name, attributes=theirs), "type+name", "")
            assert row.torch and row.paddle
            for difference in attribute_differences(row.torch, row.paddle):
                seen += 1
                well_formed(warning_of(row, difference))
                names = frozenset({difference.name})
                item = Item(difference.cause, row.paddle, difference.old, difference.new, names, told=difference.told)
                assert one(case, item).message == f"layer ({name}) {difference.told}"
    assert seen
