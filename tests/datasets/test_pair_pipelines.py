"""What each side of a pair does with a picture."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import aligndbg
from aligndbg.core.preprocessing import CenterCrop, Decode, Normalise, ResizeShort, ToCHW
from aligndbg.datasets.inputs import make_inputs
from aligndbg.datasets.pair_pipelines import pipelines_of
from aligndbg.datasets.pipeline import pipeline_of
from aligndbg.datasets.torchvision_presets import pipeline_of_preset
from aligndbg.errors import InputError
from aligndbg.pairs.load import load_pair
from aligndbg.pairs.schema import PreprocessSpec

HEAD = "schema: 1\nname: small\ntorch: {model: 'math:sqrt'}\npaddle: {model: 'math:sqrt'}\n"
CONFIG = """
DataLoader:
  Eval:
    dataset:
      transform_ops:
        - DecodeImage: {backend: pil}
        - ResizeImage: {resize_short: 40}
        - CropImage: {size: 32}
"""


@pytest.fixture
def pair(tmp_path: Path):
    def pair(text: str):
        (tmp_path / "pair.yaml").write_text(HEAD + text)
        return load_pair(tmp_path / "pair.yaml")

    return pair


def test_one_short_form_for_both(pair):
    found = pipelines_of(pair("preprocess: {resize_short: 232}\n"))
    assert found.are_equal and found.torch == pipeline_of(PreprocessSpec(resize_short=232))
    assert pipelines_of(pair("")).paddle == pipeline_of(PreprocessSpec())


def test_a_side_takes_the_pairs_short_form_but_for_its_own(pair):
    found = pipelines_of(pair("preprocess: {resize_short: 232, paddle: {backend: cv2, std: [1, 1, 1]}}\n"))
    assert not found.are_equal and found.torch == pipeline_of(PreprocessSpec(resize_short=232))
    assert found.paddle == pipeline_of(PreprocessSpec(resize_short=232, backend="cv2", std=(1, 1, 1)))


def test_a_preset_and_a_config(pair, tmp_path):
    (tmp_path / "eval.yaml").write_text(CONFIG)
    found = pipelines_of(
        pair("preprocess: {torch: {torchvision: ResNet50_Weights.IMAGENET1K_V2}, paddle: {paddleclas: eval.yaml}}\n")
    )
    assert found.torch == pipeline_of_preset("ResNet50_Weights.IMAGENET1K_V2")
    assert found.paddle.steps == (
        Decode(),
        ResizeShort(40, "bilinear", "cv2", "round"),
        CenterCrop(32, "floor", pad=False),
        ToCHW(),
    )


def test_explicit_steps(pair):
    steps = "[{decode: {colour: bgr}}, {to_chw: {}}, {normalise: {scale: 1, divide: false}}]"
    text = f"preprocess: {{paddle: {{steps: {steps}}}}}\n"
    assert pipelines_of(pair(text)).paddle.steps == (Decode(colour="bgr"), ToCHW(), Normalise(scale=1.0, divide=False))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("torch: {torchvision: ResNet50}", "preprocess.torch: torchvision's weights 'ResNet50' are not known"),
        ("paddle: {paddleclas: no.yaml}", "preprocess.paddle: {root}/no.yaml does not exist"),
    ],
)
def test_what_cannot_be_found_names_the_pair(pair, tmp_path, text, message):
    spec = pair(f"preprocess: {{{text}}}\n")
    with pytest.raises(InputError) as refused:
        pipelines_of(spec)
    assert refused.value.message == f"{tmp_path}/pair.yaml: {message.format(root=tmp_path)}"


def test_a_picture_as_input_goes_the_reference_sides_way(pair, tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)).save(tmp_path / "cat.png")
    spec = pair(
        "input: {shape: [1, 3, 32, 32], kind: cat.png}\n"
        "preprocess: {resize_short: 36, crop: 32, torch: {interpolation: bicubic}, paddle: {mean: [0, 0, 0]}}\n"
    )
    (values,), text = make_inputs(spec)
    assert text == "picture cat.png, resized 36, bicubic, cropped 32, as torch's side does"
    np.testing.assert_array_equal(values[0], pipelines_of(spec).torch.apply(tmp_path / "cat.png"))


def test_a_rank_needs_no_more_than_numpy_pillow_and_yaml():
    modules = ["pipeline", "listing", "paddleclas_transforms", "torchvision_presets", "compare", "pair_pipelines"]
    code = f"""
import importlib, json, sys
for name in {modules!r}: importlib.import_module("aligndbg.datasets." + name)
print(json.dumps(sorted({{name.partition(".")[0] for name in sys.modules}})))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(aligndbg.__file__).parents[1]
    )
    loaded = set(json.loads(done.stdout))
    assert "yaml" in loaded and loaded & {"msgspec", "textual", "rich", "torch", "paddle", "cv2", "numba", "safetensors"} == set()
