"""Every error a user can meet.

AligndbgError
├── UsageError          2  unknown pair, bad YAML, bad option
│   ├── PairError          a pair.yaml or a model file that cannot be used
│   └── InputError         an input tensor, picture or checkpoint that cannot be read
├── EnvironmentFault    3  a framework is missing, a folder is read-only
│   └── ChildDied          a framework child ended before its work
├── CannotPair          4  the two models have no common structure
└── Interrupted       130  the user stopped the run
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar


class AligndbgError(Exception):
    """A failure told to the user as one line and, where there is something to try, a hint."""

    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(AligndbgError):
    exit_code = 2


class PairError(UsageError):
    """A pair.yaml, or a model source it names, cannot be used."""


class InputError(UsageError):
    """An input tensor, picture or checkpoint cannot be read or does not fit."""


class EnvironmentFault(AligndbgError):
    """This machine lacks something: a framework, a permission, disk."""

    exit_code = 3


class ChildDied(EnvironmentFault):
    """A framework child ended before its work; `last_words` is the end of its log."""

    def __init__(self, message: str, hint: str = "", last_words: str = "") -> None:
        super().__init__(message, hint)
        self.last_words = last_words


class CannotPair(AligndbgError):
    """The two call sequences share too little to be compared."""

    exit_code = 4


class Interrupted(AligndbgError):
    """The user stopped the run."""

    exit_code = 130


def named(path: Path) -> str:
    """The path in one printable line, for a message."""
    text = str(path)
    return text if text.isprintable() else repr(text)[1:-1]
