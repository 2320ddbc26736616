"""`aligndbg serve`: the app in a browser, by textual-serve."""

from __future__ import annotations

import importlib.util
import shlex
import sys
from argparse import Namespace

from aligndbg.errors import EnvironmentFault, UsageError
from aligndbg.pairs.discovery import find_pair


def serve(options: Namespace) -> int:
    if not 0 < options.port < 65536:
        raise UsageError(f"--port: expected 1 to 65535, found {options.port}")
    if options.pair:
        find_pair(options.pair)
    if importlib.util.find_spec("textual_serve") is None:
        raise EnvironmentFault("textual-serve is not installed", f"{sys.executable} -m pip install textual-serve")
    from textual_serve.server import Server

    # textual-serve takes a line and splits it as a shell would.
    command = shlex.join([sys.executable, "-m", "aligndbg", *([options.pair] if options.pair else [])])
    Server(command, host=options.host, port=options.port, title="aligndbg").serve()
    return 0
