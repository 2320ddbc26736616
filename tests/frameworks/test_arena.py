from __future__ import annotations

import os

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aligndbg.frameworks.arena import ALIGNMENT, FreeList, SharedMemory, make_memory


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 700)), max_size=60))
def test_blocks_never_overlap_and_all_memory_comes_back(steps: list[tuple[bool, int]]) -> None:
    space = FreeList(1024)
    taken: dict[int, int] = {}
    for take, size in steps:
        if take or not taken:
            offset = space.take(size)
            if offset is not None:
                assert offset % ALIGNMENT == 0
                assert offset + size <= 1024
                assert all(offset + max(size, 1) <= start or start + max(length, 1) <= offset for start, length in taken.items())
                taken[offset] = size
        else:
            offset = sorted(taken)[size % len(taken)]
            del taken[offset]
            space.give_back(offset)
    for offset in taken:
        space.give_back(offset)
    assert space.empty
    assert space.take(1024) == 0


def test_all_or_nothing() -> None:
    space = FreeList(256)
    assert space.take_all([100, 100]) == [0, 128]
    space.give_back(0)
    assert space.take_all([64, 100]) is None
    assert space.take(128) == 0


def test_extension_joins_the_last_gap() -> None:
    space = FreeList(128)
    assert space.take(64) == 0
    space.extend(256)
    assert space.take(192) == 64


def test_two_views_share_their_bytes_and_follow_growth() -> None:
    descriptor = make_memory(4096)
    writer, reader = SharedMemory(descriptor), SharedMemory(os.dup(descriptor))
    writer.array(64, (2, 3), "float32")[:] = 7
    early = reader.array(64, (2, 3), "float32")
    assert early.tolist() == [[7] * 3] * 2
    writer.grow(8192)
    writer.array(6000, (4,), "int64")[:] = [1, 2, 3, 4]
    assert reader.array(6000, (4,), "int64").tolist() == [1, 2, 3, 4]
    writer.array(64, (2, 3), "float32")[0, 0] = 9
    assert early[0, 0] == 9
    assert np.shares_memory(early, reader.array(64, (2, 3), "float32")) is False
    writer.close()
    reader.close()


def test_a_scalar_and_an_empty_tensor_have_places() -> None:
    memory = SharedMemory(make_memory(64))
    memory.array(0, (), "float64")[...] = 2.5
    assert memory.array(0, (), "float64").item() == 2.5
    assert memory.array(0, (0, 3), "float32").shape == (0, 3)
    memory.close()
