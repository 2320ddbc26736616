from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection

import numpy as np
import pytest

from aligndbg.core.layers import MODEL_INPUT, Call, ParamSpec, TensorRef, TensorSpec, Trace
from aligndbg.frameworks import wire
from aligndbg.frameworks.arena import SharedMemory, make_memory
from aligndbg.frameworks.channel import Channel

KIB = 1024


@pytest.fixture
def line() -> Iterator[tuple[Channel, Channel]]:
    yield from connected(4 * KIB)


@pytest.fixture
def roomy_line() -> Iterator[tuple[Channel, Channel]]:
    yield from connected(KIB * KIB)


def connected(memory: int) -> Iterator[tuple[Channel, Channel]]:
    left, right = socket.socketpair()
    there, back = make_memory(memory), make_memory(memory)
    one = Channel(Connection(left.detach()), SharedMemory(there), SharedMemory(back))
    other = Channel(Connection(right.detach()), SharedMemory(os.dup(back)), SharedMemory(os.dup(there)))
    yield one, other
    one.close()
    other.close()


def test_a_trace_survives_the_wire() -> None:
    spec = TensorSpec((1, 3, 4, 4), "float32")
    call = Call(
        index=0,
        path="features.0",
        kind="conv2d",
        type="Conv2d",
        outputs=(spec,),
        inputs=(TensorRef(MODEL_INPUT, 0, spec),),
        attributes={"stride": [2, 2], "padding_mode": "zeros", "bias": True, "axis": None, "p": 0.5},
        params=(ParamSpec("features.0.weight", "weight", "oihw", TensorSpec((4, 3, 1, 1), "float32")),),
        source="model.py:3",
    )
    trace = Trace((call,), (TensorRef(0, 0, spec),), ("",), call.params)
    message, slots = wire.decode(wire.encode(wire.Traced(trace, 0.25), (wire.Slot(64, (1, 2), "float32"),)))
    assert message == wire.Traced(trace, 0.25)
    assert slots == (wire.Slot(64, (1, 2), "float32"),)


def test_an_unknown_message_is_refused() -> None:
    with pytest.raises(ValueError, match="Shutdown"):
        wire.decode(b'{"type": "Shutdown", "body": {}}')


def test_tensors_arrive_as_they_were_sent(line: tuple[Channel, Channel]) -> None:
    one, other = line
    arrays = [np.arange(6, dtype=np.float32).reshape(2, 3), np.array(True), np.zeros((0, 2), np.int64), np.arange(8.0)[::2]]
    one.send(wire.Captured(3), arrays)
    message, leases = other.receive()
    assert message == wire.Captured(3)
    for sent, lease in zip(arrays, leases, strict=True):
        assert lease.array.dtype == sent.dtype
        assert np.array_equal(lease.array, sent)


def test_a_full_memory_holds_the_sender_until_a_release(line: tuple[Channel, Channel]) -> None:
    one, other = line
    big = np.ones(3 * KIB, np.uint8)
    one.send(wire.Captured(0), [big])
    sent = threading.Event()

    def second() -> None:
        one.send(wire.Captured(1), [big * 2])
        sent.set()

    thread = threading.Thread(target=second)
    thread.start()
    _, [lease] = other.receive()
    assert other.receive()[0] == wire.Full()
    assert not sent.wait(0.05)
    lease.release()
    assert other.receive()[0] == wire.Captured(1)
    thread.join(5)
    assert sent.is_set()


def test_a_detached_tensor_stays_and_frees_its_place(line: tuple[Channel, Channel]) -> None:
    one, other = line
    for value in range(5):
        one.send(wire.Captured(value), [np.full(3 * KIB, value, np.uint8)])
        _, [lease] = other.receive()
        lease.detach()
        assert not lease.shared
        assert (lease.array == value).all()
        lease.release()


def test_a_message_larger_than_the_memory_makes_it_grow(line: tuple[Channel, Channel]) -> None:
    one, other = line
    value = np.arange(64 * KIB, dtype=np.uint8)
    one.send(wire.Captured(0), [value, value])
    _, leases = other.receive()
    assert all(np.array_equal(lease.array, value) for lease in leases)


def test_the_last_message_is_heard_after_the_sender_is_gone(line: tuple[Channel, Channel]) -> None:
    one, other = line
    one.send(wire.Stage("building"))
    one.close()
    assert other.poll()
    assert other.receive()[0] == wire.Stage("building")
    with pytest.raises((EOFError, OSError)):
        other.poll()


def test_releases_do_not_wait_for_a_writer_that_does_not_read(roomy_line: tuple[Channel, Channel]) -> None:
    """As at the end of a forward: the writer is at one long message, and the reader lets go of what it has compared."""
    one, other = roomy_line
    leases = []
    for _ in range(3000):
        one.send(wire.Captured(0), [np.zeros(0, np.float32)])
        leases += other.receive()[1]
    long = threading.Thread(target=one.send, args=(wire.Stage("x" * (4 << 20)),), daemon=True)
    long.start()
    releasing = threading.Thread(target=lambda: [lease.release() for lease in leases], daemon=True)
    releasing.start()
    releasing.join(20)
    assert not releasing.is_alive(), "each waits for the other"
    assert isinstance(other.receive()[0], wire.Stage)
    long.join(20)
    assert not long.is_alive()
    for _ in range(200):
        one.poll()
        other.poll()
    # All memory is there again: a tensor as large as the whole needs every place.
    one.send(wire.Captured(1), [np.ones(KIB * KIB - 4 * KIB, np.uint8)])
    assert other.receive()[1][0].array.sum() == KIB * KIB - 4 * KIB
