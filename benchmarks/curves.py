"""What curves cost on the screen: to take samples in, to read the curves for the screen, to draw them; beside a bare list.

    python benchmarks/curves.py [--samples 1000 10000 1000000] [--ranks 1]

Curves keep a bounded number of points, and of those two a column are drawn: reading and drawing a million samples is to cost
little more than ten thousand. What is taken in is compared with appending as many pairs to a list, the rest with the fewest
samples; the last row is the share of the time that a screen takes which is read and drawn twice a second.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import random
from collections.abc import Callable, Iterator
from statistics import median
from time import perf_counter

from rich.console import Console
from rich.table import Table
from textual.app import App, ComposeResult

from aligndbg.jobs.metrics import Sample
from aligndbg.jobs.series import Curves
from aligndbg.tui.theme import DARK
from aligndbg.tui.widgets.curve_lines import lines_of, scale_of
from aligndbg.tui.widgets.curves import CAPACITY, CurvesPane

SIZE = (120, 40)
EPOCHS = 20
TIMES = 9
FRAME = 0.5
"""Seconds between two drawings while a job runs."""


def samples(count: int, ranks: int) -> Iterator[Sample]:
    """A training with evaluations; `count` steps in all, shared by the ranks."""
    chance = random.Random(0)
    steps = max(1, count // ranks // EPOCHS)
    for epoch in range(EPOCHS):
        for step in range(steps):
            loss = 1.5 + 5.4 * math.exp(-4 * (epoch + step / steps) / EPOCHS) + chance.gauss(0, 0.1)
            for rank in range(ranks):
                own = rank if ranks > 1 else None
                yield Sample(0, None, own, "train", float(epoch), step, steps, {"loss": loss, "lr": 0.1, "top1": 50.0})
        yield Sample(0, None, None, "eval", float(epoch), None, None, {"loss": 7.0 * math.exp(-epoch / EPOCHS), "top1": 40.0})


def timed(work: Callable[[], object]) -> float:
    begun = perf_counter()
    work()
    return perf_counter() - begun


def listed(count: int) -> float:
    points: list[tuple[int, float]] = []
    return timed(lambda: [points.append((step, 1.0)) for step in range(count)])


def read(curves: Curves, by_rank: bool) -> object:
    scale = scale_of(curves, "loss")
    return [line.thinned(SIZE[0]) for line in lines_of(curves, "loss", "epoch", by_rank, scale)]


class Shown(App[None]):
    def compose(self) -> ComposeResult:
        self.register_theme(DARK)
        self.theme = DARK.name
        yield CurvesPane()


async def drawn(curves: Curves, by_rank: bool) -> tuple[float, float]:
    """Seconds to draw a curve that has changed, and to look at one that has not."""
    app = Shown()
    async with app.run_test(size=SIZE) as pilot:
        pane = app.query_one(CurvesPane)
        pane.by_rank = by_rank
        pane.show(curves, reference=curves)
        await pilot.pause(0.2)
        assert len(pane.plot.picture.lines) > 1
        pane._read()
        unchanged = median(timed(pane._read) for _ in range(TIMES))
        whole = median(timed(lambda: (pane.plot._redraw(), pane.plot._render_plot())) for _ in range(TIMES))
        return whole, unchanged


def measure(counts: list[int], ranks: int) -> Table:
    table = Table("", *(f"{count:,}" for count in counts), title=f"samples of {ranks} rank{'s' * (ranks > 1)}")
    taken, shares = [], []
    rows: dict[str, list[float]] = {"read": [], "drawn": [], "looked at, unchanged": []}
    for count in counts:
        made, curves = list(samples(count, ranks)), Curves(CAPACITY)
        seconds = timed(lambda: [curves.add(sample) for sample in made])  # noqa: B023
        taken.append(f"{1e6 * seconds / len(made):.1f} µs each, {seconds / listed(len(made)):.0f}×")
        reading = median(timed(lambda: read(curves, ranks > 1)) for _ in range(TIMES))  # noqa: B023
        drawing, unchanged = asyncio.run(drawn(curves, ranks > 1))
        for row, value in zip(rows.values(), (reading, drawing, unchanged), strict=True):
            row.append(value)
        shares.append(f"{(reading + drawing) / FRAME:.1%}")
    table.add_row("taken in, beside a list", *taken)
    for name, row in rows.items():
        table.add_row(name, *(f"{1000 * seconds:.1f} ms, {seconds / row[0]:.1f}×" for seconds in row))
    table.add_row("of the time", *shares)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, nargs="+", default=[1000, 10_000, 1_000_000], help="steps (1000 10000 1000000)")
    parser.add_argument("--ranks", type=int, default=1, help="ranks that they are of (1)")
    options = parser.parse_args()
    Console().print(measure(options.samples, options.ranks))


if __name__ == "__main__":
    main()
