"""Writing a session while its run goes on."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from aligndbg.core.findings import Finding
from aligndbg.core.layers import LayerPair
from aligndbg.core.verdict import LayerResult
from aligndbg.errors import AligndbgError, CannotPair, ChildDied, EnvironmentFault, UsageError
from aligndbg.pairs.schema import PairSpec
from aligndbg.store import database, entries
from aligndbg.store.layout import LOGS, REPORT, RESULTS, TENSORS
from aligndbg.store.process import this_process
from aligndbg.store.session import status_of
from aligndbg.store.snapshot import Failure, Kind, Outcome, Snapshot, read_snapshot, take_snapshot, write_atomically, write_snapshot
from aligndbg.store.tensors import write_tensors
from aligndbg.store.text import encodable
from aligndbg.weights.plan import WeightPlan

if TYPE_CHECKING:
    from numpy.typing import NDArray

LONGEST_PAIR = 80
"""Characters of the pair's name in the folder's name; file systems take 255 bytes."""


class SessionWriter:
    """One session folder being written.

    What a `write_*` was given is in the file before it returns and survives the death of this process. `finish`, `fail` or `close`
    ends the session; one of them must be called, and `close` after another changes nothing. Every method raises
    EnvironmentFault where the disk refuses.
    """

    def __init__(self, path: Path, snapshot: Snapshot, connection: sqlite3.Connection) -> None:
        self.path = path
        self._snapshot = snapshot
        self._connection = connection
        self._seq = 0

    @classmethod
    def create(
        cls,
        root: Path,
        pair: PairSpec,
        options: Mapping[str, Any],
        environment: Mapping[str, Any] | None = None,
        kind: Kind = "report",
    ) -> SessionWriter:
        """Make `<UTC time>-<pair>-<4 hex>` under `root`, which is made too where it is missing.

        The folder appears under its name only when it is complete enough to be opened.
        """
        now = datetime.now(UTC)
        created = now.isoformat(timespec="milliseconds")
        snapshot = take_snapshot(pair, options, environment or {}, created, this_process(), kind)
        with _disk(root, "sessions cannot be written to", "choose a folder that can be written with --sessions DIR"):
            root.mkdir(parents=True, exist_ok=True)
            path = root / _unused_name(root, now, pair.name)
            temporary = root / f".{path.name}.tmp"
            try:
                for folder in (temporary, temporary / TENSORS, temporary / LOGS):
                    folder.mkdir()
                write_snapshot(temporary, snapshot)
                database.create(temporary)
                # The database is opened again under the final name, for its log is looked up by name.
                temporary.rename(path)
            except BaseException:
                shutil.rmtree(temporary, ignore_errors=True)
                raise
            return cls(path, snapshot, database.connect_to_write(path))

    @classmethod
    def resume(cls, path: Path) -> SessionWriter:
        """Go on with a session whose run stopped before its end. UsageError where it came to its end or still goes on."""
        snapshot = read_snapshot(path)
        status = status_of(snapshot)
        if status in ("finished", "running"):
            raise UsageError(f"{path.name} cannot be resumed: it is {status}")
        with database.faults(path / RESULTS), _disk(path, "cannot write to"):
            connection = database.connect_to_write(path)
            last = max(connection.execute(f"SELECT coalesce(max(seq), 0) FROM {table}").fetchone()[0] for table in database.STREAM)
            snapshot = replace(snapshot, schema=database.SCHEMA, writer=this_process(), outcome=None)
            write_snapshot(path, snapshot)
        writer = cls(path, snapshot, connection)
        writer._seq = last
        return writer

    @property
    def logs(self) -> Path:
        """Where the children's output goes."""
        return self.path / LOGS

    def write_environment(self, side: str, values: Mapping[str, Any]) -> None:
        self._insert("sides", side=side, data=entries.encode(entries.SideEnvironment(side, values)))

    def write_notice(self, level: Literal["info", "warning"], message: str, hint: str = "") -> None:
        self._insert("notices", level=level, message=message, data=entries.encode(entries.StoredNotice(level, message, hint)))

    def write_weights(self, source: str, sha256: str) -> None:
        self._insert("weights", source=source, sha256=sha256, data=entries.encode(entries.WeightsSource(source, sha256)))

    def write_plan(self, plan: WeightPlan) -> None:
        self._insert("plans", data=entries.encode(plan))

    def write_layers(self, layers: Sequence[LayerPair]) -> None:
        """The table of rows; a second call replaces the first."""
        seq = self._next()
        rows = [
            (
                seq,
                layer.index,
                encodable(layer.torch.path) if layer.torch else None,
                encodable(layer.paddle.path) if layer.paddle else None,
                layer.kind,
                layer.match,
                entries.encode(layer),
            )
            for layer in layers
        ]
        with self._writing():
            self._connection.execute("BEGIN")
            self._connection.execute("DELETE FROM layers")
            self._connection.executemany("INSERT INTO layers VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            self._connection.execute("COMMIT")

    def write_result(self, result: LayerResult) -> None:
        """A later result of the same layer supersedes the earlier one; both stay in the stream."""
        self._insert(
            "results",
            layer=result.index,
            verdict=str(result.verdict),
            mismatch=result.mismatch,
            max_abs=result.propagated.stats.max_abs if result.propagated else None,
            data=entries.encode(result),
        )

    def write_finding(self, finding: Finding) -> None:
        """A later one of the same id and layer supersedes the earlier one; both stay in the stream."""
        status = str(finding.status)
        self._insert("findings", id=finding.id, layer=finding.layer, status=status, data=entries.encode(finding))

    def keep(self, name: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep tensors: `inputs`, or the call paths of layers worth a second look."""
        with _disk(self.path, "tensors cannot be kept in"):
            write_tensors(self.path, name, arrays)

    def finish(self, report_json: bytes) -> None:
        report = msgspec.json.decode(report_json, type=_ReportHead)
        with self._writing():
            write_atomically(self.path / REPORT, report_json)
        self._end(Outcome("finished", _now(), report.verdict or "", report.headline, report.exit_code))

    def fail(self, error: AligndbgError) -> None:
        last_words = error.last_words if isinstance(error, ChildDied) else ""
        failure = Failure(type(error).__name__, error.message, error.hint, last_words)
        verdict = "cannot-pair" if isinstance(error, CannotPair) else "error"
        self._end(Outcome("failed", _now(), verdict, error.message, error.exit_code, failure))

    def close(self) -> None:
        """Leave the session; without `finish` or `fail` before, it stays marked as partial."""
        if self._snapshot.outcome is None:
            self._end(Outcome("partial", _now()))

    def _end(self, outcome: Outcome) -> None:
        with self._writing():
            if self._snapshot.outcome is None:
                database.seal(self._connection)
            self._snapshot = replace(self._snapshot, outcome=outcome)
            write_snapshot(self.path, self._snapshot)

    def _insert(self, table: str, **columns: Any) -> None:
        names = ", ".join(("seq", *columns))
        marks = ", ".join("?" * (len(columns) + 1))
        with self._writing():
            values = (encodable(value) if isinstance(value, str) else value for value in columns.values())
            self._connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", (self._next(), *values))

    def _next(self) -> int:
        self._seq += 1
        return self._seq

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with database.faults(self.path / RESULTS), _disk(self.path, "cannot write to"):
            yield


class _ReportHead(msgspec.Struct):
    """The part of a report that the list of sessions shows."""

    verdict: str | None
    headline: str
    exit_code: int


@contextmanager
def _disk(path: Path, what: str, hint: str = "") -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise EnvironmentFault(f"{what} {path}: it is not a folder", hint) from None
    except OSError as error:
        raise EnvironmentFault(f"{what} {path}: {error.strerror or error}", hint) from None
    except sqlite3.OperationalError as error:
        raise EnvironmentFault(f"{what} {path}: {error}", hint) from None


def _unused_name(root: Path, now: datetime, pair: str) -> str:
    safe = re.sub(r"[^A-Za-z0-9_.]+", "-", pair).strip("-.")[:LONGEST_PAIR] or "pair"
    while True:
        name = f"{now:%Y%m%dT%H%M%S}.{now.microsecond // 1000:03}Z-{safe}-{secrets.token_hex(2)}"
        if not os.path.lexists(root / name):
            return name


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
