"""A line of a job's output, made harmless: colours are kept as style words, everything else a terminal would obey becomes text.

SGR sequences (`ESC [ ... m`) are read as ECMA-48 8.3.117 and the xterm colour extensions give them. Blinking and concealed
text stay plain: a log must not hide anything from its reader.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace

SGR = re.compile(r"\x1b\[([0-9;:]*)m")

HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
"""Unicode categories that move the cursor, change the direction, cannot be encoded or show nothing."""

TAB = 8

COLOURS = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")

ON = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "reverse", 9: "strike"}
OFF = {22: ("bold", "dim"), 23: ("italic",), 24: ("underline",), 27: ("reverse",), 29: ("strike",)}


@dataclass(frozen=True, slots=True)
class Span:
    """Printable text in one style, told in Rich's words: `bold red on #102030`, or nothing."""

    text: str
    style: str


@dataclass(frozen=True, slots=True)
class Pen:
    """What the colours so far in a line have set."""

    words: frozenset[str] = frozenset()
    colour: str = ""
    ground: str = ""

    @property
    def style(self) -> str:
        parts = [word for word in ON.values() if word in self.words]
        parts += [self.colour] if self.colour else []
        parts += [f"on {self.ground}"] if self.ground else []
        return " ".join(parts)


def spans(text: str) -> tuple[Span, ...]:
    """The line as it may be shown; neighbours differ in style. Each line begins without a style."""
    if text.isascii() and text.isprintable():
        return (Span(text, ""),) if text else ()
    merged: list[Span] = []
    column = 0
    for part, style in _styled(text):
        shown = harmless(part, column)
        column += len(shown)
        if merged and merged[-1].style == style:
            merged[-1] = Span(merged[-1].text + shown, style)
        elif shown:
            merged.append(Span(shown, style))
    return tuple(merged)


def plain(text: str) -> str:
    """The shown text without its colours."""
    if text.isascii() and text.isprintable():
        return text
    return harmless(SGR.sub("", text))


def harmless(text: str, column: int = 0) -> str:
    """Tabs become blanks (`column` is where the text begins), other characters that print nothing become backslash escapes."""
    if text.isascii() and text.isprintable():
        return text
    shown: list[str] = []
    for character in text:
        if character == "\t":
            piece = " " * (TAB - column % TAB)
        elif character.isprintable() or unicodedata.category(character) not in HIDDEN:
            piece = character
        else:
            piece = character.encode("unicode_escape", "backslashreplace").decode("ascii")
        shown.append(piece)
        column += len(piece)
    return "".join(shown)


def _styled(text: str) -> Iterator[tuple[str, str]]:
    pen, at = Pen(), 0
    for match in SGR.finditer(text):
        if match.start() > at:
            yield text[at : match.start()], pen.style
        pen, at = _applied(pen, match[1]), match.end()
    if at < len(text):
        yield text[at:], pen.style


def _applied(pen: Pen, parameters: str) -> Pen:
    codes = _codes(parameters)
    while codes:
        code = codes.pop(0)
        if code == 0:
            pen = Pen()
        elif code in ON:
            pen = replace(pen, words=pen.words | {ON[code]})
        elif code in OFF:
            pen = replace(pen, words=pen.words.difference(OFF[code]))
        elif code == 38:
            pen = replace(pen, colour=_extended(codes) or pen.colour)
        elif code == 48:
            pen = replace(pen, ground=_extended(codes) or pen.ground)
        elif code == 39 or 30 <= code < 38 or 90 <= code < 98:
            pen = replace(pen, colour=_basic(code))
        elif code == 49 or 40 <= code < 48 or 100 <= code < 108:
            pen = replace(pen, ground=_basic(code - 10))
    return pen


def _codes(parameters: str) -> list[int]:
    """Semicolons divide; a group with colons is one code with its own parameters, and its colour space is left out."""
    codes: list[int] = []
    for group in parameters.split(";"):
        parts = [int(part) if part and len(part) < 4 else 0 for part in group.split(":")]
        if len(parts) == 1:
            codes += parts
        elif parts[:2] in ([38, 2], [48, 2]):
            codes += [*parts[:2], *parts[-3:]] if len(parts) >= 5 else []
        elif parts[:2] in ([38, 5], [48, 5]):
            codes += parts[:3]
        elif parts[0] == 4:
            codes.append(24 if parts[1] == 0 else 4)
    return codes


def _extended(codes: list[int]) -> str:
    """Takes the parameters of 38 or 48 away; empty where they are none."""
    kind = codes.pop(0) if codes else None
    if kind == 5 and codes:
        number = codes.pop(0)
        return f"color({number})" if number < 256 else ""
    if kind == 2 and len(codes) >= 3:
        red, green, blue = codes[:3]
        del codes[:3]
        return f"#{red:02x}{green:02x}{blue:02x}" if max(red, green, blue) < 256 else ""
    return ""


def _basic(code: int) -> str:
    if code == 39:
        return ""
    return COLOURS[code - 30] if code < 90 else f"bright_{COLOURS[code - 90]}"
