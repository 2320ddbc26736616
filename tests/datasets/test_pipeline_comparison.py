"""Two pipelines step by step: what differs is found by trying it, and what changes nothing is a note."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from aligndbg.core.preprocessing import (
    FILTERS,
    CenterCrop,
    Decode,
    Normalise,
    RandomFlip,
    Resize,
    ResizeShort,
    ToCHW,
)
from aligndbg.datasets.compare import STAGES, compare_pipelines
from aligndbg.datasets.differences import differing_settings, mended, variants
from aligndbg.datasets.pipeline import Pipeline
from aligndbg.errors import InputError

pytest.importorskip("cv2")

TORCH = Pipeline((Decode(), ResizeShort(32), CenterCrop(24), Normalise(), ToCHW()))
PADDLECLAS = Pipeline(
    (
        Decode("cv2"),
        ResizeShort(32, "bilinear", "cv2", "round"),
        CenterCrop(24, "floor", pad=False),
        Normalise(divide=False),
        ToCHW(),
    )
)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> list[Path]:
    """Smooth pictures: of the first the longer side rounds up, the crop of the second is off by one, the last lies on its side."""
    folder = tmp_path_factory.mktemp("pictures")
    sizes = ((100, 67), (112, 103), (64, 64), (90, 200), (120, 80))
    for number, (width, height) in enumerate(sizes):
        coarse = np.random.default_rng(number).integers(0, 256, (9, 9, 3), dtype=np.uint8)
        exif = Image.Exif()
        if number == 4:
            exif[0x0112] = 6
        Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(folder / f"{number}.png", exif=exif)
    return sorted(folder.iterdir())


def planted(kind: type, **values) -> Pipeline:
    return Pipeline(tuple(replace(step, **values) if isinstance(step, kind) else step for step in TORCH.steps))


@pytest.mark.parametrize(
    ("cause", "other", "message", "fix", "stage"),
    [
        ("exif", planted(Decode, exif=True), "B turns a picture upright", "`decode: {exif: false}`; in PaddleClas", "exif"),
        (
            "channel-order",
            planted(Decode, colour="bgr"),
            "A gives the model RGB, B gives the model BGR",
            "`decode: {colour: rgb}`",
            "colour",
        ),
        (
            "resize-size",
            planted(ResizeShort, size=36),
            "A resizes the shorter side to 32, B ",
            "`resize_short: {size: 32}`",
            "resize",
        ),
        (
            "resize-rounding",
            planted(ResizeShort, rounding="round"),
            "A truncates the longer side, B rounds the longer side",
            "`resize_short: {rounding: truncate}`; PaddleClas's ResizeImage always rounds",
            "resize",
        ),
        (
            "resize-filter",
            planted(ResizeShort, backend="cv2"),
            "A resizes by Pillow, B by OpenCV",
            "`resize_short: {backend: pil}`; in PaddleClas `ResizeImage: {backend: pil, interpolation: bilinear}`",
            "resize",
        ),
        (
            "interpolation",
            planted(ResizeShort, interpolation="bicubic"),
            "A resizes bilinear, B resizes bicubic",
            "`resize_short: {interpolation: bilinear}`",
            "resize",
        ),
        (
            "crop-rounding",
            planted(CenterCrop, rounding="floor"),
            "A rounds the offset",
            "`center_crop: {rounding: half-even",
            "crop",
        ),
        (
            "scale",
            planted(Normalise, scale=1.0),
            "A divides by 255, B divides by 1",
            "`normalise: {scale: 0.00392156863, divide: true}`; in PaddleClas `NormalizeImage: {scale: 1.0/255.0}`",
            "normalise",
        ),
        (
            "mean",
            planted(Normalise, mean=(0.5, 0.5, 0.5)),
            "A subtracts the mean [0.485, 0.456, 0.406], B subtracts the mean [0.5, 0.5, 0.5]",
            "`normalise: {mean: [0.485, 0.456, 0.406]}`",
            "normalise",
        ),
        (
            "std",
            planted(Normalise, std=(0.5, 0.5, 0.5)),
            "A divides by the standard deviation [0.229, 0.224, 0.225], B",
            "`normalise: {std: [0.229, 0.224, 0.225]}`",
            "normalise",
        ),
    ],
)
def test_one_setting_is_found_alone(pictures, cause, other, message, fix, stage):
    found = compare_pipelines(TORCH, other, pictures, ("A", "B"))
    (one,) = found.causes
    assert (one.id, one.found, found.notes, found.left) == (cause, True, (), 0.0)
    assert one.message.startswith(message) and one.fix.startswith(fix)
    assert one.share == pytest.approx(1) and one.after == 0 and one.before == found.mean_abs == one.alone
    assert one.pictures == found.pictures - found.identical > 0 and set(one.examples) <= set(pictures)
    before = STAGES[: STAGES.index(stage)]
    assert [each.differing for each in found.stages if each.stage in before] == [0] * len(before)
    assert next(each for each in found.stages if each.stage == stage).differing >= one.pictures
    # The same thing told from the other side.
    (back,) = compare_pipelines(other, TORCH, pictures).causes
    assert back.id == cause and back.share == pytest.approx(1)


def test_exif_is_found_on_the_turned_picture_only(pictures):
    (cause,) = compare_pipelines(TORCH, planted(Decode, exif=True), pictures).causes
    assert cause.examples == (pictures[4],) and cause.pictures == 1


def test_another_crop_size_leaves_nothing_to_measure(pictures):
    found = compare_pipelines(TORCH, planted(CenterCrop, size=28), pictures)
    (cause,) = found.causes
    assert (cause.id, cause.share, cause.before, cause.after, cause.pictures) == ("crop-size", None, None, 0.0, 5)
    assert (found.mean_abs, found.max_abs, found.left, found.identical) == (None, None, 0.0, 0)
    assert (found.stages[4].resized, found.stages[4].mean_abs) == (5, 0.0)


def test_decoders_that_read_a_file_differently(tmp_path):
    coarse = np.random.default_rng(0).integers(0, 256, (9, 9, 4), dtype=np.uint8)
    Image.fromarray(coarse, "CMYK").resize((64, 48)).save(tmp_path / "cmyk.jpg")
    (cause,) = compare_pipelines(TORCH, planted(Decode, backend="cv2", exif=False), [tmp_path / "cmyk.jpg"]).causes
    assert (cause.id, cause.pictures) == ("decoder", 1) and cause.message == "torch decodes by Pillow, paddle decodes by OpenCV"


@pytest.mark.parametrize(
    ("other", "ids"),
    [
        (planted(Decode, backend="cv2", exif=False), ["decoder"]),
        (planted(Normalise, divide=False), ["scale"]),
        (planted(Normalise, scale=0.00392157), ["scale"]),
        (planted(Normalise, scale=1.0, mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375)), ["scale"]),
        (Pipeline((*TORCH.steps[:3], ToCHW(), Normalise())), ["layout"]),
        (TORCH, []),
    ],
)
def test_what_is_written_differently_and_changes_nothing_is_a_note(pictures, other, ids):
    found = compare_pipelines(TORCH, other, pictures[:4])
    assert found.causes == () and [note.id for note in found.notes] == ids
    assert found.identical == found.pictures == 4
    assert all(not note.found and note.pictures == 0 for note in found.notes)


def test_paddleclas_against_torchvision(pictures):
    found = compare_pipelines(TORCH, PADDLECLAS, pictures)
    assert {cause.id for cause in found.causes} == {"exif", "resize-filter", "resize-rounding", "crop-rounding"}
    assert {note.id for note in found.notes} == {"decoder", "scale"}
    assert found.left == 0 and found.mean_abs > 0 and found.problems == ()
    assert math.fsum(cause.share for cause in (*found.causes, *found.notes)) == pytest.approx(1)
    # Tried in the order of what they take away, each on top of those before it.
    levels = [(cause.before, cause.after) for cause in found.causes]
    assert all(after == before for (_, after), (before, _) in pairwise(levels))


def test_a_large_cause_hides_none_of_the_small_ones(pictures):
    other = Pipeline((Decode(colour="bgr"), *planted(ResizeShort, backend="cv2").steps[1:3], Normalise(std=(1, 1, 1)), ToCHW()))
    found = compare_pipelines(TORCH, other, pictures)
    assert {cause.id for cause in found.causes[:2]} == {"std", "channel-order"} and found.causes[2].id == "resize-filter"
    assert len(found.causes) == 3 and all(cause.share > 0 for cause in found.causes)


def test_a_step_that_is_missing(pictures):
    squashed = Pipeline((Decode(), Resize(24, 24, backend="cv2"), Normalise(), ToCHW()))
    found = compare_pipelines(TORCH, squashed, pictures)
    assert [cause.id for cause in found.causes] == ["resize-size", "resize-filter"]
    assert found.causes[0].message == "torch resizes the shorter side to 32, paddle resizes to 24x24"
    uncropped = compare_pipelines(TORCH, Pipeline((TORCH.steps[0], TORCH.steps[1], *TORCH.steps[3:])), pictures)
    assert [cause.id for cause in uncropped.causes] == ["crop-size"]
    assert uncropped.causes[0].message == "torch crops to 24, paddle does not"
    raw = compare_pipelines(TORCH, Pipeline((*TORCH.steps[:3], ToCHW())), pictures)
    assert {cause.id for cause in raw.causes} == {"mean", "std"} and raw.left == 0
    extra = compare_pipelines(
        Pipeline((Decode(), Resize(24, 24), ToCHW())), Pipeline((Decode(), Resize(24, 24), CenterCrop(20), ToCHW())), pictures
    )
    assert [(cause.id, cause.fix) for cause in extra.causes] == [("crop-size", "take `center_crop` out")]


def test_pictures_that_cannot_be_used_are_told_and_left_out(pictures, tmp_path):
    (tmp_path / "words.png").write_text("no picture")
    Image.new("RGB", (20, 90)).save(tmp_path / "narrow.png")
    small = Pipeline((Decode(), CenterCrop(24, pad=False), ToCHW()))
    paths = [tmp_path / "words.png", *pictures, tmp_path / "narrow.png", tmp_path / "gone.png"]
    found = compare_pipelines(small, small, paths)
    assert found.pictures == found.identical == 5
    assert [problem.path for problem in found.problems] == [paths[0], paths[6], paths[7]]
    assert "a crop of 24 is larger than the picture" in found.problems[1].reason
    nothing = compare_pipelines(TORCH, PADDLECLAS, paths[:1])
    assert (nothing.pictures, nothing.causes, nothing.mean_abs) == (0, (), 0.0)


def test_a_filter_that_the_other_library_lacks_changes_with_it(pictures):
    area = Pipeline((Decode(), ResizeShort(32, "area", "cv2"), *TORCH.steps[2:]))
    found = compare_pipelines(TORCH, area, pictures)
    assert [cause.id for cause in found.causes] == ["resize-filter"] and found.left == 0
    assert found.causes[0].message == "torch resizes bilinear by Pillow, paddle area by OpenCV"


def test_random_steps_are_refused():
    random = Pipeline((Decode(), RandomFlip(), ToCHW()))
    for pair in ((random, TORCH), (TORCH, random)):
        with pytest.raises(InputError, match="random steps cannot be compared"):
            compare_pipelines(*pair, [])


def test_variants_mend_one_setting_each():
    found = dict(variants(TORCH, PADDLECLAS))
    assert list(found) == ["decoder", "exif", "resize-rounding", "resize-filter", "crop-rounding", "scale"]
    assert found["exif"].steps == (Decode("cv2", exif=False), *PADDLECLAS.steps[1:])
    assert found["resize-filter"].steps[1] == ResizeShort(32, "bilinear", "pil", "round")
    assert found["decoder"].steps[0] == Decode("pil", exif=True)
    for cause, pipeline in found.items():
        left = [setting.cause for setting in differing_settings(TORCH, pipeline)]
        assert left == [each for each in found if each != cause]


resizing = st.one_of(
    st.builds(
        ResizeShort, st.integers(16, 40), st.sampled_from(FILTERS["pil"]), st.just("pil"), st.sampled_from(["truncate", "round"])
    ),
    st.builds(
        ResizeShort, st.integers(16, 40), st.sampled_from(FILTERS["cv2"]), st.just("cv2"), st.sampled_from(["truncate", "round"])
    ),
    st.builds(Resize, st.integers(16, 40), st.integers(16, 40), st.sampled_from(FILTERS["cv2"]), st.just("cv2")),
)
cropping = st.builds(CenterCrop, st.integers(8, 30), st.sampled_from(["half-even", "floor"]), st.just(True))
triples = st.tuples(*[st.sampled_from([0.25, 0.5, 0.456])] * 3)
normalising = st.builds(Normalise, triples, triples, st.sampled_from([1.0, 1 / 255, 0.00392157]), st.booleans())
tails = st.one_of(normalising.map(lambda step: (step, ToCHW())), normalising.map(lambda step: (ToCHW(), step)), st.just((ToCHW(),)))
decoding = st.builds(Decode, st.sampled_from(["pil", "cv2"]), st.sampled_from([None, True, False]), st.sampled_from(["rgb", "bgr"]))
pipelines = st.builds(
    lambda first, middle, tail: Pipeline((first, *middle, *tail)), decoding, st.lists(resizing | cropping, max_size=3), tails
)


@given(pipelines, pipelines)
@settings(deadline=None, max_examples=200)
def test_all_changes_together_make_it_the_reference(reference, other):
    settings = differing_settings(reference, other)
    assert len({setting.cause for setting in settings}) == len(settings)
    last = other
    for _, last in mended(reference, other):  # noqa: B007
        pass
    assert differing_settings(reference, last) == ()
    assert (settings == ()) == (differing_settings(other, reference) == ())


@given(pipelines, pipelines)
@settings(deadline=None, max_examples=60)
def test_the_causes_explain_any_difference(pictures, reference, other):
    found = compare_pipelines(reference, other, pictures)
    assert found.left is not None and found.left < 1e-5
    assert (found.identical < found.pictures) == any(cause.found for cause in found.causes)
