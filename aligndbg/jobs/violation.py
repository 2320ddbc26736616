"""What a watched run can do wrong, as data: the events that rules see, and what they say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from aligndbg.jobs.metrics import Phase, Sample


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that a run breaks.

    `sentence` says what is wrong, `look_at` where its cause may lie. `rank`, `phase`, `epoch` and `step` (from 0) are where it
    began, `line` the line of that rank's log; None where it is of the whole run or unknown. `since` is when, in seconds since
    1970: the log's own stamp where there is one. `figures` are the numbers that the rule compared.
    """

    rule: str
    sentence: str
    look_at: str
    since: float
    figures: Mapping[str, float]
    rank: int | None = None
    phase: Phase | None = None
    epoch: float | None = None
    step: int | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """A sample was read at `now`."""

    sample: Sample
    now: float


@dataclass(frozen=True, slots=True)
class Heard:
    """A rank's log grew by a line, whatever it says."""

    rank: int | None
    text: str
    now: float
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Passed:
    """Time passed while the run is running."""

    now: float


@dataclass(frozen=True, slots=True)
class Ended:
    """The run ended; not `well` where it was stopped or failed."""

    now: float
    well: bool = True


Event = Measured | Heard | Passed | Ended


class Check(Protocol):
    """One rule at work on one run. `standing` are its violations that still hold, by rank; `see` brings them up to date."""

    @property
    def standing(self) -> dict[int | None, Violation]: ...

    def see(self, event: Event) -> None: ...


class Rule(Protocol):
    """A rule's settings."""

    @property
    def id(self) -> str: ...

    def check(self) -> Check: ...


def from_sample(rule: str, sample: Sample, now: float, sentence: str, look_at: str, figures: Mapping[str, float]) -> Violation:
    """A violation that began with a sample."""
    since = now if sample.time is None else sample.time
    return Violation(
        rule, sentence, look_at, since, figures, sample.rank, sample.phase, sample.epoch, sample.step, sample.source_line
    )


def place(sample: Sample) -> str:
    """`step 20 of epoch 3 on rank 1`, as far as known; epochs and steps count from 0."""
    step = "" if sample.step is None else f"step {sample.step}"
    epoch = "" if sample.epoch is None else f"epoch {sample.epoch:g}"
    where = " of ".join(word for word in (step, epoch) if word) or f"line {sample.source_line + 1} of the log"
    return where if sample.rank is None else f"{where} on rank {sample.rank}"


@dataclass(slots=True)
class Blocks:
    """Values in blocks of `size`, so that one noisy value decides nothing. `reduce` makes one number of a block."""

    size: int
    reduce: Callable[[list[float]], float]
    first: tuple[Sample, float] | None = None
    held: list[float] = field(default_factory=list)

    def add(self, value: float, sample: Sample, now: float) -> tuple[float, Sample, float] | None:
        """(the block's number, its first sample, the time that came with it) once the block is full."""
        first = self.first = self.first or (sample, now)
        self.held.append(value)
        if len(self.held) < self.size:
            return None
        done = (self.reduce(self.held), *first)
        self.first, self.held = None, []
        return done
