"""Jobs as documents: what `jobs show` and `jobs stop` say."""

from __future__ import annotations

from pathlib import Path

from aligndbg.jobs.folder import Job
from aligndbg.jobs.processes import Killed, Process, Stopped
from aligndbg.jobs.spec import JobSpec
from aligndbg.jobs.state import JobState
from aligndbg.report.jobs import job_document, stopped_document
from aligndbg.report.layout import lay_out

JOB = Job(Path("jobs/one"), JobSpec("one", "train", "a training", ("python", "launch"), "/"), JobState("running"))


def said(document: object) -> list[str]:
    return ["".join(span.text for span in spans).rstrip() for spans in lay_out(document, 120)]  # type: ignore[arg-type]


def test_a_command_that_many_processes_share_is_written_once() -> None:
    commands = ("python launch", "python train.py", "python train.py", "python train.py", "python launch")
    processes = [Process(10 + place, 1, 10, 10, 0, command) for place, command in enumerate(commands)]
    shown = [text.split(maxsplit=1)[1] for text in said(job_document(JOB, processes, ())) if text.startswith("process")]
    assert shown == ["10 python launch", "11 python train.py", "12 as 11", "13 as 11", "14 as 10"]


def test_what_was_stopped_names_a_shared_command_once() -> None:
    stopped = Stopped((Killed(10, "python train.py", "SIGTERM"), Killed(11, "python train.py", "SIGKILL")), ())
    assert [text.split() for text in said(stopped_document(JOB, stopped))[2:]] == [
        ["10", "SIGTERM", "python", "train.py"],
        ["11", "SIGKILL", "as", "10"],
    ]
