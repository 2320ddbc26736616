"""The app: which screen is shown, the actions that work everywhere, the palette."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from textual.app import App, SystemCommand
from textual.dom import DOMNode
from textual.screen import Screen

from aligndbg.tui.actions import Action, actions_of, bindings, key_text
from aligndbg.tui.cells import clean
from aligndbg.tui.feed import Feed
from aligndbg.tui.run import List, Run, Target
from aligndbg.tui.theme import DARK, LIGHT


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
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        self.theme = DARK.name

    def on_mount(self) -> None:
        self.push_screen(self._first())

    def notify(self, message: str, *, markup: bool = False, **options: Any) -> None:
        """Messages hold strangers' names: they are never markup."""
        super().notify(clean(message), markup=False, **options)

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
    """One pair or one stored session. `start` makes a fresh run; `read_only` says why there is none but the first."""

    def __init__(
        self,
        pair_name: str,
        start: Callable[[], Run],
        *,
        watch_paths: Callable[[], Iterable[Path]] | None = None,
        watching: bool = False,
        read_only: str = "",
    ) -> None:
        target = Target(pair_name, start, read_only, watch_paths)

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
