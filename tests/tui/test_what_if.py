"""What the app is given to try fixes with, from the command line and from the list of pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aligndbg.cli import parse
from aligndbg.commands.app import open_app, pair_entries
from aligndbg.settings import load_settings
from aligndbg.tui.app import AligndbgApp
from aligndbg.tui.screens.compare import CompareScreen
from aligndbg.workflows.inspect import Inspection

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def asked_of(run: Any) -> tuple[str, ...]:
    assert isinstance(run, Inspection)
    assert tuple(run._options.get("what_if", ())) == run._what_if, "the session says what was tried"
    return run._what_if


def test_fixes_are_tried_beside_those_of_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    apps: list[AligndbgApp] = []
    monkeypatch.setattr("aligndbg.commands.app.run", lambda app, settings: apps.append(app) or 0)
    options = parse(["squeezenet1_0", "--what-if", "a:padding"])
    assert open_app(options) == 0
    screen = apps[0]._first()
    assert isinstance(screen, CompareScreen) and screen.target.what_if is not None
    assert asked_of(screen.target.start()) == ("a:padding",)
    assert asked_of(screen.target.what_if(("b:stride", "c:groups"))) == ("a:padding", "b:stride", "c:groups")


def test_fixes_can_be_tried_on_a_pair_of_the_list() -> None:
    entry = next(entry for entry in pair_entries(load_settings()) if entry.name == "squeezenet1_0")
    assert entry.target is not None and entry.target.what_if is not None
    assert asked_of(entry.target.start()) == ()
    assert asked_of(entry.target.what_if(("b:stride",))) == ("b:stride",)
