"""The findings in the app: the list, the layer's details, copying, editing, trying a fix."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import driving
import fake_run
import pytest
from driving import compare, detail, opened, playing, screen_text, table, told
from fake_run import FINDINGS, MISSING, POOL, SUSPECTED, FakeRun, found_events
from test_runs import READ_ONLY
from test_stored_runs import stored
from textual.pilot import Pilot

from aligndbg.core.findings import Finding, Status
from aligndbg.tui.widgets.findings_pane import FindingsPane
from aligndbg.tui.widgets.layer_detail import LayerDetail
from aligndbg.workflows.events import FindingMade, LayersPaired, RunEnded


def found() -> Any:
    return playing(found_events())


def pane(pilot: Pilot[Any]) -> FindingsPane:
    return compare(pilot).query_one(FindingsPane)


def chosen(pilot: Pilot[Any]) -> Finding:
    group = pane(pilot).group
    assert group is not None
    return group.first


def copied(pilot: Pilot[Any]) -> str:
    return pilot.app.clipboard


async def test_c_opens_the_findings_and_closes_them() -> None:
    async with opened(found()) as pilot:
        assert "Findings" not in screen_text(pilot)
        assert "2 causes, 1 unknown (c)" in screen_text(pilot)
        await pilot.press("c")
        assert pane(pilot).has_focus
        assert "Findings: 2 causes, 1 unknown, 1 warning" in screen_text(pilot)
        assert "✗ found    features.2 · ceil-mode · max|d| 0.743 -> 0 with the fix" in screen_text(pilot)
        await pilot.press("c")
        assert table(pilot).has_focus
        assert "Findings:" not in screen_text(pilot)
        await pilot.press("c", "escape")
        assert table(pilot).has_focus
        assert "Findings:" not in screen_text(pilot)


async def test_causes_come_first_then_what_is_unknown_then_warnings() -> None:
    async with opened(found(), size=(120, 60)) as pilot:
        await pilot.press("c")
        lines = [
            driving.line_of(pilot, mark) for mark in ("found    features.2", "found    features.5", "? unknown", "▲ warning  cl")
        ]
        assert -1 not in lines and lines == sorted(lines)
        assert "also at  features.3.cat, features.4.cat, features.7.cat and 2 more" in screen_text(pilot)
        assert pane(pilot).option_count == 4


async def test_a_suspicion_gives_way_to_the_cause() -> None:
    layers = next(event for event in fake_run.events() if isinstance(event, LayersPaired))
    run = FakeRun([layers, FindingMade(SUSPECTED), FindingMade(POOL)], hold=2)
    async with opened(lambda: run, wait=False) as pilot:
        await driving.until(pilot, lambda: "1 warning (c)" in screen_text(pilot))
        run.go()
        await driving.until(pilot, lambda: "1 cause (c)" in screen_text(pilot))
        assert list(compare(pilot).state.findings.values()) == [POOL]


async def test_the_highlight_stays_on_its_finding_while_others_come() -> None:
    layers = next(event for event in fake_run.events() if isinstance(event, LayersPaired))
    last = replace(MISSING, layer="flatten")
    run = FakeRun([layers, FindingMade(SUSPECTED), FindingMade(MISSING), FindingMade(POOL), FindingMade(last)], hold=3)
    async with opened(lambda: run, wait=False) as pilot:
        await driving.until(pilot, lambda: len(compare(pilot).state.findings) == 2)
        await pilot.press("c", "j")
        assert (chosen(pilot), pane(pilot).highlighted) == (SUSPECTED, 1)
        run.go()
        await driving.until(pilot, lambda: len(compare(pilot).state.findings) == 3)
        assert (chosen(pilot), pane(pilot).highlighted) == (POOL, 0), "what was suspected, and is known now, is listed first"


@pytest.mark.parametrize("size", [(120, 30), (80, 24), (80, 44), (80, 14)])
async def test_enter_goes_to_the_layer(size: tuple[int, int]) -> None:
    async with opened(found(), size=size) as pilot:
        await pilot.press("c", "j", "enter")
        await driving.until(pilot, lambda: table(pilot).path == MISSING.layer)
        await driving.until(pilot, lambda: table(pilot).has_focus)
        assert "squeeze_activation" in screen_text(pilot)
        await driving.until(pilot, lambda: detail(pilot).plain.startswith(MISSING.layer))


async def test_enter_shows_a_layer_that_a_filter_hides() -> None:
    async with opened(found()) as pilot:
        await driving.type_filter(pilot, "kind:conv")
        await pilot.press("escape", "c", "enter")
        await driving.until(pilot, lambda: table(pilot).path == POOL.layer)


async def test_a_finding_at_no_layer_that_is_shown_says_so() -> None:
    events = driving.small("a", "b")
    async with opened(playing([*events, FindingMade(replace(POOL, layer="gone"))])) as pilot:
        await pilot.press("c", "enter")
        await driving.until(pilot, lambda: told(pilot) == ["gone is none of the layers shown"])


async def test_the_first_cause_is_highlighted_when_the_findings_are_opened() -> None:
    async with opened(found()) as pilot:
        await pilot.press("c")
        assert (chosen(pilot), pane(pilot).highlighted) == (POOL, 0)


async def test_a_fix_that_was_tried_is_not_the_ports() -> None:
    aligned = fake_run.starting(broken=False)
    async with opened(found(), what_if=lambda fixes: aligned()) as pilot:
        await pilot.press("c", "w")
        await driving.until(pilot, lambda: "no findings: with what was tried, the port agrees" in screen_text(pilot))


async def test_the_mouse_opens_and_chooses() -> None:
    async with opened(found()) as pilot:
        y = driving.line_of(pilot, "2 causes, 1 unknown (c)")
        await pilot.click(offset=(screen_text(pilot).splitlines()[y].index("2 causes"), y))
        await driving.until(pilot, lambda: pane(pilot).has_focus)
        await pilot.click(offset=(14, driving.line_of(pilot, "torch has a ReLU here")))
        await driving.until(pilot, lambda: table(pilot).path == MISSING.layer)


async def test_the_keys_at_the_border_can_be_clicked() -> None:
    async with opened(found()) as pilot:
        await pilot.press("c")
        y = driving.line_of(pilot, "y copies the fix")
        await pilot.click(offset=(screen_text(pilot).splitlines()[y].index("y copies"), y))
        await driving.until(pilot, lambda: "copied the fix of features.2" in told(pilot))


async def test_tab_goes_round_the_panes_that_are_open() -> None:
    async with opened(found()) as pilot:
        seen = []
        await pilot.press("c")
        for key in ("tab", "tab", "tab", "shift+tab", "shift+tab"):
            await pilot.press(key)
            seen.append(type(pilot.app.focused).__name__)
        assert seen == ["LayerTable", "LayerDetail", "FindingsPane", "LayerDetail", "LayerTable"]


async def test_zoom_gives_the_findings_all_the_room() -> None:
    async with opened(found()) as pilot:
        await pilot.press("c", "z")
        assert "╭─ Layers" not in screen_text(pilot)
        await pilot.press("escape")
        assert "╭─ Layers" in screen_text(pilot)
        assert pane(pilot).has_focus


async def test_the_keys_that_move() -> None:
    async with opened(found()) as pilot:
        await pilot.press("c")
        seen = []
        for key in ("j", "G", "k", "g", "down", "end", "ctrl+u", "home", "ctrl+d"):
            await pilot.press(key)
            seen.append(pane(pilot).highlighted)
        assert seen == [1, 3, 2, 0, 1, 3, 0, 0, 3]


async def test_y_copies_where_and_what_to_type() -> None:
    async with opened(found()) as pilot:
        await pilot.press("c", "y")
        assert copied(pilot) == f"{fake_run.PORT}:57  ceil_mode=False -> ceil_mode=True"
        await pilot.press("j", "y")
        assert copied(pilot) == f"{fake_run.PORT}:71  apply F.relu to what features.5.squeeze gives"
        await pilot.press("j", "y")
        assert copied(pilot) == "nothing that was tried explains the difference"


async def test_the_details_of_a_layer_begin_with_its_finding() -> None:
    async with opened(found()) as pilot:
        await driving.until(pilot, lambda: "ceil_mode=False ->" in detail(pilot).plain)
        text = detail(pilot).plain
        assert text.index("Found ") < text.index("Difference ")
        assert "proof    max|d| 0.743 -> 0 with the fix" in text
        await pilot.press("j", "j")
        await driving.until(pilot, lambda: detail(pilot).plain.startswith("features.3.squeeze "))
        assert "Found " not in detail(pilot).plain


async def test_there_are_words_for_no_findings() -> None:
    async with opened(fake_run.starting(broken=False)) as pilot:
        await pilot.press("c")
        assert "no findings: the port agrees with torch" in screen_text(pilot)
        for key in ("enter", "y", "o", "w", "j", "ctrl+d"):
            await pilot.press(key)
        assert set(told(pilot)) == {"no findings: the port agrees with torch"}
    async with opened() as pilot:
        await pilot.press("c")
        assert "no findings: layers mismatch, and no cause was found" in screen_text(pilot)


async def test_no_findings_so_far_and_none_after_a_stop() -> None:
    run = FakeRun(fake_run.events(), hold=45)
    async with opened(lambda: run, wait=False) as pilot:
        await driving.until(pilot, lambda: bool(compare(pilot).state.results))
        await pilot.press("c")
        assert "no findings so far: the run goes on" in screen_text(pilot)
        run.cancel()
        await driving.ended(pilot)
        assert "no findings: the run stopped early" in screen_text(pilot)


async def test_the_findings_of_a_report_are_the_last_word() -> None:
    *before, last = found_events()
    assert isinstance(last, RunEnded)
    last = RunEnded(replace(last.report, findings=(MISSING,)))
    async with opened(playing([*before, last])) as pilot:
        assert list(compare(pilot).state.findings.values()) == [MISSING]


async def test_a_stored_run_shows_its_findings(tmp_path: Path) -> None:
    async with opened(stored(found_events(), tmp_path), read_only=READ_ONLY) as pilot:
        await pilot.press("c")
        assert "✗ found    features.2 · ceil-mode" in screen_text(pilot)
        await pilot.press("w")
        assert told(pilot) == [READ_ONLY]


async def test_a_stored_run_that_never_ended_shows_what_it_found(tmp_path: Path) -> None:
    async with opened(stored(found_events()[:-1], tmp_path), read_only=READ_ONLY) as pilot:
        assert set(compare(pilot).state.findings.values()) == set(FINDINGS)
        await pilot.press("c")
        assert "✗ found    features.2 · ceil-mode" in screen_text(pilot)


# -- what if ----------------------------------------------------------------------------------------------------------


async def test_w_runs_again_with_the_fix_and_r_without() -> None:
    asked: list[tuple[str, ...]] = []

    def what_if(fixes: Sequence[str]) -> FakeRun:
        asked.append(tuple(fixes))
        return FakeRun(found_events())

    async with opened(found(), what_if=what_if) as pilot:
        await pilot.press("c", "w")
        await driving.until(pilot, lambda: "what if: 1 tried" in screen_text(pilot))
        await driving.ended(pilot)
        await pilot.press("j", "w")
        await driving.until(pilot, lambda: "what if: 2 tried" in screen_text(pilot))
        await driving.ended(pilot)
        await pilot.press("w")
        await driving.until(pilot, lambda: len(asked) == 3)
        await driving.ended(pilot)
        await pilot.press("r")
        await driving.ended(pilot)
        assert "what if" not in screen_text(pilot).splitlines()[0]
    first, second = "features.2:ceil-mode", "features.5.squeeze_activation:activation-missing"
    assert asked == [(first,), (first, second), (first, second)]


async def test_w_tries_the_fix_at_every_layer_of_the_finding() -> None:
    asked: list[tuple[str, ...]] = []

    def what_if(fixes: Sequence[str]) -> FakeRun:
        asked.append(tuple(fixes))
        return FakeRun(found_events())

    everywhere = [FindingMade(replace(finding, status=Status.FOUND)) for finding in fake_run.DROPOUTS]
    async with opened(playing([*fake_run.events()[:-1], *everywhere]), what_if=what_if) as pilot:
        await pilot.press("c", "w")
        await driving.until(pilot, lambda: bool(asked))
    assert asked == [tuple(f"{finding.layer}:dropout-p" for finding in fake_run.DROPOUTS)]


async def test_there_is_nothing_to_try_without_a_fix_or_a_way_to_apply_it() -> None:
    async with opened(found()) as pilot:
        await pilot.press("c", "w", "j", "j", "w", "j", "w")
        assert told(pilot) == [
            "no fix can be tried on this pair",
            "its cause is unknown: there is no fix to try",
            "this run does not show it: there is nothing to try",
        ]


# -- the editor -------------------------------------------------------------------------------------------------------


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the port's file, in which one works; and no editor but what a test sets."""
    file = tmp_path / fake_run.PORT
    file.parent.mkdir(parents=True)
    file.write_text("def squeezenet(): ...\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("EDITOR", raising=False)
    return file


@pytest.fixture
def suspended(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The app leaves the terminal and comes back, as it cannot in a test."""
    seen: list[str] = []

    @contextmanager
    def suspend(self: object) -> Iterator[None]:
        seen.append("left")
        yield
        seen.append("back")

    monkeypatch.setattr("textual.app.App.suspend", suspend)
    return seen


def fake_editor(folder: Path, name: str, exit_code: int = 0) -> Path:
    script = folder / name
    script.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > "{folder}/asked"\nexit {exit_code}\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return script


async def test_o_opens_the_file_at_the_line(
    port: Path, tmp_path: Path, suspended: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDITOR", f"'{fake_editor(tmp_path, 'vim')}' -u 'a b'")
    async with opened(found()) as pilot:
        await pilot.press("c", "o")
        assert (tmp_path / "asked").read_text().splitlines() == ["-u", "a b", "+57", str(port)]
        assert suspended == ["left", "back"]
        assert told(pilot) == []


async def test_what_goes_wrong_with_the_editor_is_told(
    port: Path, tmp_path: Path, suspended: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = fake_editor(tmp_path, "vim", 3)
    async with opened(found()) as pilot:
        await pilot.press("c", "o")
        monkeypatch.setenv("EDITOR", "no-such-editor")
        await pilot.press("o")
        monkeypatch.setenv("VISUAL", str(editor))
        await pilot.press("o")
        monkeypatch.setenv("VISUAL", "vim 'half")
        await pilot.press("o")
        port.unlink()
        await pilot.press("o", "j", "j", "o")
        assert told(pilot) == [
            f"no editor is set: export EDITOR=vim, or VISUAL, opens {fake_run.PORT}:57",
            "no-such-editor cannot be run: No such file or directory",
            f"{editor} ended with exit code 3",
            "VISUAL is no command: No closing quotation",
            f"{port} is not here",
            "this finding is at no line of a file",
        ]
        assert suspended == ["left", "back"] * 2


async def test_where_the_app_cannot_leave_the_terminal_no_editor_is_run(
    port: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDITOR", str(fake_editor(tmp_path, "vim")))
    async with opened(found()) as pilot:
        await pilot.press("c", "o")
        assert told(pilot) == [f"no editor can take this terminal's place: open {fake_run.PORT}:57 in your own"]
        assert not (tmp_path / "asked").exists()


async def test_a_narrow_terminal_has_one_pane_at_a_time() -> None:
    async with opened(found(), size=(80, 24)) as pilot:
        await pilot.press("c")
        assert not compare(pilot).query_one(LayerDetail).display
        await pilot.press("tab")
        assert table(pilot).has_focus
        assert not pane(pilot).display
        await pilot.press("tab")
        assert compare(pilot).query_one(LayerDetail).display
        await pilot.press("tab")
        assert pane(pilot).has_focus
        assert "Findings:" in screen_text(pilot)
