"""`aligndbg eval` as users run it, on tiny models and pictures of its own."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import CLASSES, SECTIONS, make_pictures
from project import Project, both_frameworks

from aligndbg.store.entries import SideEnvironment
from aligndbg.store.session import open_session

pytestmark = both_frameworks

RUN = ("--display", "none", "--json", "-")


@pytest.fixture(scope="module")
def plain(shared: Project) -> Project:
    shared.pair("plain", **SECTIONS)
    make_pictures(shared.root / "models" / "plain")
    return shared


def result(project: Project, *words: str | Path, code: int | None = 0) -> Any:
    """The report of a run that ends with `code`; None is either verdict."""
    done = project.run("eval", *words, *RUN)
    assert done.code in ((0, 1) if code is None else (code,)), done.err
    return done.json


def figures(report: Any) -> Any:
    """What does not depend on the moment."""
    left_out = ("session", "speed", "environment", "notices")
    return {name: value for name, value in report.items() if name not in left_out}


def logits(report: Any, project: Project) -> list[np.ndarray]:
    """Both sides' logits in the order of the list."""
    with open_session(project.root / report["session"]) as session:
        rows = [row.row for row in session.images() if row.row is not None]
        found = [session.logits(side) for side in ("torch", "paddle")]
        assert all(one is not None for one in found)
        return [np.array(one)[rows] for one in found if one is not None]


def test_a_correct_port_is_within(plain: Project) -> None:
    report = result(plain, "plain")
    assert (report["verdict"], report["exit_code"], report["images"]) == ("within", 0, 22)
    assert report["sides"]["torch"]["right1"] == report["sides"]["paddle"]["right1"]
    assert report["top1"]["gap"] == 0
    assert report["difference"]["flips"] == 0
    assert 0 < report["difference"]["max_abs"] < 1e-4
    assert report["same_tensors"] is True
    torch, paddle = logits(report, plain)
    assert torch.shape == paddle.shape == (22, CLASSES)
    assert np.abs(torch - paddle).max() == pytest.approx(report["difference"]["max_abs"])
    labels = np.arange(22) % CLASSES
    assert report["sides"]["paddle"]["right1"] == (paddle.argmax(1) == labels).sum()


def test_the_text_and_the_session_say_the_same(plain: Project) -> None:
    done = plain.run("eval", "plain", "--display", "plain")
    assert done.code == 0
    assert done.out.startswith("plain: within 0.2 points — top-1 torch ")
    assert "both right" in done.out and "McNemar" in done.out
    assert "22 of 22" in done.err
    shown = plain.run("sessions", "show", "--text")
    assert done.out.splitlines()[0] in shown.out
    exported = plain.run("sessions", "export", "latest", "--md", "-")
    assert exported.out.startswith("### ✓ plain: within 0.2 points")


def test_a_wrong_port_is_beyond_and_its_pictures_are_told(project: Project) -> None:
    project.pair("wrong", "Plain", "NoRelu", **SECTIONS)
    make_pictures(project.root / "models" / "wrong", 60)
    report = result(project, "wrong", code=1)
    assert report["verdict"] == "beyond"
    counts = report["top1"]
    assert counts["only_torch"] + counts["only_paddle"] > 0
    assert counts["gap"] == pytest.approx(100 * (counts["only_paddle"] - counts["only_torch"]) / 60)
    assert report["difference"]["flips"] == len(report["differing"]) > 0
    assert all(one["torch_class"] != one["paddle_class"] for one in report["differing"])


def test_bad_pictures_are_excluded_on_both_sides_and_named(project: Project) -> None:
    project.pair("plain", **SECTIONS)
    make_pictures(project.root / "models" / "plain", bad=True)
    report = result(project, "plain")
    assert report["images"] == 22
    assert {one["name"] for one in report["excluded"]} == {"missing.png", "cut.png", "text.jpg", "empty.png"}
    assert all(one["problem"] for one in report["excluded"])
    whole = make_pictures(project.root / "models" / "plain")
    assert whole.read_text().count("\n") == 22
    alone = result(project, "plain")
    assert alone["sides"]["torch"]["right1"] == report["sides"]["torch"]["right1"]


@pytest.mark.parametrize("side", ["torch", "paddle"])
def test_one_side_alone(plain: Project, side: str) -> None:
    both = result(plain, "plain")
    report = result(plain, "plain", "--side", side)
    assert (report["verdict"], report["top1"], report["exit_code"]) == (None, None, 0)
    assert list(report["sides"]) == [side]
    # Alone it has more threads, and rounds otherwise.
    assert report["sides"][side].pop("loss") == pytest.approx(both["sides"][side].pop("loss"), rel=1e-6)
    assert report["sides"][side] == both["sides"][side]


def test_paddle_alone_with_its_own_checkpoint_needs_no_torch(plain: Project) -> None:
    written = plain.run("convert", "plain", "-o", "plain.pdparams", "--display", "none")
    assert written.code == 0, written.err
    both = result(plain, "plain")
    alone = result(plain, "plain", "--side", "paddle", "--weights", "plain.pdparams", "--torch-python", "/nowhere/python")
    assert alone["sides"]["paddle"]["right1"] == both["sides"]["paddle"]["right1"]
    assert alone["sides"]["paddle"]["loss"] == pytest.approx(both["sides"]["paddle"]["loss"], rel=1e-6)
    assert list(alone["environment"]) == ["paddle"]


def test_limit_and_every(plain: Project) -> None:
    report = result(plain, "plain", "--every", "3", "--limit", "5", "--batch-size", "2")
    with open_session(plain.root / report["session"]) as session:
        assert [row.name for row in session.images()] == [f"a picture {index}.png" for index in (0, 3, 6, 9, 12)]
        assert [row.batch for row in session.images()] == [0, 0, 1, 1, 2]


def test_figures_do_not_depend_on_the_number_of_workers(plain: Project) -> None:
    one, three = (result(plain, "plain", "--workers", count) for count in ("1", "3"))
    assert figures(one) == figures(three)
    for left, right in zip(logits(one, plain), logits(three, plain), strict=True):
        assert np.array_equal(left, right)


def test_own_preprocessing(project: Project) -> None:
    sections = {**SECTIONS, "preprocess": {**SECTIONS["preprocess"], "paddle": {"resize_short": 14, "interpolation": "bicubic"}}}
    project.pair("plain", **sections)
    make_pictures(project.root / "models" / "plain")
    same = result(project, "plain")
    done = project.run("eval", "plain", "--own-preprocess", *RUN)
    own = done.json
    assert same["difference"]["max_abs"] < 1e-4
    assert own["same_tensors"] is False
    assert own["difference"]["max_abs"] > 1e-2
    assert own["sides"]["torch"] == same["sides"]["torch"]
    assert "bicubic" in own["preprocess"]["paddle"] and "bicubic" not in own["preprocess"]["torch"]
    assert own["preprocess_gap"] is None


def test_what_each_setting_of_the_preprocessing_costs(project: Project) -> None:
    sections = {
        **SECTIONS,
        "preprocess": {**SECTIONS["preprocess"], "paddle": {"std": [0.9, 0.2, 0.1], "interpolation": "bicubic"}},
    }
    project.pair("plain", **sections)
    make_pictures(project.root / "models" / "plain", 40, bad=True)
    report = result(project, "plain", "--causes", "30", code=None)
    found = report["preprocess_gap"]
    assert found["images"] == 30
    assert found["model_gap"] == 0
    assert found["flips"] > 0
    by_id = {one["id"]: one for one in found["causes"]}
    std, filter_ = by_id["std"], by_id["interpolation"]
    assert std["mended"] > filter_["mended"]
    assert found["causes"][0] == std
    stages = {one["stage"]: one for one in found["stages"]}
    assert stages["decode"]["differing"] == 0 and stages["resize"]["differing"] == 30
    assert 0 < stages["resize"]["mean_abs"] < stages["resize"]["max_abs"] <= 255
    whole = result(project, "plain", "--causes", "100", code=None)
    assert whole["preprocess_gap"]["images"] == 40
    assert whole["preprocess_gap"]["model_gap"] + whole["preprocess_gap"]["preprocess_gap"] == pytest.approx(whole["top1"]["gap"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--limit", "0"), "--limit: expected 1 or more, found 0"),
        (("--workers", "-1"), "--workers: expected 1 or more, found -1"),
        (("--workers", "100000"), "--workers: expected 1024 or less, found 100000"),
        (("--causes", "9", "--side", "torch"), "--causes needs both sides"),
        (("--nnodes", "2", "--master", "here"), "--master: expected HOST:PORT where 2 machines meet, found 'here'"),
        (("--list", "none.txt"), "none.txt"),
        (("--data", "models/plain/val.txt"), "val.txt"),
    ],
)
def test_wrong_usage_is_told_and_leaves_no_session(plain: Project, words: tuple[str, ...], told: str) -> None:
    before = plain.sessions
    done = plain.run("eval", "plain", *words, *RUN)
    assert done.code == 2
    assert told in done.error[0]
    assert plain.sessions == before


def test_a_pair_without_pictures(project: Project) -> None:
    project.pair("bare")
    done = project.run("eval", "bare", *RUN)
    assert (done.code, done.error[0]) == (2, "error: bare names no pictures to evaluate on")


def test_labels_that_start_at_one(project: Project) -> None:
    project.pair("plain", **SECTIONS)
    listing = make_pictures(project.root / "models" / "plain")
    lines = [line.rpartition(" ") for line in listing.read_text().splitlines()]
    listing.write_text("".join(f"{name} {int(label) + 1}\n" for name, _, label in lines))
    done = project.run("eval", "plain", *RUN)
    assert done.code == 2
    assert "val.txt:5: label 5, expected 0 to 4 (4 such lines)" in done.error[0]
    assert done.error[1] == "try: the labels start at 1: subtract 1 from each"
    with open_session(project.sessions[-1]) as session:
        assert not session.images()


def test_pictures_of_which_none_can_be_read_have_no_verdict(project: Project) -> None:
    project.pair("plain", **SECTIONS)
    listing = make_pictures(project.root / "models" / "plain", bad=True)
    listing.write_text("cut.png 1\ntext.jpg 2\n")
    done = project.run("eval", "plain", *RUN)
    assert (done.code, done.out) == (2, "")
    assert done.error[0].startswith("error: none of the pictures could be read, cut.png for one: ")


def start(project: Project, *words: str, **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "aligndbg", "eval", *words, "--display", "none", "--json", "-"],
        cwd=project.root,
        env={**project.environment, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def judged(project: Project) -> int:
    if not project.sessions:
        return 0
    with open_session(project.sessions[-1]) as session:
        return len(session.images())


def wait_for_pictures(project: Project, count: int = 1, seconds: float = 60) -> None:
    """Until so many are judged, or the time is over."""
    deadline = time.monotonic() + seconds
    while judged(project) < count and time.monotonic() < deadline:
        time.sleep(0.02)


def test_killed_at_random_moments_it_goes_on(project: Project) -> None:
    """kill -9 again and again: the end is that of an uninterrupted run, no picture is counted twice, nothing told is lost."""
    project.pair("plain", "Unhurried", "Plain", **SECTIONS)
    make_pictures(project.root / "models" / "plain", 40, bad=True)
    straight = result(project, "plain")
    whole = logits(straight, project)
    (first,) = project.sessions
    first.rename(project.root / "straight")
    generator = random.Random(7)
    before = 0
    for kill in range(3):
        process = start(project, "plain", *(("--resume",) if kill else ()))
        wait_for_pictures(project, before + 1)
        time.sleep(generator.random() * 0.3)
        process.kill()
        process.communicate()
        (session,) = project.sessions
        now = judged(project)
        assert now > before and now % 4 == 0
        before = now
    assert before < 44
    end = result(project, "plain", "--resume")
    assert len(project.sessions) == 1
    assert figures(end) == figures(straight)
    with open_session(session) as opened:
        assert [row.position for row in opened.images()] == list(range(43))
    for left, right in zip(logits(end, project), whole, strict=True):
        assert np.array_equal(left, right)


def test_what_changed_is_not_resumed(project: Project) -> None:
    project.pair("plain", "Unhurried", "Plain", **SECTIONS)
    make_pictures(project.root / "models" / "plain")
    process = start(project, "plain")
    wait_for_pictures(project)
    process.kill()
    process.communicate()
    done = project.run("eval", "plain", "--resume", "--batch-size", "3", *RUN)
    assert done.code == 2
    assert "cannot be resumed: the batch size changed, from 4 to 3" in done.error[0]
    done = project.run("eval", "plain", "--resume", "--seed", "5", *RUN)
    assert done.code == 2
    assert "cannot be resumed: the weights changed" in done.error[0]
    assert result(project, "plain", "--resume")["images"] == 22


def test_nothing_to_resume_begins_anew(project: Project) -> None:
    project.pair("plain", **SECTIONS)
    make_pictures(project.root / "models" / "plain", 3)
    assert result(project, "plain", "--resume")["images"] == 3


def test_interrupted_it_can_go_on(project: Project) -> None:
    project.pair("plain", "Unhurried", "Plain", **SECTIONS)
    make_pictures(project.root / "models" / "plain")
    process = start(project, "plain")
    wait_for_pictures(project)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert re.search(rb"^try: `--resume` goes on after the \d+ pictures that are judged$", err, re.MULTILINE), err
    shown = project.run("sessions", "show", "--text")
    assert "partial" in shown.out and "--resume" in shown.out
    assert result(project, "plain", "--resume")["images"] == 22


def test_a_child_that_dies_ends_the_run_which_can_go_on(project: Project) -> None:
    project.pair("plain", "Unhurried", "Plain", **SECTIONS)
    make_pictures(project.root / "models" / "plain")
    process = start(project, "plain")
    wait_for_pictures(project)
    with open_session(project.sessions[-1]) as session:
        sides = [entry for entry in session.stream() if isinstance(entry, SideEnvironment)]
    os.kill(next(entry.values["pid"] for entry in sides if entry.side == "torch"), signal.SIGKILL)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 3
    assert b"the torch child was killed by SIGKILL" in err
    assert 0 < judged(project) < 22
    assert result(project, "plain", "--resume")["images"] == 22


def test_as_a_job_it_writes_curves(plain: Project, tmp_path: Path) -> None:
    done = plain.run("eval", "plain", *RUN, ALIGNDBG_JOB=str(tmp_path))
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line.get("step") for line in lines] == [0, 1, 2, 3, 4, 5, None]
    assert all(line["phase"] == "eval" and line["ips"] > 0 for line in lines)
    assert lines[-1]["top1"] == pytest.approx(done.json["sides"]["paddle"]["top1"])
    assert lines[-2]["top1"] == lines[-1]["top1"]


def test_no_process_is_left(plain: Project) -> None:
    result(plain, "plain")
    mine = [path for path in Path("/proc").glob("[0-9]*") if _of(path, plain)]
    assert mine == []


def _of(path: Path, project: Project) -> bool:
    try:
        return (path / "cwd").readlink() == project.root and int(path.name) != os.getpid()
    except OSError:
        return False


def test_two_ranks_give_what_one_gives(project: Project) -> None:
    project.pair("plain", **SECTIONS)
    make_pictures(project.root / "models" / "plain", bad=True)
    one = result(project, "plain")
    two = result(project, "plain", "--nproc", "2")
    assert two["ranks"] == 2
    assert {**figures(two), "ranks": 1} == figures(one)
    for left, right in zip(logits(one, project), logits(two, project), strict=True):
        assert np.array_equal(left, right)
    assert not (project.root / two["session"] / "shards").exists()


@pytest.mark.parametrize("ranks", ["1", "2"])
def test_ranks_that_are_killed_with_their_run_go_on(project: Project, ranks: str) -> None:
    project.pair("plain", "Unhurried", "Plain", **SECTIONS)
    make_pictures(project.root / "models" / "plain", 40, bad=True)
    straight = result(project, "plain")
    whole = logits(straight, project)
    project.sessions[0].rename(project.root / "straight")
    process = start(project, "plain", "--nproc", "2")
    wait_for_pictures(project, 12, seconds=100)
    process.kill()
    process.communicate()
    assert 12 <= judged(project) < 43
    assert (project.sessions[0] / "shards").is_dir()
    end = result(project, "plain", "--nproc", ranks, "--resume")
    assert {**figures(end), "ranks": 1} == figures(straight)
    assert not (project.sessions[0] / "shards").exists()
    for left, right in zip(logits(end, project), whole, strict=True):
        assert np.array_equal(left, right)


def test_a_rank_that_fails_is_told(project: Project) -> None:
    project.pair("plain", "FailsOnMany", "Plain", **SECTIONS)
    make_pictures(project.root / "models" / "plain")
    done = project.run("eval", "plain", "--nproc", "2", *RUN)
    assert done.code == 2
    assert done.error[0].startswith("error: torch: failed in rank ")
    assert done.error[0].endswith("RuntimeError: no more than one picture")
    assert "torch_models.py" in done.error[1]
