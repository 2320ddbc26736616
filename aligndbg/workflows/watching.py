"""A job's logs, read as they grow, under rules: what is wrong with the run is told as soon as a line shows it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from aligndbg.jobs.folder import log_files, read_job
from aligndbg.jobs.formats.detection import parser_for
from aligndbg.jobs.formats.parser import LogParser
from aligndbg.jobs.violation import Ended, Event, Heard, Measured, Passed, Violation
from aligndbg.jobs.watch import Watch

POLL_SECONDS = 0.5
BLOCK = 1 << 20


def watch_job(path: Path, watch: Watch, poll_seconds: float = POLL_SECONDS) -> Iterator[Violation]:
    """Each violation when it comes to light, until the job is over and its logs are read to the end.

    Where the launcher keeps a log for each rank those are read, else the launcher's own. Raises UsageError where the job's log
    format is none.
    """
    tails: dict[Path, _Tail] = {}
    while True:
        # Asked before the reading: what is written up to the end is read then.
        job = read_job(path)
        over = job.state is None or job.state.final
        files = log_files(path, job.spec.rank_logs if job.spec else None)
        ranks: dict[int | None, Path] = dict(enumerate(files[1:])) if len(files) > 1 else dict.fromkeys((None,), *files[:1])
        for rank, file in ranks.items():
            if file not in tails:
                tails[file] = _Tail(file, rank, parser_for(job.spec.log_format if job.spec else None, rank))
            for event in tails[file].events(at_end=over):
                yield from watch.see(event)
        if over:
            yield from watch.see(Ended(time.time()))
            return
        yield from watch.see(Passed(time.time()))
        time.sleep(poll_seconds)


class _Tail:
    """One log from its beginning on."""

    def __init__(self, path: Path, rank: int | None, parser: LogParser) -> None:
        self._path = path
        self._rank = rank
        self._parser = parser
        self._position = 0
        self._line = 0
        self._begun = b""

    def events(self, at_end: bool) -> Iterator[Event]:
        """What the lines say that are whole by now; `at_end` the last one too. A log that was cut begins anew."""
        try:
            with self._path.open("rb") as file:
                if file.seek(0, 2) < self._position:
                    self._position, self._begun = 0, b""
                file.seek(self._position)
                while block := file.read(BLOCK):
                    self._position += len(block)
                    *whole, self._begun = (self._begun + block).split(b"\n")
                    for line in whole:
                        yield from self._said(line)
        except OSError:
            # It is gone, or not there yet: what it said is read, and the job's own state tells of the rest.
            return
        if at_end and self._begun:
            line, self._begun = self._begun, b""
            yield from self._said(line)

    def _said(self, line: bytes) -> Iterator[Event]:
        text, now = line.decode("utf-8", "replace").rstrip("\r"), time.time()
        yield Heard(self._rank, text, now, self._line)
        if (sample := self._parser.feed(text)) is not None:
            yield Measured(sample, now)
        self._line += 1
