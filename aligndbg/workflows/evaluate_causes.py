"""How much of a gap is the preprocessing's, and which of its settings costs what: the port on tensors made in several ways."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from multiprocessing.connection import wait
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aligndbg.datasets.compare import compare_pipelines
from aligndbg.datasets.decoders import Decoded, Decoders
from aligndbg.datasets.difference_words import sentence
from aligndbg.datasets.differences import differing_settings, variants
from aligndbg.frameworks import wire
from aligndbg.frameworks.channel import Lease
from aligndbg.frameworks.client import Child, listen
from aligndbg.store.images import ImageRow
from aligndbg.workflows.evaluate_model import CauseReport, PreprocessReport, StageReport
from aligndbg.workflows.evaluate_pictures import Selection

BATCH = 16
"""Pictures at a time: each is there once for every way of making its tensor."""

MEASURED = 50
"""Pictures whose pixels are compared stage by stage, in this process."""

PATIENCE = 1.0
"""Seconds between two looks at whether a stop was asked for."""

Classes = NDArray[np.int64]


def measure_causes(
    paddle: Child, selection: Selection, rows: Sequence[ImageRow], most: int, workers: int, log: Path, check: Callable[[], None]
) -> PreprocessReport:
    """On the first `most` judged pictures: Paddle's best classes on torch's tensors, on its own, and on its own with one setting of
    torch's at a time."""
    torch, own = selection.pipelines
    named = dict(variants(torch, own))
    chosen = [row for row in rows if row.row is not None][:most]
    paths = [selection.pictures[row.position].path for row in chosen]
    with Decoders((torch, own, *named.values()), selection.shape, BATCH, workers, log) as decoders:
        places, classes = _classes(paddle, decoders, paths, 2 + len(named), check)
    kept = [chosen[place] for place in places]
    words = {setting.cause: sentence(setting, "torch", "Paddle") for setting in differing_settings(torch, own)}
    report = preprocess_report(kept, classes[0], classes[1], dict(zip(named, classes[2:], strict=True)), words)
    check()
    return replace(report, stages=_stages(selection, [paths[place] for place in places[:MEASURED]]))


def _stages(selection: Selection, paths: Sequence[Path]) -> tuple[StageReport, ...]:
    """Of pictures that both sides can use: how far apart each stage leaves them."""
    torch, own = selection.pipelines
    found = compare_pipelines(torch, own, paths)
    return tuple(
        StageReport(one.stage, one.pictures, one.differing, one.resized, one.mean_abs, one.max_abs) for one in found.stages
    )


def preprocess_report(
    rows: Sequence[ImageRow], same: Classes, own: Classes, by_cause: Mapping[str, Classes], words: Mapping[str, str]
) -> PreprocessReport:
    """`same`, `own` and each of `by_cause` are Paddle's best classes of `rows`, by how their tensors were made."""
    labels = np.array([row.label for row in rows], np.int64)
    count = max(1, len(rows))

    def percent(right: NDArray[np.bool_]) -> float:
        return 100 * int(right.sum()) / count

    torch = np.array([row.torch is not None and row.torch.rank < 1 for row in rows], bool)
    flipped = own != same
    causes = tuple(
        CauseReport(
            cause,
            words[cause],
            flips=int((classes != own).sum()),
            mended=int((flipped & (classes == same)).sum()),
            top1=percent(classes == labels),
        )
        for cause, classes in by_cause.items()
    )
    return PreprocessReport(
        images=len(rows),
        model_gap=percent(same == labels) - percent(torch),
        preprocess_gap=percent(own == labels) - percent(same == labels),
        flips=int(flipped.sum()),
        causes=tuple(sorted(causes, key=lambda one: -one.mended)),
    )


def _classes(
    paddle: Child, decoders: Decoders, paths: Sequence[Path], ways: int, check: Callable[[], None]
) -> tuple[list[int], list[Classes]]:
    """Which of `paths` every pipeline could make, and the best classes of those, for each pipeline."""
    places: list[int] = []
    found: list[list[Classes]] = [[] for _ in range(ways)]
    waiting = deque(range(0, len(paths), BATCH))
    left = len(waiting)
    while left:
        check()
        while waiting and decoders.room:
            start = waiting.popleft()
            decoders.submit(start, paths[start : start + BATCH])
        if (decoded := decoders.finished()) is None:
            decoders.serve(wait(decoders.connections, PATIENCE))
            continue
        places += [decoded.number + place for place in decoded.places]
        for way, classes in enumerate(_forwards(paddle, decoded)):
            found[way].append(classes)
        decoders.release(decoded)
        left -= 1
    return places, [np.concatenate(each) if each else np.zeros(0, np.int64) for each in found]


def _forwards(paddle: Child, decoded: Decoded) -> list[Classes]:
    classes: list[Classes] = []

    def on_message(child: Child, message: wire.Message, leases: list[Lease]) -> bool:
        if isinstance(message, wire.Outputs):
            # As in the report: of equal logits the lower class, and a NaN is no class's best.
            classes.append(np.argsort(-leases[0].array, axis=1, kind="stable")[:, 0])
        for lease in leases:
            lease.release()
        return isinstance(message, wire.Outputs)

    for tensor in decoded.tensors if decoded.places else ():
        paddle.send(wire.Forward(), [tensor])
        listen((paddle,), on_message)
    return classes
