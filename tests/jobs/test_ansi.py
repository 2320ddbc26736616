"""Colours become style words; nothing else that a terminal would obey is left."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.style import Style

from aligndbg.jobs.ansi import HIDDEN, SGR, Span, plain, spans

TEXTS = st.text(st.one_of(st.sampled_from("\x1b[]m;:0123458\x07\r\b\t\x00\x9b[@click]"), st.characters()), max_size=80)


@given(TEXTS)
def test_what_is_shown_prints_and_moves_nothing(text: str) -> None:
    shown = "".join(span.text for span in spans(text))
    assert [character for character in shown if unicodedata.category(character) in HIDDEN] == []
    assert len(shown) >= len(SGR.sub("", text))


@given(TEXTS)
def test_every_style_is_one_of_rich(text: str) -> None:
    for span in spans(text):
        Style.parse(span.style or "none")


@given(TEXTS)
def test_plain_is_the_spans_without_colours_and_neighbours_differ(text: str) -> None:
    found = spans(text)
    assert "".join(span.text for span in found) == plain(text)
    assert all(one.style != other.style for one, other in pairwise(found))
    assert all(span.text for span in found)


@given(st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"]), max_size=40))
def test_printable_text_stays(text: str) -> None:
    assert plain(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[31mred\x1b[0m no", [("red", "red"), (" no", "")]),
        ("\x1b[1;33mwarn\x1b[22;39m.", [("warn", "bold yellow"), (".", "")]),
        ("\x1b[m\x1b[mplain", [("plain", "")]),
        ("\x1b[38;5;208mo\x1b[48;2;1;2;3mp", [("o", "color(208)"), ("p", "color(208) on #010203")]),
        ("\x1b[38:2::16:32:48mx\x1b[38:5:9my", [("x", "#102030"), ("y", "color(9)")]),
        ("\x1b[4:3mcurly\x1b[4:0mnot", [("curly", "underline"), ("not", "")]),
        ("\x1b[97;104mx", [("x", "bright_white on bright_blue")]),
        ("\x1b[8mhidden\x1b[5m?", [("hidden?", "")]),
        ("\x1b[38;5mx\x1b[38;9;1my\x1b[999mz", [("x", ""), ("yz", "bold")]),
        ("a\tb\x1b[31m\tc", [("a       b", ""), ("       c", "red")]),
        ("\x1b[2J\x1b]52;c;AAAA\x07\x9b31m", [("\\x1b[2J\\x1b]52;c;AAAA\\x07\\x9b31m", "")]),
        ("\x00\x08\u202e\ud800", [("\\x00\\x08\\u202e\\ud800", "")]),
        ("[red]x[/red] [@click=app.quit]q[/]", [("[red]x[/red] [@click=app.quit]q[/]", "")]),
        ("", []),
    ],
)
def test_examples(text: str, expected: list[tuple[str, str]]) -> None:
    assert spans(text) == tuple(Span(*each) for each in expected)
