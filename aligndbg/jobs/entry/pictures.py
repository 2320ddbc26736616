"""Labelled pictures in batches, each picture on one rank alone."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import paddle
from paddle.io import DataLoader, Dataset

from aligndbg.errors import InputError, named
from aligndbg.jobs.recipe_pictures import Source

NONE = -1
"""In place of a picture's number where a rank has no part in a batch."""
FAULT = -2
"""In place of a label where the program failed, not the picture."""


@dataclass(frozen=True, slots=True)
class Batch:
    """`images` [n, 3, height, width] and `labels` [n], None where n is 0; `bad` says what could not be decoded, a line each."""

    images: Any
    labels: Any
    bad: tuple[str, ...]

    @property
    def size(self) -> int:
        return 0 if self.labels is None else int(self.labels.shape[0])


def parts(order: Sequence[int], batch_size: int, drop_last: bool, rank: int, ranks: int) -> list[list[int]]:
    """This rank's part of every batch of `batch_size * ranks`.

    Over all ranks each number comes once. The parts of the last batch differ by 1 at most and may be empty; which pictures meet
    in a batch depends on its whole size alone.
    """
    whole = batch_size * ranks
    batches = [order[at : at + whole] for at in range(0, len(order), whole)]
    if drop_last and batches and len(batches[-1]) < whole:
        batches.pop()
    return [list(batch[rank::ranks]) for batch in batches]


def order_of(count: int, shuffle: bool, seed: int, epoch: int) -> list[int]:
    """The epoch's order of `count` pictures: by seed and epoch, and the same on all ranks."""
    if not shuffle:
        return list(range(count))
    return [int(number) for number in np.random.default_rng([seed, epoch]).permutation(count)]


def load(source: Source, epoch: int, seed: int, rank: int, ranks: int) -> Iterator[Batch]:
    """This rank's part of each batch of the epoch. What is random in a picture's transforms follows seed, epoch and picture."""
    spec = source.spec
    order = order_of(len(source.pictures), spec.shuffle, seed, epoch)
    loader = DataLoader(
        _Decoded(source, epoch, seed),
        batch_sampler=[part or [NONE] for part in parts(order, spec.batch_size, spec.drop_last, rank, ranks)],
        collate_fn=_collated,
        num_workers=spec.workers,
        use_shared_memory=spec.shared_memory,
        return_list=True,
    )
    for images, labels, bad, fault in loader:
        if fault:
            raise InputError(*fault)
        empty = int(labels[0]) == NONE
        yield Batch(None if empty else images, None if empty else labels, tuple(bad))


class _Decoded(Dataset):
    """Number -> pixels, label and, in place of pixels, what was wrong."""

    def __init__(self, source: Source, epoch: int, seed: int) -> None:
        self._source = source
        self._start = (seed, epoch)

    def __len__(self) -> int:
        return len(self._source.pictures)

    def __getitem__(self, number: int) -> tuple[Any, int, str]:
        if number == NONE:
            return None, NONE, ""
        picture = self._source.pictures[number]
        label = NONE if picture.label is None else picture.label
        try:
            return self._source.pipeline.apply(picture.path, np.random.default_rng([*self._start, number])), label, ""
        except InputError as error:
            return None, NONE, error.message
        except Exception as error:
            # Not of this picture: one of the program. Paddle's loader waits for ever for a thread that raised.
            traceback.print_exc()
            return None, FAULT, f"{named(picture.path)}: {type(error).__name__}: {error}"


def _collated(items: Sequence[tuple[Any, int, str]]) -> tuple[Any, Any, list[str], list[str]]:
    """The good ones stacked, what is bad, and a message and hint where training cannot go on.

    Where there is no good one, one label says so: an array may not be empty on its way between processes.
    """
    good = [(pixels, label) for pixels, label, _ in items if pixels is not None]
    bad = [words for _, label, words in items if words and label != FAULT]
    fault = [words for _, label, words in items if label == FAULT][:1]
    sizes = sorted({pixels.shape for pixels, _ in good})
    if len(sizes) > 1:
        fault = [f"the transforms leave pictures of different sizes: {sizes[0]} and {sizes[-1]}", "end them with a crop"]
    if not good or fault:
        return np.zeros(1, np.float32), np.array([NONE], np.int64), bad, fault
    return np.stack([pixels for pixels, _ in good]), np.array([label for _, label in good], np.int64), bad, []


def seed_everything(seed: int, epoch: int, rank: int) -> None:
    """Begin what a model draws (dropout) anew, so that an epoch depends on no earlier one and can be resumed exactly."""
    import random

    state = int(np.random.SeedSequence([seed, epoch, rank]).generate_state(1)[0])
    paddle.seed(state)
    np.random.seed(state)
    random.seed(state)
