"""Recipes in PaddleClas's schema: what is read, and that nothing is left out in silence."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import aligndbg
from aligndbg.errors import UsageError
from aligndbg.jobs.recipe import LossSpec, OptimizerSpec, read_recipe, schedule_of
from aligndbg.jobs.schedule import lr_at

SQUEEZENET = Path(aligndbg.__file__).parents[1] / "models" / "squeezenet1_0" / "train.yaml"

SMALL = """\
Global:
  epochs: 2
Arch:
  name: Whatever
  class_num: 10
Optimizer:
  name: SGD
  lr:
    learning_rate: 1e-2
DataLoader:
  Train:
    dataset:
      name: ImageFolder
      image_root: photographs
      transform_ops:
        - DecodeImage:
        - NormalizeImage:
            scale: 1.0/255.0
    sampler:
      batch_size: 4
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(SMALL)
    return path


def refusal(path: Path, *overrides: str) -> str:
    with pytest.raises(UsageError) as caught:
        read_recipe(path, overrides)
    return f"{caught.value.message} | {caught.value.hint}"


def test_the_guides_recipe() -> None:
    recipe = read_recipe(SQUEEZENET)
    assert (recipe.epochs, recipe.classes, recipe.device, recipe.image_shape) == (120, 1000, "gpu", (3, 224, 224))
    assert recipe.optimizer == OptimizerSpec("Momentum", momentum=0.9, l2=1e-4)
    assert recipe.loss == recipe.eval_loss == LossSpec(1.0, 0.0)
    assert (recipe.topk, recipe.eval_topk) == ((1, 5), (1, 5))
    assert (recipe.train.batch_size, recipe.train.shuffle, recipe.train.workers) == (128, True, 4)
    assert recipe.eval and (recipe.eval.batch_size, recipe.eval.shuffle) == (64, False)
    assert [next(iter(one.operation)) for one in recipe.train.operations] == [
        *("DecodeImage", "RandCropImage", "RandFlipImage", "NormalizeImage"),
    ]
    schedule = schedule_of(recipe, 2503)
    assert (lr_at(schedule, 0), lr_at(schedule, 60 * 2503)) == (0.02, pytest.approx(0.01))


def test_defaults(small: Path) -> None:
    recipe = read_recipe(small)
    assert (recipe.seed, recipe.device, recipe.output, recipe.eval, recipe.eval_interval) == (0, None, None, None, 1)
    assert (recipe.schedule.name, recipe.schedule.learning_rate) == ("Constant", 0.01)
    assert (recipe.train.shuffle, recipe.train.drop_last, recipe.train.workers, recipe.train.list) == (True, False, 0, None)
    assert recipe.train.operations[0].operation == {"DecodeImage": None}
    assert recipe.train.operations[1].place == f"{small}:17"


def test_overrides_go_through_lists_and_make_what_is_missing(small: Path) -> None:
    recipe = read_recipe(
        small,
        (
            "DataLoader.Train.dataset.transform_ops.1.NormalizeImage.scale=1.0",
            "Global.eval_during_train=False",
            "Global.pretrained_model=None",
            "Global.output_dir=a=b c",
            "Optimizer.regularizer={name: L2, coeff: 1e-4}",
            "Loss.Train=[{CELoss: {epsilon: 0.1}}]",
            "Metric.Eval=[{TopkAcc: {topk: [1, 3]}}]",
        ),
    )
    assert recipe.train.operations[1].operation == {"NormalizeImage": {"scale": 1.0}}
    assert (recipe.eval_interval, recipe.pretrained, recipe.output, recipe.optimizer.l2) == (0, None, "a=b c", 1e-4)
    assert (recipe.loss.epsilon, recipe.eval_topk) == (0.1, (1, 3))


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("  epochs: 2", "  epochs: two", 2, "Global.epochs: expected a whole number"),
        ("  epochs: 2", "  epochs: 0", 2, "expected a whole number of 1 or more"),
        ("  epochs: 2", "  epochs: true", 2, "expected a whole number"),
        ("  epochs: 2", "  epochs: 2\n  epoch: 3", 3, "'epoch' under Global is not supported here | did you mean 'epochs'?"),
        ("  epochs: 2", "  epochs: 2\n  device: npu", 3, "expected cpu or gpu"),
        ("  epochs: 2", "  epochs: 2\n  update_freq: 4", 3, "several batches"),
        ("  epochs: 2", "  epochs: 2\n  use_dali: True", 3, "Global.use_dali is not supported"),
        ("class_num: 10", "class_num: 1", 5, "Arch.class_num: expected a whole number of 2 or more"),
        ("class_num: 10", "pretrained: True", 5, "Arch.pretrained is not supported"),
        ("class_num: 10", "depth: 50", 5, "'depth' under Arch is not supported"),
        ("name: SGD", "name: Lamb", 7, "expected Momentum, SGD, Adam or AdamW, found 'Lamb'"),
        ("name: SGD", "name: SGD\n  clip_norm: 1", 8, "Optimizer.clip_norm is not supported"),
        ("name: SGD", "name: SGD\n  momentum: 0.9", 8, "'momentum' under Optimizer is not supported"),
        ("name: SGD", "name: SGD\n  regularizer: {name: L1, coeff: 1}", 8, "Optimizer.regularizer.name: expected L2"),
        ("learning_rate: 1e-2", "learning_rate: -1", 9, "expected a number of 0 or more"),
        ("learning_rate: 1e-2", "warmup_epoch: 1", 9, "Optimizer.lr.learning_rate is missing"),
        ("learning_rate: 1e-2", "name: Cosin\n    learning_rate: 1", 9, "did you mean Cosine?"),
        ("learning_rate: 1e-2", "warmup_epoch: 2\n    learning_rate: 1", 9, "expected fewer epochs than the 2 of the run"),
        ("learning_rate: 1e-2", "name: Step\n    learning_rate: 1", 9, "Optimizer.lr.step_size is missing"),
        ("learning_rate: 1e-2", "name: Piecewise\n    learning_rate: 1", 9, "Optimizer.lr.values: expected"),
        ("learning_rate: 1e-2", "eta_min: 0\n    learning_rate: 1", 9, "'eta_min' under Optimizer.lr is not supported"),
        ("name: ImageFolder", "name: ImageNetDataset", 13, "DataLoader.Train.dataset.cls_label_path is missing"),
        ("name: ImageFolder", "name: ImageFolder\n      cls_label_path: l.txt", 14, "labels from the folders"),
        ("image_root: photographs", "", 13, "image_root is missing"),
        (
            "    sampler:",
            "    batch_transform_ops:\n      - MixupOperator: {alpha: 0.2}\n    sampler:",
            19,
            "is not supported here",
        ),
        ("batch_size: 4", "batch_size: 0", 20, "expected a whole number, 1 to 1048576"),
        ("Arch:", "Loss:\n  Train:\n    - TripletLoss:\nArch:", 5, "TripletLoss is not supported"),
        ("Arch:", "Loss:\n  Train:\n    - CELoss: {weight: 1, reduction: sum}\nArch:", 5, "'reduction'"),
        ("Arch:", "Metric:\n  Eval:\n    - Recallk: {topk: [1]}\nArch:", 5, "Recallk is not supported"),
        ("Arch:", "Metric:\n  Eval:\n    - TopkAcc: {topk: [0.5]}\nArch:", 5, "expected a list of whole numbers"),
        ("Arch:", "AMP: {level: O1}\nArch:", 3, "AMP is not supported"),
        ("Arch:", "Slim: {}\nArch:", 3, "'Slim' is not supported here"),
        ("Arch:", "ARCHITECTURE: {name: a}\nArch:", 3, "before 2.2"),
        ("Arch:", "Global:\n  epochs: 1\nArch:", 3, "a second time"),
    ],
)
def test_what_cannot_be_done_is_refused_with_its_line(small: Path, old: str, new: str, line: int, words: str) -> None:
    assert SMALL.count(old) == 1
    small.write_text(SMALL.replace(old, new))
    found = refusal(small)
    assert found.startswith(f"{small}:{line}: ") and words in found


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("Global.epochs", "expected KEY=VALUE"),
        ("=3", "expected KEY=VALUE"),
        ("Global..epochs=3", "expected KEY=VALUE"),
        ("Global.epoch=3", "did you mean 'epochs'?"),
        ("Global.epochs.x=3", "Global.epochs is a single value"),
        ("Global.epochs={", "the value is not YAML"),
        ("Global.epochs=&a [*a]", "aliases are not supported"),
        ("Global.output_dir=!!python/name:os.system x", "python/name"),
        ("DataLoader.Train.dataset.transform_ops.2={}", "is a list of 2"),
        ("DataLoader.Train.dataset.transform_ops.first={}", "is a list of 2"),
        ("DataLoader.Train=None", "nothing to learn from"),
    ],
)
def test_a_wrong_override_is_named(small: Path, override: str, words: str) -> None:
    found = refusal(small, override)
    assert words in found
    assert found.startswith(f"-o {override}: ") or override == "DataLoader.Train=None"


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["Global", "Arch", "Loss.Train", "Optimizer", "Optimizer.lr", "DataLoader.Train.sampler", "Metric"]),
            st.sampled_from(["name", "epochs", "lr", "0", "0.CELoss", "batch_size", "learning_rate", "Train", "momentum"]),
            st.one_of(st.none(), st.integers(), st.floats(), st.text(), st.lists(st.integers()), st.just({"name": "Cosine"})),
        ),
        max_size=4,
    )
)
def test_whatever_is_overridden_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[str, str, object]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "hostile.yaml"
    path.write_text(SMALL)
    overrides = [f"{section}.{name}={yaml.safe_dump(value, default_flow_style=True)}" for section, name, value in changes]
    try:
        recipe = read_recipe(path, overrides)
    except UsageError as error:
        assert "\n" not in error.message.partition("-o")[0]
    else:
        assert recipe.epochs >= 1 and recipe.train.batch_size >= 1
        assert lr_at(schedule_of(recipe, 3), 1) >= 0
