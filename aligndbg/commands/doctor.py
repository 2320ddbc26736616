"""`aligndbg doctor`: what this machine has and what it lacks."""

from __future__ import annotations

import sys
from argparse import Namespace

from aligndbg.commands.options import settings_of
from aligndbg.report.document import Span, field
from aligndbg.report.terminal import write
from aligndbg.workflows.doctor import Finding, examine


def doctor(options: Namespace) -> int:
    """3 where a run could not come about."""
    settings = settings_of(options)
    pythons = {
        "torch": options.torch_python or settings.torch_python,
        "paddle": options.paddle_python or settings.paddle_python,
    }
    code = 0
    for finding in examine(settings, pythons):
        write((field(finding.name, _mark(finding), " ", finding.text),), sys.stdout)
        if finding.hint and not finding.good:
            write((field("", "try: ", finding.hint),), sys.stdout)
        if finding.needed and not finding.good:
            code = 3
    return code


def _mark(finding: Finding) -> Span:
    if finding.good:
        return Span("✓", "good")
    return Span("✗", "bad") if finding.needed else Span("○", "warn")
