"""What is said of PaddleClas configs of both generations, before they are run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from aligndbg.errors import InputError
from aligndbg.jobs.paddleclas import Problem, Setting, check_config, checkout_of, read_config, worst_level

OLD: dict[str, Any] = {
    "ARCHITECTURE": {"name": "SqueezeNet1_0"},
    "use_gpu": False,
    "classes_num": 10,
    "epochs": 120,
    "total_images": 3,
    "LEARNING_RATE": {"function": "CosineWarmup", "params": {"lr": 0.02}},
    "TRAIN": {"batch_size": 256, "file_list": "train.txt", "data_dir": "photos", "transforms": [{"ToCHWImage": None}]},
    "VALID": {"batch_size": 64, "file_list": "val.txt", "data_dir": "photos", "transforms": [{"ToCHWImage": None}]},
}
NEW: dict[str, Any] = {
    "Global": {"device": "cpu", "epochs": 120},
    "Arch": {"name": "SqueezeNet1_0", "class_num": 10},
    "Optimizer": {"lr": {"learning_rate": 0.02}},
    "DataLoader": {
        name: {
            "dataset": {
                "image_root": "photos",
                "cls_label_path": file,
                "transform_ops": [{"DecodeImage": {"to_rgb": True, "channel_first": False}}],
            },
            "sampler": {"batch_size": 128},
        }
        for name, file in (("Train", "train.txt"), ("Eval", "val.txt"))
    },
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Data of three pictures, and a checkout with two models."""
    (tmp_path / "photos").mkdir()
    for number in range(3):
        (tmp_path / "photos" / f"{number}.jpg").touch()
    for name in ("train.txt", "val.txt"):
        (tmp_path / name).write_text("".join(f"{number}.jpg {number}\n" for number in range(3)))
    models = tmp_path / "clas" / "ppcls" / "modeling" / "architectures"
    models.mkdir(parents=True)
    (models / "squeezenet.py").write_text(
        "class Base:\n    def __init__(self, version, class_dim=1000, class_num=1000):\n        pass\n"
        "class Strict(Base):\n    def __init__(self, num_classes=1000):\n        pass\n"
        "class Heir(Strict):\n    pass\n"
        "def SqueezeNet1_0(**args):\n    return Base(version='1.0', **args)\n"
        "def port(**kwargs):\n    return Strict(**kwargs)\n"
        "def open_to_all(**kwargs):\n    return print(kwargs)\n"
    )
    return tmp_path


def said(config: dict[str, Any], folder: Path, **setting: Any) -> dict[str, Problem]:
    problems = check_config(config, Setting(folder=folder, checkout=folder / "clas", **setting))
    found = {problem.key: problem for problem in problems}
    assert len(found) == len(problems), problems
    return found


def changed(config: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A copy of `config` with dotted keys changed; None takes one away."""
    copy = yaml.safe_load(yaml.safe_dump(config))
    for dotted, value in changes.items():
        *path, last = dotted.split("__")
        place = copy
        for key in path:
            place = place[key]
        if value is None:
            del place[last]
        else:
            place[last] = value
    return copy


@pytest.mark.parametrize("config", [OLD, NEW])
def test_a_config_that_works_is_left_alone(config: dict[str, Any], folder: Path) -> None:
    assert said(config, folder) == {}


def test_a_gpu_that_is_not_there(folder: Path) -> None:
    assert said(changed(OLD, use_gpu=None), folder)["use_gpu"].fix == "-o use_gpu=False"
    assert said(changed(NEW, Global__device="gpu:0"), folder)["Global.device"].fix == "-o Global.device=cpu"
    assert said(changed(OLD, use_gpu=None), folder, gpu=True) == {}


@pytest.mark.parametrize("name", ["port", "Strict", "Heir"])
def test_a_constructor_that_takes_num_classes(name: str, folder: Path) -> None:
    problem = said(changed(OLD, ARCHITECTURE__name=name), folder)["ARCHITECTURE.name"]
    assert f"calls {name}(class_dim=...)" in problem.message
    assert f"squeezenet.py:{7 if name == 'Heir' else 4}" in problem.fix
    assert "in place of `num_classes`" in problem.fix
    problem = said(changed(NEW, Arch__name=name), folder)["Arch.name"]
    assert f"calls {name}(class_num=...)" in problem.message


def test_a_model_that_takes_anything_or_is_not_there(folder: Path) -> None:
    assert said(changed(OLD, ARCHITECTURE__name="open_to_all"), folder) == {}
    assert "defines no Absent" in said(changed(OLD, ARCHITECTURE__name="Absent"), folder)["ARCHITECTURE.name"].message
    problem = said(changed(NEW, Arch__depth=3), folder)["Arch.name"]
    assert "SqueezeNet1_0(depth=...)" in problem.message


def test_pictures_that_stay_bgr(folder: Path) -> None:
    decode = [{"DecodeImage": {"to_rgb": True, "to_np": False}}]
    found = said(changed(NEW, DataLoader__Eval__dataset__transform_ops=decode), folder)
    assert list(found) == ["DataLoader.Eval.dataset.transform_ops.0.DecodeImage.to_np"]
    # The older generation turns them all the same.
    operations = [{"DecodeImage": {"to_rgb": True, "to_np": False}}, {"ToCHWImage": None}]
    assert said(changed(OLD, VALID__transforms=operations), folder) == {}


def test_channels_first_once(folder: Path) -> None:
    assert list(said(changed(OLD, VALID__transforms=[{"DecodeImage": {}}]), folder)) == ["VALID.transforms"]
    twice = [{"DecodeImage": {}}, {"ToCHWImage": None}]
    found = said(changed(NEW, DataLoader__Train__dataset__transform_ops=twice), folder)
    assert list(found) == ["DataLoader.Train.dataset.transform_ops.1"]


def test_batches_of_all_cards_and_of_each(folder: Path) -> None:
    found = said(OLD, folder, ranks=3)
    assert {key: problem.fix for key, problem in found.items()} == {
        "TRAIN.batch_size": "-o TRAIN.batch_size=255",
        "VALID.batch_size": "-o VALID.batch_size=63",
    }
    (problem,) = said(NEW, folder, ranks=4).values()
    assert problem.level == "warning" and "512 in all on 4" in problem.message and "0.02" in problem.message


def test_a_schedule_that_does_not_fit(folder: Path) -> None:
    problem = said(changed(OLD, epochs=5), folder)["LEARNING_RATE.function"]
    assert problem.fix == "-o LEARNING_RATE.function=Cosine"
    assert said(changed(OLD, epochs=5, LEARNING_RATE__params={"lr": 0.02, "warmup_epoch": 1}), folder) == {}
    assert said(changed(OLD, total_images=1281167), folder)["total_images"].fix == "-o total_images=3"
    assert "is missing" in said(changed(OLD, total_images=None), folder)["total_images"].message


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("0.jpg 0\nmy photo.jpg 1\n", "train.txt:2 is not `PATH LABEL` with one space"),
        ("0.jpg 0\n1.jpg\n", "train.txt:2 is not"),
        ("0.jpg 0\n1.jpg 10\n", "train.txt:2 has label 10, the model has 10 classes"),
        ("0.jpg 0\nabsent.jpg 1\n", "1 of the first 2 pictures do not exist"),
    ],
)
def test_lists_that_change_the_result_in_silence(lines: str, words: str, folder: Path) -> None:
    (folder / "train.txt").write_text(lines)
    problems = check_config(NEW, Setting(folder=folder))
    assert [problem.key for problem in problems] == ["DataLoader.Train.dataset.cls_label_path"]
    assert words in problems[0].message


def test_files_that_are_not_there(folder: Path) -> None:
    found = said(changed(OLD, VALID__file_list="absent.txt", pretrained_model="weights"), folder)
    assert "absent.txt does not exist" in found["VALID.file_list"].message
    problems = check_config(changed(OLD, pretrained_model="w.pdparams"), Setting(folder=folder))
    assert [problem.fix for problem in problems] == ["-o pretrained_model=w", ""]
    (folder / "w.pdparams").touch()
    assert check_config(changed(NEW, Global__pretrained_model="w"), Setting(folder=folder)) == ()
    assert check_config(changed(NEW, Global__pretrained_model="https://a.example/w"), Setting(folder=folder)) == ()


def test_both_generations_at_once(folder: Path) -> None:
    problems = check_config({**OLD, **NEW}, Setting(folder=folder))
    assert worst_level(problems) == "error" and worst_level(()) is None


@pytest.mark.parametrize(
    ("text", "words"), [("a: [1", r"no YAML"), ("- 1\n", "no PaddleClas config"), ("epochs: 3\n", "expected `ARCHITECTURE:`")]
)
def test_what_is_no_config_is_refused(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_config(path)
    assert str(path) in caught.value.message and words in f"{caught.value.message} {caught.value.hint}"
    with pytest.raises(InputError, match="cannot be read"):
        read_config(tmp_path / "absent.yaml")


def test_the_checkout_is_found_from_the_config(folder: Path) -> None:
    config = folder / "clas" / "configs" / "eval.yaml"
    assert checkout_of(config) == folder / "clas" and checkout_of(folder / "eval.yaml") is None
