"""The lines around the panes: title, progress, notices, failure, status. Each is drawn from the run's state alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.cells import cell_len
from textual.app import RenderResult
from textual.content import Content
from textual.geometry import Size
from textual.reactive import reactive
from textual.widget import Widget

from aligndbg.report.lines import amount
from aligndbg.report.text import weights_text
from aligndbg.tui.cells import LABEL, bar, clean, fit, hanging
from aligndbg.tui.run_state import CHECK_GLYPHS, IDLE, RunState
from aligndbg.tui.theme import MUTED, VERDICT_CLASSES, verdict_style
from aligndbg.workflows.checkpoints import CheckState
from aligndbg.workflows.events import Notice
from aligndbg.workflows.wording import GLYPHS

MOST_NOTICES = 3
"""Lines of notices that are always in sight; the notices' page has all."""

LAST_WORDS, TALL = 3, 30
"""Lines of a child's last words in the banner, on a terminal of at least so many lines."""

SHORT = 20
"""Lines of a terminal that has no second one for the headline."""

CHECK_STYLES: dict[CheckState, str] = {
    "done": "$text-success",
    "in part": "$text-warning",
    "failed": "bold $text-error",
    "running": "$text-accent",
    "stopped": "$text-warning",
    "not yet": MUTED,
}


class StateLine(Widget):
    """A bar that is drawn again whenever the state has changed in place."""

    DEFAULT_CSS = "StateLine { height: auto; padding: 0 1; }"

    version: reactive[int] = reactive(0, layout=True)

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.state = RunState("")

    def show(self, state: RunState) -> None:
        self.state = state
        self.version += 1

    def draw(self, room: int) -> Content:
        """The bar in lines of `room` cells."""
        raise NotImplementedError

    def render(self) -> RenderResult:
        return self.draw(self.content_size.width)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return self.draw(width).get_height(self.styles, width)


class TitleLine(StateLine):
    """Left: the pair. Right: what it runs on, and what is special about this run."""

    DEFAULT_CSS = "TitleLine { background: $panel; height: 1; text-wrap: nowrap; text-overflow: ellipsis; }"

    mode: reactive[str] = reactive("")
    """`watching`, `stored run`, or nothing."""

    def show_mode(self, fixes: int, watching: bool, stored: bool) -> None:
        tried = f"what if: {fixes} tried" if fixes else ""
        self.mode = " · ".join(word for word in (tried, "watching" if watching else "", "stored run" if stored else "") if word)

    def draw(self, room: int) -> Content:
        pair, mode = clean(self.state.pair), f"  {self.mode}" if self.mode else ""
        left = room - cell_len(f"aligndbg  {pair}{mode}")
        versions = self.versions if cell_len(self.versions) + 2 <= left else ""
        left -= cell_len(versions) + 4
        description = fit(clean(self.state.description), left) if left >= 12 else " " * max(0, left)
        return Content.assemble(
            ("aligndbg", "bold $text-accent"),
            (f"  {fit(pair, min(cell_len(pair), room - 10 - cell_len(mode)))}", "bold"),
            (f"  {description}  ", MUTED),
            (versions, MUTED),
            (mode, "$text-accent"),
        )

    @property
    def versions(self) -> str:
        known = self.state.environments
        return " · ".join(
            f"{side} {clean(str(known[side][side]))}" for side in ("torch", "paddle") if side in known and side in known[side]
        )


class FactsLine(StateLine):
    """What goes on while the run goes on; what it ran with when it has ended."""

    DEFAULT_CSS = "FactsLine { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }"

    def draw(self, room: int) -> Content:
        state = self.state
        if state.phase == "running":
            return Content("  ").join(list(self._progress()))
        return Content.styled(fit(" · ".join(self._facts()), room).rstrip(), MUTED)

    def _progress(self) -> Iterator[Content]:
        state = self.state
        for side, (stage, _) in state.stages.items():
            if state.layers:
                yield Content.assemble((f"{clean(side)} ", MUTED), (clean(stage), "$text-accent"))
        if state.layers:
            yield layers_bar(state, 16)
        if state.seconds:
            yield Content.styled(f"{state.seconds} s", MUTED)
        if not state.layers and state.session:
            yield Content.styled(f"session {clean(state.session)}", MUTED)

    def _facts(self) -> Iterator[str]:
        state = self.state
        if state.phase in ("failed", "stopped"):
            known = f"after {state.compared} of {state.to_compare} layers" if state.layers else "before the layers were known"
            yield f"stopped {known}"
        report = state.report
        if report is None:
            if state.session:
                yield f"session {clean(state.session)}"
            return
        if report.input:
            yield f"input {clean(report.input)}"
        if report.weights is not None:
            yield f"weights {clean(weights_text(report.weights))}"
        if report.timing is not None:
            yield f"{report.timing.total_s:.1f} s"


def download_bar(state: RunState, width: int, label: int) -> Content:
    download = state.download
    assert download is not None
    done, left = bar(download.done / download.total, width) if download.total else ("", "─" * width)
    return Content.assemble(
        ("weights".ljust(label), MUTED), (done, "$text-accent"), (left, MUTED), f" {amount(download.done, download.total)}"
    )


def layers_bar(state: RunState, width: int) -> Content:
    done, left = bar(state.compared / max(1, state.to_compare), width)
    return Content.assemble(("layers ", MUTED), (done, "$text-accent"), (left, MUTED), f" {state.compared}/{state.to_compare}")


def notice_mark(notice: Notice) -> tuple[str, str]:
    """Its label and the label's style."""
    return ("▲ warning", "bold $text-warning") if notice.level == "warning" else ("● note", "$text-accent")


class NoticeLines(StateLine):
    """What the user must see although the run goes on, a line each. Warnings first; a click shows all of all."""

    DEFAULT_CSS = """
    NoticeLines { display: none; background: $warning 12%; }
    NoticeLines.-some { display: block; }
    """

    def show(self, state: RunState) -> None:
        super().show(state)
        self.set_class(bool(state.notices), "-some")

    def draw(self, room: int) -> Content:
        notices = sorted(self.state.notices, key=lambda notice: notice.level != "warning")
        shown = notices if len(notices) <= MOST_NOTICES else notices[: MOST_NOTICES - 1]
        lines = []
        for notice in shown:
            label, style = notice_mark(notice)
            text = clean(notice.message) + (f" — {clean(notice.hint)}" if notice.hint else "")
            more = "" if cell_len(text) <= room - LABEL else " (i)"
            kept = fit(text, room - LABEL - len(more)).rstrip()
            lines.append(Content.assemble((fit(label, LABEL), style), kept, (more, MUTED)))
        if len(shown) < len(notices):
            lines.append(hanging("", "", f"and {len(notices) - len(shown)} more: press i", room, MUTED))
        return Content("\n").join(lines)

    async def on_click(self) -> None:
        await self.run_action("screen.notices")


class FailureBanner(StateLine):
    """Why the run stopped, and what to do about it. A click shows what the child said last."""

    DEFAULT_CSS = """
    FailureBanner { display: none; background: $error 18%; border-left: heavy $error; padding: 0 1; }
    FailureBanner.-some { display: block; }
    """

    again: reactive[str] = reactive("r runs again")

    def show(self, state: RunState) -> None:
        super().show(state)
        self.set_class(state.error is not None, "-some")

    def draw(self, room: int) -> Content:
        error = self.state.error
        if error is None:
            return Content("")
        lines = [hanging("✗ stopped", "bold $text-error", clean(error.message), room, "bold")]
        if error.hint:
            lines.append(hanging("  try", MUTED, clean(error.hint), room))
        words = self.state.last_words.strip().splitlines()
        for place, said in enumerate(words[-LAST_WORDS:] if self.app.size.height >= TALL else ()):
            lines.append(hanging("" if place else "  it said", MUTED, fit(clean(said), room - LABEL).rstrip(), room))
        more = "i shows its last words · " if words else ""
        lines.append(hanging("", "", more + self.again, room, MUTED))
        return Content("\n").join(lines)

    async def on_click(self) -> None:
        await self.run_action("screen.notices")


def headline_text(text: str, verdict: str) -> Content:
    """The headline with the glyph and the colour of its verdict."""
    if verdict == "running":
        mark, style = "▶", "$text-accent"
    else:
        mark = GLYPHS.get(verdict, "◆")
        style = verdict_style(verdict) if verdict in VERDICT_CLASSES else "bold $text-error"
    return Content.styled(f"{mark} {clean(text)}", style)


class StatusLines(StateLine):
    """The headline and the six checkpoints: what this run says of them, and what evaluations and trainings of the pair do."""

    DEFAULT_CSS = "StatusLines { background: $panel; }"

    def on_mount(self) -> None:
        self.watch(self.app, "checks", lambda: self.refresh(), init=False)

    def draw(self, room: int) -> Content:
        text, verdict = self.state.headline()
        # The title says which pair.
        headline = headline_text(text.removeprefix(f"{self.state.pair}: "), verdict)
        # Why a run stopped is told above.
        if self.state.error is not None or self.app.size.height < SHORT:
            return Content("\n").join([headline.truncate(room, ellipsis=True), self.checkpoints(room)])
        first, *others = headline.wrap(max(1, room))
        rest = [Content.assemble("  ", Content(" ").join(others)).truncate(room, ellipsis=True)] if others else []
        return Content("\n").join([first, *rest, self.checkpoints(room)])

    def checkpoints(self, room: int) -> Content:
        """Each with its word; where that is too long, those of one state share it, or the word goes."""
        known: Mapping[str, Mapping[str, CheckState]] = getattr(self.app, "checks", {})
        states = self.state.checkpoints() | known.get(self.state.pair, {})
        groups: dict[CheckState, list[str]] = {}
        for name, state in states.items():
            groups.setdefault(state, []).append(name)
        single = [_check(state, name, True) for name, state in states.items()]
        shared = [_check(state, ", ".join(names), True) for state, names in groups.items()]
        lines = [Content(gap).join(line) for line, gap in ((single, "   "), (shared, "   "), (shared, " "))]
        lines.append(Content(" ").join(_check(state, name, False) for name, state in states.items()))
        return next((line for line in lines if line.cell_length <= room), lines[-1]).truncate(room, ellipsis=True)


def _check(state: CheckState, name: str, word: bool) -> Content:
    style = CHECK_STYLES[state]
    return Content.assemble((f"{CHECK_GLYPHS[state]} ", style), name, (f" {state}" if word else "", style))


class Waiting(StateLine):
    """The left pane before there are layers: what each side is doing, stage by stage."""

    DEFAULT_CSS = "Waiting { height: 1fr; padding: 1 2; }"

    def draw(self, room: int) -> Content:
        state = self.state
        lines = []
        for side in ("torch", "paddle", *(side for side in state.stages if side not in ("torch", "paddle"))):
            stage, detail = state.stages.get(side, ("waiting", ""))
            past = [(f"✓ {clean(one)}  ", MUTED) for one in state.past.get(side, ())]
            if stage == "failed":
                mark, style = "✗", "bold $text-error"
            elif stage in IDLE:
                mark, style = "✓", MUTED
            else:
                mark, style = ("▶", "$text-accent") if state.phase == "running" else ("■", "$text-warning")
            lines.append(
                Content.assemble(
                    (fit(clean(side), 9), "bold"),
                    *past,
                    (f"{mark} {clean(stage)}", style),
                    (f"  {clean(detail)}" if detail else "", MUTED),
                )
            )
        if state.download is not None:
            lines += [Content(""), download_bar(state, 30, 9)]
        elif state.weights is not None:
            lines += [Content(""), Content.assemble(("weights  ", MUTED), clean(state.weights.source))]
        return Content("\n").join(lines)
