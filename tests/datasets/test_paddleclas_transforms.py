"""PaddleClas's operator lists: what they become, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from aligndbg.core.preprocessing import (
    CenterCrop,
    Decode,
    Normalise,
    RandomFlip,
    RandomResizedCrop,
    Resize,
    ResizeShort,
    ToCHW,
)
from aligndbg.datasets.paddleclas_transforms import pipeline_from_config, pipeline_from_ops
from aligndbg.errors import InputError

NEW = """
- DecodeImage: {to_rgb: True, channel_first: False}
- ResizeImage: {resize_short: 256}
- CropImage: {size: 224}
- NormalizeImage: {scale: 1.0/255.0, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], order: ''}
"""
OLD = """
- DecodeImage: {to_rgb: True, to_np: False, channel_first: False}
- ResizeImage: {resize_short: 256}
- CropImage: {size: 224}
- NormalizeImage: {scale: 1.0/255.0, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], order: ''}
- ToCHWImage:
"""
EVALUATION = (
    Decode("cv2"),
    ResizeShort(256, "bilinear", "cv2", "round"),
    CenterCrop(224, "floor", pad=False),
    Normalise(divide=False),
    ToCHW(),
)


def steps(text: str, old: bool | None = None) -> tuple:
    return pipeline_from_ops(yaml.safe_load(text), old).steps


def first(text: str, old: bool | None = None):
    """The step that one operator becomes, after decoding."""
    return steps(f"- DecodeImage:\n{text}", old)[1]


def test_both_generations_of_the_guides_evaluation():
    assert steps(NEW) == steps(NEW, old=False) == EVALUATION
    assert steps(OLD) == steps(OLD, old=True) == EVALUATION


@pytest.mark.parametrize(
    ("options", "old", "expected"),
    [
        ("", False, Decode("cv2")),
        ("{to_rgb: False}", False, Decode("cv2", colour="bgr")),
        # The trap of a copied config: the new generation turns to RGB only under to_np.
        ("{to_rgb: True, to_np: False}", False, Decode("cv2", colour="bgr")),
        ("{to_rgb: True, to_np: False}", True, Decode("cv2", colour="rgb")),
        ("{to_rgb: False, to_np: False}", True, Decode("cv2", colour="bgr")),
        ("{backend: pil, to_np: False}", False, Decode("pil")),
        ("{backend: PIL, to_rgb: False}", False, Decode("pil", colour="bgr")),
    ],
)
def test_decoding(options, old, expected):
    text = f"- DecodeImage: {options}" + ("\n- ToCHWImage:" if old else "")
    assert steps(text, old)[0] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- ResizeImage: {size: 224}", Resize(224, 224, backend="cv2")),
        ("- ResizeImage: {size: [320, 240], backend: pil}", Resize(240, 320)),
        ("- ResizeImage: {resize_short: 8, interpolation: bicubic, backend: pil}", ResizeShort(8, "bicubic", "pil", "round")),
        ("- ResizeImage: {resize_short: 8, interpolation: 3}", ResizeShort(8, "area", "cv2", "round")),
        ("- ResizeImage: {resize_short: 8, interpolation: 1, backend: pil}", ResizeShort(8, "lanczos", "pil", "round")),
        ("- ResizeImage: {resize_short: 8, interpolation: LANCZOS}", ResizeShort(8, "lanczos", "cv2", "round")),
        ("- RandCropImage: {size: 224}", RandomResizedCrop(224, backend="cv2", sampling="paddleclas")),
        (
            "- RandCropImage: {size: [8, 8], scale: [0.5, 1], ratio: [1, 2], use_log_aspect: True, interpolation: bicubic, "
            "backend: pil}",
            RandomResizedCrop(8, (0.5, 1), (1, 2), "bicubic", "pil", "paddleclas-log"),
        ),
        ("- RandFlipImage:", RandomFlip()),
        ("- RandFlipImage: {flip_code: 0}", RandomFlip("vertical")),
        ("- RandFlipImage: {flip_code: -1}", RandomFlip("both")),
        ("- CropImage: {size: [8, 8]}", CenterCrop(8, "floor", pad=False)),
        (
            "- NormalizeImage: {scale: 1.0, mean: [1, 2, 3], std: [4, 5, 6], order: hwc}",
            Normalise((1, 2, 3), (4, 5, 6), 1.0, False),
        ),
        ("- NormalizeImage: {scale: '0.00392157', order: ''}", Normalise(scale=0.00392157, divide=False)),
        ("- NormalizeImage: {scale: 1./ 255., order: ''}", Normalise(divide=False)),
    ],
)
def test_operators(text, expected):
    assert first(text) == expected


def test_old_interpolation_of_minus_one_is_opencvs_default():
    assert first("- ResizeImage: {resize_short: 8, interpolation: -1}\n- ToCHWImage:") == ResizeShort(8, "bilinear", "cv2", "round")


@pytest.mark.parametrize(
    ("text", "old", "message", "hint"),
    [
        ("[]", None, "t: expected a list of operators, found []", ""),
        ("- a\n", None, "t[0]: expected `NAME: {OPTION: VALUE}`, found 'a'", ""),
        ("- {DecodeImage: {}, CropImage: {}}\n", None, "t[0]: expected `NAME: {OPTION: VALUE}`, found {", ""),
        ("- DecodeImage: 3\n", None, "t[0]: expected `NAME: {OPTION: VALUE}`, found {'DecodeImage': 3}", ""),
        (NEW, True, "t: there is no ToCHWImage, so pictures stay channels-last", None),
        (
            OLD,
            False,
            "t: ToCHWImage, and PaddleClas's data set moves the channels to the front itself: twice is wrong",
            "leave it out",
        ),
        ("- CropImage: {size: 8}", None, "t: the first step is to be decode", ""),
        ("- DecodeImage: {to_rbg: True}", None, "t[0].DecodeImage.to_rbg: an option that is not known", "did you mean to_rgb?"),
        ("- DecodeImage: {backend: accimage}", None, "t[0].DecodeImage.backend: expected cv2 or pil, found 'accimage'", ""),
        ("- DecodeImage: {channel_first: True}", None, "t[0].DecodeImage.channel_first: the operators after it", None),
        (
            "- DecodeImage:\n- ResizeImag: {}",
            None,
            "t[1].ResizeImag: no operator of PaddleClas's is called so",
            "did you mean ResizeImage?",
        ),
        ("- DecodeImage:\n- AutoAugment:", None, "t[1].AutoAugment: this augmentation is not reproduced", None),
        ("- DecodeImage:\n- ColorJitter: {brightness: 0.4}", None, "t[1].ColorJitter: this augmentation is not reproduced", None),
        ("- DecodeImage:\n- ResizeImage: {}", None, "t[1].ResizeImage: neither size nor resize_short is given", ""),
        (
            "- DecodeImage:\n- ResizeImage: {resize_short: '256'}",
            None,
            "t[1].ResizeImage.resize_short: expected a whole number",
            "",
        ),
        (
            "- DecodeImage:\n- ResizeImage: {size: 99999}",
            None,
            "t[1].ResizeImage: height: expected 1 to 32768 pixels, found 99999",
            "",
        ),
        (
            "- DecodeImage:\n- ResizeImage: {size: 8, interpolation: area, backend: pil}",
            None,
            "t[1].ResizeImage.interpolation: pil has nearest, bilinear, bicubic, lanczos, box, hamming, found 'area'",
            "",
        ),
        (
            "- DecodeImage:\n- ResizeImage: {size: 8, interpolation: random}",
            None,
            "t[1].ResizeImage.interpolation: a filter drawn",
            None,
        ),
        ("- DecodeImage:\n- CropImage: {size: [8, 9]}", None, "t[1].CropImage.size: expected a square, found [8, 9]", ""),
        ("- DecodeImage:\n- CropImage:", None, "t[1].CropImage.size: expected a whole number of pixels, found None", ""),
        ("- DecodeImage:\n- RandCropImage: {size: 8, scale: [1, 2]}", None, "t[1].RandCropImage: scale: expected two shares", ""),
        (
            "- DecodeImage:\n- RandCropImage: {size: 8, progress_size: [1]}",
            None,
            "t[1].RandCropImage.progress_size: a size that",
            "",
        ),
        ("- DecodeImage:\n- RandFlipImage: {flip_code: 2}", None, "t[1].RandFlipImage.flip_code: expected 1, 0 or -1, found 2", ""),
        (
            "- DecodeImage:\n- NormalizeImage: {order: chw}",
            None,
            "t[1].NormalizeImage.order: 'chw', and the channels stand last",
            None,
        ),
        (
            "- DecodeImage:\n- NormalizeImage:",
            None,
            "t[1].NormalizeImage.order: 'chw', and the channels stand last there",
            "order: ''",
        ),
        (
            "- DecodeImage:\n- NormalizeImage: {order: '', std: [1, 0, 1]}",
            None,
            "t[1].NormalizeImage: std: expected three numbers",
            "",
        ),
        (
            "- DecodeImage:\n- NormalizeImage: {order: '', std: [1, 1]}",
            None,
            "t[1].NormalizeImage.std: expected 3 numbers, found [1, 1]",
            "",
        ),
        (
            "- DecodeImage:\n- NormalizeImage: {order: '', scale: __import__('os')}",
            None,
            "t[1].NormalizeImage.scale: expected a number or a fraction such as 1.0/255.0, found \"__import__('os')\"",
            "",
        ),
        ("- DecodeImage:\n- NormalizeImage: {order: '', scale: 1/0}", None, "t[1].NormalizeImage.scale: expected a number or", ""),
        ("- DecodeImage:\n- NormalizeImage: {order: '', channel_num: 4}", None, "t[1].NormalizeImage.channel_num: expected 3", ""),
        ("- DecodeImage:\n- NormalizeImage: {order: '', output_fp16: True}", None, "t[1].NormalizeImage.output_fp16: ", None),
        ("- DecodeImage:\n- ToCHWImage:\n- CropImage: {size: 8}", None, "t: center_crop stands after to_chw", ""),
    ],
)
def test_what_is_refused(text, old, message, hint):
    with pytest.raises(InputError) as refused:
        pipeline_from_ops(yaml.safe_load(text), old, "t")
    assert refused.value.message.startswith(message) and refused.value.message.isprintable()
    assert hint is None or refused.value.hint == hint


def test_normalising_after_the_channels_moved():
    text = "- DecodeImage:\n- ToCHWImage:\n- NormalizeImage: {order: chw}"
    assert steps(text) == (Decode("cv2"), ToCHW(), Normalise(divide=False))


def indented(text: str, blanks: int) -> str:
    return "".join(f"{' ' * blanks}{line}\n" for line in text.strip().splitlines())


def test_configs_of_both_generations(tmp_path):
    new, old = tmp_path / "new.yaml", tmp_path / "old.yaml"
    flips = "- DecodeImage:\n- RandFlipImage:\n"
    new.write_text(
        f"DataLoader:\n  Train:\n    dataset:\n      transform_ops:\n{indented(flips, 8)}"
        f"  Eval:\n    dataset:\n      transform_ops:\n{indented(NEW, 8)}"
    )
    old.write_text(f"TRAIN:\n  transforms:\n{indented(flips + '- ToCHWImage:', 4)}VALID:\n  transforms:\n{indented(OLD, 4)}")
    for config in (new, old):
        assert pipeline_from_config(config).steps == EVALUATION
        assert pipeline_from_config(config, training=True).steps == (Decode("cv2"), RandomFlip(), ToCHW())
    new.write_text("DataLoader:\n  Eval:\n    dataset:\n      transform_ops:\n      - Decode:\n")
    with pytest.raises(InputError) as refused:
        pipeline_from_config(new)
    assert refused.value.message.startswith(f"{new}: DataLoader.Eval.dataset.transform_ops[0].Decode: no operator")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, " does not exist"),
        (b"", " has no transforms"),
        (b"- a\n", " has no transforms"),
        (b"VALID: 3\n", " has no transforms"),
        (b"VALID: {transforms: 3}\n", ": VALID.transforms: expected a list of operators, found 3"),
        (b"a: [\n", ":2: not YAML: "),
        (b"\xff\xfe\xfa", ": not YAML"),
        (b"a: !!python/object/apply:os.system [id]\n", ":1: not YAML: "),
        (b"[" * 5000, ": not YAML"),
        (b" " * ((1 << 20) + 1), " has more than the 1048576 bytes of a config that are read"),
    ],
)
def test_configs_that_cannot_be_read(tmp_path: Path, content, message):
    path = tmp_path / "a.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as refused:
        pipeline_from_config(path)
    assert refused.value.message.startswith(f"{path}{message}") and refused.value.message.isprintable()
