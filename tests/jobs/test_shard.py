"""What ranks write is read while they write, and a rank that was killed leaves nothing that is counted."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from aligndbg.jobs.shard import RankError, ShardReader, ShardWriter, clear_errors, read_errors, write_error


def values(batch: int, count: int = 3) -> NDArray[np.float32]:
    return np.arange(count * 4, dtype=np.float32).reshape(count, 4) + batch


def write(writer: ShardWriter, batch: int) -> None:
    writer.write(batch, (0, 2, 3), {1: "no picture"}, values(batch), f"d{batch}", 0.5, 0.25)


def test_all_ranks_of_one_side_are_read_once(tmp_path: Path) -> None:
    reader = ShardReader(tmp_path, "torch")
    assert list(reader.news()) == []
    with ShardWriter(tmp_path, "torch", 0, 2) as zero, ShardWriter(tmp_path, "torch", 1, 2) as one:
        with ShardWriter(tmp_path, "paddle", 0, 2) as other:
            write(other, 9)
        write(zero, 0)
        write(one, 1)
        first = list(reader.news())
        write(zero, 2)
        second = list(reader.news())
    assert [part.batch for part, _ in first] == [0, 1]
    assert [part.batch for part, _ in second] == [2]
    for part, logits in first + second:
        assert logits is not None and np.array_equal(logits, values(part.batch))
        assert (part.places, part.problems, part.digest) == ((0, 2, 3), {1: "no picture"}, f"d{part.batch}")


def test_a_batch_without_pictures(tmp_path: Path) -> None:
    with ShardWriter(tmp_path, "torch", 0, 1) as writer:
        writer.write(0, (), {0: "a", 1: "b"}, None, "", 0.0, 0.0)
        write(writer, 1)
    (empty, none), (_, logits) = ShardReader(tmp_path, "torch").news()
    assert (empty.places, none) == ((), None)
    assert logits is not None and np.array_equal(logits, values(1))


@pytest.mark.parametrize("cut", [1, 17])
def test_what_was_cut_short_is_not_read_and_is_written_over(tmp_path: Path, cut: int) -> None:
    with ShardWriter(tmp_path, "torch", 0, 1) as writer:
        write(writer, 0)
        write(writer, 1)
    lines = tmp_path / "torch-0of1.jsonl"
    os.truncate(lines, lines.stat().st_size - cut)
    with (tmp_path / "torch-0of1.f32").open("ab") as file:
        file.write(b"\1" * 7)
    assert [part.batch for part, _ in ShardReader(tmp_path, "torch").news()] == [0]
    with ShardWriter(tmp_path, "torch", 0, 1) as writer:
        write(writer, 5)
    found = list(ShardReader(tmp_path, "torch").news())
    assert [part.batch for part, _ in found] == [0, 5]
    for part, logits in found:
        assert logits is not None and np.array_equal(logits, values(part.batch))


def test_a_second_writer_waits_for_the_first(tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with ShardWriter(tmp_path, "torch", 0, 1):
            order.append("second")

    with ShardWriter(tmp_path, "torch", 0, 1) as writer:
        # flock is of an open file: another descriptor of this process waits as another process would.
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.2)
        write(writer, 0)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_errors_of_ranks(tmp_path: Path) -> None:
    error = RankError("InputError", "wrong\nshape", "")
    write_error(tmp_path, "torch", 1, error)
    assert read_errors(tmp_path, "torch") == [error]
    assert read_errors(tmp_path, "paddle") == []
    clear_errors(tmp_path)
    assert read_errors(tmp_path, "torch") == []


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_shard import write
from aligndbg.jobs.shard import ShardWriter
with ShardWriter(Path(sys.argv[1]), "torch", 0, 1) as writer:
    for batch in range(100_000):
        write(writer, batch)
        print(batch, flush=True)
"""


def test_killed_at_any_moment_what_was_told_is_there(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path), str(Path(__file__).parent)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    for _ in range(30):
        told = int(child.stdout.readline())
    child.kill()
    told = max([told, *(int(line) for line in child.stdout.read().split("\n")[:-1])])
    child.wait()
    child.stdout.close()
    found = list(ShardReader(tmp_path, "torch").news())
    assert [part.batch for part, _ in found] == list(range(len(found)))
    assert len(found) > told
    assert all(logits is not None and np.array_equal(logits, values(part.batch)) for part, logits in found)
