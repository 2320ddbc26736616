"""Real framework children, one of each side for a module of tests: importing a framework takes seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aligndbg.frameworks.client import Child

sys.path.insert(0, str(Path(__file__).parent))
from child_calls import started


@pytest.fixture(scope="module")
def torch_child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    child = started("torch", tmp_path_factory.mktemp("torch"))
    yield child
    child.close()


@pytest.fixture(scope="module")
def paddle_child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    child = started("paddle", tmp_path_factory.mktemp("paddle"))
    yield child
    child.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Child]]:
    children: list[Child] = []

    def start(side: str) -> Child:
        children.append(started(side, tmp_path))
        return children[-1]

    yield start
    for child in children:
        child.close()
