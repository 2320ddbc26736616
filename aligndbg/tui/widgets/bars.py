"""The lines around the panes: title, progress, notices, failure, status. Each is drawn from the run's state alone."""

from __future__ import annotations

from collections.abc import Iterable

from rich.cells import cell_len
from textual.app import RenderResult
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from aligndbg.report.lines import amount
from aligndbg.report.text import weights_text
from aligndbg.tui.cells import bar, clean, fit
from aligndbg.tui.run_state import CHECK_GLYPHS, CheckState, RunState
from aligndbg.tui.theme import MUTED, VERDICT_CLASSES, verdict_style
from aligndbg.workflows.wording import GLYPHS

MOST_NOTICES = 3
"""Lines of notices that are always in sight; the notices' page has all."""

LAST_WORDS, TALL = 3, 30
"""Lines of a child's last words in the banner, on a terminal of at least so many lines."""

CHECK_STYLES: dict[CheckState, str] = {
    "done": "$text-success",
    "failed": "bold $text-error",
    "running": "$text-accent",
    "not yet": MUTED,
}


class StateLine(Widget):
    """A bar that is drawn again whenever the state has changed in place."""

    DEFAULT_CSS = "StateLine { height: 1; padding: 0 1; }"

    version: reactive[int] = reactive(0, layout=True)

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.state = RunState("")

    def show(self, state: RunState) -> None:
        self.state = state
        self.version += 1

    @property
    def room(self) -> int:
        """Cells of a line."""
        return max(10, self.content_size.width)


class TitleLine(StateLine):
    """Left: the pair. Right: what it runs on, and whether its files are watched."""

    DEFAULT_CSS = "TitleLine { background: $panel; }"

    mode: reactive[str] = reactive("")
    """`watching`, `read-only`, or nothing."""

    def render(self) -> RenderResult:
        right = " · ".join(part for part in (self.versions, self.mode) if part)
        name = f"aligndbg  {clean(self.state.pair)}"
        left = max(0, self.room - cell_len(name) - cell_len(right) - 4)
        description = clean(self.state.description)
        if left < 12:
            description = ""
        return Content.assemble(
            ("aligndbg", "bold $text-accent"),
            ("  " + clean(self.state.pair), "bold"),
            ("  " + fit(description, max(0, left)) + "  ", MUTED),
            (right, MUTED),
        )

    @property
    def versions(self) -> str:
        known = self.state.environments
        return " · ".join(
            f"{side} {clean(str(known[side][side]))}" for side in ("torch", "paddle") if side in known and side in known[side]
        )


class FactsLine(StateLine):
    """What goes on while the run goes on; what it ran with when it has ended."""

    def render(self) -> RenderResult:
        state = self.state
        if state.phase == "running" and state.layers:
            return Content("  ").join(self._progress())
        pieces = [] if state.report or not state.session else [f"session {clean(state.session)}"]
        if state.report is not None:
            if state.report.input:
                pieces.append(f"input {clean(state.report.input)}")
            if state.report.weights is not None:
                pieces.append(f"weights {clean(weights_text(state.report.weights))}")
            if state.report.timing is not None:
                pieces.append(f"{state.report.timing.total_s:.1f} s")
        if state.phase in ("failed", "stopped"):
            known = (
                f"stopped after {state.compared} of {state.to_compare} layers"
                if state.layers
                else "stopped before the layers were known"
            )
            pieces.insert(0, known)
        return Content.styled(fit(" · ".join(pieces), self.room).rstrip(), MUTED)

    def _progress(self) -> Iterable[Content]:
        state = self.state
        for side, (stage, detail) in state.stages.items():
            yield Content.assemble(
                (f"{clean(side)} ", MUTED),
                (clean(stage), "$text-accent"),
                (f" {clean(detail)}" if detail and not state.layers else "", MUTED),
            )
        if state.download is not None:
            yield download_bar(state, 12)
        if state.layers:
            yield layers_bar(state, 16)


def download_bar(state: RunState, width: int, label: int = 8) -> Content:
    download = state.download
    assert download is not None
    done, left = bar(download.done / download.total, width) if download.total else ("", "─" * width)
    return Content.assemble(
        ("weights".ljust(label), MUTED), (done, "$text-accent"), (left, MUTED), f" {amount(download.done, download.total)}"
    )


def layers_bar(state: RunState, width: int) -> Content:
    done, left = bar(state.compared / max(1, state.to_compare), width)
    return Content.assemble(("layers ", MUTED), (done, "$text-accent"), (left, MUTED), f" {state.compared}/{state.to_compare}")


class NoticeLines(StateLine):
    """What the user must see although the run goes on. Warnings first; a click shows all of them."""

    DEFAULT_CSS = """
    NoticeLines { height: auto; display: none; background: $warning 12%; }
    NoticeLines.-some { display: block; }
    """

    def show(self, state: RunState) -> None:
        super().show(state)
        self.set_class(bool(state.notices), "-some")

    def render(self) -> RenderResult:
        notices = sorted(self.state.notices, key=lambda notice: notice.level != "warning")
        shown = notices if len(notices) <= MOST_NOTICES else notices[: MOST_NOTICES - 1]
        lines = []
        for notice in shown:
            warning = notice.level == "warning"
            mark = ("▲ warning  " if warning else "● note     ", "bold $text-warning" if warning else "$text-accent")
            text = clean(notice.message) + (f" — {clean(notice.hint)}" if notice.hint else "")
            lines.append(Content.assemble(mark, fit(text, self.room - 11).rstrip()))
        if len(shown) < len(notices):
            lines.append(Content.styled(f"           … and {len(notices) - len(shown)} more: press i", MUTED))
        return Content("\n").join(lines)

    async def on_click(self) -> None:
        await self.run_action("screen.notices")


class FailureBanner(StateLine):
    """Why the run stopped, and what to do about it. A click shows what the child said last."""

    DEFAULT_CSS = """
    FailureBanner { height: auto; display: none; background: $error 18%; border-left: heavy $error; padding: 0 1; }
    FailureBanner.-some { display: block; }
    """

    again: reactive[str] = reactive("r runs again")

    def show(self, state: RunState) -> None:
        super().show(state)
        self.set_class(state.error is not None, "-some")

    def render(self) -> RenderResult:
        error = self.state.error
        if error is None:
            return Content("")
        lines = [Content.assemble(("✗ stopped  ", "bold $text-error"), (clean(error.message), "bold"))]
        if error.hint:
            lines.append(Content.assemble(("  try      ", MUTED), clean(error.hint)))
        most = LAST_WORDS if self.app.size.height >= TALL else 0
        for place, said in enumerate(self.state.last_words.strip().splitlines()[-LAST_WORDS:][:most]):
            lines.append(
                Content.assemble(("  it said  " if place == 0 else " " * 11, MUTED), fit(clean(said), self.room - 11).rstrip())
            )
        more = "i shows its last words · " if self.state.last_words.strip() else ""
        lines.append(Content.styled(f"           {more}{self.again}", MUTED))
        return Content("\n").join(lines)

    async def on_click(self) -> None:
        await self.run_action("screen.notices")


class StatusLines(StateLine):
    """The headline and the six checkpoints."""

    DEFAULT_CSS = "StatusLines { height: 2; background: $panel; }"

    mode: reactive[str] = reactive("")

    def render(self) -> RenderResult:
        text, verdict = self.state.headline()
        # The title says which pair.
        text = text.removeprefix(f"{self.state.pair}: ")
        if verdict == "running":
            mark, style = "▶ ", "$text-accent"
        else:
            mark, style = (
                f"{GLYPHS.get(verdict, '◆')} ",
                verdict_style(verdict) if verdict in VERDICT_CLASSES else "bold $text-error",
            )
        mode = f"  {self.mode}" if self.mode else ""
        room = self.room - 2 - cell_len(mode)
        headline = Content.assemble((mark, style), (fit(clean(text), room), style), (mode, MUTED))
        return Content("\n").join([headline, self.checkpoints(self.room)])

    def checkpoints(self, room: int) -> Content:
        """Each with its word; where that is too long, those of one state share it."""
        states = self.state.checkpoints()
        single = [
            Content.assemble((f"{CHECK_GLYPHS[state]} ", CHECK_STYLES[state]), name, (f" {state}", CHECK_STYLES[state]))
            for name, state in states.items()
        ]
        line = Content.assemble(("   ", "")).join(single)
        if line.cell_length <= room:
            return line
        groups: dict[CheckState, list[str]] = {}
        for name, state in states.items():
            groups.setdefault(state, []).append(name)
        return Content("   ").join(
            Content.assemble((f"{CHECK_GLYPHS[state]} ", CHECK_STYLES[state]), ", ".join(names), (f" {state}", CHECK_STYLES[state]))
            for state, names in groups.items()
        )


class Waiting(StateLine):
    """The left pane before there are layers: what each side is doing, stage by stage."""

    DEFAULT_CSS = "Waiting { height: 1fr; padding: 1 2; }"

    def render(self) -> RenderResult:
        state = self.state
        lines = []
        for side in ("torch", "paddle", *(side for side in state.stages if side not in ("torch", "paddle"))):
            stage, detail = state.stages.get(side, ("waiting", ""))
            past = [(f"✓ {clean(one)}  ", MUTED) for one in state.past.get(side, ())]
            failed = stage == "failed"
            now = (f"✗ {stage}" if failed else f"▶ {clean(stage)}", "bold $text-error" if failed else "$text-accent")
            lines.append(
                Content.assemble((fit(clean(side), 9), "bold"), *past, now, (f"  {clean(detail)}" if detail else "", MUTED))
            )
        if state.download is not None:
            lines += [Content(""), download_bar(state, 30, 9)]
        elif state.weights is not None:
            lines += [Content(""), Content.assemble(("weights  ", MUTED), clean(state.weights.source))]
        return Content("\n").join(lines)
