"""The app: which screen is shown, the actions that work everywhere, the palette."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events, on
from textual.app import App, SystemCommand
from textual.dom import DOMNode
from textual.message import Message
from textual.reactive import reactive
from textual.screen import Screen
from textual.widgets import Input

from aligndbg.errors import AligndbgError
from aligndbg.tui.actions import MOVING, Action, actions_of, bindings, key_text
from aligndbg.tui.cells import clean
from aligndbg.tui.feed import Feed
from aligndbg.tui.run import BoardChanged, Surroundings
from aligndbg.tui.theme import DARK, LIGHT

if TYPE_CHECKING:
    from aligndbg.tui.job_feed import BoardFeed
    from aligndbg.workflows.board import JobRow
    from aligndbg.workflows.checkpoints import CheckState

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

    board: reactive[tuple[JobRow, ...]] = reactive((), init=False)
    """All jobs, as they stand now."""
    checks: reactive[Mapping[str, Mapping[str, CheckState]]] = reactive({}, init=False)
    """By pair, the checkpoints that its evaluations and trainings stand for."""

    def __init__(self, first: Callable[[], Screen[None]], around: Surroundings | None = None) -> None:
        super().__init__()
        self._first = first
        self.around = around
        self._board_feed: BoardFeed | None = None
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
        if self.around is not None and self.around.jobs is not None:
            jobs = self.around.jobs
            # The first frame is on the screen before the folders are read.
            self.call_after_refresh(lambda: self._follow_jobs(jobs))

    def on_unmount(self) -> None:
        if self._board_feed is not None:
            self._board_feed.stop()

    def _follow_jobs(self, jobs: Path) -> None:
        from aligndbg.tui.job_feed import BoardFeed

        settings = self.around.settings if self.around is not None else None
        self._board_feed = BoardFeed(jobs, settings.sessions if settings else None, self)

    @on(BoardChanged)
    def _on_board_changed(self, message: BoardChanged) -> None:
        if message.fault:
            self.notify(message.fault, severity="warning")
        self.board = message.rows
        self.checks = message.checks

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
        """Whether what follows must wait for this event: the focus may be elsewhere after it, or a cursor."""
        if not isinstance(event, events.Key):
            return False
        if self.focused is not None and self.focused.check_consume_key(event.key, event.character):
            return False
        if isinstance(self.focused, Input):
            # Keys that edit come back to it as actions, by when letters that follow would be there.
            return True
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

    def action_jobs(self) -> None:
        """The home screen, on its jobs."""
        from aligndbg.tui.screens.home import HomeScreen

        if self.around is None:
            self.notify("there is no home screen here", severity="warning")
            return
        home = next((screen for screen in self.screen_stack if isinstance(screen, HomeScreen)), None)
        if home is None:
            self.push_screen(HomeScreen(self.around, "jobs"))
            return
        while self.screen is not home:
            self.pop_screen()
        home.go_to_list("jobs")

    def action_launch(self) -> None:
        """Ask what to launch, for the pair that is open; then show the job."""
        from aligndbg.tui.screens.compare import CompareScreen
        from aligndbg.tui.screens.launch import LaunchScreen

        around = self.around
        if isinstance(self.screen, LaunchScreen):
            return
        if around is None or around.jobs is None or around.settings is None:
            self.notify("no job can be launched from here", severity="warning")
            return
        targets = [screen.target for screen in self.screen_stack if isinstance(screen, CompareScreen)]
        try:
            pair = targets[-1].pair() if targets and targets[-1].pair else None
        except AligndbgError as error:
            self.notify(error.message, severity="warning")
            return
        self.push_screen(LaunchScreen(pair, around.settings, around.jobs), self._launched)

    def _launched(self, folder: Path | None) -> None:
        if folder is not None:
            self.open_job(folder)

    def open_job(self, folder: Path) -> None:
        from aligndbg.tui.screens.job import JobScreen

        if self._board_feed is not None:
            self._board_feed.look()
        self.push_screen(JobScreen(folder))

    def leave(self) -> None:
        """Away from the screen on top; from the first one, to the home screen."""
        from aligndbg.tui.screens.home import HomeScreen

        if len(self.screen_stack) > 2:
            self.pop_screen()
        elif self.around is not None:
            self.switch_screen(HomeScreen(self.around))

    async def action_quit(self) -> None:
        from aligndbg.tui.screens.compare import CompareScreen

        headline = ""
        for screen in self.screen_stack:
            if isinstance(screen, CompareScreen):
                headline = screen.state.report.headline if screen.state.report else headline
                feed = screen.stop()
                self.ending += [feed] if feed else []
        self.exit(headline)


def _layer_commands() -> type:
    from aligndbg.tui.commands import LayerCommands

    return LayerCommands
