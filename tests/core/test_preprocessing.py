"""Steps as data: what they refuse, and the order in which they can be taken."""

from __future__ import annotations

from dataclasses import fields
from itertools import permutations

import pytest
import yaml

from aligndbg.core.preprocessing import (
    FILTERS,
    CenterCrop,
    Decode,
    Normalise,
    RandomFlip,
    RandomResizedCrop,
    Resize,
    ResizeShort,
    StepChoice,
    ToCHW,
    check_order,
    name_of,
    step_text,
)
from aligndbg.errors import InputError


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ResizeShort(0), "size: expected 1 to 32768 pixels, found 0"),
        (lambda: Resize(8, 40000), "width: expected 1 to 32768 pixels, found 40000"),
        (lambda: CenterCrop(-1), "size: expected 1 to 32768 pixels, found -1"),
        (lambda: ResizeShort(8, "area"), "interpolation: pil has nearest, bilinear, bicubic, lanczos, box, hamming, found 'area'"),
        (lambda: Resize(8, 8, "box", "cv2"), "interpolation: cv2 has nearest, bilinear, bicubic, lanczos, area, found 'box'"),
        (lambda: ResizeShort(8, backend="accimage"), "backend: expected pil or cv2, found 'accimage'"),
        (
            lambda: RandomResizedCrop(8, (0.0, 1.0)),
            "scale: expected two shares of the area, 0 < low <= high <= 1, found [0.0, 1.0]",
        ),
        (
            lambda: RandomResizedCrop(8, (0.5, 2.0)),
            "scale: expected two shares of the area, 0 < low <= high <= 1, found [0.5, 2.0]",
        ),
        (lambda: RandomResizedCrop(8, ratio=(2, 1)), "ratio: expected two ratios width / height, 0 < low <= high, found [2, 1]"),
        (lambda: RandomFlip("both", 1.5), "probability: expected 0 to 1, found 1.5"),
        (lambda: Normalise(mean=(0, float("nan"), 0)), "mean: expected three finite numbers, found [0, nan, 0]"),
        (lambda: Normalise(std=(1, 0, 1)), "std: expected three numbers over 0, found [1, 0, 1]"),
        (lambda: Normalise(std=(1, float("inf"), 1)), "std: expected three numbers over 0, found [1, inf, 1]"),
        (lambda: Normalise(scale=0), "scale: expected a number over 0, found 0"),
        (lambda: StepChoice(), "expected one step"),
        (lambda: StepChoice(decode=Decode(), to_chw=ToCHW()), "expected one step"),
    ],
)
def test_what_a_step_refuses(make, message):
    with pytest.raises(InputError) as refused:
        make()
    assert refused.value.message == message


def test_every_filter_of_a_backend_is_taken():
    for backend, names in FILTERS.items():
        assert [ResizeShort(8, name, backend).interpolation for name in names] == list(names)


def test_only_opencv_turns_a_picture_by_itself():
    assert [Decode("pil").turns, Decode("cv2").turns, Decode("pil", True).turns, Decode("cv2", False).turns] == [
        False,
        True,
        True,
        False,
    ]


def test_steps_are_named_as_a_file_spells_them():
    made = {
        "decode": Decode(),
        "resize_short": ResizeShort(8),
        "resize": Resize(8, 8),
        "center_crop": CenterCrop(8),
        "random_resized_crop": RandomResizedCrop(8),
        "random_flip": RandomFlip(),
        "normalise": Normalise(),
        "to_chw": ToCHW(),
    }
    assert list(made) == [field.name for field in fields(StepChoice)]
    for name, step in made.items():
        assert name_of(step) == name and StepChoice(**{name: step}).step is step


def test_orders_that_can_be_taken():
    steps = (Decode(), ResizeShort(8), CenterCrop(8), Normalise(), ToCHW())
    good = []
    for order in permutations(steps):
        try:
            check_order(order)
        except InputError:
            continue
        good.append([name_of(step) for step in order])
    pictures = (["resize_short", "center_crop"], ["center_crop", "resize_short"])
    numbers = (["normalise", "to_chw"], ["to_chw", "normalise"])
    assert sorted(good) == sorted(["decode", *first, *last] for first in pictures for last in numbers)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ((), "the first step is to be decode"),
        ((ToCHW(),), "the first step is to be decode"),
        ((Decode(), Decode(), ToCHW()), "decode stands there a second time"),
        ((Decode(), Normalise(), Normalise(), ToCHW()), "normalise stands there a second time"),
        ((Decode(), ToCHW(), ToCHW()), "to_chw stands there a second time"),
        ((Decode(), Normalise(), RandomFlip(), ToCHW()), "random_flip stands after normalise, and it works on pictures"),
        ((Decode(), ToCHW(), CenterCrop(8)), "center_crop stands after to_chw, and it works on pictures"),
        ((Decode(), Normalise()), "to_chw is missing: the model takes channels first"),
    ],
)
def test_orders_that_are_refused(steps, message):
    with pytest.raises(InputError) as refused:
        check_order(steps)
    assert refused.value.message == message


def test_a_step_s_text_is_what_a_file_would_say() -> None:
    assert step_text(ResizeShort(256)) == "resize_short {size: 256, interpolation: bilinear, backend: pil}"
    assert step_text(ToCHW()) == "to_chw"
    for step in (
        Decode("cv2", exif=False, colour="bgr"),
        ResizeShort(232, "bicubic", "cv2", "round"),
        Resize(224, 256, "area", "cv2"),
        CenterCrop(224, "floor", pad=False),
        RandomResizedCrop(224, scale=(0.2, 0.9)),
        RandomFlip("vertical", 0.25),
        Normalise((0.5, 0.4, 0.3), (1.0, 0.2, 0.1), 0.0078125, divide=False),
        ToCHW(),
    ):
        name, _, settings = step_text(step).partition(" ")
        read = yaml.safe_load(settings or "{}")
        values = {key: tuple(value) if isinstance(value, list) else value for key, value in read.items()}
        assert name == name_of(step)
        assert type(step)(**values) == step
