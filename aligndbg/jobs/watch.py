"""Watches a run by rules: what is wrong with it, since when, and what to look at.

Rules are data (`watch_curves`, `watch_process`); a `Watch` shows them what happens, one event after the other. Time is handed in
with each event, so that a log is judged alike whether it is followed or read after the fact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from aligndbg.jobs.violation import Event, Rule, Violation
from aligndbg.jobs.watch_curves import BelowTarget, LossNotFinite, LossRising, LrOff, Plateau, Top1AtChance
from aligndbg.jobs.watch_process import ImagesReplaced, RankSilent, ThroughputCollapsed


def standard_rules(
    classes: int = 1000,
    target_top1: float | None = None,
    margin: float = 0.2,
    epochs: int | None = None,
    schedule: Callable[[int], float] | None = None,
    steps_per_epoch: int | None = None,
    silent_seconds: float = 600.0,
) -> tuple[Rule, ...]:
    """Every rule that can be judged by what is known of a run.

    `target_top1` and `margin` are in percent; `schedule` is the recipe's learning rate at a step, counted from 0.
    """
    rules: list[Rule] = [
        LossNotFinite(),
        LossRising(),
        Plateau(),
        Top1AtChance(classes),
        ThroughputCollapsed(),
        RankSilent(silent_seconds),
        ImagesReplaced(),
    ]
    if schedule is not None:
        rules.append(LrOff(schedule, steps_per_epoch))
    if target_top1 is not None:
        rules.append(BelowTarget(target_top1, margin, epochs))
    return tuple(rules)


class Watch:
    """The rules at work on one run."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._checks = [rule.check() for rule in rules]

    def see(self, event: Event) -> tuple[Violation, ...]:
        """What the event brought to light: violations that did not stand before it."""
        found: list[Violation] = []
        for check in self._checks:
            before = set(check.standing)
            check.see(event)
            found += [violation for rank, violation in check.standing.items() if rank not in before]
        return tuple(found)

    @property
    def standing(self) -> tuple[Violation, ...]:
        """What is wrong now, the oldest first; what has got better is no longer here."""
        return tuple(sorted((one for check in self._checks for one in check.standing.values()), key=lambda one: one.since))
