"""`aligndbg jobs watch` on real jobs: what breaks a rule is told, and the exit code says so."""

from __future__ import annotations

import json
import sys

import pytest
from project import Done, Project

LINE = "[2026/11/24 00:11:10] ppcls INFO: [Train][Epoch 1/2][Iter: {step}/40]lr(Constant): 0.1, top1: 0.1, loss: {loss}, ips: 8.0"


def job(project: Project, script: str) -> str:
    done = project.run("jobs", "run", "--jobs", "jobs", "--", sys.executable, "-c", script)
    assert done.code == 0, done
    return done.out.strip()


def watched(project: Project, name: str, *words: str) -> Done:
    return project.run("jobs", "watch", name, "--jobs", "jobs", *words)


def printing(lines: list[str], end: str = "") -> str:
    return f"import sys, time\nfor line in {lines!r}: print(line, flush=True)\n{end}"


def test_a_healthy_run_breaks_no_rule(project: Project) -> None:
    name = job(project, printing([LINE.format(step=step, loss=7 - step / 10) for step in range(30)]))
    done = watched(project, name)
    assert (done.code, done.out) == (0, "")


def test_a_loss_that_is_no_number_is_told_with_its_place(project: Project) -> None:
    lines = [LINE.format(step=step, loss="nan" if step == 7 else 6.5) for step in range(12)]
    name = job(project, printing(lines, "time.sleep(0.5)"))
    done = watched(project, name)
    assert done.code == 1 and "✗ loss-not-finite at epoch 0, step 7" in done.out and "look at: " in done.out
    found = [json.loads(text) for text in watched(project, name, "--json").out.splitlines()]
    assert [(each["rule"], each["step"]) for each in found] == [("loss-not-finite", 7)]


def test_a_target_that_was_missed(project: Project) -> None:
    line = "[2026/11/24 00:25:32] ppcls INFO: [Eval][Epoch 1][Avg]loss: 0.6, top1: 0.55000, top5: 0.80000"
    name = job(project, printing([line]))
    done = watched(project, name, "--target", "58.1", "--epochs", "1")
    assert done.code == 1 and "55 %" in done.out and "3.3 below 58.1 + 0.2 %" in done.out
    assert watched(project, name, "--target", "50", "--epochs", "1").code == 0


def test_a_job_that_failed_exits_1_though_no_rule_is_broken(project: Project) -> None:
    done = watched(project, job(project, "raise SystemExit(3)"))
    assert (done.code, done.out) == (1, "") and "exit code 3" in done.err


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--target", "580"), "--target: expected percent"),
        (("--classes", "1"), "--classes and --silent"),
        (("absent",), "there is no job 'absent'"),
    ],
)
def test_wrong_use(project: Project, words: tuple[str, ...], error: str) -> None:
    job(project, "pass")
    done = project.run("jobs", "watch", "--jobs", "jobs", *words)
    assert done.code == 2 and error in done.error[0]
