from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from image_columns import Shot, columns

from aligndbg.core.image_query import parse_image_query, parse_image_query_while_typing
from aligndbg.core.images import ORDERS, Order, ranked
from aligndbg.errors import UsageError

NAMES = ("tench", "goldfish", "great white shark", "tiger cat")

SHOTS = (
    Shot("val/Tench_01.jpg", 0, 0, 0, 1e-6, 1e-9, 0.9),
    Shot("val/tench_02.jpg", 0, 0, 1, 0.7, 0.5, 0.4),
    Shot("val/shark_01.png", 2, 3, 2, 0.3, 0.1, 0.6),
    Shot("val/cat_01.png", 3, 1, 0, 0.2, 0.9, 0.2),
    Shot("val/cat_02.png", 3, None, None),
)


def passing(text: str) -> list[int]:
    keep = parse_image_query(text, NAMES)
    assert keep is not None
    return np.flatnonzero(keep(columns(SHOTS))).tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tench", [0, 1]),
        ("TENCH_01", [0]),
        ("*.png", [2, 3, 4]),
        ("cat_0?.png", []),
        ("*cat_0?.png", [3, 4]),
        ("flip", [1, 2, 3]),
        ("!flip", [0, 4]),
        ("wrong", [1, 2, 3]),
        ("right", [0]),
        ("unread", [4]),
        ("only:torch", [1]),
        ("only:paddle", [2]),
        ("flip !only:torch !only:paddle", [3]),
        ("max>0.2", [1, 2]),
        ("max>=0.2", [1, 2, 3]),
        ("max<1e-3", [0]),
        ("kl>0.4", [1, 3]),
        ("p>0.25", [0, 2]),
        ("p>0.25 max<0.1", [0]),
        ("rank=1", [0]),
        ("rank=2", [1, 2, 3]),
        ("label:tench", [0, 1]),
        ("label:0", [0, 1]),
        ("label:CAT", [3, 4]),
        ("label:great*shark", [2]),
        ("label:5", []),
        ("torch:tiger", [2]),
        ("paddle:goldfish", [1]),
        ("paddle:0 !label:0", [3]),
        ("!max>0", [4]),
    ],
)
def test_terms(text: str, expected: list[int]) -> None:
    assert passing(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("!", "! needs a term"),
        ("mx>1", "no figure 'mx'"),
        ("max>", "max> needs a number, found ''"),
        ("kl<abc", "kl< needs a number, found 'abc'"),
        ("lable:tench", "no field 'lable'"),
        ("label:", "label: needs a class"),
        ("only:onnx", "only: expected torch or paddle, found 'onnx'"),
    ],
)
def test_what_is_wrong_is_told(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=f"^{message.replace('!', '[!]')}"):
        parse_image_query(text, NAMES)


def test_classes_without_names_are_numbers() -> None:
    with pytest.raises(UsageError, match="no names here") as caught:
        parse_image_query("label:tench")
    assert "label:281" in caught.value.hint
    keep = parse_image_query("label:3")
    assert keep is not None and keep(columns(SHOTS)).tolist() == [False, False, False, True, True]


def test_an_empty_text_asks_nothing() -> None:
    assert parse_image_query("   ", NAMES) is None


def test_what_is_half_typed_leaves_what_stands_before_it() -> None:
    keep, error = parse_image_query_while_typing("flip kl>", NAMES)
    assert error is not None and keep is not None
    assert np.flatnonzero(keep(columns(SHOTS))).tolist() == [1, 2, 3]
    assert parse_image_query_while_typing("kl> flip", NAMES)[0] is None


@given(st.text(max_size=30))
def test_any_text_is_a_filter_or_refused(text: str) -> None:
    try:
        keep = parse_image_query(text, NAMES)
    except UsageError as error:
        assert error.message
        return
    assert keep is None or keep(columns(SHOTS)).shape == (len(SHOTS),)


def test_the_orders() -> None:
    images = columns(SHOTS)
    found: dict[Order, list[int]] = {order: ranked(images, order).tolist() for order in ORDERS}
    assert found == {"max": [1, 2, 3, 0, 4], "kl": [3, 1, 2, 0, 4], "flips": [3, 1, 2, 0, 4], "position": [0, 1, 2, 3, 4]}
    assert ranked(images, "max", images.flips).tolist() == [1, 2, 3]


def test_flips_come_before_larger_divergences() -> None:
    images = columns([Shot("a", 0, 0, 0, 9.0, 9.0), Shot("b", 0, 0, 1, 0.1, 0.1), Shot("c", 0, 1, 0, 0.1, 0.2)])
    assert ranked(images, "flips").tolist() == [2, 1, 0]
    assert ranked(images, "kl").tolist() == [0, 2, 1]


def test_nan_is_the_largest_difference_and_one_side_alone_none() -> None:
    shots = [Shot("a", max_abs=3.0), Shot("b", paddle=None), Shot("c", max_abs=math.nan), Shot("d", max_abs=math.inf)]
    assert ranked(columns(shots), "max").tolist() == [2, 3, 0, 1]


@given(
    st.lists(st.tuples(st.floats(0, 9), st.floats(0, 9), st.integers(0, 2), st.integers(0, 2)), max_size=12),
    st.sampled_from(ORDERS),
)
def test_an_order_is_a_permutation_sorted_by_its_figure(raw: list[tuple[float, float, int, int]], order: Order) -> None:
    images = columns([Shot(str(place), 0, torch, paddle, top, kl) for place, (top, kl, torch, paddle) in enumerate(raw)])
    found = ranked(images, order).tolist()
    assert sorted(found) == list(range(len(raw)))
    figures = {
        "max": lambda place: (-raw[place][0], place),
        "kl": lambda place: (-raw[place][1], place),
        "flips": lambda place: (raw[place][2] == raw[place][3], -raw[place][1], place),
        "position": lambda place: place,
    }
    assert found == sorted(found, key=figures[order])
