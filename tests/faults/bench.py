"""The fault bench: plant faults in Paddle models, compare each with torch, and score what aligndbg says of it.

    python tests/faults/bench.py --faults 300 [--count 2] [--architecture NAME] [--kind ID] [--verbose]

Located: at each planted fault a layer is told as born, and nowhere else. Named: a finding there, tried and found, has the fault's
id. Faults that no forward in eval shows count apart: they are told where a warning at the layer has the id.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
from architectures import ARCHITECTURES, FOLDER, Architecture

from aligndbg.core.findings import Finding, Status
from aligndbg.core.layers import LayerPair
from aligndbg.core.verdict import LayerResult, Verdict
from aligndbg.datasets.inputs import make_inputs
from aligndbg.errors import AligndbgError, ChildDied
from aligndbg.frameworks import wire
from aligndbg.frameworks.client import Child
from aligndbg.pairs.adhoc import adhoc_pair
from aligndbg.pairs.schema import InputSpec, PairSpec
from aligndbg.settings import MIB
from aligndbg.workflows.causes import Causes
from aligndbg.workflows.inspect import tolerances_of
from aligndbg.workflows.preparation import prepare
from aligndbg.workflows.reporting import compare_outputs
from aligndbg.workflows.sides import Sides, open_sides
from aligndbg.workflows.stop import Stop
from aligndbg.workflows.trial import Trial, Verdicts


@dataclass(frozen=True, slots=True)
class Fault:
    """What was planted; see plants.Planted."""

    id: str
    layer: tuple[str, ...]
    where: str
    shows: bool
    note: str
    also: tuple[str, ...]

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Fault:
        return cls(raw["id"], tuple(raw["layer"]), raw["where"], raw["shows"], raw["note"], tuple(raw.get("also", ())))

    @property
    def names(self) -> set[str]:
        """The ids that are right."""
        return {self.id, *self.also}


@dataclass(frozen=True, slots=True)
class Told:
    """What aligndbg says of one model."""

    layers: tuple[LayerPair, ...]
    results: Mapping[int, LayerResult]
    findings: tuple[Finding, ...]
    aligned: bool
    seconds: float


@dataclass
class Score:
    planted: int = 0
    located: int = 0
    named: int = 0
    alarms: int = 0
    hidden: int = 0
    told: int = 0
    misses: list[str] = field(default_factory=list)


class Scores(dict[str, Score]):
    """By id; one that is asked for the first time is empty."""

    def __missing__(self, key: str) -> Score:
        return self.setdefault(key, Score())


class Nothing:
    """Keeps no tensors."""

    def offer(self, *given: Any) -> None:
        return None


class Bench:
    """One architecture: its children are started once."""

    def __init__(self, architecture: Architecture, sides: Sides, start: Any, pair: PairSpec) -> None:
        self._architecture = architecture
        self._sides = sides
        self._start = start
        self._pair = pair
        self._golden: Child | None = None
        self.names: dict[str, str] = {}

    def look(self, kwargs: Mapping[str, Any]) -> Told:
        started = time.perf_counter()
        pair = replace(self._pair, paddle=replace(self._pair.paddle, kwargs=kwargs))
        sides = Sides(self._again, pair, lambda event: None)
        inputs, _ = make_inputs(pair)
        prepared = prepare(pair, sides, inputs, "cpu", lambda event: None, Stop())
        causes = Causes(prepared.layers, lambda event: None)
        verdicts = Verdicts(lambda result: None)
        trial = Trial(sides, prepared, inputs, tolerances_of(pair.tolerance), verdicts, Nothing())
        comparison = trial.compare()
        golden = sides.start_golden()
        sides.fill_golden(golden, "cpu")
        found = trial.locate(golden, True)
        if "golden" in found.failures:
            raise found.failures["golden"]
        _, agrees = compare_outputs(comparison.torch_outputs, comparison.paddle_outputs, (), 1e-4, 0.0)
        trial.conclude(not agrees)
        causes.tell(trial.diagnose(()), trial.layers, verdicts.results)
        aligned = agrees and not any(result.mismatch for result in verdicts.results.values())
        return Told(trial.layers, verdicts.results, causes.findings, aligned, time.perf_counter() - started)

    def _again(self, side: str) -> Child:
        """The child that runs already; it is asked for one answer, which those who start one wait for."""
        child = {"torch": self._sides.torch, "paddle": self._sides.paddle}.get(side) or self._golden
        if child is None:
            child = self._golden = self._start(side)
            return child
        child.send(wire.Sync())
        return child


@contextlib.contextmanager
def opened(architecture: Architecture, folder: Path) -> Iterator[Bench]:
    pair = adhoc_pair(architecture.torch, f"{FOLDER}/faulty.py:build")
    pair = replace(
        pair,
        torch=replace(pair.torch, kwargs=architecture.torch_kwargs),
        input=InputSpec(shape=architecture.shape, kind="randn"),
        weights=replace(pair.weights, source="kaiming"),
    )
    with open_sides(pair, folder, 64 * MIB, lambda event: None, Stop()) as sides:
        sides.wait_ready()
        yield Bench(architecture, sides, sides._start, pair)


def names_of(layers: Sequence[LayerPair]) -> dict[str, set[str]]:
    """torch's paths -> Paddle's; a call that stands for two has both."""
    names: dict[str, set[str]] = {}
    for before, row in zip((None, *layers), layers, strict=False):
        if row.torch and row.paddle:
            half = {before.paddle.path} if before and before.match == "fused" and before.paddle else set()
            names[row.torch.path] = {row.paddle.path} | half
            if before and before.match == "fused" and before.torch:
                names[before.torch.path] = {row.paddle.path}
    return names


def calls_of(row: LayerPair, names: Mapping[str, set[str]], told: Told) -> set[str]:
    """The Paddle paths of the healthy model that a row stands for; of an extra call also those that it follows."""
    found = {row.paddle.path} if row.paddle else set()
    if row.torch:
        found |= names.get(row.torch.path, {row.torch.path})
    if row.paddle and row.torch is None:
        paddle = {each.paddle.index: each.paddle for each in told.layers if each.paddle}
        paired = {each.paddle.index for each in told.layers if each.paddle and each.torch}
        todo = [row.paddle]
        found |= {each.path for each in paddle.values() if any(ref.producer == row.paddle.index for ref in each.inputs)}
        while todo:
            for ref in todo.pop().inputs:
                if (source := paddle.get(ref.producer)) is not None:
                    found.add(source.path)
                    if source.index not in paired:
                        todo.append(source)
    return found


def belongs(paths: set[str], fault: Fault) -> bool:
    return any(path == own or path.startswith(f"{own}.") for path in paths for own in fault.layer)


def score(faults: Sequence[Fault], told: Told, names: Mapping[str, set[str]], scores: Mapping[str, Score], title: str) -> None:
    rows = {row.path: row for row in told.layers}
    born = [row for row in told.layers if told.results[row.index].mismatch and told.results[row.index].verdict is Verdict.BORN]
    places = {row.path: calls_of(row, names, told) for row in born}
    shown = [fault for fault in faults if fault.shows]
    strays = [row.path for row in born if not any(belongs(places[row.path], fault) for fault in shown)]
    for fault in faults:
        mine = scores[fault.id]
        words = f"{title} {fault.id} at {', '.join(fault.layer)} ({fault.where}; {fault.note})"
        at_layer = [
            finding
            for finding in told.findings
            if belongs(places.get(finding.layer) or calls_of(rows[finding.layer], names, told), fault)
        ]
        ids = [finding.id for finding in at_layer if finding.status is Status.FOUND]
        # A layer may be wrong and what follows it make good for that: a ReLU before a ReLU.
        if not fault.shows or (told.aligned and len(shown) == 1):
            mine.hidden += 1
            warned = any(finding.id in fault.names for finding in at_layer if finding.status is Status.WARNING)
            mine.told += warned
            if not warned:
                mine.misses.append(f"{words}: not told by attribute; at the layer: {[finding.id for finding in at_layer]}")
            continue
        mine.planted += 1
        located = any(belongs(paths, fault) for paths in places.values())
        mine.located += located and not strays
        mine.named += bool(fault.names & set(ids))
        if not located or strays:
            mine.misses.append(f"{words}: NOT LOCATED; born: {[row.path for row in born]}")
        if not fault.names & set(ids):
            messages = [f"{finding.id}: {finding.message} {finding.hints}" for finding in at_layer]
            mine.misses.append(f"{words}: NOT NAMED; {messages or 'no finding there'}")
    if not shown and born:
        scores["(healthy)"].alarms += 1
        scores["(healthy)"].misses.append(f"{title}: false alarm at {[row.path for row in born]}")


def table(scores: Mapping[str, Score]) -> str:
    lines = [f"{'fault':<20}{'planted':>8}{'located':>8}{'named':>8}{'hidden':>8}{'told':>6}"]
    for id_, each in sorted(scores.items()):
        if each.planted or each.hidden:
            lines.append(f"{id_:<20}{each.planted:>8}{each.located:>8}{each.named:>8}{each.hidden:>8}{each.told:>6}")
    planted, located, named = (sum(getattr(each, name) for each in scores.values()) for name in ("planted", "located", "named"))
    hidden, told = (sum(getattr(each, name) for each in scores.values()) for name in ("hidden", "told"))
    lines.append(f"{'all':<20}{planted:>8}{located:>8}{named:>8}{hidden:>8}{told:>6}")
    if planted:
        lines.append(f"located {located / planted:.1%}, named {named / planted:.1%} of what a forward shows")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=39, help="models with faults, spread over the architectures")
    parser.add_argument("--count", type=int, default=1, help="faults in each model")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--architecture", action="append", choices=sorted(ARCHITECTURES))
    parser.add_argument("--kind", action="append", help="only faults of this id")
    parser.add_argument("--verbose", action="store_true", help="one line for each model")
    given = parser.parse_args()
    wanted = given.architecture or list(ARCHITECTURES)
    scores = Scores()
    skipped: Counter[str] = Counter()
    seconds = []
    started = time.perf_counter()
    shares = {name: len(range(place, given.faults, len(wanted))) for place, name in enumerate(wanted)}
    with tempfile.TemporaryDirectory() as folder:
        note = Path(folder) / "truth.json"
        for name in wanted:
            with opened(ARCHITECTURES[name], Path(folder)) as bench:
                healthy = bench.look({"architecture": name, "seed": 0, "count": 0})
                names = names_of(healthy.layers)
                score((), healthy, names, scores, name)
                for seed in range(given.seed, given.seed + shares[name]):
                    kwargs = {"architecture": name, "seed": seed, "count": given.count, "note": str(note)}
                    try:
                        told = bench.look(kwargs | ({"kinds": given.kind} if given.kind else {}))
                    except AligndbgError as error:
                        if "found a place" in error.message or "has a place" in error.message:
                            skipped[name] += 1
                            continue
                        scores["(error)"].misses.append(f"{name}/{seed}: {error.message}")
                        words = getattr(error, "last_words", "")
                        print(f"{name}/{seed}: {error.message}\n{words}", file=sys.stderr, flush=True)
                        if isinstance(error, ChildDied):
                            break
                        continue
                    faults = [Fault.read(each) for each in json.loads(note.read_text())]
                    score(faults, told, names, scores, f"{name}/{seed}")
                    seconds.append(told.seconds)
                    if given.verbose:
                        found = [(finding.layer, finding.id) for finding in told.findings if finding.status is not Status.WARNING]
                        print(
                            f"{name}/{seed} {told.seconds:.1f} s: {[fault.id for fault in faults]} -> {found}",
                            file=sys.stderr,
                            flush=True,
                        )
    print(table(scores))
    for each in scores.values():
        for miss in each.misses:
            print(f"- {miss}")
    alarms = scores["(healthy)"].alarms
    print(f"{alarms} false alarms on {len(wanted)} healthy models and on faults that no forward shows")
    print(f"{sum(skipped.values())} draws without a place")
    median = np.median(seconds) if seconds else 0.0
    print(f"{time.perf_counter() - started:.0f} s, {median:.2f} s a model in the median")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
