"""The right pane: the selected picture, what both sides say of it, and what their preprocessing makes of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from aligndbg.core.images import Side
from aligndbg.datasets.thumbnail import thumbnail
from aligndbg.errors import AligndbgError
from aligndbg.report.triage import SIDES, difference_text, right_text
from aligndbg.tui.actions import bindings
from aligndbg.tui.cells import bar, clean, fit, hanging
from aligndbg.tui.theme import MUTED, STYLES
from aligndbg.tui.widgets.image_lines import tone_of
from aligndbg.tui.widgets.picture import Graphics, Picture
from aligndbg.workflows.triage import PreprocessingDifference, Triage, preprocessing_difference
from aligndbg.workflows.wording import figure

if TYPE_CHECKING:
    from PIL.Image import Image

THUMBNAIL = 640
"""Pixels of a picture that is kept: more than a pane has."""

BESIDE = 56
"""From this width on the two sides' classes are beside each other."""

PROBABILITY = 6
BAR = 8


@dataclass(frozen=True, slots=True)
class Looked:
    """What a picture's file gave, so far; `problem` and `unprepared` say why there is no image and no difference."""

    place: int
    image: Image | None = None
    size: tuple[int, int] = (0, 0)
    problem: str = ""
    difference: PreprocessingDifference | None = None
    unprepared: str = ""

    @property
    def whole(self) -> bool:
        """Whether nothing more will come."""
        return bool(self.problem or self.difference or self.unprepared)


def look(triage: Triage, place: int) -> Iterator[Looked]:
    """Read and decode a picture, then see what preprocessing makes of it, which takes longer; for a thread. Whatever is wrong with
    the picture is told, nothing raised."""
    try:
        image, size = thumbnail(triage.path(place), THUMBNAIL)
    except AligndbgError as error:
        yield Looked(place, problem=error.message)
        return
    looked = Looked(place, image, size)
    yield looked
    try:
        yield replace(looked, difference=preprocessing_difference(triage, place))
    except AligndbgError as error:
        yield replace(looked, unprepared=error.message)


class ImageDetail(Vertical, can_focus=True):
    """`show` says which picture, `show_look` what came of reading its file."""

    BINDINGS = bindings("detail")

    DEFAULT_CSS = """
    ImageDetail {
        & > Picture { height: 45%; }
        & > VerticalScroll {
            height: 1fr; scrollbar-size-vertical: 1; scrollbar-size-horizontal: 0; scrollbar-gutter: stable;
        }
        & VerticalScroll > Static { width: 1fr; height: auto; padding: 0 1; }
    }
    """

    def __init__(self, graphics: Graphics = "halfcell", *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.border_title = "Picture"
        self._graphics: Graphics = graphics
        self._triage: Triage | None = None
        self._place: int | None = None
        self._looked: Looked | None = None
        self._width = 0

    def compose(self) -> ComposeResult:
        yield Picture(self._graphics)
        with VerticalScroll(can_focus=False):
            yield Static(markup=False)

    @property
    def picture(self) -> Picture:
        return self.query_one(Picture)

    def show(self, triage: Triage | None, place: int | None) -> None:
        """The picture's numbers at once; the one before it stays in sight until this one is decoded."""
        moved = (triage, place) != (self._triage, self._place)
        self._triage, self._place = triage, place
        if moved:
            self._looked = None
            self._scroll.scroll_home(animate=False)
        self._draw()

    async def show_look(self, looked: Looked | None) -> None:
        """None where no picture is selected."""
        if looked is not None and looked.place != self._place:
            return
        image = looked.image if looked else None
        problem = clean(looked.problem) if looked else ""
        if image is None or image is not self.picture.image:
            await self.picture.show(image, f"◆ {problem}" if problem else "", bool(problem))
        self._looked = looked
        self.border_subtitle = f"{looked.size[0]}x{looked.size[1]}" if image and looked else ""
        self._draw()

    @property
    def plain(self) -> str:
        """The pane's text without its styles."""
        return "\n".join(line.plain.rstrip() for line in self._lines(max(60, self._width)))

    @property
    def _scroll(self) -> VerticalScroll:
        return self.query_one(VerticalScroll)

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        # The scroll bar's room and the text's margins; the text's own size comes later than the pane's.
        self._width = max(16, self.content_size.width - 3)
        self.query_one("VerticalScroll > Static", Static).update(Content("\n").join(list(self._lines(self._width))))

    def _lines(self, width: int) -> Iterator[Content]:
        triage, place = self._triage, self._place
        if triage is None or place is None:
            yield Content.styled("no picture is selected", MUTED)
            return
        images = triage.images
        yield hanging("picture", MUTED, clean(images.names[place]), width, "bold")
        yield hanging("label", MUTED, clean(triage.class_text(int(images.labels[place]))), width)
        yield hanging("right", MUTED, right_text(images, place).strip(), width, STYLES[tone_of(triage, place)])
        if images.problems[place]:
            yield hanging("problem", MUTED, clean(images.problems[place]), width, "$text-error")
        if images.compared[place]:
            divergence = difference_text(float(images.divergence[place]), True)
            yield hanging("logits", MUTED, f"max|d| {figure(float(images.max_abs[place]))} · KL {divergence} nats", width)
        yield from self._tops(triage, place, width)
        yield Content("")
        yield from self._preprocessing(triage, width)

    def _tops(self, triage: Triage, place: int, width: int) -> Iterator[Content]:
        judged = [(side, title) for side, title in SIDES if triage.images.of(side).judged[place]]
        if not judged:
            return
        beside = len(judged) == 2 and width >= BESIDE
        room = (width - 2) // 2 if beside else width
        blocks = [_side_lines(triage, place, side, title, room) for side, title in judged]
        if not beside:
            for block in blocks:
                yield from block
            return
        height = max(map(len, blocks))
        for row in range(height):
            left, right = (block[row] if row < len(block) else Content(" " * room) for block in blocks)
            yield Content.assemble(left, "  ", right)

    def _preprocessing(self, triage: Triage, width: int) -> Iterator[Content]:
        looked = self._looked
        if looked is None or looked.image is None:
            return
        if looked.difference is None:
            yield hanging("tensors", MUTED, clean(looked.unprepared) or "…", width, "$text-warning" if looked.unprepared else MUTED)
            return
        found = looked.difference
        if found.alike:
            yield hanging("tensors", MUTED, "the same steps on both sides", width)
            return
        if not found.stage:
            yield hanging("tensors", MUTED, "the same on both sides, by other steps", width)
            return
        sizes = "other sizes" if found.max_abs is None else f"max|d| {figure(found.max_abs)} · mean {figure(found.mean_abs)}"
        yield hanging("tensors", MUTED, f"{sizes}, from {found.stage} on", width, STYLES["warn"])
        for cause in found.causes:
            yield hanging("", MUTED, clean(cause), width)
        if triage.same_tensors:
            yield hanging("", MUTED, "not in this evaluation: both sides got torch's tensor", width, MUTED)

    def action_line_down(self) -> None:
        self._scroll.scroll_relative(y=1, animate=False)

    def action_line_up(self) -> None:
        self._scroll.scroll_relative(y=-1, animate=False)

    def action_half_down(self) -> None:
        self._scroll.scroll_relative(y=self._scroll.size.height // 2, animate=False)

    def action_half_up(self) -> None:
        self._scroll.scroll_relative(y=-(self._scroll.size.height // 2), animate=False)

    def action_page_down(self) -> None:
        self._scroll.scroll_page_down(animate=False)

    def action_page_up(self) -> None:
        self._scroll.scroll_page_up(animate=False)

    def action_top(self) -> None:
        self._scroll.scroll_home(animate=False)

    def action_bottom(self) -> None:
        self._scroll.scroll_end(animate=False)


def _side_lines(triage: Triage, place: int, side: Side, title: str, width: int) -> list[Content]:
    """A heading with the label's rank and the loss, then a line for each of the best classes with its bar."""
    of = triage.images.of(side)
    label = int(triage.images.labels[place])
    rank = f"label #{int(of.rank[place]) + 1}" if not math.isnan(of.loss[place]) else "NaN"
    note = f"{rank} loss {figure(float(of.loss[place]))}"
    lines = [
        Content(""),
        Content.assemble((fit(title, width - len(note) - 1) if width > len(note) + 4 else title, "bold"), " ", (note, MUTED)),
    ]
    name = max(4, width - PROBABILITY - BAR - 2)
    for number, probability in of.top(place):
        share = probability if math.isfinite(probability) else 0.0
        done, left = bar(share, BAR)
        style = "bold $text-success" if number == label else ""
        lines.append(
            Content.assemble(
                (fit(clean(triage.class_text(number)), name), style),
                " ",
                (done, "$primary"),
                (left, "$foreground 25%"),
                (fit(f"{probability:.3f}", PROBABILITY, "right"), ""),
            )
        )
    return lines
