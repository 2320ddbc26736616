from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "commands"))
from project import Project
from terminal import Terminal


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


@pytest.fixture
def opened(project: Project) -> Iterator[Callable[..., Terminal]]:
    """`aligndbg WORDS` in the project, in a terminal."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    # The terminal knows its size itself.
    environment = {name: value for name, value in project.environment.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    with ExitStack() as stack:

        def open_(*words: str) -> Terminal:
            argv = [sys.executable, "-m", "aligndbg", *words]
            return stack.enter_context(Terminal(argv, project.root, environment))

        yield open_
