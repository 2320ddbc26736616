"""Which rank sees which picture, and what becomes of one that cannot be decoded."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_training import SmallTraining

pytest.importorskip("paddle")

from aligndbg.errors import InputError
from aligndbg.jobs.entry.pictures import Batch, load, order_of, parts
from aligndbg.jobs.recipe import read_recipe
from aligndbg.jobs.recipe_pictures import Source, check_same_classes, read_pipeline, read_source

pytestmark = pytest.mark.frameworks

COUNTS = st.integers(0, 200)
BATCHES = st.integers(1, 17)
RANKS = st.integers(1, 5)


@given(COUNTS, BATCHES, RANKS, st.integers(0, 5))
def test_every_picture_comes_once_over_all_ranks(count: int, batch: int, ranks: int, epoch: int) -> None:
    order = order_of(count, True, 3, epoch)
    by_rank = [parts(order, batch, False, rank, ranks) for rank in range(ranks)]
    assert sorted(number for own in by_rank for part in own for number in part) == list(range(count))
    assert len({len(own) for own in by_rank}) == 1
    for together in zip(*by_rank, strict=True):
        sizes = [len(part) for part in together]
        assert max(sizes) <= batch and max(sizes) - min(sizes) <= 1 and sum(sizes) > 0


@given(COUNTS, BATCHES, RANKS)
def test_dropping_the_last_leaves_whole_batches(count: int, batch: int, ranks: int) -> None:
    for rank in range(ranks):
        own = parts(list(range(count)), batch, True, rank, ranks)
        assert [len(part) for part in own] == [batch] * (count // (batch * ranks))


@given(COUNTS, BATCHES, RANKS)
def test_pictures_meet_alike_on_one_rank_and_on_several(count: int, batch: int, ranks: int) -> None:
    order = order_of(count, True, 1, 2)
    alone = parts(order, batch * ranks, False, 0, 1)
    several = zip(*(parts(order, batch, False, rank, ranks) for rank in range(ranks)), strict=True)
    assert [sorted(one) for one in alone] == [sorted(number for part in together for number in part) for together in several]


def test_the_order_changes_with_the_epoch_and_the_seed_alone() -> None:
    assert order_of(50, True, 1, 0) == order_of(50, True, 1, 0)
    assert order_of(50, True, 1, 0) != order_of(50, True, 1, 1) != order_of(50, True, 2, 1)
    assert order_of(5, False, 1, 3) == [0, 1, 2, 3, 4]


def source_of(small: SmallTraining, workers: int = 0, shared: bool = False) -> Source:
    spec = read_recipe(small.recipe).train
    return read_source(replace(spec, workers=workers, shared_memory=shared), 3)


def loaded(source: Source, rank: int = 0, ranks: int = 1, epoch: int = 1) -> list[Batch]:
    return list(load(source, epoch, 7, rank, ranks))


def pixels(batches: list[Batch]) -> np.ndarray:
    return np.concatenate([batch.images.numpy() for batch in batches if batch.size])


def test_workers_change_nothing(small: SmallTraining) -> None:
    alone = loaded(source_of(small))
    assert [batch.size for batch in alone] == [4, 4, 4, 3]
    for shared in (False, True):
        helped = loaded(source_of(small, 2, shared))
        assert [batch.size for batch in helped] == [4, 4, 4, 3]
        assert (pixels(alone) == pixels(helped)).all()
    assert not (pixels(alone) == pixels(loaded(source_of(small), epoch=2))).all()


@pytest.mark.parametrize("workers", [0, 1])
def test_a_picture_that_cannot_be_decoded_is_left_out_and_named(small: SmallTraining, workers: int) -> None:
    (small.pictures / "red" / "2.png").write_bytes(b"no picture")
    batches = loaded(source_of(small, workers))
    assert sum(batch.size for batch in batches) == 14
    bad = [words for batch in batches for words in batch.bad]
    assert len(bad) == 1 and "red/2.png" in bad[0]


@pytest.mark.parametrize(("workers", "shared"), [(0, False), (1, False), (1, True)])
def test_a_batch_of_bad_pictures_alone_is_empty(small: SmallTraining, workers: int, shared: bool) -> None:
    for path in small.pictures.rglob("*.png"):
        path.write_bytes(b"no picture")
    batches = loaded(source_of(small, workers, shared))
    assert [batch.size for batch in batches] == [0, 0, 0, 0]
    assert sum(len(batch.bad) for batch in batches) == 15


def test_a_rank_without_a_part_takes_every_step(small: SmallTraining) -> None:
    small.write(DataLoader__Train__sampler__batch_size=1)
    sizes = [[batch.size for batch in loaded(source_of(small), rank, 7)] for rank in range(7)]
    assert sizes == [[1, 1, 1], *[[1, 1, 0]] * 6]


def test_pictures_of_different_sizes_are_refused(small: SmallTraining) -> None:
    operations = [{"DecodeImage": {"backend": "pil"}}, {"ResizeImage": {"resize_short": 16}}, {"NormalizeImage": {"order": ""}}]
    small.write(DataLoader__Train__dataset__transform_ops=operations)
    from PIL import Image

    Image.new("RGB", (80, 20)).save(small.pictures / "red" / "0.png")
    with pytest.raises(InputError, match="different sizes"):
        loaded(source_of(small))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_fault_of_the_program_ends_it_and_does_not_hang(
    small: SmallTraining, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("aligndbg.datasets.pipeline.Pipeline.apply", broken)
    with pytest.raises(InputError, match="RuntimeError: a bug"):
        loaded(source_of(small, workers))


def test_a_transform_that_cannot_be_done_is_refused_with_its_line(small: SmallTraining) -> None:
    small.write(DataLoader__Train__dataset__transform_ops=[{"DecodeImage": None}, {"AutoAugment": None}])
    with pytest.raises(InputError) as caught:
        read_pipeline(read_recipe(small.recipe).train)
    place, words = caught.value.message.split(": ", 1)
    file, line = place.rsplit(":", 1)
    assert file == str(small.recipe)
    assert "AutoAugment" in small.recipe.read_text().splitlines()[int(line) - 1]
    assert "AutoAugment" in words


def test_more_classes_than_the_model_has_are_refused(small: SmallTraining) -> None:
    with pytest.raises(InputError, match=r"has 3 classes, the model has 2") as caught:
        read_source(read_recipe(small.recipe).train, 2)
    assert caught.value.hint == "-o Arch.class_num=3"


def test_class_folders_that_shift_the_labels_are_refused(small: SmallTraining, tmp_path: Path) -> None:
    train = source_of(small)
    check_same_classes(train, train)
    other = tmp_path / "val"
    shutil.copytree(small.pictures, other)
    shutil.rmtree(other / "red")
    spec = replace(read_recipe(small.recipe).train, root=str(other))
    check_same_classes(train, read_source(spec, 3))
    shutil.rmtree(other / "blue")
    with pytest.raises(InputError, match=r"the folder 'green' is class 0 in .*val, class 1 in"):
        check_same_classes(train, read_source(spec, 3))
    (other / "green").rename(other / "azure")
    with pytest.raises(InputError, match=r"the folder 'azure' is class 0 in .*val, no class in"):
        check_same_classes(train, read_source(spec, 3))
