"""Paddle models with known faults: `build` is what a comparison calls, `planted` tells what is wrong with what it returns.

python tests/faults/faulty.py --list 40
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import paddle
from architectures import ARCHITECTURES
from paddle import nn
from plants import Field, Planted, sow

from aligndbg.frameworks.loading import build_model


def build(architecture: str, seed: int, count: int = 1, kinds: Sequence[str] | None = None, note: str | None = None) -> nn.Layer:
    """The Paddle model of `architecture` with `count` faults, drawn by `seed` among `kinds`; 0 faults leave it healthy.

    `note` is a path that gets the faults as JSON, one object per fault with the fields of `Planted`. Raises KeyError for an
    unknown architecture, ValueError where the faults find no place.
    """
    field = _field(architecture, seed, count, kinds)
    if note is not None:
        Path(note).write_text(json.dumps([dataclasses.asdict(fault) for fault in field.planted], indent=1) + "\n")
    return field.edits.model


def planted(architecture: str, seed: int, count: int = 1, kinds: Sequence[str] | None = None) -> tuple[Planted, ...]:
    """The faults of the model that `build` returns for the same arguments."""
    return tuple(_field(architecture, seed, count, kinds).planted)


def healthy(architecture: str) -> nn.Layer:
    """The Paddle model without any fault."""
    item = ARCHITECTURES[architecture]
    model: nn.Layer = build_model(item.paddle, item.paddle_kwargs, Path(), nn.Layer)
    return model


def draws() -> Iterator[tuple[str, int]]:
    """Architectures and seeds without end: all architectures in turn, each time with the next seed."""
    for seed in itertools.count():
        for name in ARCHITECTURES:
            yield name, seed


def _field(architecture: str, seed: int, count: int, kinds: Sequence[str] | None) -> Field:
    paddle.seed(0)
    return sow(healthy(architecture), ARCHITECTURES[architecture].shape, seed, count, kinds, zlib.crc32(architecture.encode()))


def main() -> None:
    parser = argparse.ArgumentParser(description="Print draws of the fault bench as a table.")
    parser.add_argument("--list", type=int, required=True, metavar="N", help="how many draws")
    parser.add_argument("--count", type=int, default=1, metavar="K", help="faults in each model")
    parser.add_argument("--architecture", action="append", choices=sorted(ARCHITECTURES), help="only this one; may be repeated")
    parser.add_argument("--kind", action="append", help="only faults of this id; may be repeated")
    given = parser.parse_args()
    wanted = given.architecture or list(ARCHITECTURES)
    for name, seed in itertools.islice((draw for draw in draws() if draw[0] in wanted), given.list):
        try:
            faults = planted(name, seed, given.count, given.kind)
        except ValueError as error:
            print(f"{name:<20}{seed:>4}  {error}", flush=True)
            continue
        for fault in faults:
            place = f"{' | '.join(fault.layer)} ({fault.where})"
            shown = f"{fault.effect:8.1e}" if fault.shows else "  hidden"
            print(f"{name:<20}{seed:>4}  {fault.id:<20}{shown}  {place:<60}{fault.note}", flush=True)


if __name__ == "__main__":
    main()
