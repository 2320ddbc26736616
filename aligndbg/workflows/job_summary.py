"""What the logs of a job that is over say, kept in its folder, so that they are read once and not at every start of the app."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

from aligndbg.errors import EnvironmentFault
from aligndbg.jobs.expectation import EXPECTATION, read_expectation
from aligndbg.jobs.folder import Job, logs_of
from aligndbg.jobs.formats.own import METRICS
from aligndbg.jobs.json_file import read_json, write_json
from aligndbg.jobs.violation import Violation
from aligndbg.workflows.following import Update

SUMMARY = "summary.json"
SCHEMA = 1

LOG = logging.getLogger(__name__)


def remember(update: Update) -> None:
    """Of a job that is over and read to its end. Where its folder cannot be written, it will be read again."""
    document = {
        "schema": SCHEMA,
        "files": _sizes(update.job),
        "epochs": update.epochs,
        "latest": [[phase, name, value] for (phase, name), value in update.latest.items()],
        "standing": [asdict(violation) for violation in update.standing],
    }
    try:
        write_json(update.job.path / SUMMARY, document)
    except OSError as error:
        LOG.warning("%s is not kept: %s", update.job.path / SUMMARY, error)


def remembered(job: Job) -> Update | None:
    """What was kept of the job; None where nothing was, where its logs have changed since, or where it is damaged."""
    path = job.path / SUMMARY
    if not path.exists():
        return None
    try:
        document = read_json(path)
        if document["schema"] != SCHEMA or document["files"] != _sizes(job):
            return None
        latest = {(phase, str(name)): float(value) for phase, name, value in document["latest"]}
        standing = tuple(Violation(**one) for one in document["standing"])
        epochs = None if document["epochs"] is None else float(document["epochs"])
    except (EnvironmentFault, OSError, KeyError, TypeError, ValueError) as error:
        LOG.warning("%s is left out: %s", path, error)
        return None
    return Update(job, (), latest, (), standing, read_expectation(job.path), epochs, None, False, 1.0)


def _sizes(job: Job) -> dict[str, Any]:
    """Of every file that the summary comes from, by its name."""
    files = [*logs_of(job), job.path / METRICS, job.path / EXPECTATION]
    return {str(file.relative_to(job.path)): _size(file) for file in files}


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return -1
