"""Folders, memory and interpreters: the environment before the configuration file before the defaults."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import aligndbg
from aligndbg.errors import UsageError
from aligndbg.settings import MIB, Settings, load_settings


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    here = tmp_path / "work"
    here.mkdir()
    monkeypatch.chdir(here)
    return tmp_path


def load(home: Path, **environ: str) -> Settings:
    return load_settings({"HOME": str(home), **environ})


def configure(home: Path, text: str) -> Path:
    path = home / ".config" / "aligndbg" / "config.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def test_defaults(home):
    assert load(home) == Settings(
        sessions=home / ".local/share/aligndbg/sessions",
        cache=home / ".cache/aligndbg",
        logs=home / ".local/state/aligndbg/logs",
        arena_bytes=64 * MIB,
    )


@pytest.mark.parametrize("folder", ["sessions", "models"])
def test_a_project_keeps_its_sessions(home, folder):
    (home / "work" / folder).mkdir()
    assert load(home).sessions == home / "work" / "sessions"


def test_base_folders_of_the_desktop(home):
    found = load(home, XDG_DATA_HOME="/d", XDG_CACHE_HOME="/c", XDG_STATE_HOME="relative/is/ignored")
    assert found.sessions == Path("/d/aligndbg/sessions") and found.cache == Path("/c/aligndbg")
    assert found.logs == home / ".local/state/aligndbg/logs"


def test_the_configuration_file_and_the_environment_over_it(home):
    configure(home, "sessions: kept\narena_mib: 64\ntorch_python: ../env/bin/python\npaddle_python: python3.12\n")
    found = load(home)
    beside = home / ".config" / "aligndbg"
    assert found.sessions == beside / "kept" and found.arena_bytes == 64 * MIB
    assert found.torch_python == str(beside / "../env/bin/python") and found.paddle_python == "python3.12"
    found = load(
        home, ALIGNDBG_SESSIONS="here", ALIGNDBG_ARENA_MIB="8", ALIGNDBG_TORCH_PYTHON="e/python", ALIGNDBG_PADDLE_PYTHON="p"
    )
    assert found.sessions == home / "work" / "here" and found.arena_bytes == 8 * MIB
    assert found.torch_python == str(home / "work" / "e/python") and found.paddle_python == "p"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("sesions: a\n", "1: unknown key 'sesions'", "did you mean 'sessions'?"),
        ("\narena_mib: lots\n", "2: arena_mib: expected a whole number, found 'lots'", ""),
        ("arena_mib: 0\n", "1: arena_mib: expected 1 to 1048576, found 0", ""),
    ],
)
def test_a_bad_configuration_file(home, text, message, hint):
    path = configure(home, text)
    with pytest.raises(UsageError) as refused:
        load(home)
    assert (refused.value.message, refused.value.hint) == (f"{path}:{message}", hint)


@pytest.mark.parametrize("text", ["lots", "0", "-1", "1.5", "9999999", "1" * 5000, "²"])
def test_a_bad_variable(home, text):
    with pytest.raises(UsageError, match="ALIGNDBG_ARENA_MIB: expected 1 to 1048576, found "):
        load(home, ALIGNDBG_ARENA_MIB=text)


def test_settings_cost_the_start_nothing():
    """First paint waits for the settings: no YAML, no numpy."""
    script = "import sys, aligndbg.settings as s; s.load_settings({'HOME': '/none'}); print({'yaml', 'numpy'} & set(sys.modules))"
    environ = {**os.environ, "PYTHONPATH": str(Path(aligndbg.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
