"""The lines above a job's panes: what it is and how far, and what is wrong with it."""

from __future__ import annotations

from rich.cells import cell_len
from textual.app import RenderResult
from textual.content import Content
from textual.geometry import Size
from textual.reactive import reactive
from textual.widget import Widget

from aligndbg.report.jobs import GLYPHS, STYLES, progress_text, took
from aligndbg.tui.cells import clean, fit
from aligndbg.tui.theme import MUTED
from aligndbg.workflows.following import Update

STATUS_STYLES = {"good": "$text-success", "bad": "bold $text-error", "warn": "$text-warning", "strong": "bold $text-accent"}
MOST_PROBLEMS = 3


class JobTitle(Widget):
    """Left: the job. Right: how far it is, and for how long it runs."""

    DEFAULT_CSS = "JobTitle { height: 2; padding: 0 1; background: $panel; text-wrap: nowrap; text-overflow: ellipsis; }"

    version: reactive[int] = reactive(0)

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self._update: Update | None = None

    def show(self, update: Update) -> None:
        self._update = update
        self.version += 1

    def on_mount(self) -> None:
        self.set_interval(1.0, self.refresh)

    def render(self) -> RenderResult:
        update = self._update
        room = self.content_size.width
        if update is None or update.job.spec is None or update.job.state is None:
            said = "reading" if update is None else f"◆ damaged: {clean(update.job.error)}"
            return Content.assemble(("aligndbg", "bold $text-accent"), ("  job ", MUTED), (self._name, "bold"), f"  {said}")
        spec, state = update.job.spec, update.job.state
        status = f"{GLYPHS[state.status]} {state.status}"
        ranks = f" · {spec.ranks} ranks" if spec.ranks > 1 else ""
        right = f"{ranks} · {took(update.job)}"
        left = room - cell_len(f"aligndbg  {status}  {right}") - 2
        first = Content.assemble(
            ("aligndbg", "bold $text-accent"),
            (f"  {fit(clean(spec.title), max(8, left))}  ", "bold"),
            (status, STATUS_STYLES.get(STYLES[state.status], MUTED)),
            (right, MUTED),
        )
        progress = progress_text(update) or ("reading its logs" if update.more else "no metric yet")
        words = f"{progress} · {clean(state.reason)}" if state.reason else progress
        return Content("\n").join([first, Content.styled(fit(words, room).rstrip(), MUTED)])


class JobFigures(Widget):
    """Of an evaluation: its top-1 beside what is known of the pair's elsewhere."""

    DEFAULT_CSS = """
    JobFigures { display: none; height: 1; padding: 0 1; background: $panel; text-wrap: nowrap; text-overflow: ellipsis; }
    JobFigures.-some { display: block; }
    """

    text: reactive[str] = reactive("")

    def watch_text(self, text: str) -> None:
        self.set_class(bool(text), "-some")

    def render(self) -> RenderResult:
        return Content(clean(self.text))


class JobProblems(Widget):
    """The rules that the job breaks now; a click shows all of them, with where to look."""

    DEFAULT_CSS = """
    JobProblems { display: none; height: auto; padding: 0 1; background: $error 18%; border-left: heavy $error; }
    JobProblems.-some { display: block; }
    """

    fault: reactive[str] = reactive("", layout=True)
    """Why the job's logs cannot be read."""
    version: reactive[int] = reactive(0, layout=True)

    def __init__(self) -> None:
        super().__init__()
        self._update: Update | None = None

    def show(self, update: Update) -> None:
        if self._update is None or update.standing != self._update.standing:
            self._update = update
            self.set_class(bool(update.standing or self.fault), "-some")
            self.version += 1

    def watch_fault(self, fault: str) -> None:
        self.set_class(bool(fault or (self._update and self._update.standing)), "-some")

    def render(self) -> RenderResult:
        return self._content(self.content_size.width)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return self._content(width).get_height(self.styles, width)

    def _content(self, room: int) -> Content:
        lines = [Content.styled(fit(f"✗ {clean(self.fault)}", room).rstrip(), "bold $text-error")] if self.fault else []
        standing = self._update.standing if self._update is not None else ()
        for violation in standing[:MOST_PROBLEMS]:
            mark = f"✗ {violation.rule}"
            sentence = fit(f"  {clean(violation.sentence)}", max(8, room - cell_len(mark))).rstrip()
            lines.append(Content.assemble((mark, "bold $text-error"), sentence))
        if len(standing) > MOST_PROBLEMS:
            lines.append(Content.styled(f"and {len(standing) - MOST_PROBLEMS} more: press i", MUTED))
        return Content("\n").join(lines)

    async def on_click(self) -> None:
        await self.run_action("screen.details")
