"""The options of `aligndbg triage`."""

from __future__ import annotations

from argparse import ArgumentParser

SHEET = "triage.html"
"""Where `--html` without a name writes to."""


def add_triage_options(parser: ArgumentParser) -> None:
    parser.add_argument("session", nargs="?", metavar="SESSION", help="an evaluation, or a pair: its latest (default: the latest)")
    parser.add_argument(
        "--by", choices=("flips", "max", "kl", "position"), default="flips", help="what comes first (default: flips, then by KL)"
    )
    parser.add_argument(
        "--filter", metavar="QUERY", help="as in the app: flip, only:torch, kl>0.1, label:tabby, part of a name, ..."
    )
    parser.add_argument("--data", metavar="DIR", help="where the pictures are, if not where they were")
    parser.add_argument("--sessions", metavar="DIR", help="where the sessions are")
    shown = parser.add_argument_group("without the app")
    shown.add_argument("--top", type=int, metavar="N", help="only the first N (default: 20 of the text, all of a file)")
    shown.add_argument("--html", nargs="?", const=SHEET, metavar="FILE", help=f"a contact sheet (default: {SHEET})")
    shown.add_argument("--csv", metavar="FILE", help="a table; - is standard output")
    shown.add_argument("--list", metavar="FILE", help="`PATH LABEL` a line, for `aligndbg eval --list`; - is standard output")
    shown.add_argument("--json", metavar="FILE", help="data; - is standard output")
    app = parser.add_argument_group("in the app")
    app.add_argument("--images", choices=("halfcell", "kitty", "sixel"), help="how pictures are drawn (default: halfcell)")
    parser.set_defaults(run="triage:triage")
