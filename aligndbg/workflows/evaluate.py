"""The top-1 of both sides on pictures: the same tensors through both models, judged picture by picture, stored batch by batch."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from aligndbg.core.preprocessing import step_text
from aligndbg.datasets.decoders import Decoders
from aligndbg.datasets.inputs import make_inputs
from aligndbg.errors import InputError, UsageError
from aligndbg.jobs.eta import Pace
from aligndbg.pairs.schema import PairSpec, is_onnx
from aligndbg.settings import Settings
from aligndbg.store.images import CLASSES, ImageWriter
from aligndbg.store.listing import list_sessions, resolve_session
from aligndbg.store.session import open_session
from aligndbg.store.writer import SessionWriter
from aligndbg.workflows.evaluate_causes import measure_causes
from aligndbg.workflows.evaluate_forwards import Flight, Forwards
from aligndbg.workflows.evaluate_launched import SHARDS, LaunchedForwards
from aligndbg.workflows.evaluate_metrics import Metrics
from aligndbg.workflows.evaluate_model import EvalReport, PreprocessReport, SpeedReport
from aligndbg.workflows.evaluate_pictures import EvalRequest, Selection, excluded_of, facts_of, require_same, select
from aligndbg.workflows.evaluate_rows import Tally, check_logits, rows_of, summarise
from aligndbg.workflows.evaluate_sides import Ready, children_of, environment_of, get_ready
from aligndbg.workflows.events import BatchDone, EvalEnded, EvalStarted, Event, Notice, RunStarted, SideProgress
from aligndbg.workflows.inspect import shown_path
from aligndbg.workflows.record import record
from aligndbg.workflows.sides import open_sides
from aligndbg.workflows.stop import Stop
from aligndbg.workflows.stream import Tell, stream

MOST_WORKERS = 16
"""Of those that are started unasked; two children are fed by far fewer."""

WINDOW = 60.0
"""Seconds that the rate is measured over."""


def evaluate(pair: PairSpec, request: EvalRequest, settings: Settings, options: Mapping[str, Any] | None = None) -> Iterator[Event]:
    """The events of one evaluation, from RunStarted to EvalEnded or RunFailed."""
    return Evaluation(pair, request, settings, options or {}).events()


class Evaluation:
    """One evaluation, stored as a session. `events` is read once; `cancel` may come from any thread, at any time."""

    def __init__(self, pair: PairSpec, request: EvalRequest, settings: Settings, options: Mapping[str, Any]) -> None:
        self._pair = pair
        self._request = request
        self._settings = settings
        self._options = options
        self._stop = Stop()

    def events(self) -> Iterator[Event]:
        """Raises AligndbgError where there is no picture, where no session can be written, and where the one to resume is of
        another evaluation; whatever ends the run later is its last event."""
        selection = select(self._pair, self._request)
        facts = facts_of(self._pair, self._request, selection)
        writer, note = self._open(facts)
        yield from record(stream(lambda tell: _Run(self, selection, writer, note, tell).go(), self._stop), writer)

    def cancel(self) -> None:
        self._stop.request()

    def _open(self, facts: Mapping[str, str]) -> tuple[SessionWriter, str]:
        root, name = self._settings.sessions, self._request.resume
        if name is None:
            return SessionWriter.create(root, self._pair, self._options, kind="eval"), ""
        if name:
            path = resolve_session(root, name)
        else:
            stopped = [
                one.path
                for one in list_sessions(root)
                if one.kind == "eval" and one.pair == self._pair.name and one.status in ("partial", "failed") and not one.error
            ]
            if not stopped:
                note = "no stopped evaluation of this pair is there to resume: a new one begins"
                return SessionWriter.create(root, self._pair, self._options, kind="eval"), note
            path = stopped[0]
        with open_session(path) as session:
            if session.snapshot.kind != "eval":
                raise UsageError(f"{path.name} is a comparison of layers, not an evaluation")
            known = session.facts()
        if CLASSES in known:
            facts = facts_of(self._pair, self._request, select(self._pair, self._request, int(known[CLASSES])))
        require_same(path.name, known, facts)
        return SessionWriter.resume(path), f"goes on with {path.name}"


@dataclass(slots=True)
class _Clock:
    """What this run took, and how much of it was each stage's."""

    started: float
    images: int = 0
    decode_s: float = 0.0
    torch_s: float = 0.0
    paddle_s: float = 0.0


class _Run:
    """What one reading of the events does."""

    def __init__(
        self,
        evaluation: Evaluation,
        selection: Selection,
        writer: SessionWriter,
        note: str,
        tell: Tell,
    ) -> None:
        self._pair = evaluation._pair
        self._request = evaluation._request
        self._settings = evaluation._settings
        self._stop = evaluation._stop
        self._selection = selection
        self._writer = writer
        self._note = note
        self._tell_on = tell
        self._notices: list[str] = []
        self._workers = self._request.workers or min(os.cpu_count() or 1, MOST_WORKERS)
        self._ranks = self._request.ranks * self._request.nodes
        self._metrics = Metrics(len(selection.batches))

    def go(self) -> None:
        self._tell(RunStarted(self._pair.name, self._pair.description, str(self._writer.path)))
        if self._note:
            self._tell_on(Notice("info", self._note))
        if self._request.launched and is_onnx(self._pair.torch) and "torch" in self._request.sides:
            raise UsageError("an ONNX file runs in one process only", "leave out --nproc, or evaluate --side paddle alone")
        inputs, _ = make_inputs(self._pair)
        children = children_of(self._pair, self._request)
        arena = max(self._settings.arena_bytes, self._batch_bytes())
        environment = environment_of(self._request)
        with open_sides(self._pair, self._writer.logs, arena, self._tell, self._stop, children, environment) as sides:
            ready = get_ready(self._pair, sides, self._request, inputs, self._tell, self._stop)
            # Only now is it known what the labels are of.
            self._selection = select(self._pair, self._request, ready.classes)
            images = ImageWriter(self._writer.path)
            try:
                report = self._judge(ready, images)
            finally:
                images.close()
        # What ranks of a run before this one left, which went on without any.
        shutil.rmtree(self._writer.path / SHARDS, ignore_errors=True)
        self._metrics.whole(report)
        self._tell(EvalEnded(report))

    def _judge(self, ready: Ready, images: ImageWriter) -> EvalReport:
        now = facts_of(self._pair, self._request, self._selection) | ready.facts
        require_same(self._writer.path.name, images.facts(), now)
        images.set_facts(now)
        selection, tally = self._selection, Tally()
        tally.add(images.images())
        total = len(selection.pictures)
        left = [batch for batch in selection.batches if batch.number not in images.done]
        done = tally.images + tally.excluded
        pace = Pace(window=WINDOW, period=selection.batch_size)
        early = len(selection.problems)
        self._tell(EvalStarted(total, done, early + tally.excluded, len(selection.batches), self._request.sides))
        clock = _Clock(time.perf_counter())
        pace.add(clock.started, done)

        def on_batch(flight: Flight) -> None:
            logits = check_logits(flight.outputs, len(flight.places))
            rows = rows_of(flight.batch, flight.places, flight.problems, logits, images.rows)
            images.write(flight.batch.number, rows, logits)
            tally.add(rows)
            clock.images += len(rows)
            clock.decode_s += flight.decode_s
            clock.torch_s += flight.seconds.get("torch", 0.0)
            clock.paddle_s += flight.seconds.get("paddle", 0.0)
            self._told(flight.batch.number, tally, pace, total)

        for side in self._request.sides:
            self._tell(SideProgress(side, "judging", f"on {self._ranks} ranks" if self._request.launched else ""))
        if self._request.launched:
            place = (self._writer.path / SHARDS, self._workers_for(left))
            launched = LaunchedForwards(self._pair, self._request, selection, *place, self._tell, self._stop)
            launched.run(ready, left, on_batch)
        else:
            log = self._writer.logs / "decoders.log"
            sizes = (selection.batch_size, self._workers_for(left))
            with Decoders(selection.pipelines, selection.shape, *sizes, log) as decoders:
                Forwards(ready.children, decoders, selection.pipeline_of_side, self._stop.check).run(left, on_batch)
        if not tally.images:
            first = next(one for one in images.images() if one.problem)
            raise InputError(
                f"none of the pictures could be read, {first.name} for one: {first.problem}", "look at --list and --data"
            )
        report = self._report(ready, images, clock)
        return replace(report, preprocess_gap=self._causes(ready, images))

    def _causes(self, ready: Ready, images: ImageWriter) -> PreprocessReport | None:
        """What each setting of the preprocessing costs, where both sides have their own and it is asked for."""
        if not self._request.causes or len(self._selection.pipelines) < 2:
            return None
        self._tell(SideProgress("paddle", "judging", "with torch's preprocessing, setting by setting"))
        log = self._writer.logs / "decoders.log"
        rest = (self._request.causes, self._workers, log, self._stop.check)
        return measure_causes(ready.children["paddle"], self._selection, images.images(), *rest)

    def _told(self, number: int, tally: Tally, pace: Pace, total: int) -> None:
        now, done = time.perf_counter(), tally.images + tally.excluded
        pace.add(now, done)
        time_left = pace.left(total, now)
        event = BatchDone(
            done,
            total,
            len(self._selection.problems) + tally.excluded,
            time_left.rate if time_left else 0.0,
            time_left.seconds if time_left else None,
            tally.percent(tally.right1),
            tally.percent(tally.right5),
            tally.loss(),
            tally.flips,
        )
        self._metrics.batch(number, event)
        self._tell(event)

    def _report(self, ready: Ready, images: ImageWriter, clock: _Clock) -> EvalReport:
        selection = self._selection
        seconds = time.perf_counter() - clock.started
        report = summarise(self._pair, images.images(), self._request.sides, excluded_of(selection.problems))
        return replace(
            report,
            same_tensors=len(selection.pipelines) == 1,
            preprocess={side: describe(selection, side) for side in self._request.sides},
            batch_size=selection.batch_size,
            classes=ready.classes,
            ranks=self._ranks,
            weights=ready.weights,
            weights_sha256=ready.weights_sha256,
            environment=ready.environment,
            notices=tuple(self._notices),
            speed=speed_of(clock, seconds, self._workers, self._ranks, self._request.sides) if clock.images else None,
            session=shown_path(self._writer.path),
        )

    def _tell(self, event: Event) -> None:
        if isinstance(event, Notice):
            self._notices.append(f"{event.message} ({event.hint})" if event.hint else event.message)
        self._tell_on(event)

    def _workers_for(self, left: Sequence[Any]) -> int:
        return min(self._workers, len(left) * self._selection.batch_size)

    def _batch_bytes(self) -> int:
        """Of one batch in the line to a child, with room for the rounding of places."""
        size = 4 * self._selection.batch_size
        for length in self._selection.shape:
            size *= length
        return size + (1 << 20)


def describe(selection: Selection, side: str) -> str:
    """The steps of a side's preprocessing, in order."""
    return " · ".join(step_text(step) for step in selection.pipelines[selection.pipeline_of_side[side]].steps)


def speed_of(clock: _Clock, seconds: float, workers: int, ranks: int, sides: Sequence[str]) -> SpeedReport:
    """`workers` decode for every rank; a side's ranks compute at the same time."""
    forward_s = {"torch": clock.torch_s / ranks, "paddle": clock.paddle_s / ranks}
    forward_s = {side: forward_s[side] for side in sides}
    slowest = max(clock.decode_s / workers, *forward_s.values())
    bound = clock.images / slowest if slowest > 0 else 0.0
    return SpeedReport(clock.images, seconds, clock.images / seconds, clock.decode_s, workers, forward_s, bound)
