"""Pictures become the tensors that torchvision makes of them, bit for bit."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import aligndbg
from aligndbg.datasets.pipeline import pipeline_of
from aligndbg.errors import EnvironmentFault, InputError
from aligndbg.pairs.schema import PreprocessSpec


def noise(width: int, height: int, seed: int = 1) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.frameworks
def test_bit_equal_to_torchvision(tmp_path):
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    for width, height in ((451, 300), (300, 451), (256, 256), (100, 90), (257, 700), (33, 200)):
        noise(width, height).save(tmp_path / f"{width}x{height}.png")
    palette = noise(120, 100).quantize(32)
    palette.info["transparency"] = 3
    palette.save(tmp_path / "palette.png")
    noise(120, 100).convert("L").save(tmp_path / "grey.png")
    alpha = noise(120, 100)
    alpha.putalpha(noise(120, 100, 2).convert("L"))
    alpha.save(tmp_path / "alpha.png")
    noise(120, 100).convert("1").save(tmp_path / "bits.png")
    script = Path(__file__).with_name("picture_reference.py")
    subprocess.run(
        [sys.executable, str(script), str(tmp_path), str(tmp_path / "reference.npz")],
        env={**os.environ, "PYTHONPATH": str(Path(aligndbg.__file__).parents[1])},
        check=True,
        timeout=120,
    )
    with np.load(tmp_path / "reference.npz") as reference:
        assert len(reference.files) == 100
        for key in reference.files:
            name, resize, crop, interpolation = key.split("|")
            spec = PreprocessSpec(resize_short=int(resize), crop=int(crop), interpolation=interpolation)
            own = pipeline_of(spec).apply(tmp_path / name)
            np.testing.assert_array_equal(own, reference[key], err_msg=key, strict=True)


def test_the_same_bits_as_when_they_were_compared_with_torchvision(tmp_path):
    noise(451, 300).save(tmp_path / "noise.png")
    values = pipeline_of(PreprocessSpec()).apply(tmp_path / "noise.png")
    assert values.shape == (3, 224, 224) and values.dtype == np.float32 and values.flags["C_CONTIGUOUS"]
    assert hashlib.sha256(values.tobytes()).hexdigest() == "80a6d5d26f77e818101255fdbdc31331390fd6cdf6126803f9bfe16b0a95b5a9"


def test_exif_orientation_is_ignored(tmp_path):
    picture = noise(60, 40)
    picture.save(tmp_path / "plain.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(tmp_path / "turned.png", exif=exif)
    spec = PreprocessSpec(resize_short=40, crop=32)
    np.testing.assert_array_equal(pipeline_of(spec).apply(tmp_path / "plain.png"), pipeline_of(spec).apply(tmp_path / "turned.png"))


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


def test_cv2_as_paddleclas_does_it(tmp_path):
    cv2 = pytest.importorskip("cv2")
    path = tmp_path / "a.png"
    noise(451, 300).save(path)
    spec = PreprocessSpec(backend="cv2")
    picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    picture = cv2.resize(picture, (385, 256), interpolation=cv2.INTER_LINEAR)[16:240, 80:304]
    expected = (picture.astype("float32") * np.float32(1 / 255) - np.array(spec.mean, "float32")) / np.array(spec.std, "float32")
    np.testing.assert_array_equal(pipeline_of(spec).apply(path), expected.transpose(2, 0, 1))
    (tmp_path / "words.jpg").write_text("no picture")
    with pytest.raises(InputError, match=r"words.jpg is not a picture"):
        pipeline_of(spec).apply(tmp_path / "words.jpg")
