"""`aligndbg jobs watch`: a run under rules, for CI."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from dataclasses import asdict

from aligndbg.commands.jobs import root_of
from aligndbg.errors import UsageError
from aligndbg.jobs.expectation import Expectation
from aligndbg.jobs.folder import read_job, resolve_job
from aligndbg.report.jobs import outcome_line, violations_document
from aligndbg.report.terminal import write
from aligndbg.workflows.following import Follower
from aligndbg.workflows.watching import watch_job


def watch(options: Namespace) -> int:
    """0 where the job ended well and kept all rules, else 1."""
    if options.target is not None and not 0 <= options.target <= 100:
        raise UsageError(f"--target: expected percent, 0 to 100, found {options.target}")
    if (options.classes is not None and options.classes < 2) or options.silent <= 0:
        raise UsageError("--classes and --silent: expected 2 classes or more, and a time above 0 seconds")
    job = resolve_job(root_of(options), options.job)
    given = Expectation(epochs=options.epochs, classes=options.classes, target_top1=options.target)
    broken = 0
    for violation in watch_job(Follower(job.path, given, options.silent)):
        broken += 1
        if options.json:
            sys.stdout.write(json.dumps(asdict(violation)) + "\n")
            sys.stdout.flush()
        else:
            write(violations_document((violation,)), sys.stdout)
    job = read_job(job.path)
    write(outcome_line(job), sys.stderr)
    return 1 if broken or job.state is None or job.state.status != "ended" else 0
