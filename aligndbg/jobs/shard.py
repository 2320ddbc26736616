"""The share of an evaluation that one rank has judged, in files that only grow, so that it can be merged while it is written.

`SIDE-RofN.f32` has the logits, float32 [rows, classes] without a header; `SIDE-RofN.jsonl` a line for each batch, written once its
logits are on the disk. A rank that was killed leaves at most a line that is cut short, or logits without a line: both are cut off
by the next one that writes there.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

REQUEST = "request.json"
LINES, LOGITS, ERROR = ".jsonl", ".f32", ".error"


@dataclass(frozen=True, slots=True)
class ShardBatch:
    """A batch that a rank judged: its pictures at `places` have the logits from `row` on, the others a problem. `digest` is of the
    tensors that the model was given."""

    batch: int
    row: int
    places: tuple[int, ...]
    problems: Mapping[int, str]
    classes: int
    digest: str
    decode_s: float
    forward_s: float


class ShardWriter:
    """One rank's files. A rank before it that still writes them is waited for: it dies with its run."""

    def __init__(self, folder: Path, side: str, rank: int, ranks: int) -> None:
        name = f"{side}-{rank}of{ranks}"
        self._lines = _open(folder / f"{name}{LINES}")
        self._logits = _open(folder / f"{name}{LOGITS}")
        fcntl.flock(self._lines, fcntl.LOCK_EX)
        whole, end = _whole_lines(os.pread(self._lines, os.fstat(self._lines).st_size, 0))
        os.ftruncate(self._lines, end)
        self._row = sum(len(one.places) for one in whole)
        os.ftruncate(self._logits, sum(4 * one.classes * len(one.places) for one in whole))

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.close(self._lines)
        os.close(self._logits)

    def write(
        self,
        batch: int,
        places: tuple[int, ...],
        problems: Mapping[int, str],
        logits: NDArray[Any] | None,
        digest: str,
        decode_s: float,
        forward_s: float,
    ) -> None:
        """`logits` [n, classes] of the n places; None where there is none."""
        classes = 0
        if logits is not None:
            classes = logits.shape[1]
            _write(self._logits, logits.astype("<f4").tobytes())
            os.fsync(self._logits)
        entry = ShardBatch(batch, self._row, places, problems, classes, digest, decode_s, forward_s)
        _write(self._lines, (json.dumps(asdict(entry)) + "\n").encode())
        self._row += len(places)


@dataclass(frozen=True, slots=True)
class RankError:
    """Why a rank gave up; `kind` is a class of aligndbg.errors."""

    kind: str
    message: str
    hint: str


def write_error(folder: Path, side: str, rank: int, error: RankError) -> None:
    path = folder / f"{side}-{rank}{ERROR}"
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(asdict(error)), encoding="utf-8")
    temporary.replace(path)


def read_errors(folder: Path, side: str) -> list[RankError]:
    return [RankError(**json.loads(path.read_text(encoding="utf-8"))) for path in sorted(folder.glob(f"{side}-*{ERROR}"))]


def clear_errors(folder: Path) -> None:
    """Take back what the ranks of an earlier run said."""
    for path in folder.glob(f"*{ERROR}"):
        path.unlink(missing_ok=True)


class ShardReader:
    """What all ranks of a side have written, each line once."""

    def __init__(self, folder: Path, side: str) -> None:
        self._folder = folder
        self._side = side
        self._read: dict[Path, int] = {}

    def news(self) -> Iterator[tuple[ShardBatch, NDArray[np.float32] | None]]:
        """The batches that were written since the last call, and their logits."""
        for path in sorted(self._folder.glob(f"{self._side}-*{LINES}")):
            start = self._read.get(path, 0)
            with path.open("rb") as file:
                file.seek(start)
                batches, length = _whole_lines(file.read())
            self._read[path] = start + length
            for one in batches:
                yield one, self._logits(path.with_suffix(LOGITS), one)

    def _logits(self, path: Path, one: ShardBatch) -> NDArray[np.float32] | None:
        if not one.places:
            return None
        count = len(one.places) * one.classes
        values = np.fromfile(path, "<f4", count, offset=4 * one.row * one.classes)
        return values.reshape(len(one.places), one.classes).astype(np.float32, copy=False)


def _whole_lines(content: bytes) -> tuple[list[ShardBatch], int]:
    """The batches of the lines that end in a line feed, and the bytes that those have."""
    end = content.rfind(b"\n") + 1
    return [_batch(json.loads(line)) for line in content[:end].splitlines()], end


def _batch(raw: Mapping[str, Any]) -> ShardBatch:
    problems = {int(place): str(problem) for place, problem in raw["problems"].items()}
    return ShardBatch(**{**raw, "places": tuple(raw["places"]), "problems": problems})


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)


def _write(file: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(file, left) :]
