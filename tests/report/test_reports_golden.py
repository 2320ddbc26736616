"""What a report looks like; see conftest for accepting a change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.cells import cell_len

from aligndbg.report.markdown import markdown
from aligndbg.report.table import pairs_document, worst_exit_code
from aligndbg.report.terminal import plain
from aligndbg.report.text import report_document
from aligndbg.workflows.report_model import Report

Golden = Callable[[str, str], None]
NAMES = ["aligned", "broken", "found", "cannot_pair", "failed", "hostile"]


@pytest.fixture(params=NAMES)
def named(request: pytest.FixtureRequest) -> tuple[str, Report]:
    return request.param, request.getfixturevalue(request.param)


@pytest.mark.parametrize("width", [None, 100, 60])
def test_text(named: tuple[str, Report], width: int | None, golden: Golden) -> None:
    name, report = named
    golden(f"{name}-{width or 'file'}.txt", plain(report_document(report), width))


def test_markdown(named: tuple[str, Report], golden: Golden) -> None:
    name, report = named
    golden(f"{name}.md", markdown([report]))


def test_several_pairs(aligned: Report, found: Report, cannot_pair: Report, failed: Report, golden: Golden) -> None:
    reports = [aligned, found, cannot_pair, failed]
    golden("pairs-100.txt", plain(pairs_document(reports), 100))
    golden("pairs.md", markdown(reports))
    assert worst_exit_code(reports) == 4
    assert worst_exit_code(reports[:2]) == 1
    assert worst_exit_code([]) == 0


@pytest.mark.parametrize("width", [44, 60, 80, 120, 200])
def test_lines_fit_the_width(aligned: Report, found: Report, width: int) -> None:
    for report in (aligned, found):
        for line in plain(report_document(report), width).splitlines():
            one_long_word = line.startswith("session ") and width <= 60
            assert cell_len(line) <= width or one_long_word
            assert line == line.rstrip()


def test_the_verdict_is_never_dropped(broken: Report) -> None:
    text = plain(report_document(broken), 30)
    assert "✗ born" in text and "0.71" in text


def test_in_a_file_no_line_is_cut(broken: Report) -> None:
    text = plain(report_document(broken), None)
    assert text.splitlines()[0] == broken.headline
    assert "features.3.squeeze_activation" in text
    assert "… and 29 inherited" in text


def test_where_nothing_was_located_what_is_inherited_is_listed(broken: Report) -> None:
    guessed = replace(broken, layers=tuple(replace(layer, local=None) for layer in broken.layers))
    text = plain(report_document(guessed), None)
    assert "features.3.expand1x1_activation" in text
    assert "… and 13 inherited" in text


def test_what_is_born_is_shown_before_what_is_inherited(broken: Report) -> None:
    text = plain(report_document(broken, most_rows=4), None)
    table = text[text.index("max|d|", text.index("top-5  torch")) :]
    assert [word for word in ("≠ shape", "○ unpaired", "✗ born", "● nan") if word in table] == [
        "≠ shape",
        "○ unpaired",
        "✗ born",
        "● nan",
    ]
    assert "▼ inherited" not in table
    assert "… and 29 inherited" in table
