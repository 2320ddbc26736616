from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from aligndbg.core.accuracy import (
    EXACT_BELOW,
    PairedCounts,
    divergence,
    gap,
    is_within,
    largest_difference,
    mcnemar,
    paired,
    score,
)

finite = arrays.arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(2, 9)), elements=st.integers(-9, 9).map(float))
counts = st.builds(PairedCounts, *[st.integers(0, 400)] * 4)


@given(finite, st.data())
def test_scores_are_those_of_a_slow_count(logits: NDArray[np.float32], data: st.DataObject) -> None:
    n, classes = logits.shape
    labels = np.array(data.draw(st.lists(st.integers(0, classes - 1), min_size=n, max_size=n)))
    found = score(logits, labels, 3)
    for row, label, top, probability, loss, rank in zip(
        logits.tolist(), labels, found.top, found.probability, found.loss, found.rank, strict=True
    ):
        order = sorted(range(classes), key=lambda k: (-row[k], k))
        total = sum(math.exp(value) for value in row)
        assert list(top) == order[:3]
        assert rank == order.index(label)
        assert loss == pytest.approx(math.log(total) - row[label], abs=1e-9)
        assert list(probability) == pytest.approx([math.exp(row[k]) / total for k in order[:3]], rel=1e-5)


def test_huge_logits_have_a_finite_loss() -> None:
    found = score(np.array([[1000.0, 0.0], [-1000.0, 0.0]], np.float32), np.array([1, 1]))
    assert found.loss.tolist() == [1000.0, 0.0]


def test_an_infinite_logit_takes_all_or_nothing() -> None:
    found = score(np.array([[0.0, -np.inf, 0.0]], np.float32), np.array([0]))
    assert found.loss[0] == pytest.approx(math.log(2))
    assert found.top[0].tolist() == [0, 2, 1]


def test_nan_is_wrong_whatever_the_label() -> None:
    found = score(np.array([[np.nan, 1.0, 0.0]] * 3, np.float32), np.arange(3))
    assert found.rank.tolist() == [3, 3, 3]
    assert np.isnan(found.loss).all()


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_that_is_no_class_is_refused(label: int) -> None:
    with pytest.raises(ValueError, match="0 to 2"):
        score(np.zeros((1, 3), np.float32), np.array([label]))


@given(finite, st.data())
def test_divergence_is_zero_for_equal_probabilities_and_never_below(logits: NDArray[np.float32], data: st.DataObject) -> None:
    other = data.draw(arrays.arrays(np.float32, logits.shape, elements=st.integers(-9, 9).map(float)))
    assert np.allclose(divergence(logits, logits + 3), 0, atol=1e-12)
    assert (divergence(logits, other) >= 0).all()


def test_divergence_of_known_distributions() -> None:
    one, other = np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([[0.9, 0.1], [0.25, 0.75]])
    with np.errstate(divide="ignore"):
        found = divergence(np.log(one), np.log(other))
    assert found.tolist() == pytest.approx([0.5 * math.log(0.5 / 0.9) + 0.5 * math.log(5), math.log(4)])


def test_difference_of_infinities_and_nan() -> None:
    one = np.array([[np.inf, 1.0], [np.nan, 0.0], [-np.inf, 0.0]])
    other = np.array([[np.inf, 3.5], [0.0, 0.0], [np.inf, 0.0]])
    found = largest_difference(one, other)
    assert found[0] == 2.5
    assert np.isnan(found[1])
    assert found[2] == math.inf


@given(st.lists(st.tuples(st.booleans(), st.booleans())))
def test_pairs_are_counted_once(judged: list[tuple[bool, bool]]) -> None:
    found = paired(np.array([one for one, _ in judged]), np.array([other for _, other in judged]))
    expected = [judged.count(pair) for pair in ((True, True), (True, False), (False, True), (False, False))]
    assert [found.both, found.only_torch, found.only_paddle, found.neither] == expected
    assert found.images == len(judged)


def test_sides_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="2 images on one side, 3"):
        paired(np.zeros(2), np.zeros(3))


def test_gap_and_error_of_a_known_table() -> None:
    # Agresti, Categorical Data Analysis, table 11.1: approval of 1600 voters, 880 against 944; the error there is 0.0095.
    found = gap(PairedCounts(794, 150, 86, 570))
    assert found.points == -4.0
    assert found.error == pytest.approx(0.95, abs=0.005)
    assert (found.low, found.high) == pytest.approx((-5.9, -2.1), abs=0.05)


@given(counts)
def test_the_gap_is_the_error_of_differences(table: PairedCounts) -> None:
    differences = np.repeat([0.0, -1.0, 1.0, 0.0], [table.both, table.only_torch, table.only_paddle, table.neither])
    found = gap(table)
    if not differences.size:
        assert (found.points, found.error) == (0, 0)
        return
    assert found.points == pytest.approx(100 * differences.mean())
    assert found.error == pytest.approx(100 * differences.std() / math.sqrt(differences.size), abs=1e-9)


@pytest.mark.parametrize(
    ("torch", "paddle", "p"),
    [(0, 0, 1.0), (1, 0, 1.0), (6, 0, 0.03125), (0, 6, 0.03125), (5, 5, 1.0), (12, 2, 0.012939453125), (4, 1, 0.375)],
)
def test_exact_test_against_binomial_tables(torch: int, paddle: int, p: float) -> None:
    found = mcnemar(PairedCounts(10, torch, paddle, 3))
    assert (found.method, found.statistic) == ("exact", None)
    assert found.p == pytest.approx(p)


def test_chi_squared_of_a_known_table() -> None:
    # Edwards's correction on 121 against 59 (the standard worked example): 20.67, p 5.45e-6.
    found = mcnemar(PairedCounts(101, 121, 59, 33))
    assert found.method == "chi2"
    assert found.statistic == pytest.approx(20.6722, abs=1e-4)
    assert found.p == pytest.approx(5.45e-6, rel=0.01)


@given(counts)
def test_the_test_does_not_know_which_side_is_which(table: PairedCounts) -> None:
    found, turned = mcnemar(table), mcnemar(PairedCounts(table.both, table.only_paddle, table.only_torch, table.neither))
    assert found == turned
    assert 0 <= found.p <= 1
    assert found.method == ("exact" if table.discordant < EXACT_BELOW else "chi2")
    if found.statistic:
        assert found.p == pytest.approx(2 * NormalDist().cdf(-math.sqrt(found.statistic)), abs=1e-12)


def test_the_rule_holds_at_its_edge() -> None:
    assert is_within(PairedCounts(900, 3, 1, 96), 0.2)
    assert is_within(PairedCounts(900, 1, 3, 96), 0.2)
    assert not is_within(PairedCounts(899, 4, 1, 96), 0.2)
    assert not is_within(PairedCounts(899, 1, 4, 96), 0.2)
    assert is_within(PairedCounts(10, 0, 0, 3), 0.0)
