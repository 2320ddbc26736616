"""session.json: what a run was asked to do, from which sources, and how it ended."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

import aligndbg
from aligndbg.errors import EnvironmentFault
from aligndbg.pairs.schema import PairSpec
from aligndbg.store.database import SCHEMA, newer
from aligndbg.store.layout import SNAPSHOT
from aligndbg.store.process import WriterProcess
from aligndbg.store.text import encode_with

KEPT_SOURCE = 1 << 20
"""A source larger than this many bytes is recorded by its hash alone."""

Ending = Literal["finished", "failed", "partial"]

Kind = Literal["report", "eval"]
"""What a session's run is: a comparison of layers, or an evaluation on pictures."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file that the pair was made of, as it was when the run began. `text` is None where it is too large or not UTF-8."""

    role: Literal["pair", "torch", "paddle"]
    path: str
    sha256: str
    text: str | None


@dataclass(frozen=True, slots=True)
class Failure:
    """The error that ended a run; `kind` is its class in `aligndbg.errors`."""

    kind: str
    message: str
    hint: str = ""
    last_words: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the writer left the session; `verdict`, `headline` and `exit_code` are the report's, or the error's."""

    status: Ending
    ended: str
    verdict: str = ""
    headline: str = ""
    exit_code: int | None = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The contents of session.json. `created` is ISO 8601 in UTC; `pair` is the specification as the run used it."""

    schema: int
    aligndbg: str
    created: str
    pair: PairSpec
    sources: tuple[Source, ...]
    options: Mapping[str, Any]
    writer: WriterProcess
    environment: Mapping[str, Any] = field(default_factory=dict)
    outcome: Outcome | None = None
    kind: Kind = "report"


def take_snapshot(
    pair: PairSpec,
    options: Mapping[str, Any],
    environment: Mapping[str, Any],
    created: str,
    writer: WriterProcess,
    kind: Kind = "report",
) -> Snapshot:
    return Snapshot(SCHEMA, aligndbg.__version__, created, pair, sources_of(pair), options, writer, environment, kind=kind)


def sources_of(pair: PairSpec) -> tuple[Source, ...]:
    """The files that a pair is made of, as they are now; what cannot be read is left out."""
    named = [
        ("pair", pair.path),
        ("torch", _source_file(pair, pair.torch.model)),
        ("paddle", _source_file(pair, pair.paddle.model)),
    ]
    found = (_source(role, path) for role, path in named if path is not None)
    return tuple(source for source in found if source is not None)


def write_snapshot(folder: Path, snapshot: Snapshot) -> None:
    write_atomically(folder / SNAPSHOT, msgspec.json.format(encode_with(_ENCODER.encode, snapshot), indent=1))


def read_snapshot(folder: Path) -> Snapshot:
    """Raises EnvironmentFault, naming the file, where it is missing, damaged or of a newer schema."""
    path = folder / SNAPSHOT
    try:
        content = path.read_bytes()
        schema = msgspec.json.decode(content, type=_SchemaOnly).schema
        if schema > SCHEMA:
            raise newer(path, schema)
        return msgspec.json.decode(content, type=Snapshot, dec_hook=_decode)
    except FileNotFoundError:
        raise EnvironmentFault(
            f"{folder} is not a session: it has no {SNAPSHOT}", "`aligndbg sessions list` shows what there is"
        ) from None
    except OSError as error:
        raise EnvironmentFault(f"{path} cannot be read: {error.strerror}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise EnvironmentFault(f"{path} is damaged: {error}", f"remove it with `aligndbg sessions rm {folder.name}`") from None


def write_atomically(path: Path, content: bytes) -> None:
    """A reader finds the old contents or the new ones, whatever moment the writer or the machine dies at."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


_ENCODER = msgspec.json.Encoder(enc_hook=str)
"""Option values that JSON has no form for are kept as what a person would read."""


class _SchemaOnly(msgspec.Struct):
    schema: int


def _source_file(pair: PairSpec, model: str) -> Path | None:
    """The file of `FILE.py:CALLABLE`; None for `module:CALLABLE`, whose file only an import would tell."""
    file, _, _ = model.rpartition(":")
    return pair.root / file if file.endswith(".py") else None


def _source(role: Any, path: Path) -> Source | None:
    try:
        content = path.read_bytes()
    except OSError:
        # The run is about to read it too, and says what is wrong with it.
        return None
    text: str | None = None
    if len(content) <= KEPT_SOURCE:
        try:
            text = content.decode()
        except UnicodeDecodeError:
            text = None
    return Source(role, str(path), hashlib.sha256(content).hexdigest(), text)


def _decode(kind: type, value: Any) -> Any:
    if issubclass(kind, Path):
        return Path(value)
    raise NotImplementedError(f"{kind} in {SNAPSHOT}")
