"""One end of the line between the app and a child: messages over a socket, tensors through shared memory, back-pressure."""

from __future__ import annotations

import contextlib
import select
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aligndbg.frameworks.arena import ALIGNMENT, FreeList, SharedMemory
from aligndbg.frameworks.wire import Free, Full, Message, Slot, decode, encode

_FREED_AT_ONCE = 256
"""Offsets in one message, which stays short."""


@dataclass
class Lease:
    """A tensor that the other side wrote. `array` is a view of shared memory until `release`, which lets the writer go on."""

    array: NDArray[Any]
    _slot: Slot | None = None
    _channel: Channel | None = field(default=None, repr=False)

    @property
    def shared(self) -> bool:
        """Whether the writer still waits for its memory."""
        return self._slot is not None

    def release(self) -> None:
        if self._channel is not None and self._slot is not None:
            slot, self._slot = self._slot, None
            self._channel.free(slot.offset)

    def detach(self) -> None:
        """Copy the tensor to this process's own memory and let the writer go on."""
        if self.shared:
            self.array = self.array.copy()
            self.release()


class Channel:
    """Sends messages with tensors, receives messages with leases.

    The shared memory is bounded: `send` blocks while it is full, until the receiver releases what it has. A
    message larger than the whole memory makes it grow.
    """

    def __init__(self, connection: Connection, outbound: SharedMemory, inbound: SharedMemory) -> None:
        self.connection = connection
        self._outbound = outbound
        self._inbound = inbound
        self._space = FreeList(outbound.capacity)
        self._waiting: deque[tuple[Message, list[Lease]]] = deque()
        self._freed: list[int] = []
        """Offsets whose release the writer has not been told of yet."""

    def send(self, message: Message, arrays: Sequence[NDArray[Any]] = ()) -> None:
        """Copies `arrays` before it returns. EOFError or OSError when the other side is gone."""
        offsets = self._reserve([array.nbytes for array in arrays]) if arrays else []
        slots = tuple(Slot(offset, tuple(array.shape), array.dtype.name) for offset, array in zip(offsets, arrays, strict=True))
        for slot, array in zip(slots, arrays, strict=True):
            np.copyto(self._outbound.array(slot.offset, slot.shape, slot.dtype), array)
        self.connection.send_bytes(encode(message, slots))

    def receive(self) -> tuple[Message, list[Lease]]:
        """The next message, waiting for it. EOFError or OSError when the other side is gone."""
        while not self._waiting:
            self._tell_freed()
            self._read()
        return self._waiting.popleft()

    @property
    def pending(self) -> bool:
        """Whether `receive` would return at once although the socket is silent."""
        return bool(self._waiting)

    def poll(self) -> bool:
        """Take in what has arrived without waiting; whether there is a message to receive. EOFError only after the last one."""
        self._tell_freed()
        try:
            while self.connection.poll():
                self._read()
        except (EOFError, OSError):
            if not self._waiting:
                raise
        return bool(self._waiting)

    def free(self, *offsets: int) -> None:
        """Let the writer have these places again. Never blocks: a writer that is itself at a long message does not read, and each
        would wait for the other. What cannot be told now is told with what is read next: a writer without memory says so."""
        self._freed += offsets
        self._tell_freed()

    def _tell_freed(self) -> None:
        # A writer that is gone needs no memory; whoever reads next from this channel is told of its end.
        with contextlib.suppress(OSError):
            while self._freed and self._is_writable():
                told, self._freed = self._freed[:_FREED_AT_ONCE], self._freed[_FREED_AT_ONCE:]
                self.connection.send_bytes(encode(Free(tuple(told))))

    def _is_writable(self) -> bool:
        """Whether a short message goes out at once: there is room while a good part of the socket's buffer is free."""
        line = select.poll()
        line.register(self.connection.fileno(), select.POLLOUT)
        return any(event & select.POLLOUT for _, event in line.poll(0))

    def close(self) -> None:
        self.connection.close()
        self._outbound.close()
        self._inbound.close()

    def _read(self) -> bool:
        """Take in one message; whether it freed memory."""
        message, slots = decode(self.connection.recv_bytes())
        if isinstance(message, Free):
            for offset in message.offsets:
                self._space.give_back(offset)
            return True
        leases = [Lease(self._inbound.array(slot.offset, slot.shape, slot.dtype), slot, self) for slot in slots]
        self._waiting.append((message, leases))
        return False

    def _reserve(self, sizes: Sequence[int]) -> list[int]:
        while self.connection.poll():
            self._read()
        total = sum(size + ALIGNMENT for size in sizes)
        if total > self._space.capacity:
            self._outbound.grow(self._space.capacity + total)
            self._space.extend(self._outbound.capacity)
        offsets = self._space.take_all(sizes)
        while offsets is None:
            # Said again after each release that was not enough: the reader may have more to let go of.
            self.connection.send_bytes(encode(Full()))
            while not self._read():
                pass
            offsets = self._space.take_all(sizes)
        return offsets
