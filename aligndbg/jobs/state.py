"""How a job stands, as its supervisor wrote it last."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from aligndbg.errors import EnvironmentFault
from aligndbg.jobs.json_file import read_json, write_json

STATE = "state.json"
SCHEMA = 1

Status = Literal["starting", "running", "ended", "failed", "killed", "lost"]
FINAL: frozenset[Status] = frozenset(("ended", "failed", "killed", "lost"))


@dataclass(frozen=True, slots=True)
class JobState:
    """`process_started` and `supervisor_started` tell one from a later one with the same pid (clock ticks since boot, on Linux).

    `started` and `ended` are ISO 8601, UTC. `signal` is the number that ended the job's first process; `reason` is a sentence
    about the end or, while the job lives, a note. `lost`: nobody saw the end, so that the exit code will never be known.
    """

    status: Status
    supervisor_pid: int | None = None
    pid: int | None = None
    process_started: int | None = None
    started: str | None = None
    ended: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    reason: str = ""
    supervisor_started: int | None = None
    boot: str | None = None

    @property
    def final(self) -> bool:
        return self.status in FINAL


def write_state(folder: Path, state: JobState) -> None:
    write_json(folder / STATE, {"schema": SCHEMA, **asdict(state)})


def read_state(folder: Path) -> JobState:
    """Keys of a later version are left out. Raises EnvironmentFault where the file is missing or damaged."""
    document = read_json(folder / STATE)
    status = document.get("status")
    if status not in get_args(Status):
        raise EnvironmentFault(f"{folder / STATE} is damaged: status {status!r} is none of {', '.join(get_args(Status))}")
    return JobState(
        status=status,
        supervisor_pid=_number(folder, document, "supervisor_pid"),
        pid=_number(folder, document, "pid"),
        process_started=_number(folder, document, "process_started"),
        started=document.get("started"),
        ended=document.get("ended"),
        exit_code=_number(folder, document, "exit_code"),
        signal=_number(folder, document, "signal"),
        reason=str(document.get("reason") or ""),
        supervisor_started=_number(folder, document, "supervisor_started"),
        boot=document.get("boot"),
    )


def _number(folder: Path, document: dict[str, Any], key: str) -> int | None:
    value = document.get(key)
    if value is None or type(value) is int:
        return value
    raise EnvironmentFault(f"{folder / STATE} is damaged: {key}: expected a whole number")
