"""Rules on what a run learns: its loss, its accuracy and its learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar

from aligndbg.jobs.metrics import Sample
from aligndbg.jobs.violation import Blocks, Check, Ended, Event, Measured, Violation, from_sample, place


@dataclass(frozen=True, slots=True)
class LossNotFinite:
    """The loss is NaN or infinite, once is enough."""

    id: ClassVar[str] = "loss-not-finite"

    def check(self) -> Check:
        return _LossNotFinite()


@dataclass(slots=True)
class _LossNotFinite:
    standing: dict[int | None, Violation] = field(default_factory=dict)

    def see(self, event: Event) -> None:
        if not isinstance(event, Measured) or event.sample.rank in self.standing:
            return
        sample = event.sample
        for name, value in sample.values.items():
            if name.lower().endswith("loss") and not math.isfinite(value):
                word = "NaN" if math.isnan(value) else "infinite"
                self.standing[sample.rank] = from_sample(
                    LossNotFinite.id,
                    sample,
                    event.now,
                    f"The loss is {word} at {place(sample)}.",
                    "the learning rate and its warm-up, the loss scale of mixed precision, divisions by 0, the last images",
                    {name: value},
                )
                return


@dataclass(frozen=True, slots=True)
class LossRising:
    """The training loss, averaged over blocks, has stayed above its lowest block by `by` of it and 0.05, for `patience` blocks."""

    block: int = 50
    by: float = 0.2
    patience: int = 2
    id: ClassVar[str] = "loss-rising"

    def check(self) -> Check:
        return _LossRising(self)


@dataclass(slots=True)
class _LossRising:
    rule: LossRising
    standing: dict[int | None, Violation] = field(default_factory=dict)
    blocks: dict[int | None, Blocks] = field(default_factory=dict)
    lowest: dict[int | None, float] = field(default_factory=dict)
    rising: dict[int | None, tuple[int, Sample, float]] = field(default_factory=dict)
    """Blocks in a row that were too high, and where the first began."""

    def see(self, event: Event) -> None:
        if (block := _train_block(event, "loss", self.blocks, self.rule.block)) is None:
            return
        mean, first, then = block
        lowest = self.lowest.get(first.rank, math.inf)
        self.lowest[first.rank] = min(lowest, mean)
        if mean <= lowest + abs(lowest) * self.rule.by + 0.05:
            self.rising.pop(first.rank, None)
            self.standing.pop(first.rank, None)
            return
        count, began, since = self.rising.get(first.rank, (0, first, then))
        self.rising[first.rank] = (count + 1, began, since)
        if count + 1 >= self.rule.patience and first.rank not in self.standing:
            self.standing[first.rank] = from_sample(
                LossRising.id,
                began,
                since,
                f"The training loss has risen from {lowest:.4g} to {mean:.4g} since {place(began)}.",
                "the learning rate against the recipe's, gradients that are not cleared, whether labels still fit images",
                {"loss": mean, "lowest": lowest},
            )


@dataclass(frozen=True, slots=True)
class Plateau:
    """Neither the training loss, by `least` of it, nor the best top-1 of an evaluation has improved for `patience` blocks.

    Nothing is said once the learning rate is below 5 % of its highest: there a run has nothing more to gain.
    """

    block: int = 50
    patience: int = 100
    least: float = 0.002
    id: ClassVar[str] = "plateau"

    def check(self) -> Check:
        return _Plateau(self)


@dataclass(slots=True)
class _Plateau:
    rule: Plateau
    standing: dict[int | None, Violation] = field(default_factory=dict)
    blocks: dict[int | None, Blocks] = field(default_factory=dict)
    lowest: dict[int | None, float] = field(default_factory=dict)
    stale: dict[int | None, int] = field(default_factory=dict)
    began: dict[int | None, tuple[Sample, float]] = field(default_factory=dict)
    best: float = -math.inf
    lr: float | None = None
    peak: float = 0.0

    def see(self, event: Event) -> None:
        if isinstance(event, Measured):
            self.lr = event.sample.values.get("lr", self.lr)
            self.peak = max(self.peak, self.lr or 0.0)
            if (top1 := _result(event.sample)) is not None and top1 > self.best:
                self.best = top1
                self.stale.clear()
                self.standing.clear()
        if (block := _train_block(event, "loss", self.blocks, self.rule.block)) is None:
            return
        mean, first, then = block
        lowest = self.lowest.get(first.rank, math.inf)
        improved = mean < lowest - self.rule.least * abs(lowest) if math.isfinite(lowest) else True
        self.lowest[first.rank] = mean if improved else lowest
        stale = self.stale[first.rank] = 0 if improved else self.stale.get(first.rank, 0) + 1
        if stale <= 1:
            self.began[first.rank] = (first, then)
        if improved or (self.lr is not None and self.lr < 0.05 * self.peak):
            self.standing.pop(first.rank, None)
        elif stale >= self.rule.patience and first.rank not in self.standing:
            sample, since = self.began[first.rank]
            self.standing[first.rank] = from_sample(
                Plateau.id,
                sample,
                since,
                f"The training loss has stayed at {lowest:.4g} since {place(sample)}.",
                "the learning rate's schedule, frozen parameters, and whether the optimizer has all of them",
                {"loss": mean, "lowest": lowest, "blocks": float(stale)},
            )


@dataclass(frozen=True, slots=True)
class Top1AtChance:
    """After `after_steps` steps of training top-1 is not above what guessing among `classes` gives: 1.2 times that and 0.1."""

    classes: int = 1000
    after_steps: int = 1000
    block: int = 20
    id: ClassVar[str] = "top1-at-chance"

    def check(self) -> Check:
        return _Top1AtChance(self)


@dataclass(slots=True)
class _Top1AtChance:
    rule: Top1AtChance
    standing: dict[int | None, Violation] = field(default_factory=dict)
    blocks: dict[int | None, Blocks] = field(default_factory=dict)
    steps: int = 0
    last: int = -1

    def see(self, event: Event) -> None:
        if not isinstance(event, Measured):
            return
        sample = event.sample
        if sample.phase == "train" and sample.step is not None and sample.rank in (None, 0):
            # A step below the last one is the next epoch's, or that of a run that was resumed.
            self.steps += sample.step - self.last if sample.step > self.last else sample.step + 1
            self.last = sample.step
        if sample.phase == "train":
            block = _train_block(event, "top1", self.blocks, self.rule.block)
        else:
            result = _result(sample)
            block = None if result is None else (result, sample, event.now)
        if block is None or self.steps < self.rule.after_steps:
            return
        top1, first, then = block
        chance = 100 / self.rule.classes
        if top1 > chance * 1.2 + 0.1:
            self.standing.pop(first.rank, None)
        elif first.rank not in self.standing:
            self.standing[first.rank] = from_sample(
                Top1AtChance.id,
                first,
                then,
                f"After {self.steps} steps top-1 is {top1:.3g} %, and guessing gives {chance:.3g} %.",
                "the labels against the list file, whether the optimizer steps, the learning rate, whether the loss gets logits",
                {"top1": top1, "chance": chance, "steps": float(self.steps)},
            )


@dataclass(frozen=True, slots=True)
class LrOff:
    """The printed learning rate is not the recipe's for three samples in a row.

    `schedule` gives the recipe's at a step, counted from 0 through all epochs. A log prints it before or after the step, so that
    what lies between those of the steps beside, give or take `tolerance` of it, fits. `steps_per_epoch` is for logs that leave
    it out; where neither tells it, nothing is judged.
    """

    schedule: Callable[[int], float]
    steps_per_epoch: int | None = None
    tolerance: float = 0.01
    id: ClassVar[str] = "lr-off"

    def check(self) -> Check:
        return _LrOff(self)


@dataclass(slots=True)
class _LrOff:
    rule: LrOff
    standing: dict[int | None, Violation] = field(default_factory=dict)
    off: dict[int | None, list[tuple[Sample, float]]] = field(default_factory=dict)

    def see(self, event: Event) -> None:
        if not isinstance(event, Measured) or (sample := event.sample).phase != "train":
            return
        printed, total = sample.values.get("lr"), sample.total_steps or self.rule.steps_per_epoch
        if printed is None or total is None or sample.epoch is None or sample.step is None:
            return
        step = int(sample.epoch) * total + sample.step
        around = [self.rule.schedule(near) for near in (max(0, step - 1), step, step + 1)]
        slack = self.rule.tolerance * max(abs(lr) for lr in around) + 1e-6  # Old PaddleClas prints six decimals.
        if min(around) - slack <= printed <= max(around) + slack:
            self.off.pop(sample.rank, None)
            self.standing.pop(sample.rank, None)
            return
        off = self.off.setdefault(sample.rank, [])
        if len(off) < 3:
            off.append((sample, event.now))
        if len(off) < 3 or sample.rank in self.standing:
            return
        first, then = off[0]
        figures = {"lr": printed, "recipe": around[1]}
        ratio = printed / around[1] if around[1] else math.inf
        self.standing[sample.rank] = from_sample(
            LrOff.id,
            first,
            then,
            f"The learning rate is {printed:.6g} where the recipe has {around[1]:.6g}, since {place(first)}.",
            f"the number of cards (it is {ratio:.3g} times the recipe's), the warm-up, the steps of an epoch, and a resumed epoch",
            figures if math.isinf(ratio) else figures | {"ratio": ratio},
        )


@dataclass(frozen=True, slots=True)
class BelowTarget:
    """The run has ended well, or done its `epochs`, and its best top-1 is below `target` + `margin`, all in percent.

    One that was stopped, or failed, before that says nothing of the target.
    """

    target: float
    margin: float = 0.2
    epochs: int | None = None
    id: ClassVar[str] = "below-target"

    def check(self) -> Check:
        return _BelowTarget(self)


@dataclass(slots=True)
class _BelowTarget:
    rule: BelowTarget
    standing: dict[int | None, Violation] = field(default_factory=dict)
    best: float = -math.inf
    best_sample: Sample | None = None

    def see(self, event: Event) -> None:
        last = isinstance(event, Ended) and event.well
        if isinstance(event, Measured):
            sample = event.sample
            if (top1 := _result(sample)) is not None and top1 > self.best:
                self.best, self.best_sample = top1, sample
            if sample.phase == "eval" and sample.step is None and sample.epoch is not None and self.rule.epochs is not None:
                last = sample.epoch + 1 >= self.rule.epochs
        wanted = self.rule.target + self.rule.margin
        if self.best >= wanted - 1e-9:
            self.standing.clear()
        elif last:
            self.standing[None] = self._missed(event.now, wanted)

    def _missed(self, now: float, wanted: float) -> Violation:
        goal = f"{self.rule.target:.6g} + {self.rule.margin:g} %"
        look_at = (
            "the recipe against the original's (epochs, batch over all cards, augmentation, weight decay) and the eval checkpoint"
        )
        if self.best_sample is None:
            sentence = f"No evaluation gave a top-1, and {goal} was to be reached."
            return Violation(BelowTarget.id, sentence, look_at, now, {"wanted": wanted})
        sentence = f"The best top-1, {self.best:.6g} % at {place(self.best_sample)}, is {wanted - self.best:.3g} below {goal}."
        figures = {"best": self.best, "target": self.rule.target, "wanted": wanted, "missing": wanted - self.best}
        return replace(from_sample(BelowTarget.id, self.best_sample, now, sentence, look_at, figures), since=now)


def _result(sample: Sample) -> float | None:
    """Top-1 of a whole evaluation."""
    if sample.phase != "eval" or sample.step is not None:
        return None
    top1 = sample.values.get("top1", sample.values.get("best"))
    return top1 if top1 is not None and math.isfinite(top1) else None


def _train_block(event: Event, metric: str, blocks: dict[int | None, Blocks], size: int) -> tuple[float, Sample, float] | None:
    """The mean of a metric over the last block of a rank's training steps, once it is full."""
    if not isinstance(event, Measured) or event.sample.phase != "train" or event.sample.step is None:
        return None
    value = event.sample.values.get(metric)
    if value is None or not math.isfinite(value):
        return None
    if (block := blocks.get(event.sample.rank)) is None:
        block = blocks[event.sample.rank] = Blocks(size, _mean)
    return block.add(value, event.sample, event.now)


def _mean(values: list[float]) -> float:
    """Infinite where the sum is, which statistics.fmean would raise for."""
    return sum(values) / len(values)
