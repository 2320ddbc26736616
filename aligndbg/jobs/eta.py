"""How long a run will still take, from what it has done so far; the log's own word is not asked.

PaddleClas counts one epoch too many in its `eta` and, up to 2.1, takes the speed of the last batch, however short it was.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise

from aligndbg.jobs.metrics import Sample

_MOST = 512
"""Observations that are kept; beyond, every second one goes."""


@dataclass(frozen=True, slots=True)
class TimeLeft:
    """`seconds` to go at `rate` units a second, measured over the last `measured` seconds."""

    seconds: float
    rate: float
    measured: float


def epochs_done(sample: Sample, steps_per_epoch: int | None = None) -> float | None:
    """Epochs of training that are done once the sample was printed; None for an evaluation, or where the log does not say.

    `steps_per_epoch` is for logs that leave out how many steps an epoch has.
    """
    if sample.phase != "train" or sample.epoch is None:
        return None
    total = sample.total_steps or steps_per_epoch
    if sample.step is None:
        return sample.epoch + 1
    return sample.epoch + min(1.0, (sample.step + 1) / total) if total else None


@dataclass(slots=True)
class Pace:
    """Measures a run's pace over the last `window` seconds and at least one `period`.

    A period is what repeats, in the run's own units: 1 where they are epochs, so that the evaluation and the checkpoint between
    two epochs are part of the pace. Times are handed in, in seconds of any one clock.
    """

    window: float = 600.0
    period: float = 1.0
    _seen: deque[tuple[float, float]] = field(default_factory=deque)

    def add(self, now: float, done: float) -> None:
        """`done` units are done at `now`. Falling back starts anew: the run was resumed from a checkpoint."""
        if self._seen:
            last, before = self._seen[-1]
            if done < before or now < last:
                self._seen.clear()
            elif done == before:
                return
        self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[1][0] >= self.window and done - self._seen[1][1] >= self.period:
            self._seen.popleft()
        if len(self._seen) > _MOST:
            kept = [one for index, one in enumerate(self._seen) if index % 2 == 0 or index == len(self._seen) - 1]
            self._seen = deque(kept)

    def left(self, total: float, now: float) -> TimeLeft | None:
        """The time until `total` units are done; None before two observations. A run that says nothing for longer than it ever
        did between two observations grows slower with every second."""
        if len(self._seen) < 2:
            return None
        (first, start), (last, done) = self._seen[0], self._seen[-1]
        longest = max(later[0] - earlier[0] for earlier, later in pairwise(self._seen))
        silent = max(0.0, now - last)
        measured = last - first + max(0.0, silent - longest)
        rate = (done - start) / measured if measured > 0 else 0.0
        if rate <= 0:
            return None
        return TimeLeft(max(0.0, (total - done) / rate - min(silent, longest)), rate, measured)
