"""What a run leaves behind, and that it needs no framework to be seen again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from project import FAST, Project, both_frameworks

pytestmark = both_frameworks

BLOCKED = """
import sys
for name in ("torch", "torchvision", "paddle", "onnxruntime"):
    sys.modules[name] = None
"""
"""An import of any of them fails."""

MAIN = f"""{BLOCKED}
from aligndbg.cli import main
sys.exit(main(sys.argv[1:]))
"""

REPLAY = f"""{BLOCKED}
import json
from pathlib import Path
from aligndbg.workflows.events import LayerDiffed, RunEnded
from aligndbg.workflows.record import Replay
from aligndbg.workflows.report_model import to_json
events = list(Replay(Path(sys.argv[1])).events())
last = {{event.result.index: event.result.verdict for event in events if isinstance(event, LayerDiffed)}}
assert isinstance(events[-1], RunEnded)
print(json.dumps([[last[index] for index in sorted(last)], json.loads(to_json(events[-1].report))]))
"""


@pytest.fixture(scope="module")
def stored(shared: Project) -> Project:
    """A project with an aligned run, a mismatch, and a failed run, in this order."""
    shared.pair("plain")
    shared.pair("pools", paddle="AveragePool")
    shared.pair("fails", torch="Fails")
    done = shared.run("report", "plain", "pools", "fails", "--json", "reports.json", "--seed", "3", *FAST)
    assert done.code == 2, done.err
    return shared


def bare(project: Project, *words: str) -> str:
    done = project.run(*words, python=("-c", MAIN))
    assert done.code == 0, done.err
    return done.out


def test_the_newest_comes_first(stored: Project) -> None:
    listed = json.loads(bare(stored, "sessions", "list", "--json"))
    assert [(one["pair"], one["status"], one["verdict"]) for one in listed] == [
        ("fails", "failed", "error"),
        ("pools", "finished", "mismatch"),
        ("plain", "finished", "aligned"),
    ]
    shown = bare(stored, "sessions")
    places = [shown.index(one["name"]) for one in listed]
    assert places == sorted(places)


def test_the_stored_report_is_the_printed_one(stored: Project) -> None:
    reports = json.loads((stored.root / "reports.json").read_text())
    for folder, report in zip(stored.sessions[:2], reports, strict=False):
        assert json.loads((folder / "report.json").read_text()) == report
        assert json.loads(bare(stored, "sessions", "export", folder.name, "--json", "-")) == report
        assert report["session"] == f"sessions/{folder.name}"
    assert "pools: mismatch — breaks first at features.3" in bare(stored, "sessions", "export", folder.name, "--md", "-")


def test_a_session_is_shown_by_any_unambiguous_name(stored: Project) -> None:
    folder = stored.sessions[1]
    for name in (folder.name, folder.name[-4:], f"sessions/{folder.name}"):
        shown = bare(stored, "sessions", "show", name, "--text")
        assert "pools: mismatch — breaks first at features.3" in shown
        assert "seed 3" in shown
    failed = bare(stored, "sessions", "show", "latest")
    assert "failed" in failed.splitlines()[0]
    assert "the gate is shut" in failed
    done = stored.run("sessions", "show", folder.name[:4])
    assert (done.code, done.error[0]) == (2, f"error: '{folder.name[:4]}' names 3 sessions")


def test_a_failed_run_has_no_report_to_export(stored: Project) -> None:
    done = stored.run("sessions", "export", "latest", "--json", "-")
    assert (done.code, done.out) == (3, "")
    assert "has no report: its run is failed" in done.error[0]


def test_replay_gives_the_stored_results(stored: Project) -> None:
    folder = stored.sessions[1]
    done = stored.run(folder, python=("-c", REPLAY))
    assert done.code == 0, done.err
    verdicts, report = done.json
    assert report == json.loads((folder / "report.json").read_text())
    assert verdicts == [layer["verdict"] for layer in report["layers"]]


def test_the_children_wrote_to_the_sessions_logs(stored: Project) -> None:
    for folder in stored.sessions:
        assert {path.name for path in (folder / "logs").iterdir()} >= {"torch.log", "paddle.log"}
    assert "the gate is shut" in (stored.sessions[2] / "logs" / "torch.log").read_text()


def test_remove(project: Project, stored: Project, tmp_path: Path) -> None:
    for folder in stored.sessions:
        copy = project.root / "sessions" / folder.name
        copy.mkdir(parents=True)
        for file in ("session.json", "results.db"):
            (copy / file).write_bytes((folder / file).read_bytes())
    one, two, three = project.sessions
    done = project.run("sessions", "rm", one.name, "latest")
    assert (done.code, done.out) == (0, f"removed {one.name}\nremoved {three.name}\n")
    assert project.sessions == [two]
    refused = project.run("sessions", "rm", str(tmp_path))
    assert refused.code == 2
    assert project.sessions == [two]
