"""A block that is left out of several equal ones is the one that is alone, whole."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from nets import Net, renamed, without

from aligndbg.core.layers import Call, Trace
from aligndbg.core.matching import match

PARTS = ("conv", "norm", "relu")


def blocks(number: int) -> Trace:
    """Equal blocks in a row."""
    net = Net()
    net.conv("stem", 3, 8)
    for place in range(number):
        net.conv(f"blocks.{place}.conv", 8, 8)
        net.norm(f"blocks.{place}.norm", 8)
        net.op("relu", f"blocks.{place}.relu")
    net.op("flatten", "flatten", (1, 512))
    net.linear("fc", 512, 10)
    return net.trace


def in_block(place: int) -> Callable[[Call], bool]:
    return lambda call: call.path.startswith(f"blocks.{place}.")


def alone(torch: Trace, paddle: Trace) -> list[str]:
    return [row.path for row in match(torch, paddle) if row.torch is None or row.paddle is None]


@pytest.mark.parametrize("place", range(5))
def test_the_block_whose_name_is_missing_is_alone(place: int) -> None:
    torch = blocks(5)
    expected = [f"blocks.{place}.{part}" for part in PARTS]
    assert alone(torch, without(torch, in_block(place))) == expected
    # The same from the other side: a block too many.
    assert alone(without(torch, in_block(place)), torch) == expected


@pytest.mark.parametrize("place", range(4))
def test_without_names_the_gap_is_a_whole_block(place: int) -> None:
    torch = blocks(4)
    paddle = renamed(without(torch, in_block(place)), lambda path: path.replace("blocks", "layers").replace(".conv", ".c"))
    paths = alone(torch, paddle)
    assert len(paths) == 3 and len({path.rpartition(".")[0] for path in paths}) == 1
    assert [path.rpartition(".")[2] for path in paths] == list(PARTS)


def test_rows_keep_their_order_and_every_call_has_one() -> None:
    torch = blocks(6)
    paddle = without(torch, lambda call: in_block(1)(call) or in_block(4)(call))
    rows = match(torch, paddle)
    assert [row.torch.index for row in rows if row.torch] == list(range(len(torch.calls)))
    assert [row.paddle.index for row in rows if row.paddle] == list(range(len(paddle.calls)))
    assert {row.path.rpartition(".")[0] for row in rows if row.paddle is None} == {"blocks.1", "blocks.4"}


def test_a_call_that_cannot_stand_for_another_stops_the_gap() -> None:
    torch = blocks(3)
    calls = [call.path for call in torch.calls]
    paddle = without(torch, lambda call: call.path == "blocks.1.norm")
    assert alone(torch, paddle) == ["blocks.1.norm"] and "blocks.2.norm" in calls
