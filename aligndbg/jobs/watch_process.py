"""Rules on how a run runs: its throughput, its ranks and its images."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from statistics import median
from typing import ClassVar

from aligndbg.jobs.violation import Blocks, Check, Ended, Event, Heard, Measured, Passed, Violation, from_sample, place


@dataclass(frozen=True, slots=True)
class ThroughputCollapsed:
    """The median throughput of two blocks in a row is below `fraction` of the best block's; the first block is the warm-up's."""

    block: int = 10
    fraction: float = 0.5
    id: ClassVar[str] = "throughput-collapsed"

    def check(self) -> Check:
        return _ThroughputCollapsed(self)


@dataclass(slots=True)
class _Pace:
    blocks: Blocks
    warm: bool = False
    best: float = 0.0
    slow: bool = False


@dataclass(slots=True)
class _ThroughputCollapsed:
    rule: ThroughputCollapsed
    standing: dict[int | None, Violation] = field(default_factory=dict)
    paces: dict[int | None, _Pace] = field(default_factory=dict)

    def see(self, event: Event) -> None:
        if not isinstance(event, Measured) or event.sample.phase != "train" or event.sample.step is None:
            return
        sample, values = event.sample, event.sample.values
        cost = values.get("batch_cost", 0.0)
        speed = values.get("ips", 1 / cost if cost > 0 else math.nan)
        if not math.isfinite(speed):
            return
        if (pace := self.paces.get(sample.rank)) is None:
            pace = self.paces[sample.rank] = _Pace(Blocks(self.rule.block, median))
        if (block := pace.blocks.add(speed, sample, event.now)) is None:
            return
        if not pace.warm:
            pace.warm = True
            return
        typical, first, then = block
        slow = typical < self.rule.fraction * pace.best
        if slow and pace.slow and sample.rank not in self.standing:
            unit = "images a second" if "ips" in values else "batches a second"
            reading = values.get("reader_cost", 0.0) / cost if cost > 0 else 0.0
            self.standing[sample.rank] = from_sample(
                ThroughputCollapsed.id,
                first,
                then,
                f"Throughput fell from {pace.best:.4g} to {typical:.4g} {unit} at {place(first)}.",
                f"the reader, which takes {reading:.0%} of a batch's time: disk, decoding, workers"
                if reading > 0.3
                else "what else runs on the machine, the card's clock and temperature, and the other ranks",
                {"now": typical, "best": pace.best, "reader_share": reading},
            )
        elif not slow:
            self.standing.pop(sample.rank, None)
        pace.slow = slow
        pace.best = max(pace.best, typical)


@dataclass(frozen=True, slots=True)
class RankSilent:
    """A rank that printed metrics has printed nothing for `seconds`.

    Ranks that never print metrics, as all but the first in PaddleClas, are not expected to speak: where one of them dies, the
    others wait for it in the next all-reduce and fall silent themselves.
    """

    seconds: float = 600.0
    id: ClassVar[str] = "rank-silent"

    def check(self) -> Check:
        return _RankSilent(self)


@dataclass(slots=True)
class _RankSilent:
    rule: RankSilent
    standing: dict[int | None, Violation] = field(default_factory=dict)
    heard: dict[int | None, float] = field(default_factory=dict)
    samples: dict[int | None, int] = field(default_factory=dict)
    last: dict[int | None, Measured] = field(default_factory=dict)

    def see(self, event: Event) -> None:
        if isinstance(event, Ended):
            self.standing.clear()
            self.heard.clear()
        elif isinstance(event, Passed):
            for rank, since in self.heard.items():
                if event.now - since > self.rule.seconds and self.samples.get(rank, 0) >= 2:
                    self.standing[rank] = self._silent(rank, since, event.now)
        else:
            rank = event.sample.rank if isinstance(event, Measured) else event.rank
            self.heard[rank] = event.now
            self.standing.pop(rank, None)
            if isinstance(event, Measured):
                self.samples[rank] = self.samples.get(rank, 0) + 1
                self.last[rank] = event

    def _silent(self, rank: int | None, since: float, now: float) -> Violation:
        sample = self.last[rank].sample
        who = "The run" if rank is None else f"Rank {rank}"
        sentence = f"{who} has printed nothing for {now - since:.0f} s, last at {place(sample)}."
        look_at = "whether its process still runs and uses the processor, the other ranks' logs, and the reader's workers"
        figures = {"seconds": now - since, "allowed": self.rule.seconds}
        return replace(from_sample(RankSilent.id, sample, since, sentence, look_at, figures), since=since)


_UNREADABLE = re.compile(
    # 2.0 and 2.1, then 2.2 and later; both put a random other image in its place and go on.
    r"data read fail(?:e)?d: (?P<old>.{0,300}?), exception info: |Exception occured when parse line: (?P<new>.{0,300}?) with msg: "
)


@dataclass(frozen=True, slots=True)
class ImagesReplaced:
    """More than `allowed` images could not be read; PaddleClas logs each and trains or evaluates on a random other one."""

    allowed: int = 0
    id: ClassVar[str] = "images-replaced"

    def check(self) -> Check:
        return _ImagesReplaced(self)


@dataclass(slots=True)
class _ImagesReplaced:
    rule: ImagesReplaced
    standing: dict[int | None, Violation] = field(default_factory=dict)
    counts: dict[int | None, int] = field(default_factory=dict)
    first: dict[int | None, tuple[Heard, str]] = field(default_factory=dict)

    def see(self, event: Event) -> None:
        if not isinstance(event, Heard) or (found := _UNREADABLE.search(event.text[:2000])) is None:
            return
        rank = event.rank
        count = self.counts[rank] = self.counts.get(rank, 0) + 1
        name = "".join(
            letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in found["old"] or found["new"] or ""
        )
        heard, example = self.first.setdefault(rank, (event, name))
        if count > self.rule.allowed:
            images = "1 image" if count == 1 else f"{count} images"
            others = "another took its" if count == 1 else "others took their"
            self.standing[rank] = Violation(
                ImagesReplaced.id,
                f"{images} could not be read, and {others} place: {example}",
                "the list file against the folder, files cut short, and names with a space; top-1 is not that of the list",
                heard.now,
                {"images": float(count), "allowed": float(self.rule.allowed)},
                rank,
                line=heard.line,
            )
