"""`aligndbg jobs watch`: a run under rules, for CI."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from dataclasses import asdict

from aligndbg.commands.jobs import root_of
from aligndbg.errors import UsageError
from aligndbg.jobs.folder import read_job, resolve_job
from aligndbg.jobs.violation import Violation
from aligndbg.jobs.watch import Watch, standard_rules
from aligndbg.report.document import Span, line
from aligndbg.report.jobs import outcome_line
from aligndbg.report.terminal import write
from aligndbg.workflows.watching import watch_job


def watch(options: Namespace) -> int:
    """0 where the job ended well and kept all rules, else 1."""
    if options.target is not None and not 0 <= options.target <= 100:
        raise UsageError(f"--target: expected percent, 0 to 100, found {options.target}")
    if options.classes < 2 or options.silent <= 0:
        raise UsageError("--classes and --silent: expected 2 classes or more, and a time above 0 seconds")
    job = resolve_job(root_of(options), options.job)
    rules = standard_rules(options.classes, options.target, epochs=options.epochs, silent_seconds=options.silent)
    broken = 0
    for violation in watch_job(job.path, Watch(rules)):
        broken += 1
        if options.json:
            sys.stdout.write(json.dumps(asdict(violation)) + "\n")
            sys.stdout.flush()
        else:
            write(
                (line(Span("✗ ", "bad"), Span(violation.rule, "strong"), f"{_place(violation)}: {violation.sentence}"),), sys.stdout
            )
            write((line(Span("  look at: ", "dim"), violation.look_at),), sys.stdout)
    job = read_job(job.path)
    write(outcome_line(job), sys.stderr)
    return 1 if broken or job.state is None or job.state.status != "ended" else 0


def _place(violation: Violation) -> str:
    """` at rank 1, epoch 2, step 30`, as far as it is known; counted from 0 as the log's parsers do."""
    known = [
        f"{name} {value:g}"
        for name, value in (("rank", violation.rank), ("epoch", violation.epoch), ("step", violation.step))
        if value is not None
    ]
    return f" at {', '.join(known)}" if known else ""
