"""One input through all that a run measures, and the worst over several inputs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aligndbg.core.judgement import Evidence, Judge, Measured
from aligndbg.core.layers import LayerPair
from aligndbg.core.rows import severity
from aligndbg.core.tolerance import Tolerances
from aligndbg.core.verdict import LayerResult, Verdict
from aligndbg.diagnosis.remedy import Remedy
from aligndbg.frameworks.client import Child
from aligndbg.settings import MIB
from aligndbg.store.writer import SessionWriter
from aligndbg.workflows.arbiter import arbitrate
from aligndbg.workflows.compare import Comparison, compare, require_same_calls, with_calls
from aligndbg.workflows.diagnose import diagnose
from aligndbg.workflows.locate import Located, locate
from aligndbg.workflows.preparation import Prepared
from aligndbg.workflows.sides import Arrays, Sides

KEPT_TENSORS = 64 * MIB
"""Bytes of wrong layers' outputs that a session keeps; the first ones are worth most."""


@dataclass
class Verdicts:
    """The last word on each row over all trials; `changed` hears of a row whenever it is another one."""

    changed: Callable[[LayerResult], None]
    _trials: list[dict[int, LayerResult]] = field(default_factory=list)
    _told: dict[int, LayerResult] = field(default_factory=dict)

    def new_trial(self) -> None:
        self._trials.append({})

    def offer(self, result: LayerResult) -> None:
        """A row's result in the latest trial; it takes the place of an earlier one of that trial."""
        self._trials[-1][result.index] = result
        worst = max((trial[result.index] for trial in self._trials if result.index in trial), key=severity)
        if self._told.get(result.index) != worst:
            self._told[result.index] = worst
            self.changed(worst)

    @property
    def latest(self) -> Mapping[int, LayerResult]:
        """The results of the latest trial."""
        return self._trials[-1]

    @property
    def results(self) -> Mapping[int, LayerResult]:
        return self._told


class Trial:
    """One input. The passes are made in the order of the methods, and each may be left out but the first."""

    def __init__(
        self, sides: Sides, prepared: Prepared, inputs: Arrays, tolerances: Tolerances, verdicts: Verdicts, keeper: Keeper
    ) -> None:
        self._sides = sides
        self._prepared = prepared
        self._inputs = inputs
        self._tolerances = tolerances
        self._verdicts = verdicts
        self._keeper = keeper
        self._evidence = Evidence()
        self.layers = prepared.layers
        self._judge = Judge(self.layers, self._evidence, tolerances)
        verdicts.new_trial()

    def compare(self) -> Comparison:
        """Both forwards from the model's input; propagated diffs."""

        def on_layer(index: int, measured: Measured, torch: Arrays, paddle: Arrays) -> None:
            self._evidence.diffs[index] = measured
            self._verdicts.offer(self._judge.compared(index))

        found = compare(self._sides, self.layers, self._inputs, self._tolerances, on_layer)
        require_same_calls(self._prepared.traces, found.traces)
        self.layers = with_calls(self.layers, found.traces)
        self._judge = Judge(self.layers, self._evidence, self._tolerances)
        return found

    def locate(self, golden: Child | None, local: bool) -> Located:
        """Local diffs and noise floors."""

        def on_evidence(index: int, torch: Arrays, paddle: Arrays) -> None:
            result = self._judge.compared(index)
            self._keeper.offer(result, torch, paddle)
            self._verdicts.offer(result)

        return locate(self._sides, golden, self.layers, self._inputs, self._tolerances, self._evidence, local, on_evidence)

    def arbitrate(self, exported: Path) -> None:
        """Each side against ONNX Runtime."""
        arbitrate(
            self._sides,
            exported,
            self.layers,
            self._inputs,
            self._evidence,
            lambda index: self._verdicts.offer(self._judge.compared(index)),
        )

    def conclude(self, output_differs: bool) -> None:
        """The last word on every row, now that all there is to know is known."""
        for row in self.layers:
            compared = row.index in self._evidence.diffs
            self._verdicts.offer(self._judge.compared(row.index) if compared else self._judge.alone(row.index, output_differs))

    def diagnose(self, known: Collection[int]) -> tuple[Remedy, ...]:
        """Causes of this input's faults, but for those of the rows `known`, which another input has shown already."""
        results = {index: result for index, result in self._verdicts.latest.items() if index not in known}
        return diagnose(
            self._sides, self.layers, self._prepared.plan, self._inputs, results, self._judge, self._evidence, self._tolerances
        )

    def born(self) -> frozenset[int]:
        """The rows at which this input shows a fault of their own."""
        return frozenset(
            index for index, result in self._verdicts.latest.items() if result.mismatch and result.verdict is Verdict.BORN
        )


class Keeper:
    """Keeps the outputs of born layers on torch's inputs, while there is room."""

    def __init__(self, writer: SessionWriter, layers: tuple[LayerPair, ...]) -> None:
        self._writer = writer
        self._paths = {row.index: row.path for row in layers}
        self._room = KEPT_TENSORS

    def offer(self, result: LayerResult, torch: Arrays, paddle: Arrays) -> None:
        size = sum(value.nbytes for value in (*torch, *paddle))
        if result.verdict is not Verdict.BORN or size > self._room:
            return
        self._room -= size
        both = (("torch", torch), ("paddle", paddle))
        arrays: dict[str, NDArray[Any]] = {
            f"{side}{index}": np.array(value) for side, values in both for index, value in enumerate(values)
        }
        self._writer.keep(self._paths[result.index], arrays)
