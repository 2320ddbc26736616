"""A document onto a stream: coloured and fitted on a terminal, plain lines elsewhere."""

from __future__ import annotations

from typing import TextIO

from aligndbg.report.document import Document, Style
from aligndbg.report.layout import lay_out

STYLES: dict[Style, str] = {"": "", "good": "green", "bad": "bold red", "warn": "yellow", "dim": "dim", "strong": "bold"}

ASCII = str.maketrans(
    {
        "✓": "+",
        "≈": "~",
        "✗": "x",
        "▼": "v",
        "≠": "!",
        "●": "*",
        "○": "o",
        "◆": "#",
        "▶": ">",
        "▲": "!",
        "—": "-",
        "·": ",",
        "…": "...",
        "━": "=",
        "─": "-",
    }
)
"""Stand-ins where the stream's encoding has no such character; the word beside a verdict's glyph stays."""


def plain(document: Document, width: int | None = None) -> str:
    """The document as text; `width` None leaves lines as long as they are."""
    return "".join("".join(span.text for span in line) + "\n" for line in lay_out(document, width))


def write(document: Document, stream: TextIO) -> None:
    """Print it. NO_COLOR, FORCE_COLOR, COLUMNS and TERM=dumb are respected."""
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream, markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        stream.write(encodable(plain(document), stream))
        stream.flush()
        return
    for line in lay_out(document, console.width):
        text = Text.assemble(*((encodable(span.text, stream), STYLES[span.style]) for span in line))
        console.print(text, soft_wrap=True)


def encodable(text: str, stream: TextIO) -> str:
    encoding = stream.encoding or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(ASCII).encode(encoding, "backslashreplace").decode(encoding)
    except LookupError:
        return text.translate(ASCII).encode("ascii", "backslashreplace").decode("ascii")
    return text
