"""The command line: options, and which command they belong to (DESIGN 6.1)."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn, TextIO

import aligndbg
from aligndbg.commands import COMMANDS
from aligndbg.commands.launch_options import add_launch_options, add_paddleclas_tools
from aligndbg.commands.triage_options import add_triage_options
from aligndbg.errors import AligndbgError, Interrupted, UsageError
from aligndbg.report.display import KINDS

DEPTHS = {
    "local": "feed each Paddle layer with torch's input, which tells where a fault is born",
    "golden": "run torch in float64 too, which tells rounding from faults",
    "diagnose": "look for the causes of the faults that are located, and try each fix before it is told",
}

EPILOG = f"""commands:
{chr(10).join(f"  {name:<10} {words}" for name, words in COMMANDS.items())}

`aligndbg PAIR` opens the app on a pair, `aligndbg` alone the list of pairs and sessions; `aligndbg COMMAND --help` says more.
exit codes: 0 aligned, 1 mismatch, 2 wrong usage, 3 environment, 4 cannot be paired, 130 interrupted
"""


class Parser(argparse.ArgumentParser):
    """Tells of a wrong option as every other error is told. No option can be cut short: a later one would make that ambiguous."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, allow_abbrev=False, **kwargs)

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, f"`{self.prog} --help` lists the options")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        options = parse(arguments)
        module, _, function = options.run.partition(":")
        code: int = getattr(importlib.import_module(f"aligndbg.commands.{module}"), function)(options)
        sys.stdout.flush()
        return code
    except AligndbgError as error:
        return _tell(error)
    except KeyboardInterrupt:
        return _tell(Interrupted("interrupted"))
    except BrokenPipeError:
        # The reader of the results has gone. Python would complain again when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options with `run`, `MODULE:FUNCTION` of aligndbg.commands."""
    # What follows -- belongs to the program that `jobs run` starts.
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    rest = [*(word for word in own if word != "--headless"), *arguments[len(own) :]]
    if rest and rest[0] in COMMANDS:
        command, words = rest[0], rest[1:]
    elif len(rest) < len(arguments):
        command, words = "report", rest
    else:
        return _app_parser().parse_args(rest)
    return _PARSERS[command](Parser(f"aligndbg {command}", description=COMMANDS[command])).parse_args(words)


def _tell(error: AligndbgError, stream: TextIO | None = None) -> int:
    from aligndbg.report.terminal import write
    from aligndbg.report.text import error_document

    write(error_document(error), stream or sys.stderr)
    return error.exit_code


def _app_parser() -> Parser:
    parser = Parser(
        "aligndbg",
        usage="aligndbg [PAIR] [options]\n       aligndbg COMMAND ...\n       aligndbg --headless report [PAIR ...]",
        description=aligndbg.__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("pair", nargs="?", metavar="PAIR", help="a pair's name, its folder or its pair.yaml")
    parser.add_argument("--watch", action="store_true", help="run again whenever the pair's files change")
    parser.add_argument("--headless", action="store_true", help="no app: the same as the command report")
    parser.add_argument("--version", action="version", version=f"aligndbg {aligndbg.__version__}")
    _add_run_options(parser)
    parser.set_defaults(run="app:open_app")
    return parser


def _report_parser(parser: Parser) -> Parser:
    parser.add_argument("pairs", nargs="*", metavar="PAIR", help="default: every pair of the nearest models/ folder")
    _add_run_options(parser)
    _add_display(parser)
    parser.add_argument("--json", metavar="FILE", help="write the report as JSON; - is standard output")
    parser.add_argument("--md", metavar="FILE", help="write it as Markdown; - is standard output")
    parser.set_defaults(run="report:report")
    return parser


def _convert_parser(parser: Parser) -> Parser:
    parser.add_argument("pair", nargs="?", metavar="PAIR")
    parser.add_argument("-o", "--output", required=True, metavar="OUT.pdparams", help="the Paddle checkpoint to write")
    parser.add_argument("--plan", metavar="FILE.json", help="write the plan of the conversion; - is standard output")
    _add_run_options(parser)
    _add_display(parser)
    parser.set_defaults(run="convert:convert")
    return parser


def _pairs_parser(parser: Parser) -> Parser:
    actions = parser.add_subparsers(metavar="ACTION", parser_class=Parser)
    parser.set_defaults(run="pairs:list_all", json=False)
    listing = actions.add_parser("list", help="every pair that is found here")
    listing.add_argument("--json", action="store_true")
    listing.set_defaults(run="pairs:list_all")
    check = actions.add_parser("check", help="read pair.yaml and build both models, without a comparison")
    check.add_argument("names", nargs="*", metavar="PAIR")
    check.set_defaults(run="pairs:check")
    new = actions.add_parser("new", help="make models/NAME/ with a pair.yaml and two model files to fill in")
    new.add_argument("name", metavar="NAME")
    new.set_defaults(run="pairs:new")
    return parser


def _sessions_parser(parser: Parser) -> Parser:
    actions = parser.add_subparsers(metavar="ACTION", parser_class=Parser)
    parser.set_defaults(run="sessions:list_all", json=False, sessions=None)
    listing = actions.add_parser("list", help="newest first")
    listing.add_argument("--json", action="store_true")
    listing.set_defaults(run="sessions:list_all")
    show = actions.add_parser("show", help="open a session in the app; print it where there is no terminal")
    show.add_argument(
        "session", metavar="SESSION", nargs="?", default="latest", help="name, unambiguous part of it, path, or latest"
    )
    show.add_argument("--text", action="store_true", help="print it")
    show.set_defaults(run="sessions:show")
    export = actions.add_parser("export", help="the stored report as JSON or Markdown")
    export.add_argument("session", metavar="SESSION")
    export.add_argument("--json", metavar="FILE", help="- is standard output")
    export.add_argument("--md", metavar="FILE", help="- is standard output")
    export.set_defaults(run="sessions:export")
    rm = actions.add_parser("rm", help="delete sessions")
    rm.add_argument("names", nargs="+", metavar="SESSION")
    rm.set_defaults(run="sessions:remove_all")
    for action in (parser, listing, show, export, rm):
        action.add_argument("--sessions", metavar="DIR", default=argparse.SUPPRESS, help="where the sessions are")
    return parser


def _jobs_parser(parser: Parser) -> Parser:
    actions = parser.add_subparsers(metavar="ACTION", parser_class=Parser)
    parser.set_defaults(run="jobs:list_all", json=False, jobs=None)
    listing = actions.add_parser("list", help="newest first")
    listing.set_defaults(run="jobs:list_all")
    show = actions.add_parser("show", help="command, state, processes and logs of a job")
    show.set_defaults(run="jobs:show")
    logs = actions.add_parser("logs", help="print what a job said")
    logs.add_argument("-f", "--follow", action="store_true", help="until it ends; the exit code is 1 if it failed")
    logs.add_argument("-n", "--lines", type=int, metavar="N", help="the last N lines; default: all")
    logs.add_argument("--rank", type=int, metavar="N", help="of one rank; default: what the launcher and rank 0 said")
    logs.set_defaults(run="jobs:logs")
    attach = actions.add_parser("attach", help="a job's curves and logs in the app; leaving leaves it running")
    attach.add_argument("--text", action="store_true", help="print what it says instead, until ctrl+c")
    attach.set_defaults(run="jobs:attach")
    watch = actions.add_parser("watch", help="follow a job's metrics under rules; the exit code is 1 if one is broken")
    watch.add_argument("--target", type=float, metavar="TOP1", help="in percent: the best top-1 is to reach it and 0.2 more")
    watch.add_argument("--epochs", type=int, metavar="N", help="how many the run will have")
    watch.add_argument("--classes", type=int, metavar="N", help="what chance is (default: as the job says, else 1000)")
    watch.add_argument(
        "--silent", type=float, default=600.0, metavar="SECONDS", help="so long a rank may say nothing (default: 600)"
    )
    watch.add_argument("--json", action="store_true", help="one object for each broken rule")
    watch.set_defaults(run="jobs_watch:watch")
    for action in (show, logs, attach, watch):
        action.add_argument(
            "job", metavar="JOB", nargs="?", default="latest", help="id, unambiguous part of it, path, or latest (the default)"
        )
    stop = actions.add_parser("stop", help="end every process of a job, ranks included")
    stop.add_argument("names", nargs="+", metavar="JOB")
    stop.add_argument("--grace", type=float, default=10.0, metavar="SECONDS", help="between SIGTERM and SIGKILL (default: 10)")
    stop.set_defaults(run="jobs:stop")
    rm = actions.add_parser("rm", help="delete jobs that are over, logs included")
    rm.add_argument("names", nargs="+", metavar="JOB")
    rm.set_defaults(run="jobs:remove_all")
    start = actions.add_parser("run", help="start a program as a job: aligndbg jobs run -- PROGRAM ARGUMENT ...")
    start.add_argument("--title", metavar="WORDS")
    start.add_argument("--ranks", type=int, default=1, metavar="N", help="how many processes the program will start (default: 1)")
    start.add_argument("--cwd", metavar="DIR", help="where it runs; default: here")
    start.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- PROGRAM ARGUMENT ...")
    start.set_defaults(run="jobs:run")
    for action in (parser, listing, show, logs, attach, watch, stop, rm, start):
        action.add_argument("--jobs", metavar="DIR", default=argparse.SUPPRESS, help="where the jobs are")
    for action in (listing, show):
        action.add_argument("--json", action="store_true")
    return parser


def _paddleclas_parser(parser: Parser) -> Parser:
    actions = parser.add_subparsers(metavar="ACTION", parser_class=Parser, required=True)
    check = actions.add_parser("check", help="what a run with this config will stumble over; nothing is run")
    check.add_argument("config", metavar="CONFIG.yaml")
    check.add_argument("--ranks", type=int, default=1, metavar="N", help="how many processes it is to run in")
    check.add_argument("--device", choices=("auto", "cpu", "gpu"), default="auto", help="what it is to run on")
    check.add_argument("--checkout", metavar="DIR", help="the PaddleClas folder (default: the one around CONFIG.yaml)")
    check.add_argument("--cwd", metavar="DIR", help="the folder that paths of data start at (default: this one)")
    check.add_argument("--json", action="store_true")
    check.set_defaults(run="paddleclas:check")
    add_paddleclas_tools(actions)
    return parser


def _launch_parser(parser: Parser) -> Parser:
    parser.add_argument("pair", metavar="PAIR")
    parser.add_argument("what", choices=("eval", "train"), help="which command of the pair's `launch`")
    for name, words in (("config", "the recipe"), ("list", "the list of pictures"), ("data", "the folder of pictures")):
        parser.add_argument(f"--{name}", metavar="PATH", help=f"{words}, where the command asks for it")
    add_launch_options(parser)
    parser.set_defaults(run="launch:launch")
    return parser


def _eval_parser(parser: Parser) -> Parser:
    parser.add_argument("pair", nargs="?", metavar="PAIR")
    data = parser.add_argument_group("the pictures")
    data.add_argument("--list", metavar="FILE", help="`PATH LABEL` a line; default: eval.list of pair.yaml")
    data.add_argument("--delimiter", metavar="TEXT", help="before the labels of a list (default: tab, comma, ; | or blank)")
    data.add_argument(
        "--data", metavar="DIR", help="where its paths start; without a list: folders of classes, or ILSVRC2012's files"
    )
    data.add_argument("--limit", type=int, metavar="N", help="only the first N")
    data.add_argument("--every", type=int, default=1, metavar="K", help="only every K-th, before --limit counts")
    data.add_argument("--own-preprocess", action="store_true", help="each side's own preprocessing, not the same tensors on both")
    data.add_argument("--causes", type=int, default=0, metavar="N", help="that, and on N pictures what each of its settings costs")
    run = parser.add_argument_group("the run")
    run.add_argument("--side", choices=("both", "torch", "paddle"), default="both", help="either side alone (default: both)")
    run.add_argument("--batch-size", type=int, metavar="N", help="default: eval.batch_size of pair.yaml")
    run.add_argument("--workers", type=int, metavar="N", help="processes that decode (default: one for each core, 16 at most)")
    run.add_argument("--nproc", type=int, default=1, metavar="N", help="ranks of each side, under its framework's launcher")
    run.add_argument("--nnodes", type=int, default=1, metavar="N", help="machines with so many ranks each, on a shared disk")
    run.add_argument("--master", default="", metavar="HOST:PORT", help="where they meet; torch takes the next port")
    run.add_argument(
        "--resume", nargs="?", const="", metavar="SESSION", help="go on with the newest one that was stopped, or with this one"
    )
    run.add_argument("--onnx", metavar="FILE.onnx", help="with --paddle and without a torch model: the reference")
    _add_pair_options(parser)
    _add_display(parser)
    parser.add_argument("--json", metavar="FILE", help="write the result as JSON; - is standard output")
    parser.add_argument("--md", metavar="FILE", help="write it as Markdown; - is standard output")
    parser.set_defaults(run="evaluate:evaluate")
    return parser


def _triage_parser(parser: Parser) -> Parser:
    add_triage_options(parser)
    return parser


def _train_parser(parser: Parser) -> Parser:
    parser.add_argument("pair", metavar="PAIR")
    parser.add_argument("--recipe", metavar="FILE.yaml", help="in PaddleClas's schema since 2.2 (default: the pair's own)")
    parser.add_argument("-o", dest="overrides", action="append", default=[], metavar="KEY=VALUE", help="in place of the recipe's")
    parser.add_argument("--data", metavar="DIR", help="train on the pictures in DIR: one folder a class, or with --list")
    parser.add_argument("--list", metavar="FILE", help="`PATH LABEL` a line, paths relative to --data")
    parser.add_argument("--nproc", type=int, default=1, metavar="N", help="how many processes (default: 1)")
    parser.add_argument("--device", choices=("auto", "cpu", "gpu"), default="auto", help="default: the recipe's, where it is there")
    parser.add_argument("--devices", dest="gpus", default="", metavar="0,1", help="which GPUs, one for each process")
    parser.add_argument("--master", default="", metavar="HOST:PORT", help="where several machines meet")
    parser.add_argument("--nnodes", dest="nodes", default="", metavar="N", help="how many machines; start it on each of them")
    parser.add_argument("--output", metavar="DIR", help="where checkpoints go (default: the recipe's, else the job's folder)")
    parser.add_argument(
        "--resume", nargs="?", const="", metavar="DIR|JOB", help="go on from `latest`; default: of --output, or the last training"
    )
    parser.add_argument("--target-top1", type=float, metavar="PERCENT", help="what `jobs watch` holds it against")
    parser.add_argument("--stop-on-nan", action="store_true", help="end the run where the loss is not finite")
    parser.add_argument("--dry-run", action="store_true", help="print the exact command; start nothing")
    parser.add_argument("--detach", action="store_true", help="print the job's id and leave; default: follow its log")
    parser.add_argument("--jobs", metavar="DIR", default=None, help="where the jobs are")
    parser.set_defaults(run="train:train")
    return parser


def _doctor_parser(parser: Parser) -> Parser:
    for side in ("torch", "paddle"):
        parser.add_argument(f"--{side}-python", metavar="PYTHON", help=f"the interpreter that has {side}")
    parser.set_defaults(run="doctor:doctor")
    return parser


def _serve_parser(parser: Parser) -> Parser:
    parser.add_argument("pair", nargs="?", metavar="PAIR")
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--port", type=int, default=8000)
    parser.set_defaults(run="serve:serve")
    return parser


def _add_pair_options(parser: Parser) -> None:
    """What every run on a pair takes."""
    adhoc = parser.add_argument_group("a pair without a file")
    adhoc.add_argument("--torch", metavar="MODULE:CALLABLE", help="the torch model; FILE.py:CALLABLE too")
    adhoc.add_argument("--paddle", metavar="MODULE:CALLABLE", help="its port")
    pair = parser.add_argument_group("in place of what pair.yaml says")
    pair.add_argument("--shape", metavar="1,3,224,224", help="the input's shape")
    pair.add_argument("--seed", type=int, help="of random inputs and weights")
    pair.add_argument("--weights", metavar="SOURCE", help="auto, pretrained, kaiming, default or a file")
    pair.add_argument("--torch-python", metavar="PYTHON", help="the interpreter of the torch side")
    pair.add_argument("--paddle-python", metavar="PYTHON", help="the interpreter of the Paddle side")
    pair.add_argument("--device", default="cpu", metavar="cpu|gpu:0")
    pair.add_argument("--sessions", metavar="DIR", help="where the run is stored")


def _add_run_options(parser: Parser) -> None:
    _add_pair_options(parser)
    run = parser.add_argument_group("the comparison")
    run.add_argument(
        "--input",
        action="append",
        metavar="KIND",
        help="ones, zeros, randn, rand, FILE.npy, FILE.npz or a picture; given several times, the verdicts are the worst over all",
    )
    run.add_argument("--atol", type=float, help="an element agrees within atol + rtol * |torch|")
    run.add_argument("--rtol", type=float)
    for name, words in DEPTHS.items():
        run.add_argument(f"--{name}", action=argparse.BooleanOptionalAction, default=True, help=words)
    run.add_argument(
        "--onnx",
        nargs="?",
        const="",
        default="",
        metavar="FILE.onnx",
        help="ask ONNX Runtime, which tells who is wrong, about the exported torch model or about this file; with --paddle and "
        "without a torch model, the file is the reference",
    )
    run.add_argument("--no-onnx", dest="onnx", action="store_const", const=None)
    run.add_argument(
        "--what-if",
        action="append",
        default=[],
        metavar="LAYER:ID",
        help="run again with the fix of this finding at work in the live Paddle model, its source untouched; several times, or all",
    )


def _add_display(parser: Parser) -> None:
    parser.add_argument("--display", choices=KINDS, default="auto", help="progress on standard error (default: auto)")


_PARSERS = {
    "report": _report_parser,
    "convert": _convert_parser,
    "eval": _eval_parser,
    "triage": _triage_parser,
    "pairs": _pairs_parser,
    "sessions": _sessions_parser,
    "jobs": _jobs_parser,
    "train": _train_parser,
    "launch": _launch_parser,
    "paddleclas": _paddleclas_parser,
    "doctor": _doctor_parser,
    "serve": _serve_parser,
}
