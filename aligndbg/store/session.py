"""Reading a session, finished or not."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from aligndbg.core.layers import LayerPair
from aligndbg.core.verdict import LayerResult
from aligndbg.errors import EnvironmentFault
from aligndbg.store import database, entries
from aligndbg.store.images import ImageRow, read_facts, read_images, read_logits
from aligndbg.store.layout import LOGS, REPORT, RESULTS
from aligndbg.store.process import is_alive
from aligndbg.store.snapshot import Snapshot, read_snapshot
from aligndbg.store.tensors import read_tensors, tensor_names
from aligndbg.weights.plan import WeightPlan

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Status = Literal["running", "partial", "finished", "failed"]

DECODERS: dict[str, Callable[[bytes], entries.Entry]] = {
    "sides": entries.decode_side,
    "notices": entries.decode_notice,
    "weights": entries.decode_weights,
    "plans": entries.decode_plan,
    "results": entries.decode_result,
    "findings": entries.decode_finding,
}
"""The tables whose rows are each one entry of the stream."""


def open_session(path: Path) -> Session:
    """Open a session read only; nothing in its folder is changed. Raises EnvironmentFault, naming the file that is at fault."""
    snapshot = read_snapshot(path)
    return Session(path, snapshot, database.connect_to_read(path))


def status_of(snapshot: Snapshot) -> Status:
    """`partial` is a session whose writer died or gave up before the end."""
    if snapshot.outcome is not None:
        return snapshot.outcome.status
    return "running" if is_alive(snapshot.writer) else "partial"


class Session:
    """A session folder, read as it is asked for. `status` and `snapshot` are as of the opening. Close it, or use it with `with`."""

    def __init__(self, path: Path, snapshot: Snapshot, connection: sqlite3.Connection) -> None:
        self.path = path
        self.snapshot = snapshot
        self.status: Status = status_of(snapshot)
        self._connection = connection

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    @property
    def logs(self) -> Path:
        return self.path / LOGS

    def layers(self) -> tuple[LayerPair, ...]:
        """Every row of the table, in order."""
        with self._reading():
            rows = self._connection.execute("SELECT data FROM layers ORDER BY position").fetchall()
            return tuple(entries.decode_pair(data) for (data,) in rows)

    def results(self) -> dict[int, LayerResult]:
        """The last word on each layer that was compared, by the layer's index."""
        with self._reading():
            last = "SELECT data FROM results WHERE seq IN (SELECT max(seq) FROM results GROUP BY layer) ORDER BY layer"
            results = [entries.decode_result(data) for (data,) in self._connection.execute(last)]
        return {result.index: result for result in results}

    def plan(self) -> WeightPlan | None:
        with self._reading():
            row = self._connection.execute("SELECT data FROM plans ORDER BY seq DESC LIMIT 1").fetchone()
            return entries.decode_plan(row[0]) if row else None

    def stream(self) -> Iterator[entries.Entry]:
        """Everything in the order in which it was written."""
        each = [f"SELECT seq, '{table}', data FROM {table}" for table in DECODERS]
        together = " UNION ALL ".join([*each, "SELECT DISTINCT seq, 'layers', NULL FROM layers"])
        with self._reading():
            rows = self._connection.execute(f"{together} ORDER BY 1").fetchall()
        for _, table, data in rows:
            yield entries.PairedLayers(self.layers()) if table == "layers" else self._decode(table, data)

    def images(self) -> list[ImageRow]:
        """Every picture of an evaluation that is judged so far, in the order of its list."""
        with self._reading():
            return read_images(self._connection)

    def facts(self) -> dict[str, str]:
        """What an evaluation was of; a resumed one must be of the same."""
        with self._reading():
            return read_facts(self._connection)

    def logits(self, side: str) -> NDArray[np.float32] | None:
        """[rows, classes], read from the disk as it is used; None where the side has none. `ImageRow.row` is the row."""
        return read_logits(self.path, side, self.facts())

    def report_json(self) -> bytes | None:
        """report.json, where the run came to its end."""
        if self.status != "finished":
            return None
        try:
            return (self.path / REPORT).read_bytes()
        except OSError as error:
            raise EnvironmentFault(f"{self.path / REPORT} cannot be read: {error.strerror}") from None

    def tensor_names(self) -> tuple[str, ...]:
        return tuple(tensor_names(self.path))

    def tensors(self, name: str) -> dict[str, NDArray[Any]]:
        return read_tensors(self.path, name)

    def _decode(self, table: str, data: bytes) -> entries.Entry:
        with self._reading():
            return DECODERS[table](data)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        path = self.path / RESULTS
        with database.faults(path):
            try:
                yield
            except msgspec.MsgspecError as error:
                raise EnvironmentFault(f"{path} is damaged: {error}") from None
