from __future__ import annotations

from pathlib import Path

import pytest

from aligndbg.errors import EnvironmentFault
from aligndbg.jobs.state import JobState, read_state, write_state

STATE = JobState("failed", 1, 2, 3, "2026-01-01T00:00:00.000Z", "2026-01-01T00:00:01.000Z", 1, None, "exit code 1", 4, "boot")


def test_a_state_comes_back(tmp_path: Path) -> None:
    write_state(tmp_path, STATE)
    assert read_state(tmp_path) == STATE
    write_state(tmp_path, JobState("running"))
    assert read_state(tmp_path) == JobState("running")


def test_a_write_that_fails_leaves_the_old_state(tmp_path: Path) -> None:
    write_state(tmp_path, STATE)
    with pytest.raises(TypeError):
        write_state(tmp_path, JobState("running", reason={1, 2}))  # type: ignore[arg-type]
    assert read_state(tmp_path) == STATE


def test_which_states_are_final() -> None:
    assert [JobState(status).final for status in ("starting", "running", "ended", "failed", "killed", "lost")] == [
        False,
        False,
        True,
        True,
        True,
        True,
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{}", "status None is none of starting"),
        ('{"status": "running", "pid": "7"}', "pid: expected a whole number"),
        ("", "no JSON"),
    ],
)
def test_a_damaged_state_is_named(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "state.json").write_text(content)
    with pytest.raises(EnvironmentFault, match=words):
        read_state(tmp_path)
