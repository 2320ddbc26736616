"""`aligndbg convert`: torch's weights as a Paddle checkpoint."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from aligndbg.commands.options import STDOUT, check_targets, device_of, pair_of, put, settings_of
from aligndbg.errors import UsageError
from aligndbg.report.display import open_display
from aligndbg.report.document import BLANK, field
from aligndbg.report.listings import plan_document, to_json
from aligndbg.report.terminal import write
from aligndbg.weights.plan import WeightPlan
from aligndbg.workflows.convert import Conversion
from aligndbg.workflows.events import RunFailed, WeightsPlanned


def convert(options: Namespace) -> int:
    """1 where a tensor of the Paddle model could not be filled: the file is written, and is not the whole model."""
    if not options.output.endswith(".pdparams"):
        raise UsageError(f"--output: expected a name that ends in .pdparams, found {options.output!r}")
    check_targets(output=options.output, plan=options.plan)
    settings = settings_of(options)
    pair = pair_of(options.pair, options, settings)
    display = open_display(options.display)
    target = Path(options.output).expanduser().absolute()
    plan = WeightPlan(())
    try:
        for event in Conversion(pair, settings, target, device_of(options)).events():
            display.show(event)
            if isinstance(event, WeightsPlanned):
                plan = event.plan
            if isinstance(event, RunFailed):
                raise event.error
    finally:
        display.close()
    if options.plan != STDOUT:
        write((*plan_document(plan), BLANK, field("written", options.output)), sys.stdout)
    if options.plan:
        put(options.plan, lambda: to_json(plan))
    return 1 if plan.unfilled else 0
