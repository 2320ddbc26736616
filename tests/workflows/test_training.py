"""The command of a training, and what is checked before it starts."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from aligndbg.errors import InputError, UsageError
from aligndbg.jobs.recipe import read_recipe
from aligndbg.jobs.spec import JobSpec, write_spec
from aligndbg.jobs.state import JobState, write_state
from aligndbg.jobs.templates import Ranks
from aligndbg.pairs.load import load_pair
from aligndbg.pairs.schema import PairSpec
from aligndbg.settings import Settings
from aligndbg.workflows.training import ENTRY, checkpoints_of, data_overrides, resume_from, training_spec

OPERATIONS = [{"DecodeImage": None}, {"ResizeImage": {"size": 8}}, {"NormalizeImage": {"order": ""}}]


@pytest.fixture
def pair(tmp_path: Path) -> PairSpec:
    folder = tmp_path / "my pair"
    folder.mkdir()
    (folder / "m.py").write_text("")
    sides = {side: {"model": "m.py:make"} for side in ("torch", "paddle")}
    (folder / "pair.yaml").write_text(yaml.safe_dump({"schema": 1, "name": "mine", **sides, "train": {"target_top1": 70.5}}))
    return load_pair(folder / "pair.yaml")


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    def dataset() -> dict[str, object]:
        return {"name": "ImageFolder", "image_root": "pictures", "transform_ops": OPERATIONS}

    document = {
        "Global": {"epochs": 2, "device": "gpu"},
        "Optimizer": {"name": "SGD", "lr": {"learning_rate": 0.1}},
        "DataLoader": {name: {"dataset": dataset(), "sampler": {"batch_size": 2}} for name in ("Train", "Eval")},
    }
    (tmp_path / "pictures").mkdir()
    path = tmp_path / "r.yaml"
    path.write_text(json.dumps(document))
    return path


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(sessions=tmp_path / "home" / "sessions", cache=tmp_path, logs=tmp_path)


def after(argv: tuple[str, ...], option: str) -> list[str]:
    return [argv[index + 1] for index, word in enumerate(argv) if word == option]


def test_one_rank_needs_no_launcher(pair: PairSpec, recipe: Path, settings: Settings, tmp_path: Path) -> None:
    spec = training_spec(pair, recipe, Ranks(), settings=settings, cwd=tmp_path)
    assert spec.argv[:3] == (sys.executable, "-u", str(ENTRY)) and ENTRY.is_file()
    assert after(spec.argv, "--pair") == [str(pair.path)]
    assert after(spec.argv, "--recipe") == [str(recipe)]
    assert after(spec.argv, "--device") == ["cpu"]
    assert after(spec.argv, "--target-top1") == ["70.5"]
    assert not {"--output", "--resume", "-o", "--stop-on-nan"} & set(spec.argv)
    assert (spec.kind, spec.pair, spec.ranks, spec.log_format, spec.cwd) == ("train", "mine", 1, "aligndbg", str(tmp_path))
    assert spec.title == "mine r.yaml, 1 rank"
    assert spec.env == {"CUDA_VISIBLE_DEVICES": ""}


def test_several_ranks_on_the_cpu_have_a_device_each_and_gloo(
    pair: PairSpec, recipe: Path, settings: Settings, tmp_path: Path
) -> None:
    settings = replace(settings, paddle_python="/opt/paddle/bin/python")
    spec = training_spec(pair, recipe, Ranks(3), settings=settings, cwd=tmp_path, overrides=("Global.seed=4",), stop_on_nan=True)
    assert spec.argv[0] == "/opt/paddle/bin/python"
    assert spec.argv[2:6] == ("-m", "paddle.distributed.launch", "--nproc_per_node", "3")
    assert spec.argv.index("--log_dir") < spec.argv.index(str(ENTRY)) < spec.argv.index("-o")
    assert after(spec.argv, "-o") == ["Global.seed=4"] and "--stop-on-nan" in spec.argv
    assert spec.env == {"CUDA_VISIBLE_DEVICES": "0,1,2", "PADDLE_DISTRI_BACKEND": "gloo"}
    assert spec.title == "mine r.yaml, 3 ranks"


def test_gpus_and_machines(pair: PairSpec, recipe: Path, settings: Settings, tmp_path: Path) -> None:
    ranks = Ranks(2, "gpu", (1, 3), "10.0.0.1:6000", "2")
    spec = training_spec(pair, recipe, ranks, settings=settings, cwd=tmp_path, output=tmp_path / "out", target_top1=50)
    assert after(spec.argv, "--devices") == ["1,3"]
    assert (after(spec.argv, "--master"), after(spec.argv, "--nnodes")) == (["10.0.0.1:6000"], ["2"])
    assert (after(spec.argv, "--output"), after(spec.argv, "--target-top1")) == ([str(tmp_path / "out")], ["50"])
    assert spec.env == {}


def test_the_pairs_own_interpreter_starts_at_its_folder(pair: PairSpec, recipe: Path, settings: Settings, tmp_path: Path) -> None:
    pair = replace(pair, paddle=replace(pair.paddle, python="../env/bin/python"))
    spec = training_spec(pair, recipe, Ranks(), settings=settings, cwd=tmp_path)
    assert spec.argv[0] == str(pair.root / "../env/bin/python")


@pytest.mark.parametrize(
    ("override", "kind", "words"),
    [
        ("Global.epochs=0", UsageError, "expected a whole number of 1 or more"),
        ("DataLoader.Train.dataset.image_root=gone", UsageError, "DataLoader.Train.dataset.image_root: there is no folder"),
        ("DataLoader.Eval.dataset.transform_ops.1={AutoAugment: null}", InputError, "AutoAugment"),
        (
            "DataLoader.Eval.dataset={image_root: pictures, cls_label_path: gone.txt, transform_ops: [{DecodeImage: }, "
            "{NormalizeImage: {order: ''}}]}",
            UsageError,
            "DataLoader.Eval.dataset.cls_label_path: there is no file",
        ),
    ],
)
def test_what_is_wrong_is_told_before_anything_starts(
    pair: PairSpec, recipe: Path, settings: Settings, tmp_path: Path, override: str, kind: type[UsageError], words: str
) -> None:
    with pytest.raises(kind) as caught:
        training_spec(pair, recipe, Ranks(), settings=settings, cwd=tmp_path, overrides=(override,))
    assert words in caught.value.message


def test_a_pair_without_a_file_is_refused(pair: PairSpec, recipe: Path, settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a pair with a file"):
        training_spec(replace(pair, path=None), recipe, Ranks(), settings=settings, cwd=tmp_path)


def test_a_folder_of_data_in_place_of_the_recipes(recipe: Path, tmp_path: Path) -> None:
    hostile = tmp_path / "a: b, [c] 'd\" #e"
    hostile.mkdir()
    found = read_recipe(recipe, data_overrides(read_recipe(recipe), hostile))
    assert found.eval and found.train.root == found.eval.root == str(hostile)
    assert (found.train.dataset, found.train.list) == ("ImageFolder", None)
    listed = read_recipe(recipe, data_overrides(read_recipe(recipe), hostile, hostile / "l = m.txt"))
    assert (listed.train.dataset, listed.train.list) == ("ImageNetDataset", str(hostile / "l = m.txt"))
    for name in ("train", "val"):
        (hostile / name).mkdir()
    split = read_recipe(recipe, data_overrides(read_recipe(recipe), hostile))
    assert split.eval and (split.train.root, split.eval.root) == (str(hostile / "train"), str(hostile / "val"))


def job(root: Path, number: int, pair: str = "mine", output: Path | None = None, saved: bool = True) -> Path:
    """A training that is over."""
    folder = root / f"2026010{number}T000000Z-train-000{number}"
    argv = ("python", "train.py", *(("--output", str(output)) if output else ()))
    folder.mkdir(parents=True)
    write_spec(folder, JobSpec(folder.name, "train", shlex.join(argv), argv, "/", pair=pair))
    write_state(folder, JobState("killed"))
    place = output or folder / "checkpoints"
    place.mkdir(exist_ok=True)
    if saved:
        (place / "latest.pdstates").write_bytes(b"")
    return folder


def test_where_a_run_goes_on_from(pair: PairSpec, tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "jobs", tmp_path / "elsewhere"
    with pytest.raises(UsageError, match="no checkpoint to go on from"):
        resume_from(True, None, pair, root)
    first = job(root, 1, output=elsewhere)
    second = job(root, 2)
    job(root, 3, pair="another")
    job(root, 4, saved=False)
    assert resume_from(True, None, pair, root) == second / "checkpoints"
    assert resume_from(True, elsewhere, pair, root) == elsewhere
    assert resume_from(Path(first.name), None, pair, root) == elsewhere
    assert resume_from(Path("0002"), None, pair, root) == second / "checkpoints"
    assert resume_from(elsewhere, None, pair, root) == elsewhere
    assert resume_from(elsewhere / "latest", None, pair, root) == elsewhere / "latest"
    for wrong, words in (
        (tmp_path, "has no latest"),
        (Path("0004"), "has written no checkpoint"),
        (Path("x"), "no folder, no checkp"),
    ):
        with pytest.raises(UsageError, match=words):
            resume_from(wrong, None, pair, root)


def test_a_resumed_run_writes_where_it_read(pair: PairSpec, recipe: Path, settings: Settings, tmp_path: Path) -> None:
    folder = job(settings.sessions.with_name("jobs"), 1)
    spec = training_spec(pair, recipe, Ranks(), settings=settings, cwd=tmp_path, resume=True)
    assert after(spec.argv, "--resume") == after(spec.argv, "--output") == [str(folder / "checkpoints")]
    other = training_spec(
        pair, recipe, Ranks(), settings=settings, cwd=tmp_path, resume=folder / "checkpoints", output=tmp_path / "o"
    )
    assert after(other.argv, "--output") == [str(tmp_path / "o")]
    from aligndbg.jobs.folder import Job

    assert checkpoints_of(Job(tmp_path, other)) == tmp_path / "o"
