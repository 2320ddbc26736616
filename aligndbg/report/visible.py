"""Text from models, files and children, made harmless for a terminal."""

from __future__ import annotations

import unicodedata

HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
"""Unicode categories that move the cursor, change the direction, cannot be encoded or show nothing."""


def visible(text: str) -> str:
    """The text in one line, whatever it holds: escape sequences, line breaks and invisible characters become backslash escapes."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(character) if unicodedata.category(character) in HIDDEN else character for character in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")
