"""Rules speak on what is wrong, say where and since when, and keep silent on healthy runs."""

# ruff: noqa: E731  (what a run prints at a step is a lambda)
from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aligndbg.jobs.metrics import Phase, Sample
from aligndbg.jobs.violation import Ended, Event, Heard, Measured, Passed, Rule, Violation
from aligndbg.jobs.watch import Watch, standard_rules
from aligndbg.jobs.watch_curves import BelowTarget, LossNotFinite, LossRising, LrOff, Plateau, Top1AtChance
from aligndbg.jobs.watch_process import ImagesReplaced, RankSilent, ThroughputCollapsed

TOTAL = 100


def sample(
    epoch: float | None, step: int | None, rank: int | None = 0, phase: Phase = "train", time: float | None = None, **values: float
) -> Sample:
    return Sample(7, time, rank, phase, epoch, step, None if step is None else TOTAL, values)


def steps(count: int, values: Callable[[int], dict[str, float]], first: int = 0) -> Iterator[Event]:
    """One sample a second, of epochs of `TOTAL` steps."""
    for step in range(first, first + count):
        yield Measured(sample(step // TOTAL, step % TOTAL, **values(step)), float(step))


def watched(rules: Rule | Iterable[Rule], *runs: Iterable[Event]) -> tuple[list[Violation], Watch]:
    watch = Watch([rules] if not isinstance(rules, Iterable) else rules)
    return [violation for run in runs for event in run for violation in watch.see(event)], watch


@pytest.mark.parametrize(("loss", "word"), [(math.nan, "NaN"), (math.inf, "infinite"), (-math.inf, "infinite")])
def test_a_loss_that_is_no_number(loss: float, word: str) -> None:
    found, watch = watched(LossNotFinite(), steps(300, lambda step: {"CELoss": loss if step == 120 else 1.0, "top1": math.nan}))
    (violation,) = found
    assert violation.sentence == f"The loss is {word} at step 20 of epoch 1 on rank 0."
    assert (violation.rule, violation.rank, violation.phase, violation.epoch, violation.step) == (
        "loss-not-finite",
        0,
        "train",
        1,
        20,
    )
    assert (violation.since, violation.line) == (120.0, 7)
    assert violation.figures == pytest.approx({"CELoss": loss}, nan_ok=True)
    assert watch.standing == (violation,)


def test_ranks_break_a_rule_each_for_itself_and_a_logs_own_time_counts() -> None:
    events = [Measured(sample(0, 1, rank, time=5.0 + rank, loss=math.nan), 99.0) for rank in (1, 0)]
    found, watch = watched(LossNotFinite(), events, events)
    assert [violation.rank for violation in found] == [1, 0]
    assert [(violation.rank, violation.since) for violation in watch.standing] == [(0, 5.0), (1, 6.0)]


def test_a_rising_loss_is_told_from_where_it_rose_and_forgotten_once_it_fell() -> None:
    loss = lambda step: {"loss": 2.0 if step < 200 else 3.0}
    found, watch = watched(LossRising(), steps(300, loss))
    (violation,) = found
    assert violation.sentence == "The training loss has risen from 2 to 3 since step 0 of epoch 2 on rank 0."
    assert violation.figures == {"loss": 3.0, "lowest": 2.0} and violation.since == 200.0
    for event in steps(100, lambda step: {"loss": 2.1}, 300):
        watch.see(event)
    assert watch.standing == ()


def test_patience_is_the_number_of_blocks() -> None:
    loss = lambda step: {"loss": 2.0 if step < 100 else 3.0}
    assert watched(LossRising(patience=4), steps(299, loss))[0] == []
    assert len(watched(LossRising(patience=4), steps(300, loss))[0]) == 1


def test_one_bad_block_is_no_rise() -> None:
    assert watched(LossRising(), steps(400, lambda step: {"loss": 5.0 if 200 <= step < 250 else 2.0}))[0] == []


def test_a_plateau_is_told_while_the_learning_rate_is_high() -> None:
    rule = Plateau(block=10, patience=20)
    flat = lambda lr: lambda step: {"loss": 4.0 if step >= 100 else 6.0 - step / 50, "lr": lr(step)}
    found, _ = watched(rule, steps(400, flat(lambda step: 0.1)))
    (violation,) = found
    assert violation.sentence.startswith("The training loss has stayed at 4 since step ")
    assert violation.figures["blocks"] == 20.0
    assert watched(rule, steps(400, flat(lambda step: 0.1 if step < 90 else 0.004)))[0] == []


def test_a_better_top1_ends_a_plateau() -> None:
    rule = Plateau(block=10, patience=20)
    result = [Measured(sample(2, None, phase="eval", top1=10.0), 250.0)]
    assert watched(rule, steps(200, lambda step: {"loss": 4.0}), result, steps(150, lambda step: {"loss": 4.0}, 200))[0] == []
    assert len(watched(rule, steps(350, lambda step: {"loss": 4.0}))[0]) == 1
    _, watch = watched(rule, steps(350, lambda step: {"loss": 4.0}), result)
    assert watch.standing == ()


def test_top1_at_chance_after_so_many_steps() -> None:
    rule = Top1AtChance(classes=1000, after_steps=500)
    guessing = lambda step: {"top1": 0.1}
    assert watched(rule, steps(499, guessing))[0] == []
    found, watch = watched(rule, steps(600, guessing))
    (violation,) = found
    assert violation.sentence.startswith("After 500 steps top-1 is 0.1 %, and guessing gives 0.1 %.")
    for event in steps(20, lambda step: {"top1": 3.0}, 600):
        watch.see(event)
    assert watch.standing == ()
    assert watched(rule, steps(600, lambda step: {"top1": 0.5}))[0] == []


def test_top1_of_an_evaluation_is_enough_where_training_prints_none() -> None:
    result = [Measured(sample(6, None, phase="eval", top1=0.1), 700.0)]
    assert len(watched(Top1AtChance(), steps(1000, lambda step: {"loss": 7.0}), result)[0]) == 1
    assert watched(Top1AtChance(), steps(900, lambda step: {"loss": 7.0}), result)[0] == []


def cosine(step: int) -> float:
    return 0.05 * (1 + math.cos(math.pi * step / 1000))


def test_a_learning_rate_off_the_schedule() -> None:
    found, watch = watched(LrOff(cosine), steps(300, lambda step: {"lr": cosine(step) * (1 if step < 150 else 4)}))
    (violation,) = found
    assert violation.sentence == (
        f"The learning rate is {4 * cosine(152):.6g} where the recipe has {cosine(152):.6g}, since step 50 of epoch 1 on rank 0."
    )
    assert "4 times" in violation.look_at
    assert violation.figures["ratio"] == pytest.approx(4)
    for event in steps(1, lambda step: {"lr": cosine(step)}, 300):
        watch.see(event)
    assert watch.standing == ()


@pytest.mark.parametrize("shift", [-1, 0, 1])
@pytest.mark.parametrize("digits", [6, 8])
def test_a_learning_rate_printed_around_its_step_fits(shift: int, digits: int) -> None:
    step_decay = lambda step: 0.1 * 0.1 ** (step // 300)
    for schedule in (cosine, step_decay):
        printed = lambda step, schedule=schedule: {"lr": round(schedule(max(0, step + shift)), digits)}
        assert watched(LrOff(schedule), steps(1000, printed))[0] == []


def test_a_learning_rate_is_not_judged_without_the_steps_of_an_epoch() -> None:
    bare = [Measured(Sample(0, None, None, "train", 1.0, step, None, {"lr": 9.0}), 0.0) for step in range(9)]
    assert watched(LrOff(cosine), bare)[0] == []
    assert len(watched(LrOff(cosine, steps_per_epoch=50), bare)[0]) == 1


@pytest.mark.parametrize(
    ("speed", "reader", "look_at"),
    [
        (
            lambda step, fast: {"ips": 100.0 if fast else 40.0, "batch_cost": 1.0, "reader_cost": 0.8},
            0.8,
            "the reader, which takes 80%",
        ),
        (lambda step, fast: {"batch_cost": 1.0 if fast else 2.5, "reader_cost": 0.1}, 0.04, "what else runs"),
    ],
    ids=["images", "batches"],
)
def test_a_collapsed_throughput(speed, reader: float, look_at: str) -> None:
    found, watch = watched(ThroughputCollapsed(), steps(200, lambda step: speed(step, step < 150)))
    (violation,) = found
    assert violation.sentence.startswith("Throughput fell from ") and violation.look_at.startswith(look_at)
    assert violation.figures["now"] == pytest.approx(0.4 * violation.figures["best"])
    assert violation.figures["reader_share"] == pytest.approx(reader)
    for event in steps(10, lambda step: speed(step, True), 200):
        watch.see(event)
    assert watch.standing == ()


def test_a_slow_start_and_single_slow_batches_are_no_collapse() -> None:
    slow_start = steps(200, lambda step: {"ips": 900.0 if step < 10 else 100.0})
    assert watched(ThroughputCollapsed(), slow_start)[0] == []
    assert watched(ThroughputCollapsed(), steps(200, lambda step: {"ips": 1.0 if step % 10 == 0 else 100.0}))[0] == []
    assert watched(ThroughputCollapsed(), steps(200, lambda step: {"ips": 1.0 if 100 <= step < 110 else 100.0}))[0] == []


def test_a_silent_rank_is_told_and_its_next_word_ends_it() -> None:
    watch = Watch([RankSilent(60)])
    for now in (0.0, 10.0):
        for rank in (0, 1):
            watch.see(Measured(sample(0, int(now), rank, loss=1.0), now))
    watch.see(Heard(1, "saving", 50.0))
    assert watch.see(Passed(70.0)) == ()
    (violation,) = watch.see(Passed(71.0))
    assert violation.sentence == "Rank 0 has printed nothing for 61 s, last at step 10 of epoch 0 on rank 0."
    assert (violation.since, violation.figures) == (10.0, {"seconds": 61.0, "allowed": 60.0})
    assert watch.see(Passed(90.0)) == ()
    assert watch.standing[0].figures["seconds"] == 80.0
    watch.see(Heard(0, "x", 91.0))
    assert watch.standing == ()
    assert [violation.rank for violation in watch.see(Passed(1000.0))] == [0, 1]
    watch.see(Ended(1001.0))
    assert watch.see(Passed(2000.0)) == () and watch.standing == ()


def test_a_rank_that_never_prints_metrics_is_not_expected_to() -> None:
    watch = Watch([RankSilent(60)])
    for now in range(5):
        watch.see(Heard(1, "Successfully connected", float(now)))
    assert watch.see(Passed(1e6)) == ()


@pytest.mark.parametrize(
    "line",
    [
        "[2031-05-02 08:00:00,000] [   ERROR] logger.py:78 - data read faild: val/bad.JPEG 5, exception info: broken",
        "[2031/05/02 08:00:00] ppcls ERROR: Exception occured when parse line: val/bad.JPEG 5 with msg: broken",
    ],
    ids=["old", "new"],
)
def test_images_that_are_replaced_without_a_word(line: str) -> None:
    watch = Watch([ImagesReplaced()])
    assert watch.see(Heard(1, "Exception occured elsewhere", 1.0)) == ()
    (violation,) = watch.see(Heard(1, line, 2.0, 40))
    assert violation.sentence == "1 image could not be read, and another took its place: val/bad.JPEG 5"
    assert (violation.rank, violation.since, violation.line) == (1, 2.0, 40)
    assert watch.see(Heard(1, line.replace("bad", "worse"), 3.0, 41)) == ()
    (standing,) = watch.standing
    assert standing.sentence == "2 images could not be read, and others took their place: val/bad.JPEG 5"
    assert (standing.figures["images"], standing.line) == (2.0, 40)


def test_so_many_replaced_images_are_allowed_and_their_names_are_made_harmless() -> None:
    line = "data read faild: a\x1b[2J\x00b 5, exception info: x"
    assert watched(ImagesReplaced(allowed=1), [Heard(None, line, 0.0)])[0] == []
    found, _ = watched(ImagesReplaced(allowed=1), [Heard(None, line, 0.0), Heard(None, line, 1.0)])
    assert len(found) == 1 and found[0].sentence.isprintable()


def result(epoch: float | None, top1: float) -> Event:
    return Measured(sample(epoch, None, phase="eval", top1=top1), float(epoch or 0))


def test_a_target_that_was_missed_is_told_at_the_end() -> None:
    run = [result(0, 57.0), result(1, 57.9), result(2, 57.5)]
    assert watched(BelowTarget(58.092), run)[0] == []
    found, _ = watched(BelowTarget(58.092), run, [Ended(9.0)])
    (violation,) = found
    assert violation.sentence == "The best top-1, 57.9 % at epoch 1 on rank 0, is 0.392 below 58.092 + 0.2 %."
    assert (violation.epoch, violation.since) == (1, 9.0)
    assert violation.figures["missing"] == pytest.approx(0.392)
    assert len(watched(BelowTarget(58.092, epochs=3), run)[0]) == 1
    assert watched(BelowTarget(58.092, epochs=4), run)[0] == []


def test_a_run_that_was_cut_short_misses_no_target() -> None:
    run = [result(0, 1.0)]
    assert watched(BelowTarget(58.092, epochs=90), run, [Ended(9.0, well=False)])[0] == []
    assert len(watched(BelowTarget(58.092, epochs=1), run, [Ended(9.0, well=False)])[0]) == 1, "all of it was done"


def test_a_target_that_was_met_just_so() -> None:
    assert watched(BelowTarget(58.092), [result(1, 58.292), Ended(9.0)])[0] == []
    assert watched(BelowTarget(58.1), [result(1, 58.3), Ended(9.0)])[0] == []  # 58.1 + 0.2 is more than 58.3 in binary.
    assert len(watched(BelowTarget(58.092), [result(1, 58.291), Ended(9.0)])[0]) == 1
    assert watched(BelowTarget(58.092, margin=0.0), [result(1, 58.092), Ended(9.0)])[0] == []


def test_batches_of_an_evaluation_are_no_result_and_no_result_is_a_violation() -> None:
    found, _ = watched(BelowTarget(50.0), [Measured(sample(0, 3, phase="eval", top1=90.0), 0.0), Ended(5.0)])
    assert found[0].sentence == "No evaluation gave a top-1, and 50 + 0.2 % was to be reached."


def test_standard_rules_are_those_that_can_be_judged() -> None:
    few = {"loss-not-finite", "loss-rising", "plateau", "top1-at-chance", "throughput-collapsed", "rank-silent", "images-replaced"}
    assert {rule.id for rule in standard_rules()} == few
    assert {rule.id for rule in standard_rules(target_top1=50.0, schedule=cosine)} == few | {"lr-off", "below-target"}


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    noise=st.floats(0, 0.08),
    floor=st.floats(0.05, 2.5),
    decay=st.floats(0.3, 3),
    ranks=st.sampled_from([(None,), (0, 1)]),
    classes=st.sampled_from([10, 100, 1000]),
)
def test_rules_are_silent_on_healthy_runs(seed: int, noise: float, floor: float, decay: float, ranks, classes: int) -> None:
    drawn, total = random.Random(seed), 3000
    lr = lambda step: 0.1 * min(1.0, (step + 1) / 100) * (1 + math.cos(math.pi * min(1.0, step / total))) / 2
    rules = standard_rules(classes, target_top1=60.0, epochs=total // TOTAL, schedule=lr)
    watch = Watch(rules)
    now = 0.0
    for step in range(total):
        for rank in ranks:
            now += drawn.uniform(0.2, 2.0)
            learnt = 1 - (1 + 10 * step / total) ** -decay
            values = {
                "loss": (floor + (math.log(classes) - floor * 0.5) * (1 - learnt)) * (1 + drawn.gauss(0, noise / 2)),
                "top1": 100 / classes + 65 * learnt * drawn.uniform(0.8, 1.2) + (30 if classes == 10 else 0),
                "lr": round(lr(step + 1), 8),
                "ips": 800 * drawn.uniform(0.75, 1.2),
                "batch_cost": 0.3,
                "reader_cost": drawn.uniform(0, 0.3),
            }
            assert watch.see(Heard(rank, "text", now)) == ()
            assert watch.see(Measured(sample(step // TOTAL, step % TOTAL, rank, **values), now)) == ()
        if step % TOTAL == TOTAL - 1:
            now += drawn.uniform(10, 300)
            assert watch.see(Passed(now)) == ()
            for rank in ranks:
                assert watch.see(Measured(sample(step // TOTAL, None, rank, "eval", top1=61 - 300 / (step + 1)), now)) == ()
    assert watch.see(Ended(now)) == () and watch.standing == ()


anything = st.one_of(
    st.builds(
        lambda now, *of_sample: Measured(Sample(0, None, *of_sample), now),
        st.floats(0, 1e9),
        st.sampled_from([None, 0, 1]),
        st.sampled_from(["train", "eval"]),
        st.none() | st.integers(0, 9).map(float),
        st.none() | st.integers(0, 99),
        st.none() | st.integers(0, 100),
        st.dictionaries(st.sampled_from(["loss", "top1", "lr", "ips", "batch_cost", "reader_cost", "best"]), st.floats()),
    ),
    st.builds(Heard, st.sampled_from([None, 0]), st.text() | st.just("data read faild: x, exception info: y"), st.floats(0, 1e9)),
    st.builds(Passed, st.floats(0, 1e9)),
    st.builds(Ended, st.floats(0, 1e9)),
)


@settings(deadline=None)
@given(st.lists(anything, max_size=80))
def test_no_events_raise_and_what_is_told_is_complete(events: list[Event]) -> None:
    rules = (
        *(LossNotFinite(), LossRising(block=2), Plateau(block=1, patience=2), Top1AtChance(after_steps=3, block=1)),
        *(LrOff(cosine, 50), BelowTarget(50.0), ThroughputCollapsed(block=1), RankSilent(5), ImagesReplaced()),
    )
    found, watch = watched(rules, events)
    for violation in (*found, *watch.standing):
        assert violation.sentence.endswith((".", "x")) and violation.look_at and violation.figures
        assert violation.rule in {rule.id for rule in rules}
