from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aligndbg.errors import EnvironmentFault
from aligndbg.jobs.json_file import read_json, write_json
from aligndbg.jobs.spec import JobSpec, masked, new_id, read_spec, utc_now, write_spec

SPEC = JobSpec(
    "a",
    "train",
    "t",
    ("python", "x.py"),
    "/",
    {"LR": "0.1"},
    2,
    "2026-01-01T00:00:00.000Z",
    "pair",
    "paddleclas",
    "*.txt",
    "fraction",
)
TEXT = st.text(st.characters(exclude_characters="\0"), max_size=40)


def test_a_spec_comes_back(tmp_path: Path) -> None:
    write_spec(tmp_path, SPEC)
    assert read_spec(tmp_path) == SPEC


@given(st.lists(TEXT, min_size=1).map(tuple), TEXT)
def test_any_text_comes_back_masked(tmp_path_factory: pytest.TempPathFactory, argv: tuple[str, ...], title: str) -> None:
    folder = tmp_path_factory.mktemp("spec")
    spec = replace(SPEC, argv=argv, title=title)
    write_spec(folder, spec)
    assert read_spec(folder) == masked(spec)


def test_file_names_of_any_bytes_come_back(tmp_path: Path) -> None:
    spec = replace(SPEC, argv=(os.fsdecode(b"\xff.py"),))
    write_spec(tmp_path, spec)
    assert os.fsencode(read_spec(tmp_path).argv[0]) == b"\xff.py"


def test_no_secret_is_stored(tmp_path: Path) -> None:
    write_spec(
        tmp_path, replace(SPEC, argv=("x", "--token", "swordfish"), env={"API_KEY": "swordfish"}, title="x --token=swordfish")
    )
    assert "swordfish" not in (tmp_path / "spec.json").read_text()


def test_keys_of_a_later_version_are_left_out(tmp_path: Path) -> None:
    write_spec(tmp_path, SPEC)
    write_json(tmp_path / "spec.json", {**read_json(tmp_path / "spec.json"), "schema": 2, "later": 1})
    assert read_spec(tmp_path) == SPEC


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"id": 1}', "\N{SNOWMAN}", "{"])
def test_a_damaged_spec_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "spec.json").write_text(content)
    with pytest.raises(EnvironmentFault, match=r"spec\.json is damaged"):
        read_spec(tmp_path)


def test_a_missing_spec_is_named(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match=r"spec\.json cannot be read: No such file"):
        read_spec(tmp_path)


def test_ids_sort_by_time_and_are_safe_as_names() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=8)))
    assert new_id("Train/../x y", moment).startswith("20260101T190405Z-train-x-y-")
    assert new_id("///").split("-")[1] == "job"
    assert len({new_id("run", moment) for _ in range(20)}) > 15
    assert datetime.fromisoformat(utc_now()).tzinfo == UTC
