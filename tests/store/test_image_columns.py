"""Columns say what the rows say."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aligndbg.core.images import NOBODY, Side
from aligndbg.errors import EnvironmentFault
from aligndbg.pairs.schema import PairSpec
from aligndbg.store.image_columns import read_columns
from aligndbg.store.images import ImageRow, ImageWriter, SideScores
from aligndbg.store.layout import RESULTS
from aligndbg.store.writer import SessionWriter

SIDES: tuple[Side, ...] = ("torch", "paddle")

numbers = st.floats(0, 1e9, width=32) | st.sampled_from([math.nan, math.inf])
tops = st.lists(st.tuples(st.integers(0, 999), st.floats(0, 1, width=32)), max_size=5).map(tuple)
scored = st.none() | st.builds(SideScores, st.integers(0, 1000), numbers, tops)


@st.composite
def rows(draw: st.DrawFn) -> list[ImageRow]:
    made = []
    for position in range(draw(st.integers(1, 6))):
        sides = draw(st.tuples(scored, scored))
        gaps = draw(st.tuples(numbers, numbers)) if None not in sides else (None, None)
        problem = draw(st.text(st.characters(exclude_categories=["Cs"]))) if sides == (None, None) else ""
        name = draw(st.text(st.characters(exclude_categories=["Cs"])))
        made.append(ImageRow(position * 3, 0, None, name, draw(st.integers(-1, 2000)), *sides, *gaps, problem))
    return made


def test_columns_say_what_the_rows_say(tmp_path: Path, pair: PairSpec) -> None:
    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(rows())
    def check(written: list[ImageRow]) -> None:
        writer = SessionWriter.create(tmp_path / "sessions", pair, {}, kind="eval")
        images = ImageWriter(writer.path)
        images.write(0, written, {})
        images.close()
        writer.close()
        found = read_columns(writer.path)
        assert found.positions.tolist() == [row.position for row in written]
        assert list(found.names) == [row.name for row in written]
        assert found.labels.tolist() == [row.label for row in written]
        assert list(found.problems) == [row.problem for row in written]
        for place, row in enumerate(written):
            np.testing.assert_equal(found.max_abs[place], math.nan if row.max_abs is None else row.max_abs)
            np.testing.assert_equal(found.divergence[place], math.nan if row.divergence is None else row.divergence)
            for side in SIDES:
                scores, of = row.of(side), found.of(side)
                assert bool(of.judged[place]) == (scores is not None)
                assert of.rank[place] == (NOBODY if scores is None else scores.rank)
                assert of.top(place) == ([] if scores is None else list(scores.top))
                np.testing.assert_equal(of.loss[place], math.nan if scores is None else scores.loss)

    check()


def test_an_evaluation_without_pictures(tmp_path: Path, pair: PairSpec) -> None:
    writer = SessionWriter.create(tmp_path, pair, {}, kind="eval")
    writer.close()
    found = read_columns(writer.path)
    assert len(found) == 0
    assert not found.flips.any() and not found.judged.any()
    assert found.torch.best.shape == (0,)


def test_a_damaged_file_is_named(tmp_path: Path, pair: PairSpec) -> None:
    writer = SessionWriter.create(tmp_path, pair, {}, kind="eval")
    writer.close()
    (writer.path / RESULTS).write_bytes(b"nothing of a database" * 100)
    with pytest.raises(EnvironmentFault, match=RESULTS):
        read_columns(writer.path)
