"""The app: which screen is shown, the actions that work everywhere, the palette."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, ClassVar

from textual import events
from textual.app import App, SystemCommand
from textual.dom import DOMNode
from textual.message import Message
from textual.screen import Screen

from aligndbg.tui.actions import MOVING, Action, actions_of, bindings, key_text
from aligndbg.tui.cells import clean
from aligndbg.tui.feed import Feed
from aligndbg.tui.run import List, Run, Target
from aligndbg.tui.theme import DARK, LIGHT

ROUNDS = 3
"""A key's handlers post messages, and their handlers others, before the focus is where it shall be."""

PATIENCE = 0.5
"""Seconds that a key waits for the one before it at most."""


class AligndbgApp(App[str]):
    """Returns, when it ends, the headline of the last run shown, or `""`."""

    TITLE = "aligndbg"
    BINDINGS = bindings("app")
    COMMANDS: ClassVar = {lambda: _layer_commands(), *App.COMMANDS}
    COMMAND_PALETTE_BINDING = "ctrl+p"
    ENABLE_COMMAND_PALETTE = True
    CSS = """
    Toast { background: $panel; }
    SearchIcon { display: none; }
    Footer { background: $background; }
    .-wide FooterKey, .-broad FooterKey { padding: 0 1 0 0; }
    * { scrollbar-color: $foreground 25%; scrollbar-color-hover: $foreground 40%; scrollbar-color-active: $accent;
        scrollbar-background: $background; scrollbar-background-hover: $background; scrollbar-background-active: $background; }
    """

    def __init__(self, first: Callable[[], Screen[None]]) -> None:
        super().__init__()
        self._first = first
        self.ending: list[Feed] = []
        """Runs that were cancelled when the app ended."""
        self._typed: deque[events.Event] = deque()
        self._rounds = 0
        self._moved_at = 0.0
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        self.theme = DARK.name

    def on_mount(self) -> None:
        self.push_screen(self._first())

    def notify(self, message: str, *, markup: bool = False, **options: Any) -> None:
        """Messages hold strangers' names: they are never markup."""
        super().notify(clean(message), markup=False, **options)

    # -- typing ahead -------------------------------------------------------------------------------------------------

    class Settled(Message):
        """Sent after a key, the same way: when it comes back, the key has been dealt with."""

    async def on_event(self, event: events.Event) -> None:
        """What is typed waits for a key before it that may move the focus: it is meant for where that then is."""
        if not isinstance(event, events.Key | events.Paste) or event.is_forwarded:
            await super().on_event(event)
            return
        self._typed.append(event)
        if not self._rounds or monotonic() - self._moved_at > PATIENCE:
            await self._take_typed()

    async def _take_typed(self) -> None:
        self._rounds = 0
        while self._typed and not self._rounds:
            event = self._typed.popleft()
            if self._moves(event):
                self._rounds, self._moved_at = ROUNDS, monotonic()
            await super().on_event(event)
        if self._rounds:
            self._send_round()

    def _moves(self, event: events.Event) -> bool:
        """Whether the focus may be elsewhere after this event."""
        if not isinstance(event, events.Key):
            return False
        if self.focused is not None and self.focused.check_consume_key(event.key, event.character):
            return False
        bound = self.screen.active_bindings.get(event.key)
        return bound is not None and bound.binding.action in MOVING

    def _send_round(self) -> None:
        if not (self.focused or self.screen).post_message(self.Settled()):
            self.post_message(self.Settled())

    async def on_aligndbg_app_settled(self) -> None:
        if self._rounds > 1:
            self._rounds -= 1
            self._send_round()
        else:
            await self._take_typed()

    # -- the palette --------------------------------------------------------------------------------------------------

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        for action, node in self.available(screen):
            if action.name != "command_palette":
                title = f"{action.label} ({key_text(action.keys[0])})"
                yield SystemCommand(title, action.help, partial(self.run_action, action.name, node))
        yield SystemCommand("Theme …", "choose among all themes", self.search_themes)

    def available(self, screen: Screen[object]) -> Iterator[tuple[Action, DOMNode]]:
        """Every action that means something on this screen, and the first of its places that carries it out."""
        places: dict[str, DOMNode] = {**getattr(screen, "places", {}), "app": self}
        for action in actions_of(places):
            yield action, next(node for place, node in places.items() if place in action.places)

    # -- actions ------------------------------------------------------------------------------------------------------

    def action_help(self) -> None:
        from aligndbg.tui.screens.help import HelpScreen

        self.push_screen(HelpScreen((*getattr(self.screen, "HELP", ()), "app")))

    def action_theme(self) -> None:
        self.theme = LIGHT.name if self.current_theme.dark else DARK.name

    async def action_quit(self) -> None:
        from aligndbg.tui.screens.compare import CompareScreen

        headline = ""
        for screen in self.screen_stack:
            if isinstance(screen, CompareScreen):
                headline = screen.state.report.headline if screen.state.report else headline
                feed = screen.stop()
                self.ending += [feed] if feed else []
        self.exit(headline)


class InspectApp(AligndbgApp):
    """One pair or one stored session. `start` makes a fresh run, `what_if` one with fixes applied; `read_only` says why there is
    none but the first."""

    def __init__(
        self,
        pair_name: str,
        start: Callable[[], Run],
        *,
        watch_paths: Callable[[], Iterable[Path]] | None = None,
        watching: bool = False,
        read_only: str = "",
        what_if: Callable[[Sequence[str]], Run] | None = None,
    ) -> None:
        target = Target(pair_name, start, read_only, watch_paths, what_if)

        def first() -> Screen[None]:
            from aligndbg.tui.screens.compare import CompareScreen

            return CompareScreen(target, watching)

        super().__init__(first)


class HomeApp(AligndbgApp):
    """The pairs and the sessions, to choose from."""

    def __init__(self, pairs: List, sessions: List) -> None:
        def first() -> Screen[None]:
            from aligndbg.tui.screens.home import HomeScreen

            return HomeScreen(pairs, sessions)

        super().__init__(first)


def _layer_commands() -> type:
    from aligndbg.tui.commands import LayerCommands

    return LayerCommands
