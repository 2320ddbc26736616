"""`aligndbg` and `aligndbg PAIR`: the app."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from aligndbg.commands.options import device_of, inspection, on_this_machine, pair_of, settings_of
from aligndbg.jobs.folder import jobs_root
from aligndbg.pairs.discovery import find_pair, list_pairs
from aligndbg.pairs.schema import PairSpec
from aligndbg.settings import Settings
from aligndbg.store.listing import SessionSummary, list_sessions
from aligndbg.tui.app import AligndbgApp
from aligndbg.tui.apps import HomeApp, InspectApp, JobApp
from aligndbg.tui.run import Entry, Run, Surroundings, Target
from aligndbg.tui.terminal import run_app
from aligndbg.workflows.inspect import Inspection
from aligndbg.workflows.record import Replay

if TYPE_CHECKING:
    from aligndbg.tui.screens.triage import TriageScreen

READ_ONLY = "this is a stored run; `aligndbg PAIR` makes a new one"


def open_app(options: Namespace) -> int:
    settings = settings_of(options)
    device_of(options)
    if options.pair is None and options.torch is None and options.paddle is None:
        return run(HomeApp(around(settings)), settings)
    pair = pair_of(options.pair, options, settings)

    def start(fixes: Sequence[str] = ()) -> Run:
        asked = Namespace(**vars(options) | {"what_if": [*options.what_if, *fixes]})
        # Read again: pair.yaml may have been edited since.
        return inspection(pair_of(options.pair, options, settings), asked, settings)

    app = InspectApp(
        pair.name,
        start,
        watch_paths=lambda: watched(pair),
        watching=options.watch,
        what_if=start,
        pair=lambda: pair_of(options.pair, options, settings),
        around=around(settings),
    )
    return run(app, settings)


def open_session(path: Path, settings: Settings) -> int:
    """A stored run in the app; no framework is needed."""
    return run(InspectApp(path.name, lambda: Replay(path), read_only=READ_ONLY, around=around(settings)), settings)


def open_evaluation(path: Path, settings: Settings) -> int:
    """A stored evaluation's pictures in the app."""
    from aligndbg.commands.triage_app import open_triage_app

    return open_triage_app(path, settings, data=None, order="flips", query="", graphics=None)


def open_job(path: Path, root: Path, settings: Settings) -> int:
    """One job in the app; leaving leaves it running."""
    return run(JobApp(path, around(settings, root)), settings)


def around(settings: Settings, jobs: Path | None = None) -> Surroundings:
    """What the app reaches beside what it is opened on; jobs lie beside the sessions where nothing else is said."""
    root = jobs or jobs_root(settings)
    return Surroundings(lambda: pair_entries(settings), lambda: session_entries(settings), root, settings)


def run(app: AligndbgApp, settings: Settings) -> int:
    headline = run_app(app, settings.logs / "app.log")
    if headline:
        sys.stdout.write(f"{headline}\n")
    return 0


def watched(pair: PairSpec) -> Iterator[Path]:
    """The files that a pair is made of: its pair.yaml, both models' files and the Python files beside them."""
    found: dict[Path, None] = {}
    if pair.path is not None:
        found[pair.path] = None
    for model in (pair.torch.model, pair.paddle.model):
        file = pair.root / model.rpartition(":")[0]
        if file.suffix == ".py":
            found[file.resolve()] = None
            found.update(dict.fromkeys(sorted(file.resolve().parent.glob("*.py"))))
    yield from found


def pair_entries(settings: Settings) -> Sequence[Entry]:
    return [
        Entry(entry.name, entry.description, target=None if entry.error else _target(entry.name, settings), error=entry.error)
        for entry in list_pairs()
    ]


def session_entries(settings: Settings) -> Sequence[Entry]:
    return [_session_entry(session, settings) for session in list_sessions(settings.sessions)]


def _target(name: str, settings: Settings) -> Target:
    def pair() -> PairSpec:
        return on_this_machine(find_pair(name), settings)

    def what_if(fixes: Sequence[str]) -> Run:
        return Inspection(pair(), settings, {"what_if": list(fixes)}, what_if=fixes)

    return Target(name, lambda: Inspection(pair(), settings, {}), watch_paths=lambda: watched(pair()), what_if=what_if, pair=pair)


def _session_entry(session: SessionSummary, settings: Settings) -> Entry:
    if session.error:
        return Entry(session.name, error=session.error)
    when = f"{session.created[:16].replace('T', ' ')} UTC"
    note = session.headline or session.status
    if session.kind == "eval":
        return Entry(session.pair, note, when, session.verdict, screen=lambda: evaluation_screen(session.path, settings))
    target = Target(session.name, lambda: Replay(session.path), READ_ONLY)
    return Entry(session.pair, note, when, session.verdict, target)


def evaluation_screen(path: Path, settings: Settings) -> TriageScreen:
    """An evaluation's pictures."""
    from aligndbg.commands.triage_app import graphics_for, image_target
    from aligndbg.tui.screens.triage import TriageScreen

    return TriageScreen(path, partial(image_target, settings=settings), graphics=graphics_for(None))
