"""Options of the commands that start a job."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Protocol


class Actions(Protocol):
    """What `add_subparsers` returns."""

    def add_parser(self, name: str, *, help: str) -> ArgumentParser: ...


def add_launch_options(parser: ArgumentParser) -> None:
    """How many ranks, where, and what is done about problems."""
    parser.add_argument("--nproc", type=int, default=1, metavar="N", help="how many processes (default: 1)")
    parser.add_argument("--device", choices=("auto", "cpu", "gpu"), default="auto", help="what it runs on")
    parser.add_argument(
        "--devices", dest="gpus", default="", metavar="0,1", help="which GPUs, one for each process; default: the first ones"
    )
    parser.add_argument("--master", default="", metavar="HOST:PORT", help="where several machines meet")
    parser.add_argument("--nnodes", dest="nodes", default="", metavar="N", help="how many machines; start it on each of them")
    parser.add_argument("-o", dest="overrides", action="append", default=[], metavar="KEY=VALUE", help="in place of the config's")
    parser.add_argument("--output", default="", metavar="DIR", help="where it writes its checkpoints")
    parser.add_argument("--title", default="", metavar="WORDS")
    parser.add_argument("--dry-run", action="store_true", help="print the exact command and what speaks against it; start nothing")
    parser.add_argument("--force", action="store_true", help="start in spite of errors in the config")
    parser.add_argument("--jobs", metavar="DIR", default=None, help="where the jobs are")


def add_paddleclas_tools(actions: Actions) -> None:
    for tool, words in (("train", "training"), ("eval", "evaluation")):
        parser = actions.add_parser(tool, help=f"start PaddleClas's {words} in a checkout as a job")
        parser.add_argument("checkout", metavar="CHECKOUT", help="the folder that holds ppcls/ and tools/")
        parser.add_argument("-c", "--config", required=True, metavar="CONFIG.yaml", help="from the checkout or from here")
        parser.add_argument("--pair", metavar="PAIR", help="whose port it is; its target top-1 is watched")
        add_launch_options(parser)
        parser.set_defaults(run=f"launch:paddleclas_{tool}")
