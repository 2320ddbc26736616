"""A bounded piece of memory that two processes share, and the bookkeeping of its one owner.

The memory has no name in the file system: the parent makes it, the child inherits the descriptor, and the kernel frees it with
the last process, however that process ends.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

ALIGNMENT = 64
"""Bytes; a cache line, so that vector loads of a tensor start aligned."""


def make_memory(capacity: int) -> int:
    """A descriptor of anonymous shared memory of `capacity` bytes; pages are taken as they are touched."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("aligndbg")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, max(capacity, ALIGNMENT))
    return descriptor


class SharedMemory:
    """One process's view of the memory behind `descriptor`, which it takes over."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._map = mmap.mmap(descriptor, 0)

    @property
    def capacity(self) -> int:
        return len(self._map)

    def grow(self, capacity: int) -> None:
        os.ftruncate(self._descriptor, capacity)
        self._remap()

    def array(self, offset: int, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
        """The tensor at `offset` as a writable view. The other process may have grown the memory: the view follows."""
        kind = np.dtype(dtype)
        count = int(np.prod(shape, dtype=np.int64))
        if offset + count * kind.itemsize > len(self._map):
            self._remap()
        return np.frombuffer(self._map, kind, count, offset).reshape(shape)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _remap(self) -> None:
        # Older views keep the older map alive: both show the same pages.
        self._map = mmap.mmap(self._descriptor, 0)


class FreeList:
    """First-fit allocation of `[0, capacity)` in aligned blocks; low offsets first, so that few pages are ever touched."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._free: list[tuple[int, int]] = [(0, capacity)]
        self._taken: dict[int, int] = {}

    @property
    def empty(self) -> bool:
        return not self._taken

    def take(self, size: int) -> int | None:
        """The offset of `size` bytes, or None while no gap is large enough."""
        need = max(ALIGNMENT, -(-size // ALIGNMENT) * ALIGNMENT)
        for place, (offset, length) in enumerate(self._free):
            if length >= need:
                if length == need:
                    del self._free[place]
                else:
                    self._free[place] = (offset + need, length - need)
                self._taken[offset] = need
                return offset
        return None

    def take_all(self, sizes: Sequence[int]) -> list[int] | None:
        """An offset for each size, or None and nothing taken while there is no room for all of them."""
        offsets: list[int] = []
        for size in sizes:
            offset = self.take(size)
            if offset is None:
                for taken in offsets:
                    self.give_back(taken)
                return None
            offsets.append(offset)
        return offsets

    def give_back(self, offset: int) -> None:
        """Free what `take` gave; KeyError for anything else."""
        length = self._taken.pop(offset)
        self._free.append((offset, length))
        self._free.sort()
        merged: list[tuple[int, int]] = []
        for start, size in self._free:
            if merged and merged[-1][0] + merged[-1][1] == start:
                merged[-1] = (merged[-1][0], merged[-1][1] + size)
            else:
                merged.append((start, size))
        self._free = merged

    def extend(self, capacity: int) -> None:
        if capacity > self.capacity:
            self._taken[self.capacity] = capacity - self.capacity
            start, self.capacity = self.capacity, capacity
            self.give_back(start)
