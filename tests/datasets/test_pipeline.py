"""Pictures become the tensors that torchvision and PaddleClas make of them, bit for bit."""

from __future__ import annotations

import hashlib
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from aligndbg.core.preprocessing import (
    FILTERS,
    CenterCrop,
    Decode,
    Normalise,
    RandomFlip,
    RandomResizedCrop,
    Resize,
    ResizeShort,
    ToCHW,
)
from aligndbg.datasets.pipeline import Pipeline, perform, pipeline_of, resized_sides
from aligndbg.datasets.sampling import random_box
from aligndbg.datasets.torchvision_presets import _presets, pipeline_of_preset
from aligndbg.errors import EnvironmentFault, InputError
from aligndbg.pairs.schema import PreprocessSpec

SIZES = ((451, 300), (300, 451), (256, 256), (100, 90), (257, 700), (33, 200))


def noise(width: int, height: int, seed: int = 1) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.frameworks
def test_bit_equal_to_torchvision(torchvision_reference):
    folder = torchvision_reference / "pictures"
    with np.load(torchvision_reference / "reference.npz") as reference:
        kinds = [key.partition("|")[0] for key in reference.files]
        assert [kinds.count(kind) for kind in ("preset", "box", "weights")] == [23 * 14, 19 * 6, 3]
        for key in reference.files:
            kind, *rest = key.split("|")
            if kind in ("presets", "classes"):
                continue
            if kind == "preset":
                name, resize, crop, interpolation = rest
                steps = (Decode(), ResizeShort(int(resize), interpolation), CenterCrop(int(crop)), Normalise(), ToCHW())
                own = Pipeline(steps).apply(folder / name)
            elif kind == "box":
                name, interpolation = rest
                part = np.asarray(Image.open(folder / name).convert("RGB"))[3:23, 2:33]
                own = np.asarray(perform(Resize(48, 48, interpolation), part, False))
            else:
                own = pipeline_of_preset(rest[0]).apply(folder / "451x300.png")
            np.testing.assert_array_equal(own, reference[key], err_msg=key, strict=True)


@pytest.mark.frameworks
def test_presets_are_those_of_the_installed_torchvision(torchvision_reference):
    with np.load(torchvision_reference / "reference.npz") as reference:
        presets = json.loads(str(reference["presets"]))
        assert set(presets) == _presets().keys()
        for name, (resize, crop, interpolation, mean, std) in presets.items():
            expected = (
                Decode(),
                ResizeShort(resize, interpolation),
                CenterCrop(crop),
                Normalise(tuple(mean), tuple(std)),
                ToCHW(),
            )
            assert pipeline_of_preset(name).steps == expected, name


def test_weights_that_are_not_known():
    with pytest.raises(InputError) as refused:
        pipeline_of_preset("MobileNet_V2_Weights.DEFAULT")
    assert refused.value.message == "torchvision's weights 'MobileNet_V2_Weights.DEFAULT' are not known"
    assert refused.value.hint == "did you mean MobileNet_V2_Weights.IMAGENET1K_V2 or MobileNet_V2_Weights.IMAGENET1K_V1?"
    with pytest.raises(InputError) as refused:
        pipeline_of_preset("Resnet18_Weights.IMAGENET1K_V1")
    assert refused.value.hint == "did you mean ResNet18_Weights.IMAGENET1K_V1?"


def test_the_same_bits_as_when_they_were_compared_with_torchvision(tmp_path):
    noise(451, 300).save(tmp_path / "noise.png")
    values = pipeline_of(PreprocessSpec()).apply(tmp_path / "noise.png")
    assert values.shape == (3, 224, 224) and values.dtype == np.float32 and values.flags["C_CONTIGUOUS"]
    assert hashlib.sha256(values.tobytes()).hexdigest() == "80a6d5d26f77e818101255fdbdc31331390fd6cdf6126803f9bfe16b0a95b5a9"


@pytest.mark.parametrize("backend", ["pil", "cv2"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_is_obeyed_or_not(tmp_path, backend, orientation):
    pytest.importorskip("cv2")
    picture = noise(60, 40)
    picture.save(tmp_path / "plain.png")
    picture.save(tmp_path / "turned.png", exif=turned(orientation))
    # The eight positions of the EXIF standard, as what is to be done to the stored picture.
    upright = {
        1: lambda pixels: pixels,
        2: lambda pixels: pixels[:, ::-1],
        3: lambda pixels: pixels[::-1, ::-1],
        4: lambda pixels: pixels[::-1],
        5: lambda pixels: pixels.transpose(1, 0, 2),
        6: lambda pixels: np.rot90(pixels, -1),
        7: lambda pixels: pixels[::-1, ::-1].transpose(1, 0, 2),
        8: lambda pixels: np.rot90(pixels, 1),
    }
    plain = Pipeline((Decode(backend, exif=False), ToCHW())).apply(tmp_path / "turned.png")
    np.testing.assert_array_equal(plain.transpose(1, 2, 0), np.asarray(picture))
    obeyed = Pipeline((Decode(backend, exif=True), ToCHW())).apply(tmp_path / "turned.png")
    np.testing.assert_array_equal(obeyed.transpose(1, 2, 0), upright[orientation](np.asarray(picture)))
    own = Pipeline((Decode(backend), ToCHW())).apply(tmp_path / "turned.png")
    np.testing.assert_array_equal(own, obeyed if backend == "cv2" else plain)


@pytest.mark.parametrize("backend", ["pil", "cv2"])
def test_channels_in_either_order(tmp_path, backend):
    pytest.importorskip("cv2")
    noise(60, 40).save(tmp_path / "a.png")
    rgb = Pipeline((Decode(backend), ToCHW())).apply(tmp_path / "a.png")
    bgr = Pipeline((Decode(backend, colour="bgr"), ToCHW())).apply(tmp_path / "a.png")
    np.testing.assert_array_equal(rgb[::-1], bgr)
    np.testing.assert_array_equal(rgb.transpose(1, 2, 0), np.asarray(noise(60, 40)))


def test_black_round_a_picture_smaller_than_the_crop(tmp_path):
    Image.new("RGB", (4, 4), (255, 255, 255)).save(tmp_path / "white.png")
    values = pipeline_of(PreprocessSpec(resize_short=4, crop=7, mean=(0, 0, 0), std=(1, 1, 1))).apply(tmp_path / "white.png")
    assert values[0].tolist() == [[float(1 <= row < 5 and 1 <= column < 5) for column in range(7)] for row in range(7)]


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "bmp", "webp"])
def test_truncated_pictures(tmp_path, suffix):
    path = tmp_path / f"cut.{suffix}"
    noise(80, 60).save(path)
    whole = path.read_bytes()
    for share in (0.9, 0.5, 0.1):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(InputError) as refused:
            pipeline_of(PreprocessSpec()).apply(path)
        assert refused.value.message.startswith(str(path)) and refused.value.message.isprintable()


def test_a_truncated_jpeg_in_one_line(tmp_path):
    path = tmp_path / "cut.jpg"
    noise(80, 60).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError) as refused:
        pipeline_of(PreprocessSpec()).apply(path)
    assert refused.value.message.startswith(f"{path} cannot be read as a picture: image file is truncated")


def test_no_picture(tmp_path):
    (tmp_path / "words.jpg").write_text("no picture")
    (tmp_path / "empty.jpg").write_bytes(b"")
    expected = {
        "words.jpg": f"{tmp_path}/words.jpg is not a picture",
        "empty.jpg": f"{tmp_path}/empty.jpg is not a picture",
        "absent.jpg": f"{tmp_path}/absent.jpg does not exist",
        ".": f"{tmp_path} is not a file, expected a picture",
    }
    for name, message in expected.items():
        with pytest.raises(InputError) as refused:
            pipeline_of(PreprocessSpec()).apply(tmp_path / name)
        assert (refused.value.message, refused.value.exit_code) == (message, 2)


def test_a_decompression_bomb(tmp_path, monkeypatch):
    noise(80, 60).save(tmp_path / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(InputError, match="cannot be read as a picture: Image size"):
        pipeline_of(PreprocessSpec()).apply(tmp_path / "large.png")


def test_cv2_asked_for_but_not_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    noise(80, 60).save(tmp_path / "a.png")
    with pytest.raises(EnvironmentFault) as refused:
        pipeline_of(PreprocessSpec(backend="cv2")).apply(tmp_path / "a.png")
    assert refused.value.message == "the preprocessing's backend is cv2, which is not installed"
    assert refused.value.hint == "pip install opencv-python-headless, or set backend: pil"


@pytest.mark.parametrize("interpolation", FILTERS["cv2"])
@pytest.mark.parametrize(("width", "height"), [*SIZES, (385, 257)])
def test_bit_equal_to_paddleclas_by_opencv(tmp_path, width, height, interpolation):
    cv2 = pytest.importorskip("cv2")
    path = tmp_path / "a.jpg"
    noise(width, height).save(path, exif=turned(6))
    # ppcls/data/preprocess/ops/operators.py written down once more: decode, resize_short, crop, normalise, transpose.
    picture = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), 1)[:, :, ::-1]
    assert picture.shape[:2] == (width, height), "OpenCV has turned it"
    percent = 256.0 / min(picture.shape[:2])
    kind = {"nearest": 0, "bilinear": 1, "bicubic": 2, "area": 3, "lanczos": 4}[interpolation]
    target = (round(picture.shape[1] * percent), round(picture.shape[0] * percent))
    picture = cv2.resize(picture, target, interpolation=kind)
    down, right = (picture.shape[0] - 224) // 2, (picture.shape[1] - 224) // 2
    picture = picture[down : down + 224, right : right + 224]
    mean, std = (np.array(each).reshape(1, 1, 3).astype("float32") for each in (PreprocessSpec().mean, PreprocessSpec().std))
    expected = (picture.astype("float32") * np.float32(1.0 / 255.0) - mean) / std
    own = pipeline_of(PreprocessSpec(backend="cv2", interpolation=interpolation)).apply(path)
    np.testing.assert_array_equal(own, expected.transpose(2, 0, 1), strict=True)
    assert own.flags["C_CONTIGUOUS"]


@pytest.mark.parametrize("interpolation", FILTERS["pil"])
def test_bit_equal_to_paddleclas_by_pillow(tmp_path, interpolation):
    path = tmp_path / "a.png"
    noise(451, 300).save(path)
    steps = (
        Decode(),
        ResizeShort(256, interpolation, rounding="round"),
        CenterCrop(224, "floor", pad=False),
        Normalise(divide=False),
        ToCHW(),
    )
    picture = Image.open(path).convert("RGB").resize((385, 256), Image.Resampling[interpolation.upper()])
    pixels = np.asarray(picture)[16:240, 80:304].astype("float32") * np.float32(1.0 / 255.0)
    expected = (pixels - np.float32(PreprocessSpec().mean)) / np.float32(PreprocessSpec().std)
    np.testing.assert_array_equal(Pipeline(steps).apply(path), expected.transpose(2, 0, 1), strict=True)


@pytest.mark.parametrize("name", ["cut.jpg", "words.jpg", "empty.jpg", "folder.jpg", "absent.jpg"])
def test_what_opencv_cannot_read(tmp_path, name):
    pytest.importorskip("cv2")
    noise(80, 60).save(tmp_path / "cut.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "cut.jpg").read_bytes()[:2000])
    (tmp_path / "words.jpg").write_text("no picture")
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "folder.jpg").mkdir()
    with pytest.raises(InputError) as refused:
        pipeline_of(PreprocessSpec(backend="cv2")).apply(tmp_path / name)
    assert refused.value.message.startswith(f"{tmp_path}/{name} ") and refused.value.message.isprintable()


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["jpg", "png", "bmp", "tiff", "webp", "gif"]),
    st.sampled_from(["pil", "cv2"]),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_a_damaged_file_is_a_picture_or_an_input_error(tmp_path, kind, backend, damage):
    pytest.importorskip("cv2")
    path = tmp_path / f"a.{kind}"
    noise(40, 30).save(path)
    content = bytearray(path.read_bytes())
    for place, value in damage:
        content[int(place * (len(content) - 1))] = value
    path.write_bytes(content)
    try:
        made = Pipeline((Decode(backend), ToCHW())).apply(path)
    except InputError as error:
        assert error.message.startswith(str(path)) and error.message.isprintable()
    else:
        assert made.shape[0] == 3 and made.dtype == np.float32


def test_a_name_that_no_file_can_have():
    with pytest.raises(InputError) as refused:
        pipeline_of(PreprocessSpec()).apply(Path("a\0b.jpg"))
    assert refused.value.message == "a\\x00b.jpg does not exist"


def test_a_crop_that_does_not_fit(tmp_path):
    noise(300, 300).save(tmp_path / "a.png")
    with pytest.raises(InputError) as refused:
        Pipeline((Decode(), ResizeShort(64), CenterCrop(65, pad=False), ToCHW())).apply(tmp_path / "a.png")
    assert refused.value.message == f"{tmp_path}/a.png: a crop of 65 is larger than the picture, 64x64 by then"


def test_a_picture_that_would_grow_without_end(tmp_path):
    noise(1, 30000).save(tmp_path / "line.png")
    with pytest.raises(InputError) as refused:
        pipeline_of(PreprocessSpec()).apply(tmp_path / "line.png")
    assert "a picture of 1x30000 would be resized to 256x7680000" in refused.value.message


def test_stages_are_what_each_step_made(tmp_path):
    noise(60, 40).save(tmp_path / "a.png")
    pipeline = Pipeline((Decode(), ResizeShort(20), CenterCrop(16), Normalise(), ToCHW()))
    stages = list(pipeline.stages(tmp_path / "a.png"))
    assert [step for step, _ in stages] == list(pipeline.steps)
    assert [(made.shape, made.dtype.name) for _, made in stages] == [
        ((40, 60, 3), "uint8"),
        ((20, 30, 3), "uint8"),
        ((16, 16, 3), "uint8"),
        ((16, 16, 3), "float32"),
        ((3, 16, 16), "float32"),
    ]
    np.testing.assert_array_equal(stages[-1][1], pipeline.apply(tmp_path / "a.png"))
    early = Pipeline((*pipeline.steps[:3], ToCHW(), Normalise()))
    np.testing.assert_array_equal(early.apply(tmp_path / "a.png"), stages[-1][1])


def test_pixels_that_are_not_normalised_stay_as_they_are(tmp_path):
    noise(6, 4).save(tmp_path / "a.png")
    made = Pipeline((Decode(), ToCHW())).apply(tmp_path / "a.png")
    assert made.dtype == np.float32 and made.shape == (3, 4, 6)
    np.testing.assert_array_equal(made.transpose(1, 2, 0), np.asarray(noise(6, 4)))


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 600))
def test_sides_after_a_resize(width, height, size):
    truncated = resized_sides(width, height, ResizeShort(size))
    rounded = resized_sides(width, height, ResizeShort(size, rounding="round"))
    for sides in (truncated, rounded):
        assert min(sides) == size and (sides[0] >= sides[1]) == (width >= height or sides[0] == sides[1])
    longer = size * max(width, height) / min(width, height)
    assert max(truncated) == math.floor(longer) or abs(longer - round(longer)) < 1e-6
    assert abs(max(rounded) - longer) <= 0.5 + 1e-6
    assert resized_sides(height, width, ResizeShort(size)) == truncated[::-1]


@settings(deadline=None)
@given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 40), st.sampled_from(["half-even", "floor"]))
def test_a_crop_is_the_middle(width, height, size, rounding):
    pixels = np.arange(height * width * 3, dtype=np.int32).reshape(height, width, 3) + 1
    made = perform(CenterCrop(size, rounding), pixels, False)
    assert made.shape == (size, size, 3)
    kept = made[..., 0] > 0
    rows, columns = kept.any(1).sum(), kept.any(0).sum()
    assert (rows, columns) == (min(size, height), min(size, width))
    top, left = divmod(int(made[kept][0][0] - 1) // 3, width)
    assert abs((height - min(size, height)) / 2 - top) <= 0.5 and abs((width - min(size, width)) / 2 - left) <= 0.5
    if rounding == "floor":
        assert (top, left) == ((height - rows) // 2, (width - columns) // 2)


@given(
    st.integers(1, 2000),
    st.integers(1, 2000),
    st.sampled_from(["torchvision", "paddleclas", "paddleclas-log"]),
    st.integers(0, 2**32),
)
def test_a_random_part_lies_in_the_picture(width, height, sampling, seed):
    step = RandomResizedCrop(224, sampling=sampling)
    left, top, right, bottom = random_box(step, width, height, np.random.default_rng(seed))
    assert 0 <= left < right <= width and 0 <= top < bottom <= height
    assert random_box(step, width, height, np.random.default_rng(seed)) == (left, top, right, bottom)


@pytest.mark.parametrize("sampling", ["torchvision", "paddleclas", "paddleclas-log"])
def test_random_parts_are_spread_as_asked(sampling):
    rng = np.random.default_rng(0)
    boxes = np.array([random_box(RandomResizedCrop(224, sampling=sampling), 1000, 1000, rng) for _ in range(4000)])
    across, down = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    share, ratio = across * down / 1e6, across / down
    assert 0.07 < share.min() < 0.1 and share.max() <= 1
    assert 0.745 < ratio.min() < 0.76 and 1.32 < ratio.max() < 1.345
    middle = np.median(ratio)
    # Uniform in the ratio has its median at the mean of the bounds, uniform in its logarithm at 1.
    assert abs(middle - (1.0417 if sampling == "paddleclas" else 1.0)) < 0.02
    assert abs(np.mean(boxes[:, 0] / np.maximum(1000 - across, 1)) - 0.5) < 0.02


def test_random_steps_take_their_numbers_from_the_generator(tmp_path):
    noise(60, 40).save(tmp_path / "a.png")
    pipeline = Pipeline((Decode(), RandomResizedCrop(16), RandomFlip(), Normalise(), ToCHW()))
    made = [pipeline.apply(tmp_path / "a.png", np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert made[0].shape == (3, 16, 16)
    np.testing.assert_array_equal(made[0], made[1])
    assert (made[0] != made[2]).any()
    with pytest.raises(ValueError, match="generator"):
        pipeline.apply(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("axis", "expected"), [("horizontal", np.s_[:, ::-1]), ("vertical", np.s_[::-1]), ("both", np.s_[::-1, ::-1])]
)
def test_flips(axis, expected):
    pixels = np.asarray(noise(7, 5))
    always, never = (perform(RandomFlip(axis, chance), pixels, False, np.random.default_rng(0)) for chance in (1.0, 0.0))
    np.testing.assert_array_equal(always, pixels[expected])
    np.testing.assert_array_equal(never, pixels)
    rng = np.random.default_rng(0)
    turned = sum(perform(RandomFlip(axis), pixels, False, rng) is not pixels for _ in range(2000))
    assert 900 < turned < 1100
