"""A user's project in a temporary folder, and aligndbg run in it as users run it."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

both_frameworks = [
    pytest.mark.frameworks,
    *(
        pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"{name} is not installed")
        for name in ("torch", "paddle")
    ),
]

FAST = ("--no-golden", "--no-onnx")
"""Without the children whose answers most tests do not ask for."""


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> list[str]:
        """The lines of standard error that tell of the error."""
        return [line for line in self.err.splitlines() if line.startswith(("error: ", "try: "))]


class Project:
    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "models").mkdir(parents=True)

    @property
    def environment(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith(("ALIGNDBG_", "XDG_", "COV_"))}
        folders = {f"XDG_{name}_HOME": str(self.root / ".home" / name.lower()) for name in ("CACHE", "CONFIG", "DATA", "STATE")}
        return {**own, **folders, "HOME": str(self.root / ".home"), "PYTHONPATH": str(ROOT), "TERM": "dumb", "COLUMNS": "200"}

    def pair(self, name: str, torch: Any = "Plain", paddle: Any = "Plain", **sections: Any) -> str:
        """Write a pair of two classes of torch_models.py and paddle_models.py, of two targets, or of two whole sections."""
        document = {
            "schema": 1,
            "name": name,
            "torch": {"model": target("torch", torch)} if isinstance(torch, str) else torch,
            "paddle": {"model": target("paddle", paddle)} if isinstance(paddle, str) else paddle,
            "weights": {"source": "kaiming"},
            **({} if "inputs" in sections else {"input": {"shape": [1, 3, 8, 8], "kind": "randn"}}),
            **sections,
        }
        folder = self.root / "models" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "pair.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
        return name

    def run(self, *words: str | Path, python: tuple[str, ...] = ("-m", "aligndbg"), **environment: str) -> Done:
        done = subprocess.run(
            [sys.executable, *python, *map(str, words)],
            cwd=self.root,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def report(self, *words: str | Path) -> Any:
        """The JSON report of a run that measures what most tests need."""
        done = self.run("report", *words, *FAST, "--display", "none", "--json", "-")
        assert done.out, done.err
        return done.json

    @property
    def sessions(self) -> list[Path]:
        return sorted((self.root / "sessions").glob("[!.]*"))


def target(side: str, model: str) -> str:
    return model if ":" in model else f"{HERE / f'{side}_models.py'}:{model}"
