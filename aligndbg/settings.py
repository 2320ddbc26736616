"""What the user's machine decides: folders, memory, interpreters."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aligndbg.errors import UsageError

MIB = 1 << 20
ARENA_MIB = 64
"""More is no faster: a layer's outputs are freed as soon as they are compared."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Folders need not exist yet. `arena_bytes` bounds the tensors in flight of one side; None is the app's own interpreter."""

    sessions: Path
    cache: Path
    logs: Path
    arena_bytes: int = ARENA_MIB * MIB
    torch_python: str | None = None
    paddle_python: str | None = None


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """$XDG_CONFIG_HOME/aligndbg/config.yaml; relative paths in it start at its folder."""

    sessions: str | None = None
    arena_mib: int = ARENA_MIB
    torch_python: str | None = None
    paddle_python: str | None = None


def load_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """The environment's word before the configuration file's, and both before the defaults.

    ALIGNDBG_SESSIONS, ALIGNDBG_ARENA_MIB, ALIGNDBG_TORCH_PYTHON, ALIGNDBG_PADDLE_PYTHON. Sessions lie in `sessions/` of a
    project (a working folder with `models/` or `sessions/`), else among the user's data. UsageError names the file and line,
    or the variable.
    """
    path = _base(environ, "XDG_CONFIG_HOME", ".config") / "config.yaml"
    config = ConfigFile()
    if path.exists():
        # YAML costs 20 ms, which most users have no need to pay.
        from aligndbg.pairs.decode import read_document

        document = read_document(path)
        config = document.decode(ConfigFile)
        if not 1 <= config.arena_mib <= 1 << 20:
            raise document.refuse(document.at("arena_mib"), f"arena_mib: expected 1 to {1 << 20}, found {config.arena_mib}")
    sessions = environ.get("ALIGNDBG_SESSIONS")
    cache = _base(environ, "XDG_CACHE_HOME", ".cache")
    return Settings(
        sessions=Path(sessions).expanduser().absolute() if sessions else _sessions(environ, config, path.parent),
        cache=cache,
        logs=_base(environ, "XDG_STATE_HOME", ".local/state") / "logs",
        arena_bytes=_arena_mib(environ, config) * MIB,
        torch_python=_python(environ.get("ALIGNDBG_TORCH_PYTHON"), Path.cwd()) or _python(config.torch_python, path.parent),
        paddle_python=_python(environ.get("ALIGNDBG_PADDLE_PYTHON"), Path.cwd()) or _python(config.paddle_python, path.parent),
    )


def _base(environ: Mapping[str, str], variable: str, default: str) -> Path:
    named = environ.get(variable, "")
    # The XDG specification ignores relative paths.
    root = Path(named) if named.startswith("/") else Path(environ.get("HOME") or "~").expanduser() / default
    return root / "aligndbg"


def _sessions(environ: Mapping[str, str], config: ConfigFile, beside: Path) -> Path:
    if config.sessions:
        return beside / Path(config.sessions).expanduser()
    here = Path.cwd()
    if (here / "sessions").is_dir() or ((here / "models").is_dir() and os.access(here, os.W_OK)):
        return here / "sessions"
    return _base(environ, "XDG_DATA_HOME", ".local/share") / "sessions"


def _arena_mib(environ: Mapping[str, str], config: ConfigFile) -> int:
    text = environ.get("ALIGNDBG_ARENA_MIB")
    if not text:
        return config.arena_mib
    if not (text.isascii() and text.isdecimal() and len(text) < 8 and 1 <= int(text) <= 1 << 20):
        raise UsageError(f"ALIGNDBG_ARENA_MIB: expected 1 to {1 << 20}, found {text[:60]!r}")
    return int(text)


def _python(python: str | None, root: Path) -> str | None:
    """A path starts at `root`; a bare name is left for PATH. Not resolved: a virtual environment is known by its link."""
    if not python or "/" not in python:
        return python or None
    return str(root / Path(python).expanduser())
