"""Pages over a job: all that is known of it, and the question before it is stopped."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.dom import DOMNode
from textual.message import Message

from aligndbg.errors import AligndbgError
from aligndbg.jobs.folder import Job, logs_of, processes_of, stop
from aligndbg.jobs.violation import Violation
from aligndbg.report.document import Document
from aligndbg.report.jobs import command_texts, job_document, violations_document
from aligndbg.report.layout import lay_out
from aligndbg.tui.actions import bindings
from aligndbg.tui.feed import tell
from aligndbg.tui.screens.pages import Page, PageText
from aligndbg.tui.theme import MUTED
from aligndbg.workflows.following import Update

SPAN_STYLES = {"good": "$text-success", "bad": "bold $text-error", "warn": "$text-warning", "dim": MUTED, "strong": "bold"}


def document_content(document: Document, width: int) -> Content:
    """A report's document as text of the screen."""
    lines = [
        Content.assemble(*((span.text, SPAN_STYLES.get(span.style, "")) for span in spans)) for spans in lay_out(document, width)
    ]
    return Content("\n").join(lines)


class DetailsPage(Page):
    """Its command, processes and logs, and every rule that it broke."""

    def __init__(self, update: Update, violations: Sequence[Violation]) -> None:
        super().__init__("Job")
        self._update = update
        self._violations = violations
        job = update.job
        self._document = job_document(job, processes_of(job), logs_of(job))

    def content(self, width: int) -> Content:
        standing = {(violation.rule, violation.rank) for violation in self._update.standing}
        past = [violation for violation in self._violations if (violation.rule, violation.rank) not in standing]
        parts = [document_content(self._document, width)]
        for title, some in (("broken rules", self._update.standing), ("better since", past)):
            if some:
                heading = Content.styled(title, "bold $text-accent")
                parts.append(Content("\n").join([heading, document_content(violations_document(some), width)]))
        return Content("\n\n").join(parts)


class StopPage(Page):
    """Which processes would end; Enter ends them, Escape leaves them."""

    BINDINGS = bindings("question")
    HELP: ClassVar = ("page", "question")

    class Stopped(Message):
        def __init__(self, said: str, wrong: bool) -> None:
            super().__init__()
            self.said = said
            self.wrong = wrong

    def __init__(self, job: Job) -> None:
        super().__init__("Stop the job?")
        self._job = job
        self._processes = processes_of(job)
        self._stopping = False

    def compose(self) -> ComposeResult:
        with VerticalScroll() as box:
            box.border_title = self._page_title
            box.border_subtitle = "[@click=screen.confirm]enter stops it[/] · [@click=screen.dismiss]esc leaves it running[/]"
            yield PageText()

    def content(self, width: int) -> Content:
        count = len(self._processes)
        title = self._job.spec.title if self._job.spec else self._job.id
        words = f"{title}\n\n{count} process{'' if count == 1 else 'es'} will end: SIGTERM, 10 s of grace, SIGKILL.\n"
        if self._stopping:
            words = f"{title}\n\nstopping …\n"
        lines = [Content(words)]
        commands = command_texts(self._processes)
        lines += [
            Content.styled(f"{process.pid:>8}  {command}", MUTED)
            for process, command in zip(self._processes, commands, strict=True)
        ]
        return Content("\n").join(lines)

    @property
    def places(self) -> dict[str, DOMNode]:
        return {"question": self, "page": self}

    def action_confirm(self) -> None:
        if not self._stopping:
            self._stopping = True
            self.query_one(PageText).refresh(layout=True)
            threading.Thread(target=self._stop, name="stop", daemon=True).start()

    def _stop(self) -> None:
        try:
            stopped = stop(self._job)
        except AligndbgError as error:
            tell(self, self.Stopped(f"{error.message}: {error.hint}" if error.hint else error.message, True))
            return
        left = ", ".join(str(process.pid) for process in stopped.left)
        signals = sorted({killed.signal for killed in stopped.killed})
        said = f"stopped: {len(stopped.killed)} processes ended by {' and '.join(signals)}" if signals else "it had ended already"
        tell(self, self.Stopped(f"SIGKILL did not end {left}" if left else said, bool(left)))

    def on_stop_page_stopped(self, message: Stopped) -> None:
        self.notify(message.said, severity="warning" if message.wrong else "information")
        self.dismiss()
