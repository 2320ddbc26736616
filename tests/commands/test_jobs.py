"""`aligndbg jobs` as users run it, with real jobs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from project import Project

from aligndbg.cli import parse

SLEEP = "import time; print('begun', flush=True); time.sleep(60)"


@pytest.fixture
def jobs(project: Project) -> Iterator[Project]:
    yield project
    running = [job["id"] for job in listed(project) if job.get("status") == "running"]
    if running:
        assert project.run("jobs", "stop", *running).code == 0


def begin(project: Project, program: str, *words: str, options: tuple[str, ...] = ()) -> str:
    done = project.run("jobs", "run", *options, "--", sys.executable, "-c", program, *words)
    assert (done.code, done.err) == (0, "")
    return done.out.strip()


def listed(project: Project) -> Any:
    return project.run("jobs", "list", "--json").json


def shown(project: Project, name: str) -> Any:
    return project.run("jobs", "show", name, "--json").json


def ended(project: Project, name: str) -> Any:
    done = project.run("jobs", "logs", "-f", name)
    assert done.code in (0, 1)
    return shown(project, name)


def test_a_job_from_start_to_end(jobs: Project) -> None:
    name = begin(jobs, "print('hello'); print('there')", options=("--title", "two words", "--ranks", "3"))
    followed = jobs.run("jobs", "logs", "-f", name)
    assert (followed.code, followed.out) == (0, "hello\nthere\n")
    assert f"{name} ✓ ended: exit code 0" in followed.err
    job = shown(jobs, "latest")
    assert (job["id"], job["title"], job["ranks"], job["status"], job["exit_code"]) == (name, "two words", 3, "ended", 0)
    assert job["cwd"] == str(jobs.root) and job["path"] == str(jobs.root / "jobs" / name) and job["processes"] == []
    [row] = listed(jobs)
    assert row == {key: value for key, value in job.items() if key not in ("logs", "processes")}
    table = jobs.run("jobs")
    assert name in table.out and "✓ ended" in table.out and "two words" in table.out


def test_a_job_that_fails_says_why_everywhere(jobs: Project) -> None:
    name = begin(jobs, "raise ValueError('the third layer')")
    followed = jobs.run("jobs", "logs", "--follow", name)
    why = "exit code 1; launcher.log: ValueError: the third layer"
    assert followed.code == 1 and f"✗ failed: {why}" in followed.err
    assert why in jobs.run("jobs", "list").out
    assert why in jobs.run("jobs", "show", name).out
    assert shown(jobs, name)["reason"] == why


def test_stop_says_what_it_killed(jobs: Project) -> None:
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SLEEP!r}], start_new_session=True)"
    name = begin(jobs, program)
    job = jobs.root / "jobs" / name / "log" / "launcher.log"
    until = time.monotonic() + 20
    while "begun" not in job.read_text() and time.monotonic() < until:
        time.sleep(0.05)
    pids = [process["pid"] for process in shown(jobs, name)["processes"]]
    done = jobs.run("jobs", "stop", name[-4:], "--grace", "5")
    assert done.code == 0 and len(pids) == 2
    assert f"stopped {name}: 2 processes" in done.out
    assert all(str(pid) in done.out for pid in pids) and done.out.count("SIGTERM") == 2
    again = jobs.run("jobs", "stop", name)
    assert again.code == 2
    assert again.error == [f"error: {name} is over: killed", "try: stopped on request (SIGTERM)"]


def test_attach_is_left_by_ctrl_c_and_the_job_runs_on(jobs: Project) -> None:
    name = begin(jobs, SLEEP)
    attached = subprocess.Popen(
        [sys.executable, "-m", "aligndbg", "jobs", "attach", name],
        cwd=jobs.root,
        env=jobs.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert attached.stdout and attached.stdout.readline() == "begun\n"
    attached.send_signal(signal.SIGINT)
    _, said = attached.communicate(timeout=20)
    assert attached.returncode == 0
    assert f"{name} runs on; `aligndbg jobs stop {name}` ends it" in said
    assert shown(jobs, name)["status"] == "running"


def test_logs_are_harmless_and_without_secrets(jobs: Project) -> None:
    lines = (r"\x1b[31mred\x1b[0m \x1b]0;title\x07", r"10%\r20%", r"password=swordfish\tTOKEN: x", r"\u202eabc")
    program = "; ".join(f"print('{line}')" for line in lines)
    name = begin(jobs, program)
    ended(jobs, name)
    out = jobs.run("jobs", "logs", name).out
    assert "\x1b" not in out and "\x07" not in out and "swordfish" not in out
    assert out.splitlines()[0] == r"red \x1b]0;title\x07"
    assert out.splitlines()[1:] == ["20%", "password=***    TOKEN: ***", r"\u202eabc"]


def test_jobs_that_are_over_are_removed_all_or_none(jobs: Project) -> None:
    over, running = store(jobs, "").name, begin(jobs, SLEEP)
    refused = jobs.run("jobs", "rm", over, running)
    assert (refused.code, refused.error[0]) == (2, f"error: {running} is running")
    assert {job["id"] for job in listed(jobs)} == {over, running}
    done = jobs.run("jobs", "rm", over, "20260101")
    assert (done.code, done.out) == (0, f"removed {over}\n")
    assert [job["id"] for job in listed(jobs)] == [running]


@pytest.mark.parametrize("lines", [1, 2, 3, 4, 9])
def test_the_last_lines_of_a_log(jobs: Project, lines: int) -> None:
    folder = store(jobs, "one\ntwo\n\nfour\n" if lines % 2 else "one\ntwo\n\nfour")
    done = jobs.run("jobs", "logs", folder.name, "-n", str(lines))
    assert done.out.splitlines() == ["one", "two", "", "four"][-lines:]


def test_the_last_lines_of_a_long_log(jobs: Project) -> None:
    text = "".join(f"line {number}\n" for number in range(50_000))
    folder = store(jobs, text)
    assert jobs.run("jobs", "logs", folder.name, "-n", "20000").out == "".join(text.splitlines(keepends=True)[-20_000:])


def test_a_rank_has_its_own_log(jobs: Project) -> None:
    folder = store(jobs, "launcher\n")
    (folder / "log" / "workerlog.0").write_text("zero\n")
    (folder / "log" / "workerlog.1").write_text("one\n")
    assert [jobs.run("jobs", "logs", folder.name, *rank).out for rank in ((), ("--rank", "0"), ("--rank", "1"))] == [
        "launcher\n",
        "zero\n",
        "one\n",
    ]
    absent = jobs.run("jobs", "logs", folder.name, "--rank", "2")
    assert (absent.code, absent.error) == (2, [f"error: {folder.name} has no log of rank 2", "try: there are 0 to 1"])


def test_secrets_in_a_command_are_shown_nowhere(jobs: Project) -> None:
    name = begin(jobs, "pass", "--api_key", "swordfish", "https://me:swordfish@host/x", options=("--title", "token=swordfish"))
    ended(jobs, name)
    for words in (("list",), ("list", "--json"), ("show", name), ("show", name, "--json")):
        done = jobs.run("jobs", *words)
        assert done.code == 0 and "swordfish" not in done.out and "***" in done.out
    kept = [path for path in (jobs.root / "jobs").rglob("*") if path.is_file() and "swordfish" in path.read_text()]
    assert kept == []


def test_a_damaged_job_is_listed_with_its_error(jobs: Project) -> None:
    folder = store(jobs, "")
    (folder / "state.json").write_text("{")
    assert "state.json is damaged" in jobs.run("jobs").out
    [job] = listed(jobs)
    assert job["id"] == folder.name and "is damaged" in job["error"]
    assert jobs.run("jobs", "show", folder.name).code == 3


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (("show", "20260101T000000Z-run-000b"), 2, "there is no job '20260101T000000Z-run-000b'"),
        (("run", "--", "no-such-program-here"), 2, "there is no program 'no-such-program-here'"),
        (("run",), 2, "no command is given"),
        (("run", "--cwd", "absent", "--", "true"), 2, "there is no folder"),
        (("run", "--ranks", "0", "--", "true"), 2, "--ranks: expected 1 or more, found 0"),
        (("logs", "-n", "0"), 2, "--lines: expected 1 or more, found 0"),
        (("stop", "latest", "--grace", "nan"), 2, "--grace: expected 0 to 3600 seconds, found nan"),
        (("list", "--jobs", "models/../pyproject"), 0, ""),
    ],
)
def test_wrong_words(jobs: Project, words: tuple[str, ...], code: int, error: str) -> None:
    store(jobs, "")
    done = jobs.run("jobs", *words)
    assert done.code == code and error in done.err
    assert "Traceback" not in done.err


def test_the_nearest_id_is_named(jobs: Project) -> None:
    folder = store(jobs, "")
    assert f"did you mean {folder.name}?" in jobs.run("jobs", "show", "20260101T000000Z-run-000b").err


def test_what_follows_the_dashes_belongs_to_the_program() -> None:
    options = parse(["jobs", "run", "--title", "t", "--", "program", "--headless", "--", "--title", "x"])
    assert (options.run, options.title) == ("jobs:run", "t")
    assert options.argv == ["--", "program", "--headless", "--", "--title", "x"]


def store(project: Project, text: str) -> Path:
    """A job that is over, with this log."""
    folder = project.root / "jobs" / "20260101T000000Z-run-000a"
    (folder / "log").mkdir(parents=True)
    spec = {"id": folder.name, "kind": "run", "title": "t", "argv": ["true"], "cwd": "/", "env": {}, "ranks": 2, "created": ""}
    (folder / "spec.json").write_text(json.dumps(spec))
    (folder / "state.json").write_text(json.dumps({"status": "ended", "exit_code": 0}))
    (folder / "log" / "launcher.log").write_text(text)
    return folder
