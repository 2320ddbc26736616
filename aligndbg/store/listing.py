"""Finding sessions and removing them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from aligndbg.errors import AligndbgError, EnvironmentFault, UsageError
from aligndbg.store.database import looks_intact
from aligndbg.store.layout import RESULTS, SNAPSHOT
from aligndbg.store.naming import folder_named
from aligndbg.store.session import Status, status_of
from aligndbg.store.snapshot import Kind, read_snapshot

LATEST = "latest"


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """One line of the list. Where `error` is not empty the session cannot be opened, and the fields after `name` say nothing."""

    path: Path
    name: str
    pair: str = ""
    created: str = ""
    status: Status = "partial"
    verdict: str = ""
    headline: str = ""
    error: str = ""
    kind: Kind = "report"


def list_sessions(root: Path) -> list[SessionSummary]:
    """Newest first; damaged ones are listed with their error. Empty where `root` does not exist."""
    return [_summary(path) for path in _folders(root)]


def resolve_session(root: Path, name: str) -> Path:
    """The folder of a session named in full, by an unambiguous beginning or end, by a path, or as `latest`.

    Raises UsageError with the nearest names.
    """
    folders = _folders(root)
    if name == LATEST:
        if folders:
            return folders[0]
        raise UsageError(f"there is no session in {root} yet", "a run writes one: `aligndbg report PAIR`")
    given = Path(name)
    if (given / SNAPSHOT).is_file():
        return given
    return folder_named(folders, name, "session", root)


def remove(path: Path) -> None:
    """Delete a session. Refuses what is no session, and one whose run still goes on."""
    if not (path / SNAPSHOT).is_file():
        raise UsageError(f"{path} is not a session: it has no {SNAPSHOT}")
    if _summary(path).status == "running":
        raise UsageError(f"{path.name} is still being written", "stop its run first")
    try:
        shutil.rmtree(path)
    except OSError as error:
        raise EnvironmentFault(f"{path} cannot be removed: {error.strerror}") from None


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    try:
        found = [path for path in root.iterdir() if not path.name.startswith(".") and (path / SNAPSHOT).is_file()]
    except OSError as error:
        raise EnvironmentFault(f"sessions cannot be read in {root}: {error.strerror}") from None
    # Names begin with the time of creation.
    return sorted(found, key=lambda path: path.name, reverse=True)


def _summary(path: Path) -> SessionSummary:
    try:
        read = read_snapshot(path)
    except AligndbgError as error:
        return SessionSummary(path, path.name, error=error.message)
    if not looks_intact(path):
        return SessionSummary(path, path.name, error=f"{path / RESULTS} is missing or no database")
    ended = read.outcome
    verdict, headline = (ended.verdict, ended.headline) if ended else ("", "")
    return SessionSummary(path, path.name, read.pair.name, read.created, status_of(read), verdict, headline, kind=read.kind)
