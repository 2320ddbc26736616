"""A form that starts a job; the exact command is in sight before anything runs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Container, Horizontal, VerticalScroll
from textual.content import Content
from textual.dom import DOMNode
from textual.message import Message
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Button, Footer, Static

from aligndbg.errors import AligndbgError
from aligndbg.pairs.schema import PairSpec
from aligndbg.settings import Settings
from aligndbg.tui.actions import bindings
from aligndbg.tui.cells import clean
from aligndbg.tui.clipboard import copy
from aligndbg.tui.feed import tell
from aligndbg.tui.theme import MUTED
from aligndbg.tui.widgets.form import FormField, FormInput
from aligndbg.tui.widgets.launch_fields import KIND, field_specs, kind_spec
from aligndbg.tui.widgets.launch_text import command_text, problems_text
from aligndbg.workflows.launch_request import Offer, Wrong, defaults, offers, read_form
from aligndbg.workflows.launching import LaunchPlan, launch_plan, start_launch

LOG = logging.getLogger(__name__)

WIDE = 110
"""From this width on the command is beside the fields."""

PAUSE_SECONDS = 0.1
"""A pause in typing after which the command is made anew."""


class LaunchScreen(Screen[Path | None]):
    """Returns the folder of the job that was started, None where the form was left.

    Each change makes a new plan in a thread: configs and lists are read for it.
    """

    BINDINGS = bindings("launch")
    HELP: ClassVar = ("launch", "form field")
    AUTO_FOCUS = "FormField Choice"
    DEFAULT_CSS = """
    LaunchScreen {
        background: $background;
        & > #title { height: 1; background: $panel; padding: 0 1; }
        & > #panes { height: 1fr; layout: vertical; }
        & #fields {
            height: 1fr; padding: 0 1; border: round $foreground 25%; scrollbar-size-vertical: 1; border-title-color: $text-muted;
        }
        & #fields:focus-within { border: heavy $accent; border-title-color: $text-accent; border-title-style: bold; }
        & #plan {
            height: auto; max-height: 45%; padding: 0 1; border: round $foreground 25%; scrollbar-size-vertical: 1;
            border-title-color: $text-muted; border-subtitle-color: $text-muted;
        }
        & #plan:focus { border: heavy $accent; border-title-color: $text-accent; border-title-style: bold; }
        & #plan Static { height: auto; }
        & > #buttons { height: 1; padding: 0 1; }
        & #start { min-width: 9; height: 1; margin: 0 1 0 0; }
        & #said { width: 1fr; height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
        &.-wide > #panes { layout: horizontal; }
        &.-wide #fields { width: 1fr; }
        &.-wide #plan { width: 1fr; height: 1fr; max-height: 100%; }
    }
    """

    @dataclass
    class Planned(Message):
        number: int
        plan: LaunchPlan

    @dataclass
    class Started(Message):
        folder: Path

    @dataclass
    class NotStarted(Message):
        why: str

    def __init__(self, pair: PairSpec | None, settings: Settings, root: Path) -> None:
        super().__init__()
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]
        self._pair = pair
        self._settings = settings
        self._root = root
        self._offers = offers(pair)
        self.offer = self._offers[0]
        self.plan: LaunchPlan | None = None
        """That of what is typed now; None while it is made."""
        self._typed: dict[str, str] = {}
        self._asked = 0
        self._asked_for: tuple[Offer, dict[str, str]] | None = None
        self._planning = self._due = False
        self._pause: Timer | None = None
        self._wants_start = False
        self._warned = -1
        self._starting = False

    def compose(self) -> ComposeResult:
        pair = clean(self._pair.name) if self._pair else "no pair"
        yield Static(Content.assemble(("Launch", "bold $text-accent"), (f"  {pair}", MUTED)), id="title")
        with Container(id="panes"):
            with VerticalScroll(id="fields", can_focus=False) as fields:
                fields.border_title = "What to run"
                yield FormField(kind_spec(self._offers), "0", self._bases)
                yield from self._fields()
            with VerticalScroll(id="plan") as plan:
                plan.border_title = "Command"
                plan.border_subtitle = "[@click=screen.copy]^y copies[/]"
                yield Static(id="command")
                yield Static(id="problems")
        with Horizontal(id="buttons"):
            yield Button("Start", id="start", variant="primary", compact=True)
            yield Static("", id="said", markup=False)
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        self._replan()

    # -- fields -------------------------------------------------------------------------------------------------------

    def _fields(self) -> list[FormField]:
        known = defaults(self.offer, self._pair)
        return [
            FormField(spec, self._typed.get(_key(self.offer, spec.name), known.get(spec.name, "")), self._bases)
            for spec in field_specs(self.offer)
        ]

    @property
    def values(self) -> dict[str, str]:
        return {field.spec.name: field.value for field in self.query(FormField) if field.spec.name != KIND}

    def _bases(self) -> Sequence[Path]:
        """Where relative paths start: the checkout, where there is one, and here."""
        checkout = next((field.value for field in self.query(FormField) if field.spec.name == "checkout"), "")
        focused = self.focused.parent.parent if isinstance(self.focused, FormInput) and self.focused.parent else None
        in_checkout = isinstance(focused, FormField) and focused.spec.name == "config" and checkout
        return (*((Path(checkout).expanduser(),) if in_checkout else ()), Path.cwd())

    @on(FormField.Changed)
    async def _on_field_changed(self, message: FormField.Changed) -> None:
        if message.name == KIND:
            offer = self._offers[int(message.value)]
            if offer == self.offer:
                return
            self.offer = offer
            await self.query("#fields > FormField").exclude(f"#field-{KIND}").remove()
            await self.query_one("#fields").mount(*self._fields())
        elif message.value != message.before:
            self._typed[_key(self.offer, message.name)] = message.value
        self._replan()

    # -- the plan -----------------------------------------------------------------------------------------------------

    def _replan(self) -> None:
        asked_for = (self.offer, self.values)
        if asked_for == self._asked_for:
            return
        self._asked_for = asked_for
        self._asked += 1
        self.plan = None
        self._show_gpus()
        if self._pause is not None:
            self._pause.stop()
        self._pause = self.set_timer(PAUSE_SECONDS, self._plan_now)

    def _plan_now(self) -> None:
        """One plan at a time; the next one is of what is typed by then."""
        if self._pause is not None:
            self._pause.stop()
        if self._planning:
            self._due = True
            return
        self._planning, self._due = True, False
        assert self._asked_for is not None
        arguments = (self._asked, *self._asked_for)
        threading.Thread(target=self._make_plan, args=arguments, name="launch plan", daemon=True).start()

    def _make_plan(self, number: int, offer: Offer, values: dict[str, str]) -> None:
        request, wrong = read_form(offer, values, self._pair)
        try:
            plan = launch_plan(request, self._settings, wrong)
        except AligndbgError as error:
            plan = LaunchPlan(request, wrong=(*wrong, Wrong("command", error.message, error.hint)))
        except Exception as error:
            LOG.exception("the plan of %s failed", offer.kind)
            plan = LaunchPlan(request, wrong=(*wrong, Wrong("command", f"{type(error).__name__}: {error}", "the log has details")))
        tell(self, self.Planned(number, plan))

    @on(Planned)
    def _on_planned(self, message: Planned) -> None:
        self._planning = False
        if self._due:
            self._plan_now()
        if message.number != self._asked:
            return
        self.plan = message.plan
        self._show_plan(message.plan)
        if self._wants_start:
            self._wants_start = False
            self.action_start()

    def _show_gpus(self) -> None:
        values = self.values
        for field in self.query(FormField):
            if field.spec.name == "gpus":
                field.display = values.get("device") == "gpu"

    def _show_plan(self, plan: LaunchPlan) -> None:
        told: dict[str, str] = {}
        for one in plan.wrong:
            told.setdefault(one.field, " · ".join(part for part in (one.message, one.hint) if part))
        shown = set()
        for field in self.query(FormField):
            shown.add(field.spec.name)
            field.tell(told.get(field.spec.name, ""))
        rest = [words for name, words in told.items() if name not in shown]
        self.query_one("#command", Static).update(command_text(plan))
        self.query_one("#problems", Static).update(problems_text(plan, rest))
        errors = sum(problem.level == "error" for problem in plan.problems)
        button = self.query_one("#start", Button)
        button.variant = "warning" if errors else "primary"
        button.disabled = self._starting
        many = f"{len(told)} field{'s' if len(told) > 1 else ''} to mend" if told else ""
        spite = f"{errors} error{'s' if errors > 1 else ''} in the config" if errors else ""
        self._say(", ".join(part for part in (many, spite) if part), "$text-warning")

    def _say(self, words: str, style: str = "") -> None:
        self.query_one("#said", Static).update(Content.styled(clean(words), style) if style else Content(clean(words)))

    # -- actions ------------------------------------------------------------------------------------------------------

    @on(Button.Pressed, "#start")
    def _on_start(self, event: Button.Pressed) -> None:
        event.stop()
        self.action_start()

    def action_start(self) -> None:
        """Start what is shown; errors in the config want to be told twice."""
        if self._starting:
            return
        # What was typed last may not have been told yet.
        self._replan()
        plan = self.plan
        if plan is None:
            self._wants_start = True
            self._plan_now()
            return
        if not plan.ready:
            self._to_first_wrong(plan)
            return
        errors = sum(problem.level == "error" for problem in plan.problems)
        if errors and self._warned != self._asked:
            self._warned = self._asked
            many = f"{errors} error{'s' if errors > 1 else ''}"
            self._say(f"{many} in the config: once more starts in spite of {'them' if errors > 1 else 'it'}", "bold $text-warning")
            return
        self._starting = True
        self.query_one("#start", Button).disabled = True
        self._say("starting …")
        threading.Thread(target=self._start, args=(plan,), name="launch", daemon=True).start()

    def _start(self, plan: LaunchPlan) -> None:
        try:
            tell(self, self.Started(start_launch(plan, self._root)))
        except AligndbgError as error:
            tell(self, self.NotStarted(" · ".join(part for part in (error.message, error.hint) if part)))
        except Exception as error:
            LOG.exception("the start failed")
            tell(self, self.NotStarted(f"{type(error).__name__}: {error} · this is a defect of aligndbg; the log has the details"))

    @on(Started)
    def _on_started(self, message: Started) -> None:
        self.dismiss(message.folder)

    @on(NotStarted)
    def _on_not_started(self, message: NotStarted) -> None:
        self._starting = False
        self.query_one("#start", Button).disabled = False
        self._say("nothing was started", "bold $text-error")
        if self.plan is not None:
            self.query_one("#problems", Static).update(problems_text(self.plan, [message.why]))
            self.query_one("#plan").scroll_end(animate=False)

    def _to_first_wrong(self, plan: LaunchPlan) -> None:
        names = {one.field for one in plan.wrong}
        for field in self.query(FormField):
            if field.spec.name in names:
                field.control.focus()
                break
        self.app.bell()

    def action_copy(self) -> None:
        if self.plan is None or not self.plan.shell:
            self.notify("there is no command yet", severity="warning")
        else:
            copy(self, self.plan.shell, "the command")

    def action_next_field(self) -> None:
        self.focus_next()

    def action_previous_field(self) -> None:
        self.focus_previous()

    def action_back(self) -> None:
        if self._starting:
            self.notify("it is being started")
        else:
            self.dismiss(None)

    @property
    def places(self) -> dict[str, DOMNode]:
        first: dict[str, DOMNode] = {"form field": self.focused} if isinstance(self.focused, FormInput) else {}
        return {**first, "launch": self}


def _key(offer: Offer, name: str) -> str:
    """What was typed stays when another kind is chosen, where it means the same."""
    if name in ("config", "argv"):
        return f"{name}:{offer.kind.partition('-')[0]}"
    return name
