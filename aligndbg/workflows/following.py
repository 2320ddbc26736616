"""A job, read on as it grows: its state, its metrics, what is wrong with it, and how long it will take."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from aligndbg.jobs.eta import Pace, TimeLeft, epochs_done
from aligndbg.jobs.expectation import Expectation, read_expectation
from aligndbg.jobs.folder import Job, logs_of, read_job
from aligndbg.jobs.formats.detection import parser_for
from aligndbg.jobs.formats.own import METRICS
from aligndbg.jobs.metrics import Phase, Sample
from aligndbg.jobs.schedule import lr_at
from aligndbg.jobs.tail import Tail
from aligndbg.jobs.violation import Ended, Measured, Passed, Violation
from aligndbg.jobs.watch import Watch, standard_rules

NOTHING = Expectation()
SILENT_SECONDS = 600.0
MOST_METRICS = 1000
"""A log that makes up a new name in every line fills no memory."""


@dataclass(frozen=True, slots=True)
class Update:
    """What a look at a job brought. `fresh` are the violations that came to light by it, `standing` those that hold now.

    `latest` are the values that came last, of any rank. `epochs` are the epochs of training that are done, None where the log
    does not say. `more`: there is more to read at once; `read` is the share of the logs that is read, 0 to 1.
    """

    job: Job
    samples: tuple[Sample, ...]
    latest: Mapping[tuple[Phase, str], float]
    fresh: tuple[Violation, ...]
    standing: tuple[Violation, ...]
    expectation: Expectation
    epochs: float | None
    left: TimeLeft | None
    more: bool
    read: float


class Follower:
    """Reads a job's logs in small steps. Where there is a `metrics.jsonl` the metrics are taken from that, else from the logs.

    The rules are the standard ones, with what the job's program says of itself; epochs, classes and target that are `given` count
    before that. A rank may be silent for `silent_seconds`. The log's format comes from the job; UsageError where that is none.
    """

    def __init__(self, path: Path, given: Expectation = NOTHING, silent_seconds: float = SILENT_SECONDS) -> None:
        self._path = path
        self._given = given
        self._silent_seconds = silent_seconds
        self._watch = Watch(())
        self._tails: dict[Path, Tail] = {}
        self._expectation: Expectation | None = None
        self._pace = Pace()
        self._epochs: float | None = None
        self._latest: dict[tuple[Phase, str], float] = {}
        self._ended = False

    def step(self) -> Update:
        """One block of each log. Blocks for as long as that takes to read and parse."""
        # Asked before the reading: what is written up to the end is read then.
        job = read_job(self._path)
        over = job.state is None or job.state.final
        expectation = self._expected()
        samples: list[Sample] = []
        fresh: list[Violation] = []
        more = False
        for tail, counts in self._sources(job):
            events, unread = tail.step(at_end=over)
            more = more or unread
            for event in events:
                if isinstance(event, Measured):
                    if not counts:
                        continue
                    samples.append(event.sample)
                    self._measure(event.sample, event.now)
                fresh += self._watch.see(event)
        if not more and not self._ended:
            self._ended = over
            well = job.state is not None and job.state.status == "ended"
            fresh += self._watch.see(Ended(time.time(), well) if over else Passed(time.time()))
        total = expectation.epochs
        left = self._pace.left(total, time.time()) if total and not over else None
        latest, standing = dict(self._latest), self._watch.standing
        return Update(
            job, tuple(samples), latest, tuple(fresh), standing, expectation, self._epochs, left, more, self._read if more else 1.0
        )

    @property
    def _read(self) -> float:
        return sum(tail.position for tail in self._tails.values()) / max(1, sum(tail.size for tail in self._tails.values()))

    def _expected(self) -> Expectation:
        """Read again while it may still be written. Rules that need to know more begin when it is known."""
        said, given = read_expectation(self._path), self._given
        found = replace(
            said,
            epochs=given.epochs or said.epochs,
            classes=given.classes or said.classes,
            target_top1=said.target_top1 if given.target_top1 is None else given.target_top1,
        )
        if found != self._expectation:
            self._expectation = found
            self._watch = Watch(
                standard_rules(
                    found.classes or 1000,
                    found.target_top1,
                    found.margin,
                    epochs=found.epochs,
                    schedule=partial(lr_at, found.schedule) if found.schedule else None,
                    steps_per_epoch=found.steps_per_epoch,
                    silent_seconds=self._silent_seconds,
                )
            )
        return found

    def _sources(self, job: Job) -> Iterator[tuple[Tail, bool]]:
        """Each log to read, and whether its metrics count."""
        own = self._path / METRICS
        has_own = own.exists()
        files = logs_of(job)
        # The launcher's own log repeats rank 0's.
        ranks: list[tuple[int | None, Path]] = list(enumerate(files[1:])) if len(files) > 1 else [(None, file) for file in files]
        log_format, accuracy = (job.spec.log_format, job.spec.log_accuracy) if job.spec else (None, "percent")
        for rank, path in ranks:
            if path not in self._tails:
                self._tails[path] = Tail(path, rank, parser_for(log_format, rank, accuracy=accuracy))
            yield self._tails[path], not has_own
        if has_own:
            if own not in self._tails:
                self._tails[own] = Tail(own, None, parser_for("aligndbg"))
            yield self._tails[own], True

    def _measure(self, sample: Sample, now: float) -> None:
        if len(self._latest) < MOST_METRICS:
            self._latest.update(((sample.phase, name), value) for name, value in sample.values.items())
        expectation = self._expectation
        done = epochs_done(sample, expectation.steps_per_epoch if expectation else None)
        if done is None:
            return
        self._epochs = done if self._epochs is None else max(self._epochs, done)
        if not sample.rank:
            self._pace.add(now if sample.time is None else sample.time, done)
