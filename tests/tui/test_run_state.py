"""What a screen knows of its run, event by event."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import fake_run

from aligndbg.errors import AligndbgError, CannotPair, ChildDied
from aligndbg.tui.run_state import CHECK_GLYPHS, CHECKPOINTS, RunState
from aligndbg.weights.plan import WeightPlan
from aligndbg.workflows.checkpoints import CheckState
from aligndbg.workflows.events import (
    Event,
    LayerDiffed,
    LayersPaired,
    RunEnded,
    RunFailed,
    SideProgress,
    WeightsPlanned,
    WeightsReady,
)


def after(*events: Event) -> RunState:
    state = RunState(fake_run.PAIR)
    state.apply(events)
    return state


def test_a_run_that_begins_says_what_its_children_do() -> None:
    state = RunState("pair")
    assert state.headline() == ("pair: starting", "running")
    state.apply([SideProgress("torch", "importing"), SideProgress("paddle", "starting")])
    assert state.headline() == ("pair: torch importing, paddle starting", "running")
    assert state.checkpoints()["weights"] == "running"


def test_a_download_is_said_first_and_forgotten_when_the_weights_are_there() -> None:
    state = after(*fake_run.opening())
    assert "downloading squeezenet1_0-b66bff10.pth" in state.headline()[0]
    state.apply([WeightsReady("a file", "")])
    assert state.download is None
    assert "downloading" not in state.headline()[0]


def test_stages_are_kept_in_order_and_once_each() -> None:
    state = after(SideProgress("torch", "starting"), SideProgress("torch", "building", "a"), SideProgress("torch", "building", "b"))
    assert state.past["torch"] == ["starting"]
    assert state.stages["torch"] == ("building", "b")


def test_layers_are_counted_where_they_have_both_sides() -> None:
    rows = fake_run.layers()
    found = fake_run.results(rows)
    state = after(LayersPaired(rows), *map(LayerDiffed, found[:10]))
    assert state.to_compare == 64
    assert state.compared == 10
    assert state.headline()[0].startswith(f"{fake_run.PAIR}: 10 of 64 layers compared, max|d| so far 0.743")


def test_a_revised_result_is_counted_once() -> None:
    rows = fake_run.layers()
    found = fake_run.results(rows)
    state = after(LayersPaired(rows), LayerDiffed(found[0]), LayerDiffed(replace(found[0], note="seen again")))
    assert state.compared == 1
    assert state.results[0].note == "seen again"


def test_the_checkpoints_of_a_whole_run() -> None:
    states = [after(*fake_run.events(broken)).checkpoints() for broken in (True, False)]
    assert tuple(states[0]) == CHECKPOINTS
    assert [state["weights"] for state in states] == ["done", "done"]
    assert [state["forward"] for state in states] == ["failed", "done"]
    assert [state["layers"] for state in states] == ["failed", "done"]
    assert {states[0][name] for name in ("eval", "train-step", "train")} == {"not yet"}


def test_weights_with_gaps_have_failed() -> None:
    assert after(WeightsPlanned(WeightPlan((), ("fc.weight",)))).checkpoints()["weights"] == "failed"


def test_a_run_that_was_cut_short_has_stopped_and_has_not_failed_its_checkpoints() -> None:
    rows = fake_run.layers()
    state = after(*fake_run.opening(), RunFailed(ChildDied("the torch child was killed", last_words="Killed")))
    assert state.checkpoints()["weights"] == "stopped"
    assert state.last_words == "Killed"
    state = after(
        WeightsPlanned(WeightPlan(())), LayersPaired(rows), LayerDiffed(fake_run.results(rows)[0]), RunFailed(AligndbgError("x"))
    )
    assert list(state.checkpoints().values())[:3] == ["done", "stopped", "stopped"]
    assert state.headline() == (f"{fake_run.PAIR}: stopped — x", "error")


def test_models_that_cannot_be_paired_have_failed_at_the_layers() -> None:
    state = after(*fake_run.opening(), RunFailed(CannotPair("3 of 120 calls are shared")))
    assert state.headline() == (f"{fake_run.PAIR}: cannot be paired — 3 of 120 calls are shared", "cannot-pair")
    assert list(state.checkpoints().values())[:3] == ["not yet", "not yet", "failed"]


def test_a_report_that_says_so_has_failed_at_the_layers_too() -> None:
    rows = fake_run.layers()
    report = replace(fake_run.report(rows, fake_run.results(rows)), verdict="cannot-pair", layers=(), output=None, weights=None)
    assert list(after(RunEnded(report)).checkpoints().values())[:3] == ["not yet", "not yet", "failed"]


def test_each_state_has_a_glyph_of_its_own() -> None:
    assert set(CHECK_GLYPHS) == set(get_args(CheckState))
    assert len(set(CHECK_GLYPHS.values())) == len(CHECK_GLYPHS)
