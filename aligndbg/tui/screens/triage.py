"""An evaluation's pictures, the ones to look at first in front: the picture, what both sides say of it, and on to its layers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.content import Content
from textual.dom import DOMNode
from textual.message import Message
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Footer, Static

from aligndbg.core.image_query import parse_image_query_while_typing
from aligndbg.core.images import Order
from aligndbg.errors import AligndbgError, UsageError
from aligndbg.report.triage import ORDER_TEXTS, counts_text
from aligndbg.tui.actions import bindings
from aligndbg.tui.cells import clean
from aligndbg.tui.clipboard import copy
from aligndbg.tui.exporting import export_pictures
from aligndbg.tui.feed import tell
from aligndbg.tui.latest import Latest
from aligndbg.tui.run import Target
from aligndbg.tui.theme import MUTED
from aligndbg.tui.widgets.filter_bar import FilterBar, FilterInput
from aligndbg.tui.widgets.image_detail import ImageDetail, Looked, look
from aligndbg.tui.widgets.image_lines import line_text
from aligndbg.tui.widgets.image_table import ImageTable
from aligndbg.tui.widgets.picture import GRAPHICS_TEXTS, Graphics
from aligndbg.workflows.triage import Triage, changed_sources, open_triage

LOG = logging.getLogger(__name__)

WIDE = 110
"""Below this width one pane shows at a time."""

FLIPS = "flip"
"""What is typed to see the pictures alone whose best classes differ."""

KEPT = 64
"""Pictures that are kept decoded: one mebibyte each at most."""

Compare = Callable[[Triage, int], Target]
"""The comparison of layers on one picture."""


class TriageScreen(Screen[None]):
    """`graphics` are the ways to draw a picture here, the one to begin with first."""

    BINDINGS: ClassVar = bindings("triage")
    HELP: ClassVar = ("triage", "images", "filter", "page")
    AUTO_FOCUS = "ImageTable"
    CSS_PATH = "triage.tcss"

    @dataclass
    class Loaded(Message):
        triage: Triage | None
        changed: tuple[str, ...] = ()
        fault: str = ""

    @dataclass
    class LookedAt(Message):
        triage: Triage
        looked: Looked

    def __init__(
        self,
        session: Path,
        compare: Compare,
        *,
        data: Path | None = None,
        order: Order = "flips",
        query: str = "",
        graphics: tuple[Graphics, ...] = ("halfcell",),
    ) -> None:
        super().__init__()
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]
        self.session = session
        self._compare = compare
        self._data = data
        self._order: Order = order
        self._query = query
        self._graphics = graphics
        self._wrong_term: UsageError | None = None
        self._looks: dict[int, Looked] = {}
        self._looker: Latest[tuple[Triage, int]] = Latest(self._look, "picture")

    def compose(self) -> ComposeResult:
        yield Static(id="title", markup=False)
        yield Static(id="note", markup=False)
        with Container(id="panes"):
            with Vertical(id="images"):
                yield ImageTable(order=self._order)
                yield FilterBar("name, *.png, flip, only:torch, kl>0.1, max>1e-3, p<0.5, label:tabby, !wrong")
            yield ImageDetail(self._graphics[0])
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        self._show_title("reading")
        # The first frame is on the screen before the session is read.
        self.call_after_refresh(self.action_reload)

    def on_unmount(self) -> None:
        self._looker.stop()

    @property
    def table(self) -> ImageTable:
        return self.query_one(ImageTable)

    @property
    def detail(self) -> ImageDetail:
        return self.query_one(ImageDetail)

    # -- reading ------------------------------------------------------------------------------------------------------

    def action_reload(self) -> None:
        threading.Thread(target=self._load, name="triage", daemon=True).start()

    def _load(self) -> None:
        try:
            triage = open_triage(self.session, self._data)
            tell(self, self.Loaded(triage, changed_sources(triage)))
        except AligndbgError as error:
            tell(self, self.Loaded(None, fault=": ".join(part for part in (error.message, error.hint) if part)))
        except Exception as error:
            LOG.exception("the evaluation cannot be read")
            tell(self, self.Loaded(None, fault=f"{type(error).__name__}: {error}"))

    @on(Loaded)
    def _on_loaded(self, message: Loaded) -> None:
        triage = message.triage
        if triage is None:
            self._note(f"◆ {message.fault}")
            self._show_title("")
            return
        first = self.table.triage is None
        self._looks.clear()
        self.table.load(triage)
        parts = []
        if triage.status != "finished":
            parts.append(f"this evaluation is {triage.status}: r reads again what it has judged")
        if message.changed:
            parts.append(f"{', '.join(message.changed)} changed since: enter compares the models as they are now")
        self._note(f"▲ {'; '.join(parts)}" if parts else "")
        self._show_title(counts_text(triage.images))
        if first and self._query:
            self.query_one(FilterBar).set(self._query)
        else:
            self._filter(self.query_one(FilterBar).text)

    def _note(self, words: str) -> None:
        note = self.query_one("#note", Static)
        note.set_class(bool(words), "-some")
        note.update(clean(words))

    def _show_title(self, counts: str) -> None:
        triage = self.table.triage
        name = clean(triage.pair.name if triage is not None else self.session.name)
        title = Content.assemble(("triage ", MUTED), (name, "bold $text-accent"), (f"  {counts}", ""))
        self.query_one("#title", Static).update(title)

    def _show_place(self) -> None:
        table = self.table
        pane = self.query_one("#images")
        pane.border_title = f"Pictures, {ORDER_TEXTS[table.order]}"
        marked = f"{len(table.marked)} marked · " if table.marked else ""
        pane.border_subtitle = f"{marked}{table.cursor + 1}/{len(table.shown)}" if len(table.shown) else marked.rstrip(" ·")
        total = len(table.triage.images) if table.triage is not None else 0
        found = f"{len(table.shown)} of {total}" if table.filtered else ""
        slip = self._wrong_term
        self.query_one(FilterBar).tell(found, ": ".join(part for part in (slip.message, slip.hint) if part) if slip else "")

    # -- the picture --------------------------------------------------------------------------------------------------

    @on(ImageTable.Moved)
    async def _on_moved(self, message: ImageTable.Moved) -> None:
        triage, place = self.table.triage, message.place
        self.detail.show(triage, place)
        self._show_place()
        if triage is None or place is None:
            await self.detail.show_look(None)
        else:
            looked = self._looks.get(place)
            if looked is not None:
                await self.detail.show_look(looked)
            if looked is None or not looked.whole:
                self._looker.ask((triage, place))

    def _look(self, asked: tuple[Triage, int]) -> None:
        triage, place = asked
        try:
            for looked in look(triage, place):
                tell(self, self.LookedAt(triage, looked))
                if self._looker.waiting:
                    return
        except Exception as error:
            LOG.exception("picture %d cannot be looked at", place)
            tell(self, self.LookedAt(triage, Looked(place, problem=f"{type(error).__name__}: {error}")))

    @on(LookedAt)
    async def _on_looked_at(self, message: LookedAt) -> None:
        if message.triage is not self.table.triage:
            return
        self._looks[message.looked.place] = message.looked
        if len(self._looks) > KEPT:
            del self._looks[next(iter(self._looks))]
        await self.detail.show_look(message.looked)

    async def action_graphics(self) -> None:
        if len(self._graphics) == 1:
            self.notify("this terminal says of no graphics but half cells: `aligndbg triage --images kitty` insists", timeout=5)
            return
        now = self._graphics.index(self.detail.picture.graphics)
        chosen = self._graphics[(now + 1) % len(self._graphics)]
        await self.detail.picture.draw_by(chosen)
        self.notify(f"pictures by {GRAPHICS_TEXTS[chosen]}", timeout=3)

    # -- the layers ---------------------------------------------------------------------------------------------------

    @on(ImageTable.Opened)
    def _on_opened(self, message: ImageTable.Opened) -> None:
        from aligndbg.tui.screens.compare import CompareScreen

        triage = self.table.triage
        assert triage is not None
        try:
            triage.path(message.place)
            target = self._compare(triage, message.place)
        except AligndbgError as error:
            self.notify(": ".join(part for part in (error.message, error.hint) if part), severity="warning")
            return
        self.app.push_screen(CompareScreen(target))
        if not triage.same_tensors:
            words = "both models get torch's tensor here: what differs between the sides' preprocessing is left out"
            self.app.notify(words, severity="warning", timeout=8)

    # -- panes --------------------------------------------------------------------------------------------------------

    @property
    def _panes(self) -> Container:
        return self.query_one("#panes", Container)

    def _go_to_pane(self, pane: Widget) -> None:
        self._panes.set_class(pane is self.detail, "-detail")
        pane.focus()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        self._panes.set_class(self.detail.has_focus_within, "-detail")

    def action_next_pane(self) -> None:
        self._go_to_pane(self.table if self.detail.has_focus else self.detail)

    def action_previous_pane(self) -> None:
        self.action_next_pane()

    def action_zoom(self) -> None:
        self._panes.toggle_class("-zoomed")

    def action_back(self) -> None:
        """One step out of whatever one is in."""
        if self._panes.has_class("-zoomed"):
            self.action_zoom()
        elif self.detail.has_focus:
            self._go_to_pane(self.table)
        elif self.query_one(FilterBar).text:
            self.action_clear_filter()
        else:
            self.app.leave()  # type: ignore[attr-defined]

    # -- finding ------------------------------------------------------------------------------------------------------

    @on(ImageTable.OrderAsked)
    def _on_order_asked(self, message: ImageTable.OrderAsked) -> None:
        self._sort(message.order)

    def action_order(self) -> None:
        self._sort(self.table.next_order)

    def _sort(self, order: Order) -> None:
        self.table.sort(order)
        self._show_place()

    def action_next_flip(self) -> None:
        self._to_flip(1)

    def action_previous_flip(self) -> None:
        self._to_flip(-1)

    def _to_flip(self, step: int) -> None:
        if not self.table.go_to_flip(step):
            self.notify("no picture here has another best class on the other side")

    def action_filter(self) -> None:
        self._go_to_pane(self.table)
        self.query_one(FilterBar).open()

    def action_flips_only(self) -> None:
        bar = self.query_one(FilterBar)
        if bar.text == FLIPS:
            self.action_clear_filter()
        else:
            bar.set(FLIPS)

    def action_clear_filter(self) -> None:
        self.query_one(FilterBar).close()
        self._filter("")
        self._go_to_pane(self.table)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While a filter is typed, the keys are letters."""
        return not (action in ("filter", "flips_only") and self.query_one(FilterBar).has_focus_within)

    @on(FilterBar.Changed)
    def _on_filter_changed(self, message: FilterBar.Changed) -> None:
        self._filter(message.text)

    def _filter(self, text: str) -> None:
        triage = self.table.triage
        if triage is not None:
            keep, self._wrong_term = parse_image_query_while_typing(text, triage.class_names)
            self.table.filter(None if keep is None else keep(triage.images))
            self._show_place()

    @on(FilterBar.Done)
    def _on_filter_done(self, message: FilterBar.Done) -> None:
        if message.cleared:
            self.action_clear_filter()
        else:
            self._go_to_pane(self.table)

    # -- marks, export, copying ---------------------------------------------------------------------------------------

    @on(ImageTable.Marked)
    def _on_marked(self) -> None:
        self._show_place()

    def action_unmark(self) -> None:
        self.table.unmark()

    def action_export(self) -> None:
        from aligndbg.tui.screens.ask import AskScreen

        count = len(self.table.chosen)
        if not count:
            self.notify("no picture shows that could be exported", severity="warning")
            return
        what = f"{count} marked" if self.table.marked else f"all {count} that show"
        hint = f"{what}: .txt is a list file, .csv a table, .html a contact sheet, .json data; from the working folder"
        self.app.push_screen(AskScreen("Export", hint, "triage.html"), self._take_export)

    def _take_export(self, text: str | None) -> None:
        triage = self.table.triage
        if text is not None and text.strip() and triage is not None:
            export_pictures(self, triage, self.table.chosen.tolist(), self.table.order, Path(text.strip()).expanduser())

    def action_copy(self) -> None:
        triage, place = self.table.triage, self.table.place
        if triage is not None and place is not None:
            copy(self, line_text(triage, place), "the picture's line")

    @property
    def places(self) -> dict[str, DOMNode]:
        """Where the actions of each place are carried out; the focused pane comes first."""
        line = self.query_one(FilterBar)
        first: dict[str, DOMNode] = {"detail": self.detail} if self.detail.has_focus else {}
        if line.has_focus_within:
            first = {"filter": line.query_one(FilterInput)}
        return first | {"images": self.table, "triage": self, "detail": self.table if not self.detail.has_focus else self.detail}
