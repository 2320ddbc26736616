"""The pictures that a recipe names, and the transforms that it puts them through."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from aligndbg.datasets.listing import BadPicture, Picture, read_folder, read_list
from aligndbg.datasets.paddleclas_transforms import pipeline_from_ops
from aligndbg.datasets.pipeline import Pipeline
from aligndbg.errors import InputError, named
from aligndbg.jobs.recipe import LoaderSpec

_INDEX = re.compile(r"transform_ops\[([0-9]+)\]")


@dataclass(frozen=True, slots=True)
class Source:
    """Pictures that exist, `problems` that are left out, and how they are loaded."""

    pictures: tuple[Picture, ...]
    problems: tuple[BadPicture, ...]
    pipeline: Pipeline
    spec: LoaderSpec

    def steps(self, ranks: int) -> int:
        """Batches in an epoch."""
        whole = self.spec.batch_size * ranks
        return len(self.pictures) // whole if self.spec.drop_last else -(-len(self.pictures) // whole)


def read_source(spec: LoaderSpec, classes: int | None) -> Source:
    """The pictures of a recipe's data set. InputError names the file and line, or the transform's, that cannot be used."""
    pipeline, root = read_pipeline(spec), Path(spec.root)
    found = read_list(Path(spec.list), root, spec.delimiter, classes) if spec.list is not None else read_folder(root)
    largest = max((picture.label or 0 for picture in found.pictures), default=0)
    if classes is not None and largest >= classes:
        raise InputError(f"{named(root)} has {largest + 1} classes, the model has {classes}", f"-o Arch.class_num={largest + 1}")
    if not found.pictures:
        raise InputError(f"{named(root)} has no picture that exists", "image_root is the folder that the list's paths start at")
    return Source(found.pictures, found.problems, pipeline, spec)


def check_same_classes(train: Source, evaluation: Source) -> None:
    """InputError where one class folder has two labels: they are numbered in order, so that one folder more or less shifts them."""
    if train.spec.list is not None or evaluation.spec.list is not None:
        return
    first, second = ({picture.name.partition("/")[0]: picture.label for picture in one.pictures} for one in (train, evaluation))
    for name, label in second.items():
        if first.get(name, label) != label or (name not in first and label in first.values()):
            known = f"class {first[name]}" if name in first else "no class"
            here, there = (named(Path(one.spec.root)) for one in (evaluation, train))
            raise InputError(
                f"the folder {name!r} is class {label} in {here}, {known} in {there}",
                "both need the same class folders, or a list each with its labels",
            )


def read_pipeline(spec: LoaderSpec) -> Pipeline:
    """The recipe's transforms. InputError names the line of the one that cannot be done."""
    operations = spec.operations
    try:
        return pipeline_from_ops([one.operation for one in operations], old=False)
    except InputError as error:
        index = _INDEX.match(error.message)
        place = f"{operations[int(index[1])].place}: " if index else f"{operations[0].place}: " if operations else ""
        raise InputError(f"{place}{error.message}", error.hint) from None
