"""What the README promises, held against the program."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest

from aligndbg.cli import parse
from aligndbg.tui.actions import markdown_table

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
MARKS = "<!-- keys -->\n", "<!-- /keys -->"


def commands() -> list[str]:
    lines = re.findall(r"^(?:\.venv/bin/)?aligndbg .*$", README.read_text(), re.MULTILINE)
    return [line.removeprefix(".venv/bin/") for line in lines]


def test_the_keys_are_those_of_the_table_of_actions() -> None:
    before, _, rest = README.read_text().partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    wanted = f"{before}{MARKS[0]}{markdown_table()}{MARKS[1]}{after}"
    if os.environ.get("ALIGNDBG_UPDATE_GOLDEN"):
        README.write_text(wanted)
    assert README.read_text() == wanted


@pytest.mark.parametrize("line", commands())
def test_each_command_is_one(line: str) -> None:
    assert parse(shlex.split(line)[1:]).run


def test_there_are_commands_to_test() -> None:
    assert len(commands()) >= 6


def test_files_that_are_named_exist() -> None:
    text = README.read_text()
    named = {*re.findall(r"\]\(([^)#:]+)\)", text), *re.findall(r"`((?:models|tests|aligndbg|docs|benchmarks)/[\w./-]+)`", text)}
    absent = [name for name in named if not (ROOT / name.replace("NAME/", "")).exists()]
    assert not absent
