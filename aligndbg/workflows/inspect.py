"""The main use case: run both models on one input, compare every layer, say where the port breaks."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from aligndbg.core.diff import warm
from aligndbg.core.judgement import Judge, Measured
from aligndbg.core.layers import LayerPair
from aligndbg.core.tolerance import Tolerances
from aligndbg.core.verdict import LayerResult, Verdict
from aligndbg.datasets.inputs import make_inputs
from aligndbg.pairs.schema import PairSpec, ToleranceSpec
from aligndbg.settings import MIB, Settings
from aligndbg.store.writer import SessionWriter
from aligndbg.workflows.compare import compare, require_same_calls, with_calls
from aligndbg.workflows.events import Event, LayerDiffed, LayersPaired, Notice, RunEnded, RunStarted, SideProgress
from aligndbg.workflows.preparation import prepare
from aligndbg.workflows.record import record
from aligndbg.workflows.reporting import compare_outputs, report_of
from aligndbg.workflows.sides import Arrays, open_sides
from aligndbg.workflows.stop import Stop
from aligndbg.workflows.stream import Tell, stream

KEPT_TENSORS = 64 * MIB
"""Bytes of wrong layers' outputs that a session keeps; the first ones are worth most."""

WORTH_KEEPING = (Verdict.BORN, Verdict.NAN, Verdict.SHAPE)


class Inspection:
    """One run on a pair, stored as a session. `events` is read once; `cancel` may come from any thread, at any time."""

    def __init__(self, pair: PairSpec, settings: Settings, options: Mapping[str, Any], device: str = "cpu") -> None:
        self._pair = pair
        self._settings = settings
        self._options = options
        self._device = device
        self._stop = Stop()

    def events(self) -> Iterator[Event]:
        """Raises AligndbgError where no session can be written; whatever ends the run later is its last event."""
        writer = SessionWriter.create(self._settings.sessions, self._pair, self._options)
        yield from record(stream(lambda tell: self._work(writer, tell), self._stop), writer)

    def cancel(self) -> None:
        self._stop.request()

    def _work(self, writer: SessionWriter, tell: Tell) -> None:
        started = time.perf_counter()
        pair, stop = self._pair, self._stop
        notices: list[str] = []

        def tell_and_note(event: Event) -> None:
            if isinstance(event, Notice):
                notices.append(f"{event.message} ({event.hint})" if event.hint else event.message)
            tell(event)

        tell(RunStarted(pair.name, pair.description, str(writer.path)))
        inputs, input_text = make_inputs(pair)
        writer.keep("inputs", {f"input{index}": value for index, value in enumerate(inputs)})
        # Loading the kernel takes as long as importing a framework; both go on at once.
        threading.Thread(target=warm, name="kernel", daemon=True).start()
        with open_sides(pair, writer.logs, self._settings.arena_bytes, tell_and_note, stop) as sides:
            prepared = prepare(pair, sides, inputs, self._device, tell_and_note, stop)
            for child in sides.both:
                tell(SideProgress(child.side, "running"))
            diffs: dict[int, Measured] = {}
            judge = Judge(prepared.layers, diffs)
            kept = Keeper(writer, prepared.layers)

            def on_layer(index: int, measured: Measured, torch: Arrays, paddle: Arrays) -> None:
                diffs[index] = measured
                result = judge.compared(index)
                kept.offer(result, torch, paddle)
                tell(LayerDiffed(result))

            comparison = compare(sides, prepared.layers, inputs, tolerances_of(pair.tolerance), on_layer)
            require_same_calls(prepared.traces, comparison.traces)
            for side, seconds in comparison.seconds.items():
                tell(SideProgress(side, "done", f"{seconds:.2f} s"))
            environment = dict(sides.environment)
        layers = with_calls(prepared.layers, comparison.traces)
        if layers != prepared.layers:
            prepared, judge = replace(prepared, layers=layers), Judge(layers, diffs)
            tell(LayersPaired(layers))
        _, outputs_agree = compare_outputs(
            comparison.torch_outputs, comparison.paddle_outputs, pair.tolerance.atol, pair.tolerance.rtol
        )
        results = last_words(judge, prepared.layers, diffs, not outputs_agree)
        for result in results.values():
            tell(LayerDiffed(result))
        report = report_of(
            pair,
            prepared,
            comparison,
            results,
            environment=environment,
            input_text=input_text,
            notices=notices,
            total_s=time.perf_counter() - started,
            session=shown_path(writer.path),
        )
        tell(RunEnded(report))


class Keeper:
    """Keeps the outputs of the layers that are wrong by themselves, while there is room."""

    def __init__(self, writer: SessionWriter, layers: tuple[LayerPair, ...]) -> None:
        self._writer = writer
        self._paths = {row.index: row.path for row in layers}
        self._room = KEPT_TENSORS

    def offer(self, result: LayerResult, torch: Arrays, paddle: Arrays) -> None:
        size = sum(value.nbytes for value in (*torch, *paddle))
        if result.verdict not in WORTH_KEEPING or size > self._room:
            return
        self._room -= size
        both = (("torch", torch), ("paddle", paddle))
        arrays = {f"{side}{index}": np.array(value) for side, values in both for index, value in enumerate(values)}
        self._writer.keep(self._paths[result.index], arrays)


def last_words(
    judge: Judge, layers: tuple[LayerPair, ...], diffs: Mapping[int, Measured], output_differs: bool
) -> dict[int, LayerResult]:
    """The final verdict on every row, now that all diffs are known."""
    return {
        row.index: judge.compared(row.index) if row.index in diffs else judge.alone(row.index, output_differs) for row in layers
    }


def tolerances_of(spec: ToleranceSpec) -> Tolerances:
    return Tolerances(spec.atol, spec.rtol, {glob: (own.atol, own.rtol) for glob, own in spec.layers.items()})


def shown_path(path: Path | str) -> str:
    """As the user would type it."""
    path, here = Path(path), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
