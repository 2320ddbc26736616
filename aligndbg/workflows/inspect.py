"""The main use case: run both models on the same inputs, compare every layer, say where the port breaks and who is wrong."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aligndbg.core.diff import warm
from aligndbg.core.tolerance import Tolerances
from aligndbg.datasets.inputs import make_inputs
from aligndbg.diagnosis.remedy import Remedy
from aligndbg.errors import AligndbgError
from aligndbg.frameworks.client import Child
from aligndbg.pairs.adhoc import with_overrides
from aligndbg.pairs.schema import PairSpec, ToleranceSpec, is_onnx
from aligndbg.settings import Settings
from aligndbg.store.writer import SessionWriter
from aligndbg.workflows.arbiter import exported_model
from aligndbg.workflows.causes import Causes
from aligndbg.workflows.compare import Comparison
from aligndbg.workflows.events import Event, LayerDiffed, LayersPaired, Notice, RunEnded, RunStarted, SideProgress
from aligndbg.workflows.headline import insensitivity
from aligndbg.workflows.preparation import Prepared, prepare
from aligndbg.workflows.record import record
from aligndbg.workflows.report_model import OutputReport, SensitivityReport
from aligndbg.workflows.reporting import compare_outputs, report_of
from aligndbg.workflows.sensitivity import measure_sensitivity
from aligndbg.workflows.sides import Arrays, Sides, open_sides
from aligndbg.workflows.stop import Stop
from aligndbg.workflows.stream import Tell, stream
from aligndbg.workflows.trial import Keeper, Trial, Verdicts


@dataclass(frozen=True, slots=True)
class Depth:
    """What is measured beside the propagated diffs: each costs forwards, and tells who is wrong and where."""

    local: bool = True
    golden: bool = True
    onnx: bool | Path = True
    """A path is a file to ask ONNX Runtime about in place of the exported model."""
    diagnose: bool = True
    """Whether causes are looked for where a fault was located."""


@dataclass(frozen=True, slots=True)
class _Compared:
    """One input's results."""

    comparison: Comparison
    output: OutputReport
    agrees: bool

    def severity(self) -> tuple[bool, float]:
        return not self.agrees, math.inf if self.output.max_abs is None else self.output.max_abs


@dataclass(frozen=True, slots=True)
class _Measured:
    """What all passes on all inputs gave."""

    prepared: Prepared
    verdicts: Verdicts
    compared: Sequence[_Compared]
    remedies: tuple[Remedy, ...]
    sensitivity: SensitivityReport | None


class Inspection:
    """One run on a pair, stored as a session. `events` is read once; `cancel` may come from any thread, at any time.

    `inputs` are kinds of inputs in place of the pair's own, each tried in turn; verdicts are the worst over them. `what_if` names
    findings, `LAYER:ID` or `all`, whose fixes are tried on the live Paddle model: the run then tells what remains.
    """

    def __init__(
        self,
        pair: PairSpec,
        settings: Settings,
        options: Mapping[str, Any],
        device: str = "cpu",
        inputs: Sequence[str] = (),
        depth: Depth | None = None,
        what_if: Sequence[str] = (),
    ) -> None:
        self._trials = [with_overrides(pair, input=kind) for kind in inputs] or [pair]
        self._pair = self._trials[0]
        self._settings = settings
        self._options = options
        self._device = device
        self._depth = depth or Depth()
        self._what_if = tuple(what_if)
        self._stop = Stop()

    def events(self) -> Iterator[Event]:
        """Raises AligndbgError where no session can be written; whatever ends the run later is its last event."""
        writer = SessionWriter.create(self._settings.sessions, self._pair, self._options)
        yield from record(stream(lambda tell: _Run(self, writer, tell).go(), self._stop), writer)

    def cancel(self) -> None:
        self._stop.request()


class _Run:
    """What one reading of the events does."""

    def __init__(self, inspection: Inspection, writer: SessionWriter, tell: Tell) -> None:
        self._pair = inspection._pair
        self._trials = inspection._trials
        self._settings = inspection._settings
        self._device = inspection._device
        self._depth = inspection._depth
        self._what_if = inspection._what_if
        if is_onnx(self._pair.torch):
            # The reference is ONNX Runtime itself, in the one precision that the file has.
            self._depth = replace(self._depth, golden=False, onnx=False)
        self._stop = inspection._stop
        self._writer = writer
        self._tell_on = tell
        self._notices: list[str] = []
        self._tolerances = tolerances_of(self._pair.tolerance)
        self._golden: Child | None = None
        self._asked_golden = False

    def go(self) -> None:
        started = time.perf_counter()
        pair = self._pair
        self._tell(RunStarted(pair.name, pair.description, str(self._writer.path)))
        made = [make_inputs(trial) for trial in self._trials]
        for number, (inputs, _) in enumerate(made):
            name = f"inputs{number + 1}" if number else "inputs"
            self._writer.keep(name, {f"input{index}": value for index, value in enumerate(inputs)})
        # Loading the kernel takes as long as importing a framework; both go on at once.
        threading.Thread(target=warm, name="kernel", daemon=True).start()
        with open_sides(pair, self._writer.logs, self._settings.arena_bytes, self._tell, self._stop) as sides:
            prepared = prepare(pair, sides, made[0][0], self._device, self._tell, self._stop)
            causes = Causes(prepared.layers, self._tell)
            keeper = Keeper(self._writer, prepared.layers)
            every = [inputs for inputs, _ in made]
            wanted = self._what_if
            while wanted:
                # A fix may bring a fault to light that the next one is for.
                found = self._measure(sides, prepared, every, keeper).remedies
                wanted = causes.try_out(sides, found, wanted)
            self._notices = self._notices if not self._what_if else list(causes.tried)
            for words in causes.tried:
                self._tell_on(Notice("info", words))
            causes.warn()
            measured = self._measure(sides, prepared, every, keeper)
            causes.tell(measured.remedies, measured.prepared.layers, measured.verdicts.results)
            for side, seconds in measured.compared[0].comparison.seconds.items():
                self._tell(SideProgress(side, "done", f"{seconds:.2f} s"))
            environment = dict(sides.environment)
        worst = max(measured.compared, key=_Compared.severity)
        report = report_of(
            pair,
            measured.prepared,
            measured.verdicts.results,
            output=worst.output,
            outputs_agree=worst.agrees,
            seconds=worst.comparison.seconds,
            sensitivity=measured.sensitivity,
            environment=environment,
            input_text="; ".join(dict.fromkeys(text for _, text in made)),
            findings=causes.findings,
            what_if=causes.fixed,
            notices=self._notices,
            total_s=time.perf_counter() - started,
            session=shown_path(self._writer.path),
        )
        self._tell(RunEnded(report))

    def _measure(self, sides: Sides, prepared: Prepared, every: Sequence[Arrays], keeper: Keeper) -> _Measured:
        """All passes on all inputs, and the causes of what is wrong."""
        verdicts = Verdicts(lambda result: self._tell(LayerDiffed(result)))
        compared: list[_Compared] = []
        remedies: list[Remedy] = []
        explained: set[int] = set()
        sensitivity = None
        for inputs in every:
            trial = Trial(sides, prepared, inputs, self._tolerances, verdicts, keeper)
            for child in sides.both:
                self._tell(SideProgress(child.side, "running"))
            comparison = trial.compare()
            if not compared:
                self._count_results(comparison)
                # Begins to import while torch alone is at work.
                if self._depth.golden and not self._asked_golden:
                    self._golden = sides.start_golden()
                if trial.layers != prepared.layers:
                    prepared = replace(prepared, layers=trial.layers)
                    self._tell(LayersPaired(trial.layers))
                sensitivity = self._sensitivity(sides, prepared, inputs)
                if not self._asked_golden:
                    self._golden = self._fill(sides, self._golden)
                    self._asked_golden = True
            golden_outputs = self._locate(trial, self._golden)
            self._golden = self._golden if golden_outputs else None
            self._arbitrate(sides, prepared, trial, inputs)
            compared.append(_Compared(comparison, *self._outputs(comparison, golden_outputs)))
            trial.conclude(not compared[-1].agrees)
            remedies += self._diagnose(sides, trial, explained)
            explained |= trial.born()
        return _Measured(prepared, verdicts, compared, tuple(remedies), sensitivity)

    def _tell(self, event: Event) -> None:
        if isinstance(event, Notice):
            self._notices.append(f"{event.message} ({event.hint})" if event.hint else event.message)
        self._tell_on(event)

    def _count_results(self, comparison: Comparison) -> None:
        torch, paddle = len(comparison.torch_outputs), len(comparison.paddle_outputs)
        if torch != paddle:
            self._tell(
                Notice("warning", f"torch gives {torch} results, Paddle {paddle}: those that both give are compared, in order")
            )

    def _sensitivity(self, sides: Sides, prepared: Prepared, inputs: Arrays) -> SensitivityReport | None:
        try:
            found = measure_sensitivity(sides, prepared.layers, inputs)
        except AligndbgError as error:
            self._require(sides, error)
            self._tell(Notice("info", f"sensitivity: not measured: {error.message}"))
            return None
        if not found.ok:
            self._tell(Notice("warning", insensitivity(found), found.advice or ""))
        return found

    def _fill(self, sides: Sides, golden: Child | None) -> Child | None:
        if golden is None:
            return None
        try:
            sides.fill_golden(golden, self._device)
        except AligndbgError as error:
            self._require(sides, error)
            self._unavailable("golden", error)
            return None
        return golden

    def _locate(self, trial: Trial, golden: Child | None) -> tuple[Any, ...]:
        if not self._depth.local and golden is None:
            return ()
        found = trial.locate(golden, self._depth.local)
        for side, error in found.failures.items():
            self._unavailable("local diffs" if side == "paddle" else side, error)
        return found.golden_outputs

    def _diagnose(self, sides: Sides, trial: Trial, explained: Collection[int]) -> tuple[Remedy, ...]:
        if not (self._depth.diagnose and self._depth.local) or not trial.born() - frozenset(explained):
            return ()
        self._tell(SideProgress("paddle", "diagnosing"))
        try:
            found = trial.diagnose(explained)
        except AligndbgError as error:
            self._stop.check()
            self._unavailable("causes", error)
            return ()
        self._stop.check()
        return found

    def _arbitrate(self, sides: Sides, prepared: Prepared, trial: Trial, inputs: Arrays) -> None:
        if not (self._depth.onnx and self._depth.local):
            return
        try:
            given = self._depth.onnx if isinstance(self._depth.onnx, Path) else None
            trial.arbitrate(given or exported_model(sides, prepared, self._torch_source(), inputs, self._settings))
        except AligndbgError as error:
            self._require(sides, error)
            self._unavailable("onnx", error)

    def _outputs(self, comparison: Comparison, golden: tuple[Any, ...]) -> tuple[OutputReport, bool]:
        tolerance = self._pair.tolerance
        return compare_outputs(comparison.torch_outputs, comparison.paddle_outputs, golden, tolerance.atol, tolerance.rtol)

    def _unavailable(self, side: str, error: AligndbgError) -> None:
        self._tell(SideProgress(side, "failed", error.message))
        self._tell(Notice("info", f"{side}: unavailable: {error.message.removeprefix(f'{side}: ')}", error.hint))

    def _require(self, sides: Sides, error: AligndbgError) -> None:
        """Go on without an answer only where the asked child is still there to be asked the next thing."""
        self._stop.check()
        if any(child.dead for child in sides.both):
            raise error

    def _torch_source(self) -> bytes:
        """The torch model's own file; for a module its name, its version is told by the trace."""
        target = self._pair.torch.model
        path = self._pair.root / target.rpartition(":")[0]
        return target.encode() + (path.read_bytes() if path.suffix == ".py" and path.is_file() else b"")


def tolerances_of(spec: ToleranceSpec) -> Tolerances:
    return Tolerances(spec.atol, spec.rtol, {glob: (own.atol, own.rtol) for glob, own in spec.layers.items()})


def shown_path(path: Path | str) -> str:
    """As the user would type it."""
    path, here = Path(path), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
