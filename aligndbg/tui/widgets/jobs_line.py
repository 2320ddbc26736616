"""The jobs on a pair's screen: one line for each that runs, and for each that ended while the app was open."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.cells import cell_len
from textual.app import RenderResult
from textual.content import Content
from textual.geometry import Size
from textual.reactive import reactive
from textual.widget import Widget

from aligndbg.report.jobs import GLYPHS, STYLES, progress_text, took
from aligndbg.tui.cells import clean, fit
from aligndbg.tui.run import Entry
from aligndbg.tui.screens.job_pages import SPAN_STYLES
from aligndbg.tui.theme import MUTED
from aligndbg.workflows.board import JobRow

MOST = 2
"""Jobs that have a line; the home screen has all."""


def job_entry(row: JobRow) -> Entry:
    """A job as a line of the home screen."""
    job = row.job
    if job.spec is None or job.state is None:
        return Entry(job.id, error=job.error)
    state = job.state
    broken = row.update.standing if row.update is not None else ()
    status = f"{GLYPHS[state.status]} {state.status}"
    when = f"{job.spec.created[:16].replace('T', ' ')} UTC · {took(job)}"
    parts = [status, f"✗ {', '.join(dict.fromkeys(one.rule for one in broken))}" if broken else ""]
    parts += [progress_text(row.update) if row.update is not None else "", "" if state.status == "ended" else state.reason]
    return Entry(job.spec.title, " · ".join(part for part in (*parts, row.fault) if part), when, job=job.path)


class JobsLine(Widget):
    DEFAULT_CSS = """
    JobsLine { display: none; height: auto; padding: 0 1; background: $panel; text-wrap: nowrap; text-overflow: ellipsis; }
    JobsLine.-some { display: block; }
    """

    version: reactive[int] = reactive(0, layout=True)

    def __init__(self) -> None:
        super().__init__()
        self._seen: set[Path] = set()
        self._rows: list[JobRow] = []

    def on_mount(self) -> None:
        self.watch(self.app, "board", self._show)

    def _show(self, rows: Sequence[JobRow]) -> None:
        self._seen |= {row.job.path for row in rows if row.job.state is not None and not row.job.state.final}
        self._rows = [row for row in rows if row.job.path in self._seen]
        self.set_class(bool(self._rows), "-some")
        self.version += 1

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return min(MOST, len(self._rows))

    def render(self) -> RenderResult:
        return Content("\n").join([self._line(row) for row in self._rows[:MOST]])

    def _line(self, row: JobRow) -> Content:
        job = row.job
        assert job.spec is not None and job.state is not None
        state = job.state
        mark = f"{GLYPHS[state.status]} job {state.status}"
        broken = row.update.standing if row.update is not None else ()
        rules = f" ✗ {broken[0].rule}{f' and {len(broken) - 1} more' if len(broken) > 1 else ''}" if broken else ""
        more = f" ({len(self._rows) - MOST} more)" if len(self._rows) > MOST else ""
        end = f"{more}  J shows jobs"
        progress = progress_text(row.update) if row.update is not None else ""
        text = " · ".join(
            part for part in (clean(job.spec.title), progress, "" if state.status == "ended" else clean(state.reason)) if part
        )
        room = max(8, self.content_size.width - cell_len(f"{mark}  {rules}{end}"))
        return Content.assemble(
            (mark, SPAN_STYLES.get(STYLES[state.status], "")),
            (rules, "bold $text-error"),
            f"  {fit(text, room)}",
            (end, MUTED),
        )

    async def on_click(self) -> None:
        await self.run_action("app.jobs")
