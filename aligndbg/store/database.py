"""results.db: what a run found, row by row, as it was found."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aligndbg.errors import EnvironmentFault
from aligndbg.store.layout import RESULTS

MIGRATIONS = (
    """
    -- seq is the place in the run's stream of events, one count over all tables.
    CREATE TABLE layers   (seq INTEGER NOT NULL, position INTEGER PRIMARY KEY, torch TEXT, paddle TEXT, kind TEXT NOT NULL,
                           match TEXT NOT NULL, data BLOB NOT NULL);
    CREATE TABLE results  (seq INTEGER PRIMARY KEY, layer INTEGER NOT NULL, verdict TEXT NOT NULL, mismatch INTEGER NOT NULL,
                           max_abs REAL, data BLOB NOT NULL);
    CREATE INDEX results_of_layer ON results (layer, seq);
    CREATE TABLE plans    (seq INTEGER PRIMARY KEY, data BLOB NOT NULL);
    CREATE TABLE notices  (seq INTEGER PRIMARY KEY, level TEXT NOT NULL, message TEXT NOT NULL, data BLOB NOT NULL);
    CREATE TABLE sides    (seq INTEGER PRIMARY KEY, side TEXT NOT NULL, data BLOB NOT NULL);
    CREATE TABLE weights  (seq INTEGER PRIMARY KEY, source TEXT NOT NULL, sha256 TEXT NOT NULL, data BLOB NOT NULL);
    """,
    """
    CREATE TABLE findings (seq INTEGER PRIMARY KEY, id TEXT NOT NULL, layer TEXT NOT NULL, status TEXT NOT NULL,
                           data BLOB NOT NULL);
    """,
    """
    -- The pictures of an evaluation. `row` is the picture's place in the logits files; one that could not be read has none, and
    -- `problem` says why. A NaN is NULL.
    CREATE TABLE images  (position INTEGER PRIMARY KEY, batch INTEGER NOT NULL, row INTEGER UNIQUE, name TEXT NOT NULL,
                          label INTEGER NOT NULL, torch_rank INTEGER, torch_loss REAL, torch_top BLOB, paddle_rank INTEGER,
                          paddle_loss REAL, paddle_top BLOB, max_abs REAL, divergence REAL, problem TEXT NOT NULL);
    CREATE TABLE batches (batch INTEGER PRIMARY KEY, pictures INTEGER NOT NULL);
    CREATE TABLE facts   (name TEXT PRIMARY KEY, value TEXT NOT NULL);
    """,
)
"""Step k takes a database from schema k to k + 1. A step is never edited once released; a new one is added."""

SCHEMA = len(MIGRATIONS)

STREAM = ("layers", "results", "plans", "notices", "sides", "weights", "findings")
"""The tables that share the count `seq`."""

MAGIC = b"SQLite format 3\0"


def create(folder: Path) -> None:
    connection = _connect(folder, "rwc")
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        migrate(connection)
    finally:
        connection.close()


def connect_to_write(folder: Path) -> sqlite3.Connection:
    """Every statement commits by itself: in WAL mode that is a write without fsync, so a killed process loses nothing
    and only a power cut can cost the last rows."""
    connection = _connect(folder, "rw")
    # A session that was left and sealed is opened again to be resumed.
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    migrate(connection)
    return connection


def connect_to_read(folder: Path) -> sqlite3.Connection:
    """A connection that cannot change the file; an older schema is migrated in a copy in memory.

    Raises EnvironmentFault, naming the file, where it is missing, damaged or of a newer schema.
    """
    path = folder / RESULTS
    with faults(path):
        connection = _connect(folder, "ro")
        try:
            schema = _schema(connection)
            if schema > SCHEMA:
                raise newer(path, schema)
            if schema == SCHEMA:
                return connection
            copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            connection.backup(copy)
        except BaseException:
            connection.close()
            raise
        connection.close()
        migrate(copy)
        return copy


def seal(connection: sqlite3.Connection) -> None:
    """Fold the log back into one plain file, readable from a read-only disk, and make it durable."""
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()


def looks_intact(folder: Path) -> bool:
    """Whether the file is there and begins like a database: a glance for lists, which open none."""
    try:
        with (folder / RESULTS).open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def migrate(connection: sqlite3.Connection) -> None:
    for step in range(_schema(connection), SCHEMA):
        connection.executescript(f"BEGIN; {MIGRATIONS[step]}; PRAGMA user_version = {step + 1}; COMMIT;")


def newer(path: Path, schema: int) -> EnvironmentFault:
    message = f"{path} was written by a newer aligndbg: its schema is {schema}, this version reads up to {SCHEMA}"
    return EnvironmentFault(message, "update aligndbg")


@contextmanager
def faults(path: Path) -> Iterator[None]:
    """Turn what SQLite says of a damaged, locked or unwritable file into one sentence."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        damaged = not isinstance(error, sqlite3.OperationalError)
        hint = "the file is damaged; the other files of the session are still readable" if damaged else ""
        raise EnvironmentFault(f"{path}: {error}", hint) from None


def _connect(folder: Path, mode: str) -> sqlite3.Connection:
    uri = f"{(folder / RESULTS).absolute().as_uri()}?mode={mode}"
    # A run may move from the thread that began it to another; it never writes from two at once.
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)


def _schema(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)
