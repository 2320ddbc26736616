"""`aligndbg eval`: both sides on the same pictures."""

from __future__ import annotations

import re
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from aligndbg.commands.options import STDOUT, check_targets, device_of, pair_of, put, settings_of
from aligndbg.errors import EnvironmentFault, Interrupted, UsageError
from aligndbg.report.display import open_display
from aligndbg.report.evaluation import evaluation_document, evaluation_markdown
from aligndbg.report.terminal import write
from aligndbg.workflows.evaluate import Evaluation
from aligndbg.workflows.evaluate_model import EvalReport, to_json
from aligndbg.workflows.evaluate_pictures import EvalRequest
from aligndbg.workflows.events import BatchDone, EvalEnded, RunFailed
from aligndbg.workflows.sides import BOTH
from aligndbg.workflows.wording import counted

LIMITS = {
    "limit": (1, 1 << 62),
    "every": (1, 1 << 62),
    "causes": (0, 1 << 62),
    "batch_size": (1, 1 << 16),
    "workers": (1, 1 << 10),
    "nproc": (1, 1 << 10),
    "nnodes": (1, 1 << 10),
}
"""More of what takes memory or processes is a slip of the keyboard."""


def evaluate(options: Namespace) -> int:
    """0 where the gap is within the rule or only one side ran, 1 where it is beyond."""
    check_targets(json=options.json, md=options.md)
    settings = settings_of(options)
    request = request_of(options)
    pair = pair_of(options.pair, Namespace(**vars(options), input=None, atol=None, rtol=None), settings)
    display = open_display(options.display)
    report: EvalReport | None = None
    judged = 0
    try:
        for event in Evaluation(pair, request, settings, asked(options)).events():
            display.show(event)
            if isinstance(event, BatchDone):
                judged = event.done
            if isinstance(event, EvalEnded):
                report = event.result
            if isinstance(event, RunFailed):
                raise event.error
    except KeyboardInterrupt:
        raise Interrupted("interrupted", _way_on(judged)) from None
    except EnvironmentFault as error:
        error.hint = error.hint or _way_on(judged)
        raise
    finally:
        display.close()
    assert report is not None, "an evaluation ends in EvalEnded or RunFailed"
    if STDOUT not in (options.json, options.md):
        write(evaluation_document(report), sys.stdout)
    if options.json:
        put(options.json, lambda: to_json(report) + b"\n")
    if options.md:
        put(options.md, lambda: evaluation_markdown(report).encode())
    return report.exit_code


def request_of(options: Namespace) -> EvalRequest:
    for name, (least, most) in LIMITS.items():
        value = getattr(options, name)
        if value is not None and not least <= value <= most:
            expected = f"{least} or more" if value < least else f"{most} or less"
            raise UsageError(f"--{name.replace('_', '-')}: expected {expected}, found {value}")
    if options.causes and (options.side != "both" or options.nproc * options.nnodes > 1):
        raise UsageError("--causes needs both sides, and one process for each", "leave out --side, --nproc and --nnodes")
    if options.nnodes > 1 and not re.fullmatch(r"[^\s:/]+:\d{1,5}", options.master):
        raise UsageError(f"--master: expected HOST:PORT where {options.nnodes} machines meet, found {options.master!r}")
    return EvalRequest(
        list=_path(options.list),
        data=_path(options.data),
        delimiter=options.delimiter,
        sides=BOTH if options.side == "both" else (options.side,),
        own_preprocess=options.own_preprocess or bool(options.causes),
        causes=options.causes,
        batch_size=options.batch_size,
        workers=options.workers,
        limit=options.limit,
        every=options.every,
        device=device_of(options),
        ranks=options.nproc,
        nodes=options.nnodes,
        master=options.master,
        resume=options.resume,
    )


def asked(options: Namespace) -> dict[str, Any]:
    """What the user asked for beside the pair, as a session keeps it."""
    usual = {"every": 1, "side": "both", "own_preprocess": False, "causes": 0, "nproc": 1, "nnodes": 1, "device": "cpu"}
    names = (
        "list",
        "data",
        "delimiter",
        "limit",
        "batch_size",
        "workers",
        "shape",
        "seed",
        "weights",
        "torch_python",
        "paddle_python",
        *usual,
    )
    found = {name: value for name in names if (value := getattr(options, name)) != usual.get(name)}
    # The session is read from other folders too.
    return found | {name: str(_path(found[name])) for name in ("list", "data") if name in found}


def _way_on(judged: int) -> str:
    return (
        f"`--resume` goes on after the {counted(judged, 'picture')} that {'is' if judged == 1 else 'are'} judged" if judged else ""
    )


def _path(text: str | None) -> Path | None:
    return Path(text).expanduser().absolute() if text else None
