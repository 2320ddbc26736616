"""A picture in the terminal: by half cells everywhere, by Kitty's or Sixel's graphics where the terminal has them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.app import ComposeResult
from textual.containers import Container
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Static

if TYPE_CHECKING:
    from PIL.Image import Image

Graphics = Literal["halfcell", "kitty", "sixel"]
GRAPHICS: tuple[Graphics, ...] = get_args(Graphics)

GRAPHICS_TEXTS: dict[Graphics, str] = {"halfcell": "half cells", "kitty": "Kitty's graphics", "sixel": "Sixel"}

CELL = (10, 20)
"""Pixels of a cell where the terminal does not say: a VT340's."""

_KITTY_TERMS = ("xterm-kitty", "xterm-ghostty")
_SIXEL_TERMS = ("foot", "mlterm", "contour", "yaft")
_SIXEL_PROGRAMS = ("WezTerm", "iTerm.app", "mintty")


def graphics_of(environ: Mapping[str, str]) -> tuple[Graphics, ...]:
    """What the terminal can, by its own word in the environment. It is not asked: its answer would come in among the keys."""
    term, program = environ.get("TERM", ""), environ.get("TERM_PROGRAM", "")
    # A multiplexer passes on the variables of the terminal around it, but not its graphics; a browser has neither.
    if "TEXTUAL_DRIVER" in environ or "TMUX" in environ or "STY" in environ or term.startswith(("tmux", "screen")):
        return ("halfcell",)
    found: list[Graphics] = ["halfcell"]
    if term in _KITTY_TERMS or "KITTY_WINDOW_ID" in environ or program == "ghostty":
        found.append("kitty")
    if term.startswith(_SIXEL_TERMS) or program in _SIXEL_PROGRAMS or "KONSOLE_VERSION" in environ:
        found.append("sixel")
    return tuple(found)


class HalfCells(Widget):
    """Two pixels a cell, one above the other. Drawn once for a picture and a size, which textual-image's own does at every look."""

    def __init__(self) -> None:
        super().__init__()
        self._image: Image | None = None
        self._strips: list[Strip] = []

    @property
    def image(self) -> Image | None:
        return self._image

    @image.setter
    def image(self, image: Image | None) -> None:
        self._image = image
        self._strips = []
        self.refresh()

    def on_resize(self) -> None:
        self._strips = []

    def render_line(self, y: int) -> Strip:
        width, height = self.content_size
        if self._image is None or not width or not height:
            return Strip.blank(width, self.rich_style)
        if not self._strips:
            pixels = np.asarray(self._image.resize((width, 2 * height)).convert("RGB")).tolist()
            self._strips = [Strip(map(_half_cell, *rows), width) for rows in zip(pixels[::2], pixels[1::2], strict=True)]
        return self._strips[y] if y < len(self._strips) else Strip.blank(width, self.rich_style)


def _half_cell(upper: list[int], lower: list[int]) -> Segment:
    return Segment("▀", Style(color=Color.from_rgb(*upper), bgcolor=Color.from_rgb(*lower)))


@cache
def _widgets() -> dict[Graphics, Any]:
    """textual-image's."""
    with _no_terminal():
        from textual_image.widget import SixelImage, TGPImage
    return {"kitty": TGPImage, "sixel": SixelImage}


@contextmanager
def _no_terminal() -> Iterator[None]:
    """textual-image asks the terminal at its import what it can, and how large a cell is; in a running app the answers would be
    taken for keys, and keys for answers. Here it finds no terminal, and the cell's size in the variables that it reads then."""
    width, height = _cell_pixels()
    own = {"TEXTUAL_CELL_WIDTH": str(width), "TEXTUAL_CELL_HEIGHT": str(height)}
    kept, before = sys.__stdout__, {name: os.environ.get(name) for name in own}
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        vars(sys).update(__stdout__=nowhere)
        os.environ.update(own)
        try:
            yield
        finally:
            vars(sys).update(__stdout__=kept)
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


@cache
def _cell_pixels() -> tuple[int, int]:
    """Width and height of a cell, as the kernel knows the terminal; CELL where it does not."""
    if sys.__stdout__ is None:
        return CELL
    try:
        # POSIX alone has these; elsewhere the usual size must do.
        import fcntl
        import struct
        import termios

        answer = fcntl.ioctl(sys.__stdout__.fileno(), termios.TIOCGWINSZ, bytes(8))
        rows, columns, width, height = struct.unpack("HHHH", answer)
    except (ImportError, OSError, ValueError):
        return CELL
    return (width // columns, height // rows) if rows and columns and width >= columns and height >= rows else CELL


def fitted(picture: tuple[int, int], room: tuple[int, int], cell: tuple[int, int] = CELL) -> tuple[int, int]:
    """Cells of a picture of so many pixels, as large as `room` (in cells) allows, its proportions kept as far as cells can."""
    wide, high = picture[0] / cell[0], picture[1] / cell[1]
    scale = min(room[0] / wide, room[1] / high)
    return max(1, min(room[0], round(wide * scale))), max(1, min(room[1], round(high * scale)))


class Picture(Container):
    """In the middle of its room, as large as fits; words where there is none."""

    DEFAULT_CSS = """
    Picture {
        align: center middle;
        & > Static { width: auto; max-width: 100%; height: auto; color: $foreground 60%; }
        & > Static.-wrong { color: $text-error; }
    }
    """

    def __init__(self, graphics: Graphics = "halfcell", *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.graphics: Graphics = graphics
        self._image: Image | None = None
        self._widget: Any = None

    def compose(self) -> ComposeResult:
        yield Static("", markup=False)

    @property
    def image(self) -> Image | None:
        return self._image

    async def show(self, image: Image | None, words: str = "", wrong: bool = False) -> None:
        """A picture that is decoded, else words."""
        self._image = image
        static = self.query_one(Static)
        static.display = image is None
        static.set_class(wrong, "-wrong")
        static.update(words)
        await self._draw()

    async def draw_by(self, graphics: Graphics) -> None:
        self.graphics = graphics
        await self._remove()
        await self._draw()

    async def on_unmount(self) -> None:
        self._free()

    async def on_resize(self) -> None:
        self._fit()

    async def _draw(self) -> None:
        if self._image is None:
            await self._remove()
            return
        if self._widget is None:
            self._widget = HalfCells() if self.graphics == "halfcell" else _widgets()[self.graphics]()
            self._fit()
            self._widget.image = self._image
            await self.mount(self._widget)
        else:
            self._fit()
            self._widget.image = self._image

    def _fit(self) -> None:
        room = self.content_size
        if self._widget is not None and self._image is not None and room.width and room.height:
            width, height = fitted(self._image.size, (room.width, room.height), _cell_pixels())
            self._widget.styles.width, self._widget.styles.height = width, height

    async def _remove(self) -> None:
        self._free()
        if self._widget is not None:
            await self._widget.remove()
            self._widget = None

    def _free(self) -> None:
        """Kitty keeps a picture until it is told that nobody shows it any more."""
        if self._widget is not None:
            self._widget.image = None
