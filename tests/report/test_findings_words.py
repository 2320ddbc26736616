"""Findings in words: what is told once, in which order, and how places, changes and proofs read."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aligndbg.core.findings import Finding, Proof, Status
from aligndbg.report.findings import Group, News, change, counts_text, findings_blocks, fix_line, grouped, place_text
from aligndbg.report.terminal import plain

EPSILON = Finding(
    "epsilon",
    "bn0",
    "norm0",
    "paddle",
    "bn0 has epsilon=1e-3",
    "pass epsilon=1e-5",
    Proof(0.5, 0.0, "attribute"),
    old="1e-3",
    new="1e-5",
)
RELU = replace(
    EPSILON, id="activation-missing", message="Paddle lacks a ReLU after norm0", fix="apply it after bn0", old="", new=""
)

findings = st.builds(
    Finding,
    st.sampled_from(["epsilon", "unknown"]),
    st.sampled_from(["a", "b", "a.b", ""]),
    st.sampled_from([None, "b"]),
    st.just("paddle"),
    st.sampled_from(["a differs", "b differs"]),
    st.sampled_from(["", "mend a"]),
    st.builds(Proof, st.none() | st.floats(), st.none() | st.floats(), st.just("attribute")),
    st.sampled_from(Status),
    st.sampled_from([None, "m.py:3"]),
    st.sampled_from(["", "x=1"]),
    st.sampled_from(["", "x=2"]),
    st.lists(st.just("hint"), max_size=2).map(tuple),
)


@given(st.lists(findings, max_size=12))
def test_each_finding_is_in_one_group_and_the_groups_are_in_order(made: list[Finding]) -> None:
    groups = grouped(made)
    assert sorted(map(repr, made)) == sorted(repr(finding) for group in groups for finding in group.members)
    order = [list(Status).index(group.first.status) for group in groups]
    assert order == sorted(order)
    for group in groups:
        assert len({(finding.id, finding.status, finding.old, finding.new) for finding in group.members}) == 1
    news = News()
    assert sum(bool(news.take(finding)) for finding in made) == len(groups)
    text = plain(tuple(findings_blocks(made)))
    assert bool(text) == bool(made)
    for group in groups[:5]:
        assert group.first.message in text


def test_one_argument_at_many_layers_is_told_once() -> None:
    made = [replace(EPSILON, layer=f"bn{k}", message=f"bn{k} is special") for k in range(94)]
    (group,) = grouped(made)
    assert group.others == "bn1, bn2, bn3 and 90 more"
    assert counts_text([group]) == "1 cause"
    text = plain(tuple(findings_blocks(made)))
    assert text.count("✗ found") == 1 and "also at bn1, bn2, bn3 and 90 more" in text
    assert len(grouped([*made, replace(EPSILON, new="1e-6")])) == 2


def test_without_an_argument_the_sentence_tells_what_is_the_same() -> None:
    again = replace(RELU, layer="bn1", paddle_layer="norm1", message="Paddle lacks a ReLU after norm1", fix="apply it after bn1")
    other = replace(again, message="Paddle has a Sigmoid after norm1")
    assert [len(group.members) for group in grouped([RELU, again, other])] == [2, 1]


@pytest.mark.parametrize(
    ("proofs", "said"),
    [
        ([(0.71, 0.0)], "max|d| 0.71 -> 0 with the fix"),
        ([(None, 1.2e-8)], "shapes differ -> max|d| 1.2e-08 with the fix"),
        ([(0.71, None)], "max|d| 0.71"),
        ([(None, None)], ""),
        ([(0.5, 1e-8), (0.71, 0.0), (None, None)], "max|d| 0.71 -> 1.0e-08 with the fix"),
        ([(1.0, 0.0), (math.nan, 0.0), (math.inf, 0.0)], "max|d| NaN -> 0 with the fix"),
    ],
)
def test_the_proof_is_the_worst_of_its_layers(proofs: list[tuple[float | None, float | None]], said: str) -> None:
    members = tuple(replace(EPSILON, evidence=Proof(before, after, "attribute")) for before, after in proofs)
    assert Group(members).proof == said


def test_places_are_shown_from_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert place_text(f"{tmp_path}/models/m.py:7") == "models/m.py:7"
    assert place_text("/elsewhere/m.py:7") == "/elsewhere/m.py:7"
    assert place_text("m.py:7") == "m.py:7"
    assert place_text(None) == ""


def test_what_to_type() -> None:
    assert change(EPSILON) == "1e-3 -> 1e-5"
    assert change(RELU) == "apply it after bn0"
    assert fix_line(replace(RELU, source="/x/m.py:7")) == "/x/m.py:7  apply it after bn0"
    assert fix_line(replace(RELU, fix="")) == ""


def test_long_lists_end_in_a_count() -> None:
    causes = [replace(EPSILON, layer=f"c{k}", new=f"{k}") for k in range(15)]
    warnings = [replace(finding, status=Status.WARNING) for finding in causes[:6]]
    text = plain(tuple(findings_blocks([*warnings, *causes])))
    assert text.count("✗ found") == 12 and "… and 3 more faults" in text
    assert text.count("▲ warning") == 5 and "… and 1 more warning" in text
    assert text.index("✗ found: c11") < text.index("▲ warning: c0")
