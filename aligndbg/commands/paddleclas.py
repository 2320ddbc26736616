"""`aligndbg paddleclas check CONFIG`: what will not work, before it is run."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path

from aligndbg.errors import UsageError
from aligndbg.jobs.paddleclas import GPU_DEVICE, Problem, Setting, check_config, checkout_of, read_config, worst_level
from aligndbg.report.document import Block, Span, line
from aligndbg.report.terminal import write


def check(options: Namespace) -> int:
    if options.ranks < 1:
        raise UsageError(f"--ranks: expected 1 or more, found {options.ranks}")
    path = Path(options.config).expanduser()
    config = read_config(path)
    checkout = Path(options.checkout).expanduser() if options.checkout else checkout_of(path)
    if checkout is not None and not (checkout / "ppcls").is_dir():
        raise UsageError(f"--checkout: {checkout} is no PaddleClas checkout", "name the folder that holds ppcls/")
    gpu = GPU_DEVICE.exists() if options.device == "auto" else options.device == "gpu"
    problems = check_config(config, Setting(options.ranks, gpu, checkout, Path(options.cwd or ".")))
    if options.json:
        sys.stdout.write(json.dumps([asdict(problem) for problem in problems], indent=1) + "\n")
    else:
        write(tuple(_blocks(path, problems, checkout)), sys.stdout)
    return 1 if worst_level(problems) == "error" else 0


def _blocks(path: Path, problems: tuple[Problem, ...], checkout: Path | None) -> list[Block]:
    blocks = problem_blocks(problems)
    if checkout is None:
        blocks.append(line(Span("the model's own arguments were not looked at: --checkout DIR names the PaddleClas folder", "dim")))
    if not problems:
        blocks.append(line(Span(f"✓ {path}: nothing against it", "good")))
    return blocks


def problem_blocks(problems: tuple[Problem, ...]) -> list[Block]:
    blocks: list[Block] = []
    for problem in problems:
        mark = Span("✗ error    ", "bad") if problem.level == "error" else Span("▲ warning  ", "warn")
        blocks.append(line(mark, f"{problem.key}: {problem.message}"))
        if problem.fix:
            blocks.append(line(Span("  try: ", "dim"), problem.fix))
    return blocks
