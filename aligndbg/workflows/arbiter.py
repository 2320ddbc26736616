"""A third opinion: ONNX Runtime on the exported torch model, layer by layer."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

import aligndbg
from aligndbg.core.exported import exported_calls
from aligndbg.core.judgement import Evidence
from aligndbg.core.layers import LayerPair, Trace
from aligndbg.core.likeness import alike
from aligndbg.core.matching import match
from aligndbg.core.noise import largest_gap
from aligndbg.core.verdict import OnnxDiff
from aligndbg.errors import EnvironmentFault
from aligndbg.frameworks.client import Child
from aligndbg.settings import MIB, Settings
from aligndbg.workflows.compare import compared_rows
from aligndbg.workflows.meeting import Meeting
from aligndbg.workflows.preparation import Prepared
from aligndbg.workflows.sides import Arrays, Sides, trace_of

CACHE = 2048 * MIB
"""Bytes of exported models that are kept, the latest ones."""


def arbitrate(
    sides: Sides,
    path: Path,
    layers: Sequence[LayerPair],
    inputs: Arrays,
    evidence: Evidence,
    on_evidence: Callable[[int], None],
) -> None:
    """ONNX Runtime's value of each row against torch's, and against Paddle's on torch's inputs.

    AligndbgError where it cannot be had.
    """
    onnx, known = _values(sides, path, layers, inputs)
    calls = compared_rows(layers)
    wanted = {known[call]: row for call, row in calls["torch"].items() if call in known}

    def on_row(index: int, outputs: Mapping[str, Arrays]) -> None:
        if "onnx" not in outputs or "paddle" not in outputs:
            return
        value = outputs["onnx"][0]
        evidence.onnx[index] = OnnxDiff(*(_gap(outputs[side], value) for side in ("torch", "paddle")))
        on_evidence(index)

    meeting = Meeting(
        {"torch": sides.torch, "paddle": sides.paddle, "onnx": onnx},
        {**calls, "onnx": wanted},
        on_row,
        forced="paddle",
        optional=frozenset({"onnx", "paddle"}),
    )
    meeting.run(inputs)
    if "onnx" in meeting.failures:
        raise meeting.failures["onnx"]


def exported_model(sides: Sides, prepared: Prepared, source: bytes, inputs: Arrays, settings: Settings) -> Path:
    """The torch model as ONNX: from the cache where the same model was exported before, else exported now."""
    folder = settings.cache / "onnx"
    path = folder / f"{_key(sides, prepared, source, inputs)}.onnx"
    if path.is_file():
        with contextlib.suppress(OSError):
            os.utime(path)
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f".{path.stem}.{os.getpid()}.onnx"
        try:
            sides.export(temporary, inputs)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        _prune(folder)
    except OSError as error:
        raise EnvironmentFault(f"{folder} cannot be written: {error.strerror}") from None
    return path


def _key(sides: Sides, prepared: Prepared, source: bytes, inputs: Arrays) -> str:
    """What the exported model depends on: source, weights, shapes, versions."""
    digest = hashlib.sha256(source)
    environment = sides.environment["torch"]
    parts = [aligndbg.__version__, environment["torch"], prepared.state_sha256]
    parts += [f"{value.shape}{value.dtype}" for value in inputs]
    parts += [f"{call.path}{call.kind}{sorted(call.attributes.items())}" for call in prepared.traces.torch.calls]
    for part in parts:
        digest.update(str(part).encode() + b"\0")
    return digest.hexdigest()[:32]


def _prune(folder: Path) -> None:
    files = sorted(folder.glob("*.onnx"), key=lambda path: path.stat().st_mtime, reverse=True)
    kept = 0
    for path in files:
        kept += path.stat().st_size
        if kept > CACHE and path != files[0]:
            path.unlink(missing_ok=True)


def _values(sides: Sides, path: Path, layers: Sequence[LayerPair], inputs: Arrays) -> tuple[Child, dict[int, int]]:
    """The child, and index of torch's call -> index of the child's call with the same value.

    torch's own exporter says which module an op came from. A file of another origin does not: its nodes are paired with torch's
    calls as Paddle's are.
    """
    torch = [row.torch for row in sorted(layers, key=lambda row: row.torch.index if row.torch else -1) if row.torch is not None]
    onnx = sides.open_onnx(path, "op")
    known = exported_calls(torch, trace_of(onnx, inputs).calls)
    if 2 * len(known) >= len(torch):
        return onnx, known
    onnx = sides.open_onnx(path, "node")
    rows = match(Trace(tuple(torch), (), (), ()), trace_of(onnx, inputs))
    return onnx, {row.torch.index: row.paddle.index for row in rows if row.torch and row.paddle and alike(row.torch, row.paddle)}


def _gap(outputs: Arrays, value: NDArray[Any]) -> float:
    """Infinite where the shapes differ."""
    return largest_gap(outputs[0], value) if outputs[0].shape == value.shape else math.inf
