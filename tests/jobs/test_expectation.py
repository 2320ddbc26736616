from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aligndbg.jobs.expectation import EXPECTATION, Expectation, read_expectation, write_expectation
from aligndbg.jobs.schedule import Schedule, lr_at

SCHEDULE = Schedule("Piecewise", 0.1, 5, 10, warmup_epoch=1.5, decay_epochs=(2.0, 4.0), values=(0.1, 0.01, 0.001))


@pytest.mark.parametrize(
    "expectation",
    [Expectation(), Expectation(epochs=3, margin=0.5), Expectation(5, 10, 1000, 58.092, 0.2, SCHEDULE)],
    ids=["empty", "some", "all"],
)
def test_what_is_written_is_read(tmp_path: Path, expectation: Expectation) -> None:
    write_expectation(tmp_path, expectation)
    assert read_expectation(tmp_path) == expectation


def test_a_job_that_says_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert read_expectation(tmp_path) == Expectation()
    assert caplog.messages == []


def changed(**fields: Any) -> dict[str, Any]:
    schedule = {"name": "Cosine", "learning_rate": 0.1, "epochs": 2, "steps_per_epoch": 4}
    return {"epochs": 2, "schedule": {**schedule, **fields}}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "\0\xff",
        '{"epochs": "many"}',
        '{"epochs": true}',
        '{"epochs": 0}',
        '{"epochs": 1e300}',
        '{"target_top1": NaN}',
        '{"margin": null}',
        '{"schedule": 3}',
        '{"schedule": {}}',
        "[" * 100_000,
        *(
            json.dumps(changed(**fields))
            for fields in (
                {"name": "Wild"},
                {"steps_per_epoch": 0},
                {"warmup_epoch": 2},
                {"step_size": 0},
                {"name": "Piecewise", "values": [1.0, 0.5]},
                {"name": "Piecewise", "values": [1.0, 0.5, 0.1], "decay_epochs": [2, 1]},
                {"gamma": 1e300},
                {"values": "abc"},
                {"learning_rate": 10**400},
            )
        ),
    ],
)
def test_a_damaged_one_is_left_out_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str) -> None:
    (tmp_path / EXPECTATION).write_text(text, encoding="latin-1")
    with caplog.at_level(logging.WARNING):
        assert read_expectation(tmp_path) == Expectation()
    assert EXPECTATION in caplog.text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.sampled_from(("name", "learning_rate", "epochs", "steps_per_epoch", "warmup_epoch", "gamma", "step_size", "values")),
        st.one_of(st.none(), st.floats(), st.integers(), st.sampled_from(("Cosine", "Step", "Piecewise")), st.lists(st.floats())),
    )
)
def test_whatever_is_read_can_be_asked_for_rates(tmp_path: Path, fields: dict[str, Any]) -> None:
    (tmp_path / EXPECTATION).write_text(json.dumps(changed(**fields)))
    schedule = read_expectation(tmp_path).schedule
    if schedule is not None:
        for step in (0, 1, 7, 10**6):
            assert isinstance(lr_at(schedule, step), float)
