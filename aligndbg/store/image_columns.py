"""An evaluation's pictures as columns: tens of thousands of them are read in a fraction of a second."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aligndbg.core.images import NOBODY, ImageColumns, SideColumns
from aligndbg.store import database
from aligndbg.store.layout import RESULTS

_SIDE = "coalesce({0}_rank, -1), {0}_loss, {0}_top"
_QUERY = (
    f"SELECT position, name, label, {_SIDE.format('torch')}, {_SIDE.format('paddle')}, max_abs, divergence, problem "
    "FROM images ORDER BY position"
)
_PLACE = np.dtype([("class", "<i4"), ("probability", "<f4")])


def read_columns(folder: Path) -> ImageColumns:
    """Every picture that is judged so far. EnvironmentFault, naming the file, where it cannot be read."""
    with database.faults(folder / RESULTS):
        connection = database.connect_to_read(folder)
        try:
            rows = connection.execute(_QUERY).fetchall()
        finally:
            connection.close()
    columns: Sequence[Sequence[object]] = list(zip(*rows, strict=True)) or [()] * 12
    positions, names, labels, *sides, max_abs, divergence, problems = columns
    return ImageColumns(
        _integers(positions),
        names,  # type: ignore[arg-type]
        _integers(labels),
        _side(*sides[:3]),
        _side(*sides[3:]),
        _numbers(max_abs),
        _numbers(divergence),
        problems,  # type: ignore[arg-type]
    )


def _side(rank: Sequence[object], loss: Sequence[object], tops: Sequence[object]) -> SideColumns:
    """Of pictures with fewer classes than others, the rest are NOBODY."""
    found = [top if isinstance(top, bytes) else b"" for top in tops]
    longest = max((len(top) for top in found), default=0) // _PLACE.itemsize
    nothing = np.array([(NOBODY, np.nan)] * longest, _PLACE).tobytes()
    joined = b"".join(top + nothing[len(top) :] for top in found)
    places = np.frombuffer(joined, _PLACE).reshape(len(found), longest)
    return SideColumns(_integers(rank), _numbers(loss), places["class"].astype(np.int32), places["probability"].astype(np.float32))


def _integers(values: Sequence[object]) -> NDArray[np.int64]:
    return np.array(values, np.int64)


def _numbers(values: Sequence[object]) -> NDArray[np.float64]:
    """NULL becomes NaN."""
    return np.array(values, np.float64)
