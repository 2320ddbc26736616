from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aligndbg.core.layers import Call, LayerPair, TensorSpec
from aligndbg.core.query import FIGURES, parse_query, parse_while_typing
from aligndbg.core.stats import Diff, DiffDetail, DiffStats, TensorStats
from aligndbg.core.verdict import LayerResult, Verdict
from aligndbg.errors import UsageError


def call(path: str, kind: str, name: str, *shape: int) -> Call:
    return Call(0, path, kind, name, (TensorSpec(shape),))


CONV = LayerPair(
    0,
    call("features.3.squeeze", "conv2d", "Conv2d", 1, 16, 54, 54),
    call("features.3._squeeze", "conv2d", "Conv2D", 1, 16, 54, 54),
    "type+order",
    "",
)
DROPOUT = LayerPair(1, call("classifier.0", "dropout", "Dropout", 1, 512), None, "unpaired", "")


def compared(max_abs: float) -> LayerResult:
    tensor = TensorStats(4, -1.0, 1.0, 0.0, 1.0, 0, 0, 0)
    stats = DiffStats(max_abs, max_abs / 2, max_abs / 2, 0.5, 0.99, 0.25, 3, 0, (0,))
    detail = DiffDetail(0, (), 0, (), None, ())
    mismatch = max_abs > 1e-4
    return LayerResult(0, Verdict.BORN if mismatch else Verdict.OK, mismatch, Diff(tensor, tensor, stats, detail), blame="paddle")


def holds(text: str, layer: LayerPair = CONV, result: LayerResult | None = None) -> bool:
    keep = parse_query(text)
    assert keep is not None
    return keep(layer, result)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("squeeze", True),
        ("SQUEEZE", True),
        ("_squeeze", True),
        ("expand", False),
        ("!expand", True),
        ("!squeeze", False),
        ("features.*", True),
        ("*.squeeze", True),
        ("features", True),
        ("squeez?", False),
        ("kind:conv", True),
        ("kind:Conv2D", True),
        ("kind:c*d", True),
        ("kind:relu", False),
        ("shape:1x16", True),
        ("shape:1x1", False),
        ("shape:*x16x*x54", True),
        ("shape:1x16x54x54x1", False),
        ("match:order", True),
        ("is:renamed", True),
        ("is:unpaired", False),
        ("is:pending", True),
        ("verdict:born", False),
        ("max>0", False),
        ("!max>0", True),
        ("features kind:conv", True),
        ("features kind:relu", False),
        ("features !kind:relu shape:1", True),
    ],
)
def test_terms_without_results(text: str, expected: bool) -> None:
    assert holds(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("max>1e-3", True),
        ("max>=0.5", True),
        ("max<0.5", False),
        ("max<=0.5", True),
        ("max=0.5", True),
        ("rel>0.4", True),
        ("cos<0.999", True),
        ("over>10", True),
        ("over=25%", True),
        ("nan>2", True),
        ("local>0", False),
        ("floor>0", False),
        ("verdict:born", True),
        ("verdict:bo", True),
        ("verdict:ok", False),
        ("blame:paddle", True),
        ("is:mismatch", True),
        ("is:pending", False),
    ],
)
def test_terms_with_a_result(text: str, expected: bool) -> None:
    assert holds(text, CONV, compared(0.5)) is expected


def test_a_layer_without_partner() -> None:
    assert holds("is:unpaired", DROPOUT)
    assert holds("kind:drop", DROPOUT)
    assert not holds("is:renamed", DROPOUT)


@pytest.mark.parametrize("text", ["", "   "])
def test_nothing_asked(text: str) -> None:
    assert parse_query(text) is None


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("max>", "number"),
        ("max>abc", "abc"),
        ("size>3", "size"),
        ("!", "!"),
        ("kind:", "kind"),
        ("colour:red", "colour"),
        ("verdict:fine", "fine"),
        ("shape:axb", "axb"),
        ("shape:", "shape"),
        ("is:odd", "odd"),
    ],
)
def test_what_is_wrong_is_named(text: str, word: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_query(text)
    assert word in caught.value.message


def test_an_incomplete_last_term_leaves_the_others_in_force() -> None:
    keep, error = parse_while_typing("kind:conv max>")
    assert error is not None
    assert keep is not None
    assert keep(CONV, None)
    assert not keep(DROPOUT, None)
    assert parse_while_typing("max>")[0] is None
    assert parse_while_typing("max> kind:conv")[0] is None


@given(st.text(max_size=40))
def test_any_text_is_a_filter_or_a_usage_error(text: str) -> None:
    try:
        keep = parse_query(text)
    except UsageError as error:
        assert error.message
        return
    if keep is not None:
        for layer in (CONV, DROPOUT):
            for result in (None, compared(0.5)):
                assert keep(layer, result) in (True, False)


@given(st.sampled_from(sorted(FIGURES)), st.floats(allow_nan=False, allow_infinity=False))
def test_a_comparison_and_its_inverse_part_all_layers(name: str, bound: float) -> None:
    result = compared(0.5)
    assert holds(f"{name}>{bound!r}", CONV, result) is not holds(f"!{name}>{bound!r}", CONV, result)
    known = FIGURES[name](result) is not None
    assert (holds(f"{name}>{bound!r}", CONV, result) or holds(f"{name}<={bound!r}", CONV, result)) is known
