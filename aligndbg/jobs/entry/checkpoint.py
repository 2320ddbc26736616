"""Checkpoints under PaddleClas's names: NAME.pdparams (weights), NAME.pdopt (the optimizer's), NAME.pdstates (where the run is).

All three hold numpy arrays by name alone, so that they are read without executing anything in them. They are replaced together:
a kill at any moment leaves the old three or the new three.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aligndbg.errors import EnvironmentFault, InputError, named
from aligndbg.weights.pdparams import Refused, dump, load

Arrays = Mapping[str, NDArray[Any]]
SUFFIXES = (".pdparams", ".pdopt", ".pdstates")
LATEST, BEST = "latest", "best_model"


@dataclass(frozen=True, slots=True)
class Progress:
    """`epoch` counts the epochs that are done. `metric` is the best top-1 so far, as a fraction, after `best_epoch` epochs; -1 and
    0 where there is none. What follows says whether a resumed run is the same one."""

    epoch: int
    metric: float = -1.0
    best_epoch: int = 0
    seed: int = 0
    steps_per_epoch: int = 0
    ranks: int = 1


@dataclass(frozen=True, slots=True)
class Checkpoint:
    weights: Arrays
    optimizer: Arrays
    progress: Progress


def save(folder: Path, name: str, checkpoint: Checkpoint) -> None:
    """Replace the three files. EnvironmentFault where they cannot be written; then the old ones stand."""
    states = {field.name: np.array(getattr(checkpoint.progress, field.name)) for field in fields(Progress)}
    prefix = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        finish(prefix)
        for suffix, arrays in zip(SUFFIXES, (checkpoint.weights, checkpoint.optimizer, states), strict=True):
            _write(_new(prefix, suffix), arrays)
        finish(prefix)
    except OSError as error:
        raise EnvironmentFault(
            f"{named(prefix)} cannot be written: {error.strerror}", "-o Global.output_dir=DIR, or --output"
        ) from None


def make_folder(folder: Path) -> None:
    """EnvironmentFault where no checkpoint could be written there, before the first epoch is spent on it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe.{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise EnvironmentFault(f"checkpoints cannot be kept in {named(folder)}: {error.strerror}", "--output DIR") from None


def finish(prefix: Path) -> None:
    """Put a checkpoint in its place that was written whole and not moved.

    The last of the new files appears under its name once all are whole, so that from then on the move can be done again.
    """
    last = SUFFIXES[-1]
    if not _new(prefix, last).exists():
        return
    for suffix in SUFFIXES:
        new = _new(prefix, suffix)
        if new.exists():
            new.replace(_file(prefix, suffix))


def read(prefix: Path) -> Checkpoint:
    """The checkpoint. InputError where one of its files is missing, damaged, or asks to execute something."""
    finish(prefix)
    weights, optimizer, states = (read_arrays(_file(prefix, suffix)) for suffix in SUFFIXES)
    try:
        values = {field.name: states[field.name].item() for field in fields(Progress) if field.name in states}
        return Checkpoint(weights, optimizer, Progress(**values))
    except (TypeError, ValueError):
        raise InputError(f"{named(_file(prefix, SUFFIXES[-1]))} does not say after which epoch it was saved") from None


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Arrays by name, nothing executed. InputError says what is wrong with the file."""
    try:
        with path.open("rb") as file:
            return load(file)
    except FileNotFoundError:
        raise InputError(f"{named(path)} does not exist", "a checkpoint is named without its suffix") from None
    except OSError as error:
        raise InputError(f"{named(path)} cannot be read: {error.strerror}") from None
    except Refused as error:
        raise InputError(f"{named(path)} asks for {error}, which no checkpoint needs: it is not read") from None
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError, MemoryError) as error:
        raise InputError(f"{named(path)} is damaged: {type(error).__name__}") from None


def _write(path: Path, arrays: Arrays) -> None:
    """Through a second name, so that the file is whole as soon as it has its own."""
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            dump(file, arrays)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _file(prefix: Path, suffix: str) -> Path:
    return prefix.with_name(prefix.name + suffix)


def _new(prefix: Path, suffix: str) -> Path:
    return prefix.with_name(f".{prefix.name}{suffix}.new")
