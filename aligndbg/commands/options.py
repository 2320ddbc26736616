"""The options that several commands share, as pairs, settings and files."""

from __future__ import annotations

import re
import sys
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from aligndbg.commands import nearest_command
from aligndbg.errors import EnvironmentFault, UsageError
from aligndbg.pairs.adhoc import adhoc_pair, onnx_pair, with_overrides
from aligndbg.pairs.discovery import find_pair
from aligndbg.pairs.schema import PairSpec
from aligndbg.settings import Settings, load_settings
from aligndbg.workflows.inspect import Depth, Inspection

OVERRIDES = ("shape", "seed", "weights", "atol", "rtol", "torch_python", "paddle_python")
STDOUT = "-"


def settings_of(options: Namespace) -> Settings:
    """The machine's settings with `--sessions`."""
    settings = load_settings()
    folder = getattr(options, "sessions", None)
    if not folder:
        return settings
    path = Path(folder).expanduser().absolute()
    if path.exists() and not path.is_dir():
        raise UsageError(f"--sessions: {folder} is not a folder", "name a folder; it is made where it is missing")
    return replace(settings, sessions=path)


def pair_of(name: str | None, options: Namespace, settings: Settings) -> PairSpec:
    """The pair that is named, or that `--torch` and `--paddle` make, with the options in place of its own."""
    if name is None and options.onnx and options.paddle is not None and options.torch is None:
        kind = options.input[0] if options.input else None
        return on_this_machine(with_overrides(onnx_pair(options.onnx, options.paddle), input=kind, **overrides(options)), settings)
    if (options.torch is None) != (options.paddle is None):
        missing = "--paddle" if options.paddle is None else "--torch"
        raise UsageError(f"{missing} is missing: a pair without a file needs both models", f"{missing} MODULE:CALLABLE")
    if options.torch is not None:
        if name is not None:
            raise UsageError(f"{name!r} and --torch/--paddle both name a pair", "give one of them")
        spec = adhoc_pair(options.torch, options.paddle)
    elif name is None:
        raise UsageError("no pair is named", "`aligndbg pairs` lists them")
    else:
        spec = _named(name)
    kind = options.input[0] if options.input else None
    return on_this_machine(with_overrides(spec, input=kind, **overrides(options)), settings)


def on_this_machine(spec: PairSpec, settings: Settings) -> PairSpec:
    """`spec` with the machine's interpreters where the pair names none."""
    return replace(
        spec,
        torch=replace(spec.torch, python=spec.torch.python or settings.torch_python),
        paddle=replace(spec.paddle, python=spec.paddle.python or settings.paddle_python),
    )


def overrides(options: Namespace) -> dict[str, Any]:
    return {name: getattr(options, name) for name in OVERRIDES}


def depth_of(options: Namespace) -> Depth:
    if not options.onnx:
        return Depth(options.local, options.golden, options.onnx is not None, options.diagnose)
    path = Path(options.onnx).expanduser().absolute()
    if not path.is_file():
        raise UsageError(f"--onnx: {options.onnx} does not exist", "the path starts at the working folder")
    return Depth(options.local, options.golden, path, options.diagnose)


def given(options: Namespace) -> dict[str, Any]:
    """What the user asked for beside the pair, as a session keeps it."""
    asked = {name: value for name, value in {"input": options.input, **overrides(options)}.items() if value is not None}
    asked |= {name: False for name in ("local", "golden", "diagnose") if not getattr(options, name)}
    asked |= {"onnx": options.onnx or False} if options.onnx != "" else {}
    asked |= {"what_if": options.what_if} if options.what_if else {}
    return asked if options.device == "cpu" else {**asked, "device": options.device}


def device_of(options: Namespace) -> str:
    if not re.fullmatch(r"cpu|gpu(:\d{1,3})?", options.device):
        raise UsageError(f"--device: expected cpu, gpu or gpu:0, found {options.device!r}")
    return "gpu:0" if options.device == "gpu" else str(options.device)


def inspection(pair: PairSpec, options: Namespace, settings: Settings) -> Inspection:
    """The run that the options ask for."""
    if options.what_if and not (options.local and options.diagnose):
        raise UsageError("--what-if needs the findings of the run", "leave out --no-local and --no-diagnose")
    depth = depth_of(options)
    return Inspection(pair, settings, given(options), device_of(options), options.input or (), depth, options.what_if)


def check_targets(**files: str | None) -> None:
    """Refuse, before any work is done, results that cannot be written. UsageError names the option."""
    on_stdout = [name for name, file in files.items() if file == STDOUT]
    if len(on_stdout) > 1:
        raise UsageError(f"--{on_stdout[0]} - and --{on_stdout[1]} - would both write to standard output", "name a file for one")
    for name, file in files.items():
        if file and file != STDOUT:
            path = Path(file).expanduser()
            if path.is_dir():
                raise UsageError(f"--{name}: {file} is a folder", "name a file")
            if not path.absolute().parent.is_dir():
                raise UsageError(f"--{name}: there is no folder {path.parent}", "make it first")


def put(file: str, make: Callable[[], bytes]) -> None:
    """Write a result to a file or to standard output."""
    content = make()
    if file == STDOUT:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    try:
        Path(file).expanduser().write_bytes(content)
    except OSError as error:
        raise EnvironmentFault(f"{file} cannot be written: {error.strerror}") from None


def _named(name: str) -> PairSpec:
    try:
        return find_pair(name)
    except UsageError as error:
        if type(error) is UsageError and (command := nearest_command(name)):
            raise UsageError(error.message, f"did you mean the command {command}?") from None
        raise
