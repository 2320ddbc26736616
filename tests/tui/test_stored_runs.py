"""Sessions as the store keeps them, in the app: finished, failed, partial, damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import driving
import fake_run
from driving import compare, detail, opened, rows, screen_text, table, told
from test_runs import READ_ONLY, WORDS, killed

from aligndbg.pairs.schema import ModelSpec, PairSpec
from aligndbg.store.layout import RESULTS
from aligndbg.store.writer import SessionWriter
from aligndbg.workflows.events import Event
from aligndbg.workflows.record import Replay, record

PAIR = PairSpec(fake_run.PAIR, ModelSpec("m:f"), ModelSpec("m:f"), description="SqueezeNet 1.0 with three mistakes in the port")


def stored(events: list[Event], root: Path) -> Callable[[], Replay]:
    writer = SessionWriter.create(root, PAIR, {})
    for _ in record(events, writer):
        pass
    return lambda: Replay(writer.path)


async def test_a_stored_run_looks_as_it_did_when_it_ended(tmp_path: Path) -> None:
    async with opened() as pilot:
        await pilot.press("j", "j")
        await driving.until(pilot, lambda: detail(pilot).plain.startswith("features.3.squeeze "))
        live = detail(pilot).plain, rows(pilot), screen_text(pilot).splitlines()[-4:]
    async with opened(stored(fake_run.events(), tmp_path), read_only=READ_ONLY) as pilot:
        await pilot.press("j", "j")
        await driving.until(pilot, lambda: detail(pilot).plain.startswith("features.3.squeeze "))
        assert (detail(pilot).plain, rows(pilot), screen_text(pilot).splitlines()[-4:]) == live
        assert "stored run" in screen_text(pilot)
        await pilot.press("r")
        assert told(pilot) == [READ_ONLY]


async def test_a_stored_failure_keeps_its_last_words(tmp_path: Path) -> None:
    async with opened(stored(killed(), tmp_path), read_only=READ_ONLY) as pilot:
        assert "✗ stopped  the paddle child was killed by signal 9" in screen_text(pilot)
        assert compare(pilot).state.last_words == WORDS
        assert READ_ONLY in screen_text(pilot)


async def test_a_stored_run_that_never_ended_is_shown_as_far_as_it_came(tmp_path: Path) -> None:
    async with opened(stored(killed(30)[:-2], tmp_path), read_only=READ_ONLY) as pilot:
        assert "this session is partial: its run stopped with 30 of 66 layers compared" in screen_text(pilot)
        assert "■ layers stopped" in screen_text(pilot)
        assert len(rows(pilot)) == 76
        assert table(pilot).path == "features.2"


async def test_a_damaged_session_says_what_is_wrong(tmp_path: Path) -> None:
    start = stored(fake_run.events(), tmp_path)
    (database,) = tmp_path.rglob(RESULTS)
    database.write_bytes(b"no database")
    async with opened(start, read_only=READ_ONLY) as pilot:
        assert "✗ stopped" in screen_text(pilot)
        assert RESULTS in screen_text(pilot)
