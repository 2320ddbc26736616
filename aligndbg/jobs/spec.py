"""What a job is: its command, where it runs and how its logs are read."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from aligndbg.errors import EnvironmentFault
from aligndbg.jobs.json_file import read_json, write_json
from aligndbg.jobs.masking import mask_argv, mask_env, mask_text

SPEC = "spec.json"
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class JobSpec:
    """`env` is what is set beside the inherited environment. `created` is ISO 8601, UTC.

    `log_accuracy` is the scale of top-k where `log_format` is a regex. `rank_logs` is a glob, relative to the job's `log/`, of
    files that the launcher writes. What is stored has its secrets masked: a spec that was read back may show a job, and may not
    start one.
    """

    id: str
    kind: str
    title: str
    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str] = field(default_factory=dict)
    ranks: int = 1
    created: str = ""
    pair: str | None = None
    log_format: str | None = None
    rank_logs: str | None = None
    log_accuracy: Literal["percent", "fraction"] = "percent"


def new_id(kind: str, now: datetime | None = None) -> str:
    """`20260101T120000Z-train-3f2a`: sorts by time, tells apart what starts in the same second."""
    word = re.sub(r"[^a-z0-9]+", "-", kind.lower()).strip("-")[:40] or "job"
    return f"{(now or datetime.now(UTC)).astimezone(UTC):%Y%m%dT%H%M%SZ}-{word}-{secrets.token_hex(2)}"


def utc_now() -> str:
    """ISO 8601 to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def masked(spec: JobSpec) -> JobSpec:
    """The spec as it may be shown and stored."""
    return replace(spec, title=mask_text(spec.title), argv=mask_argv(spec.argv), env=mask_env(spec.env))


def write_spec(folder: Path, spec: JobSpec) -> None:
    write_json(folder / SPEC, {"schema": SCHEMA, **asdict(masked(spec))})


def read_spec(folder: Path) -> JobSpec:
    """Keys of a later version are left out. Raises EnvironmentFault where the file is missing or damaged."""
    document = read_json(folder / SPEC)
    try:
        return JobSpec(
            id=_text(document, "id"),
            kind=_text(document, "kind"),
            title=_text(document, "title"),
            argv=tuple(str(word) for word in document["argv"]),
            cwd=_text(document, "cwd"),
            env={str(name): str(value) for name, value in document["env"].items()},
            ranks=int(document["ranks"]),
            created=_text(document, "created"),
            pair=document.get("pair"),
            log_format=document.get("log_format"),
            log_accuracy="fraction" if document.get("log_accuracy") == "fraction" else "percent",
            rank_logs=document.get("rank_logs"),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise EnvironmentFault(f"{folder / SPEC} is damaged: {error}") from None


def _text(document: dict[str, Any], key: str) -> str:
    if not isinstance(document[key], str):
        raise TypeError(f"{key}: expected text")
    return str(document[key])
