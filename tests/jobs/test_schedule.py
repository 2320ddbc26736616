"""Learning rates against Paddle's own schedulers, put together as PaddleClas puts them together."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aligndbg.jobs.schedule import NAMES, Schedule, lr_at

BASE = Schedule("Cosine", 0.1, 6, 5, eta_min=0.001, step_size=2, gamma=0.3, decay_epochs=(2.0, 4.0), values=(0.1, 0.01, 0.001))


def paddles_own(schedule: Schedule) -> list[float]:
    """The rate of every step by paddle.optimizer.lr."""
    lr = pytest.importorskip("paddle").optimizer.lr
    unit = 1 if schedule.by_epoch else schedule.steps_per_epoch
    scheduler = {
        "Constant": lambda: schedule.learning_rate,
        "Cosine": lambda: lr.CosineAnnealingDecay(
            schedule.learning_rate, (schedule.epochs - schedule.warmup_epoch) * unit, schedule.eta_min
        ),
        "Step": lambda: lr.StepDecay(schedule.learning_rate, int(schedule.step_size * unit), schedule.gamma),
        "Piecewise": lambda: lr.PiecewiseDecay([int(epoch * unit) for epoch in schedule.decay_epochs], list(schedule.values)),
    }[schedule.name]()
    if schedule.warmup_epoch:
        steps = int(schedule.warmup_epoch * unit)
        scheduler = lr.LinearWarmup(scheduler, steps, schedule.warmup_start_lr, schedule.learning_rate)
    rates = []
    for step in range(schedule.epochs * schedule.steps_per_epoch):
        rates.append(scheduler if isinstance(scheduler, float) else scheduler())
        if not isinstance(scheduler, float) and (not schedule.by_epoch or (step + 1) % schedule.steps_per_epoch == 0):
            scheduler.step()
    return rates


@pytest.mark.frameworks
@pytest.mark.parametrize("by_epoch", [False, True], ids=["by-step", "by-epoch"])
@pytest.mark.parametrize("warmup", [0, 2])
@pytest.mark.parametrize("name", NAMES)
def test_rates_are_paddles(name: str, warmup: int, by_epoch: bool) -> None:
    schedule = replace(BASE, name=name, warmup_epoch=warmup, warmup_start_lr=0.02, by_epoch=by_epoch)
    found = [lr_at(schedule, step) for step in range(schedule.epochs * schedule.steps_per_epoch)]
    assert found == pytest.approx(paddles_own(schedule), rel=1e-9)


def test_the_recipe_of_squeezenet() -> None:
    schedule = Schedule("Cosine", 0.02, 120, 10)
    assert lr_at(schedule, 0) == 0.02
    assert lr_at(schedule, 600) == pytest.approx(0.01)
    assert lr_at(schedule, 1199) == pytest.approx(0.01 * (1 + math.cos(math.pi * 1199 / 1200)))
    assert lr_at(schedule, 5000) == pytest.approx(0, abs=1e-12)


def test_a_warm_up_of_part_of_an_epoch() -> None:
    schedule = Schedule("Constant", 1.0, 3, 10, warmup_epoch=0.5, warmup_start_lr=0.0)
    assert [lr_at(schedule, step) for step in (0, 1, 4, 5, 6)] == pytest.approx([0, 0.2, 0.8, 1, 1])


@given(
    st.sampled_from(NAMES),
    st.integers(2, 50),
    st.integers(1, 100),
    st.floats(0, 1.9),
    st.booleans(),
    st.integers(0, 10_000),
)
def test_rates_stay_between_the_lowest_and_the_highest(
    name: str, epochs: int, steps: int, warmup: float, by_epoch: bool, step: int
) -> None:
    schedule = replace(BASE, name=name, epochs=epochs, steps_per_epoch=steps, warmup_epoch=warmup, by_epoch=by_epoch)
    assert 0 <= lr_at(schedule, step) <= 0.1 + 1e-12
    later = [lr_at(schedule, at) for at in range(2 * steps, 2 * steps + 100)]
    assert all(after <= before + 1e-15 for before, after in itertools.pairwise(later))
