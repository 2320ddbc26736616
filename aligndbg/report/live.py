"""The display of a terminal: what both children do, the download, and the layers as they are compared, redrawn in place."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console
from rich.progress import Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from aligndbg.core.findings import Status
from aligndbg.report.findings import News
from aligndbg.report.lines import amount, sentence
from aligndbg.report.terminal import encodable
from aligndbg.report.visible import visible
from aligndbg.workflows.events import (
    BatchDone,
    Downloading,
    EvalEnded,
    EvalStarted,
    Event,
    FindingMade,
    LayerDiffed,
    LayersPaired,
    Notice,
    RunEnded,
    RunFailed,
    RunStarted,
    SideProgress,
    SideReady,
    WeightsPlanned,
    WeightsReady,
)
from aligndbg.workflows.wording import figure

PER_SECOND = 8
"""Redraws: a terminal over ssh pays for each."""

LABEL = 9
"""Cells of the row's name."""

BAR = 24
"""Cells of a bar."""


class LiveDisplay:
    """The rows of a run vanish when it ends; its warnings and findings stay above them."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._console = Console(file=stream, markup=False, highlight=False, emoji=False)
        self._progress: Progress | None = None
        self._rows: dict[str, TaskID] = {}
        self._waiting: set[int] = set()
        self._total = 0
        self._largest = 0.0
        self._news = News()

    def show(self, event: Event) -> None:
        match event:
            case RunStarted(pair, description):
                self._restart()
                self._print(f"{pair} — {description}" if description else pair)
            case SideProgress(side, stage, detail):
                self._row(side, f"{stage} {detail}".rstrip())
            case SideReady(side):
                self._row(side, "ready")
            case Notice(level):
                self._print(sentence(event), "yellow" if level == "warning" else "")
            case Downloading(name, done, total):
                self._row("weights", f"{name} {amount(done, total)}", done, total or None)
            case WeightsReady() | WeightsPlanned():
                # The bar of a download gives way to the words.
                self._row("weights", sentence(event).removeprefix("weights: "), 0, 0)
            case LayersPaired(layers):
                # A row without a partner has nothing to compare.
                self._waiting = {layer.index for layer in layers if layer.torch is not None and layer.paddle is not None}
                self._total = len(self._waiting)
                self._row("layers", f"0 of {self._total}", 0, self._total)
            case LayerDiffed(result):
                self._waiting.discard(result.index)
                if result.propagated:
                    self._largest = max(self._largest, result.propagated.stats.max_abs)
                count = self._total - len(self._waiting)
                self._row("layers", f"{count} of {self._total}, largest max|d| {figure(self._largest)}", count, self._total)
            case FindingMade(finding):
                if news := self._news.take(finding):
                    self._print(news, "yellow" if finding.status is Status.WARNING else "bold red")
            case EvalStarted(total, done):
                self._row("pictures", sentence(event).removeprefix("pictures: "), done, total)
            case BatchDone(done, total):
                self._row("pictures", sentence(event), done, total)
            case RunEnded() | RunFailed() | EvalEnded():
                self.close()

    def close(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def _restart(self) -> None:
        self.close()
        self._rows, self._waiting, self._total, self._largest, self._news = {}, set(), 0, 0.0, News()
        columns = (TextColumn("{task.description}", style="bold", markup=False), _State(self._stream))
        self._progress = Progress(
            *columns,
            console=self._console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            refresh_per_second=PER_SECOND,
        )
        self._progress.start()

    def _row(self, name: str, words: str, done: int = 0, total: int | None = 0) -> None:
        if self._progress is None:
            return
        words = encodable(visible(words), self._stream)
        if name not in self._rows:
            self._rows[name] = self._progress.add_task(visible(name).ljust(LABEL), total=total, words=words)
        self._progress.update(self._rows[name], completed=done, total=total, words=words)

    def _print(self, text: str, style: str = "") -> None:
        console = self._progress.console if self._progress else self._console
        console.print(Text(encodable(visible(text), self._stream), style), soft_wrap=True)


class _State(ProgressColumn):
    """A bar for what is counted, then words."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    def render(self, task: Task) -> Text:
        words = Text(task.fields["words"], no_wrap=True, overflow="ellipsis")
        if not task.total:
            return words
        done = min(BAR, int(BAR * task.completed / task.total))
        full, rest = encodable("━" * done, self._stream), encodable("─" * (BAR - done), self._stream)
        return Text.assemble((full, "green"), (rest, "dim"), " ").append_text(words)
