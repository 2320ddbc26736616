"""Tensors in nested containers: which there are, in which order, and others in their places."""

from __future__ import annotations

from collections import OrderedDict, UserDict, defaultdict
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aligndbg.frameworks.tracing import exchanged, mapped, named_tensors


class Pair(NamedTuple):
    one: Any
    other: Any


@dataclass(frozen=True)
class Output:
    out: Any
    aux: Any = None


def is_tensor(value: Any) -> bool:
    return isinstance(value, np.ndarray)


def default(items: dict[str, Any]) -> defaultdict[str, Any]:
    return defaultdict(list, items)


keys = st.sampled_from("abc")
leaves = st.integers(0, 9).map(lambda number: np.array([number])) | st.none() | st.integers() | st.just("text")
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(keys, inner, max_size=3)
        | st.dictionaries(keys, inner, max_size=3).map(OrderedDict)
        | st.dictionaries(keys, inner, max_size=3).map(UserDict)
        | st.dictionaries(keys, inner, max_size=3).map(default)
        | st.builds(Pair, inner, inner)
        | st.builds(Output, inner, inner)
    ),
    max_leaves=8,
)


def tensors(value: Any) -> list[Any]:
    return [tensor for _, tensor in named_tensors(value, is_tensor)]


@given(values)
def test_all_tensors_are_mapped_in_their_places_and_order(value: Any) -> None:
    before = list(named_tensors(value, is_tensor))
    seen: list[Any] = []

    def noted(tensor: Any) -> Any:
        seen.append(tensor)
        return tensor + 100

    made = mapped(value, noted, is_tensor)
    after = list(named_tensors(made, is_tensor))
    assert type(made) is type(value)
    assert [id(tensor) for tensor in seen] == [id(tensor) for _, tensor in before]
    assert [name for name, _ in after] == [name for name, _ in before]
    assert [int(new[0]) for _, new in after] == [int(old[0]) + 100 for _, old in before]
    # What was given is as it was.
    assert [id(tensor) for tensor in tensors(value)] == [id(tensor) for _, tensor in before]


@given(values, st.data())
def test_only_the_named_tensors_are_exchanged(value: Any, data: st.DataObject) -> None:
    old = tensors(value)
    chosen = data.draw(st.lists(st.sampled_from(old), unique_by=id)) if old else []
    others = {id(tensor): tensor - 100 for tensor in chosen}
    new = tensors(exchanged(value, others, is_tensor))
    assert len(new) == len(old)
    for mine, theirs in zip(old, new, strict=True):
        assert theirs is others.get(id(mine), mine)


def test_places_are_named_by_key_index_and_field() -> None:
    one, two, three, four = (np.array([number]) for number in range(4))
    value = {"out": one, "aux": [two, Pair(three, 5)], "last": Output(four)}
    assert [name for name, _ in named_tensors(value, is_tensor)] == ["out", "aux.0", "aux.1.one", "last.out"]
    assert [name for name, _ in named_tensors(one, is_tensor)] == [""]


def test_a_mapping_that_cannot_be_written_to_stays() -> None:
    one = np.array([1])
    value = MappingProxyType({"a": one})
    assert tensors(value) == [one]
    assert exchanged(value, {id(one): one + 1}, is_tensor) is value
