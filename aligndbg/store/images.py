"""What an evaluation found of each picture, a batch at a time, so that a run killed at any moment goes on where it was.

The numbers are rows of results.db. The logits are beside it in `logits-SIDE.f32`: float32, little-endian, [rows, classes] without a
header. A batch's logits are on the disk before its rows are committed, in one transaction; what the files have beyond the last
committed row is of a batch that was cut short, and is cut off.
"""

from __future__ import annotations

import math
import os
import sqlite3
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aligndbg.errors import EnvironmentFault
from aligndbg.store import database
from aligndbg.store.layout import RESULTS
from aligndbg.store.text import encodable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIDES = ("torch", "paddle")
CLASSES = "classes"
"""The fact that says how wide a row of logits is."""

_FLOAT = 4
_PLACE = struct.Struct("<if")
_MARKS = ", ".join("?" * 14)
"""One for each column of the table of pictures."""


@dataclass(frozen=True, slots=True)
class SideScores:
    """One side's judgement of a picture: the label's rank (0 is the best class), its cross-entropy, the best classes with their
    probabilities."""

    rank: int
    loss: float
    top: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class ImageRow:
    """A picture. `position` is its place in the list, `row` its place in the logits files. One that could not be read has neither
    `row` nor scores, and `problem` says why. `max_abs` and `divergence` (KL, nats) are between the two sides' logits, None where
    only one side ran."""

    position: int
    batch: int
    row: int | None
    name: str
    label: int
    torch: SideScores | None = None
    paddle: SideScores | None = None
    max_abs: float | None = None
    divergence: float | None = None
    problem: str = ""

    def of(self, side: str) -> SideScores | None:
        return self.torch if side == "torch" else self.paddle


class ImageWriter:
    """The pictures of one session, written beside its other rows. EnvironmentFault where the disk refuses.

    `done` are the batches that are stored; `rows` is how many rows the logits files have.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with self._writing():
            self._connection = database.connect_to_write(folder)
            self._files = {side: _open(folder, side) for side in SIDES}
            self.rows = self._recover()
            self.done = {batch for (batch,) in self._connection.execute("SELECT batch FROM batches")}

    def facts(self) -> dict[str, str]:
        with self._writing():
            return read_facts(self._connection)

    def set_facts(self, facts: Mapping[str, str]) -> None:
        """What the evaluation is of; a later value takes the place of an earlier one."""
        with self._writing():
            self._connection.execute("BEGIN")
            self._connection.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", list(facts.items()))
            self._connection.execute("COMMIT")

    def write(self, batch: int, rows: Sequence[ImageRow], logits: Mapping[str, NDArray[np.float32]]) -> None:
        """All that is known of a batch, at once or not at all. `logits` are [n, classes] by side, n the rows that have a `row`,
        which must go on from `self.rows` in order."""
        placed = [one.row for one in rows if one.row is not None]
        if placed != list(range(self.rows, self.rows + len(placed))):
            raise ValueError(f"rows {placed} do not follow {self.rows}")
        with self._writing():
            for side, values in logits.items():
                if values.shape[0] != len(placed):
                    raise ValueError(f"{len(placed)} pictures, {values.shape[0]} rows of logits")
                _append(self._files[side], values)
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(f"INSERT INTO images VALUES ({_MARKS})", [_values(one) for one in rows])
            self._connection.execute("INSERT INTO batches VALUES (?, ?)", (batch, len(rows)))
            self._connection.execute("COMMIT")
        self.rows += len(placed)
        self.done.add(batch)

    def images(self) -> list[ImageRow]:
        with self._writing():
            return read_images(self._connection)

    def close(self) -> None:
        self._connection.close()
        for file in self._files.values():
            os.close(file)

    def _recover(self) -> int:
        """Cut off what no row stands for; forget batches whose logits a power cut took. The rows that are left."""
        classes = int(read_facts(self._connection).get(CLASSES, 0))
        (last,) = self._connection.execute("SELECT coalesce(max(row), -1) FROM images").fetchone()
        rows = int(last) + 1
        if classes:
            sizes = {side: os.fstat(file).st_size // (_FLOAT * classes) for side, file in self._files.items()}
            whole = min((sizes[side] for side in SIDES if self._ran(side)), default=rows)
            if whole < rows:
                lost = "SELECT batch FROM images WHERE row >= ?"
                self._connection.execute("BEGIN IMMEDIATE")
                self._connection.execute(f"DELETE FROM batches WHERE batch IN ({lost})", (whole,))
                self._connection.execute(f"DELETE FROM images WHERE batch IN ({lost})", (whole,))
                self._connection.execute("COMMIT")
                (last,) = self._connection.execute("SELECT coalesce(max(row), -1) FROM images").fetchone()
                rows = int(last) + 1
        for side, file in self._files.items():
            if os.fstat(file).st_size > (kept := rows * classes * _FLOAT if self._ran(side) else 0):
                os.ftruncate(file, kept)
        return rows

    def _ran(self, side: str) -> bool:
        query = f"SELECT EXISTS (SELECT 1 FROM images WHERE {side}_rank IS NOT NULL)"
        return bool(self._connection.execute(query).fetchone()[0])

    def _writing(self) -> AbstractContextManager[None]:
        return _faults(self._folder)


@contextmanager
def _faults(folder: Path) -> Iterator[None]:
    """What SQLite and the system say of a disk that refuses, in one sentence."""
    with database.faults(folder / RESULTS):
        try:
            yield
        except OSError as error:
            raise EnvironmentFault(f"cannot write to {folder}: {error.strerror or error}") from None


def read_images(connection: sqlite3.Connection) -> list[ImageRow]:
    return [_row(values) for values in connection.execute("SELECT * FROM images ORDER BY position")]


def read_facts(connection: sqlite3.Connection) -> dict[str, str]:
    return dict(connection.execute("SELECT name, value FROM facts"))


def read_logits(folder: Path, side: str, facts: Mapping[str, str]) -> NDArray[np.float32] | None:
    import numpy as np

    classes = int(facts.get(CLASSES, 0))
    path = logits_file(folder, side)
    try:
        count = path.stat().st_size // (_FLOAT * classes) if classes else 0
        return np.memmap(path, "<f4", "r", shape=(count, classes)) if count else None
    except FileNotFoundError:
        return None
    except OSError as error:
        raise EnvironmentFault(f"{path} cannot be read: {error.strerror}") from None


def logits_file(folder: Path, side: str) -> Path:
    return folder / f"logits-{side}.f32"


def _open(folder: Path, side: str) -> int:
    return os.open(logits_file(folder, side), os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)


def _append(file: int, values: NDArray[np.float32]) -> None:
    left = memoryview(values.astype("<f4", order="C").tobytes())
    while left:
        left = left[os.write(file, left) :]
    os.fsync(file)


def _values(one: ImageRow) -> tuple[object, ...]:
    return (
        one.position,
        one.batch,
        one.row,
        encodable(one.name),
        one.label,
        *_scores_values(one.torch),
        *_scores_values(one.paddle),
        one.max_abs,
        one.divergence,
        encodable(one.problem),
    )


def _scores_values(scores: SideScores | None) -> tuple[object, object, object]:
    if scores is None:
        return None, None, None
    return scores.rank, scores.loss, b"".join(_PLACE.pack(index, probability) for index, probability in scores.top)


def _row(values: tuple[object, ...]) -> ImageRow:
    position, batch, row, name, label, *scores, max_abs, divergence, problem = values
    torch, paddle = _scores(*scores[:3]), _scores(*scores[3:])
    gaps = (None, None) if torch is None or paddle is None else (_number(max_abs), _number(divergence))
    return ImageRow(position, batch, row, name, label, torch, paddle, *gaps, problem)  # type: ignore[arg-type]


def _scores(rank: object, loss: object, top: object) -> SideScores | None:
    if rank is None:
        return None
    assert isinstance(rank, int) and isinstance(top, bytes)
    return SideScores(rank, _number(loss), tuple(_PLACE.iter_unpack(top)))


def _number(value: object) -> float:
    return math.nan if value is None else float(value)  # type: ignore[arg-type]
