"""A run without frameworks: SqueezeNet's 66 calls, compared with a port that has three faults, or none."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache

from aligndbg.core.findings import Finding, Proof, Status
from aligndbg.core.layers import Attribute, Call, LayerPair, ParamSpec, TensorRef, TensorSpec
from aligndbg.core.stats import Diff, DiffDetail, DiffStats, Heatmap, TensorStats, WorstElement
from aligndbg.core.verdict import LayerResult, Verdict
from aligndbg.weights.plan import WeightPlan, WeightRule
from aligndbg.workflows.events import (
    Downloading,
    Event,
    FindingMade,
    LayerDiffed,
    LayersPaired,
    Notice,
    RunEnded,
    RunStarted,
    SideProgress,
    SideReady,
    WeightsPlanned,
    WeightsReady,
)
from aligndbg.workflows.headline import headline
from aligndbg.workflows.report_model import LayerReport, OutputReport, Report, Timing, Unpaired, WeightsReport

PAIR = "broken/squeezenet1_0"

BORN = ("features.2", "features.5.squeeze_activation", "features.9.cat")


class FakeRun:
    """Hands out what it is given. `hold` makes it wait before the event of that place, until `go` or `cancel`."""

    def __init__(self, events: Iterable[Event], hold: int | None = None) -> None:
        self._events = list(events)
        self._hold = hold
        self._free = threading.Event()
        self.cancelled = False

    def events(self) -> Iterator[Event]:
        for place, event in enumerate(self._events):
            if place == self._hold:
                self._free.wait(20)
            if self.cancelled:
                return
            yield event
        if self._hold is not None and self._hold >= len(self._events):
            self._free.wait(20)

    def go(self) -> None:
        self._free.set()

    def cancel(self) -> None:
        self.cancelled = True
        self._free.set()


def conv(channels: int, kernel: int, stride: int = 1, padding: int = 0) -> dict[str, Attribute]:
    both = [kernel, kernel]
    return {
        "in_channels": 96,
        "out_channels": channels,
        "kernel_size": list(both),
        "stride": [stride, stride],
        "padding": [padding, padding],
        "dilation": [1, 1],
        "groups": 1,
        "padding_mode": "zeros",
        "bias": True,
    }


def pool(ceil: bool) -> dict[str, Attribute]:
    return {"kernel_size": [3, 3], "stride": [2, 2], "padding": [0, 0], "dilation": [1, 1], "ceil_mode": ceil}


def _calls() -> Iterator[tuple[str, str, str, str, tuple[int, ...], dict[str, Attribute]]]:
    """Path, kind, torch's and Paddle's type, shape, attributes."""
    size = 109
    yield "features.0", "conv2d", "Conv2d", "Conv2D", (1, 96, size, size), conv(96, 7, 2)
    yield "features.1", "relu", "ReLU", "ReLU", (1, 96, size, size), {"inplace": True}
    fires = {3: 16, 4: 16, 5: 32, 7: 32, 8: 48, 9: 48, 10: 64, 12: 64}
    for place in range(2, 13):
        if place not in fires:
            size = {2: 54, 6: 27, 11: 13}[place]
            channels = {2: 96, 6: 256, 11: 512}[place]
            yield f"features.{place}", "max_pool2d", "MaxPool2d", "MaxPool2D", (1, channels, size, size), pool(True)
            continue
        squeeze, expand = fires[place], 4 * fires[place]
        fire = f"features.{place}"
        yield f"{fire}.squeeze", "conv2d", "Conv2d", "Conv2D", (1, squeeze, size, size), conv(squeeze, 1)
        yield f"{fire}.squeeze_activation", "relu", "ReLU", "ReLU", (1, squeeze, size, size), {}
        for name, kernel in (("expand1x1", 1), ("expand3x3", 3)):
            yield f"{fire}.{name}", "conv2d", "Conv2d", "Conv2D", (1, expand, size, size), conv(expand, kernel, 1, kernel // 2)
            yield f"{fire}.{name}_activation", "relu", "ReLU", "ReLU", (1, expand, size, size), {}
        yield f"{fire}.cat", "concat", "cat", "concat", (1, 2 * expand, size, size), {"axis": 1}
    yield "classifier.0", "dropout", "Dropout", "", (1, 512, 13, 13), {"p": 0.5}
    yield "classifier.1", "conv2d", "Conv2d", "Conv2D", (1, 1000, 13, 13), conv(1000, 1)
    yield "classifier.2", "relu", "ReLU", "ReLU", (1, 1000, 13, 13), {}
    yield "classifier.3", "adaptive_avg_pool2d", "AdaptiveAvgPool2d", "AdaptiveAvgPool2D", (1, 1000, 1, 1), {"output_size": [1, 1]}
    yield "flatten", "flatten", "flatten", "flatten", (1, 1000), {"start_axis": 1}


@cache
def layers(broken: bool = True) -> tuple[LayerPair, ...]:
    rows = []
    last = TensorRef(-1, 0, TensorSpec((1, 3, 224, 224)))
    for index, (path, kind, torch, paddle, shape, attributes) in enumerate(_calls()):
        params = ()
        if kind == "conv2d":
            out = shape[1]
            params = (
                ParamSpec(f"{path}.weight", "weight", "oihw", TensorSpec((out, 96, 1, 1))),
                ParamSpec(f"{path}.bias", "bias", "o", TensorSpec((out,))),
            )
        one = Call(
            index, path, kind, torch, (TensorSpec(shape),), (last,), attributes, params, "models/squeezenet1_0/torch_model.py:42"
        )
        other = replace(one, type=paddle, source="models/broken/squeezenet1_0/paddle_model.py:57")
        if broken and path == "features.2":
            other = replace(other, attributes=pool(False))
        if path == "features.5.squeeze_activation" and broken:
            rows.append(LayerPair(index, one, None, "unpaired", "no Paddle call between its neighbours is a relu of this shape"))
        elif not paddle:
            rows.append(LayerPair(index, one, None, "unpaired", "Dropout does nothing in eval mode"))
        else:
            if path.startswith("features.12."):
                other = replace(other, path=path.replace("features.12", "final_fire"))
            reason = (
                "conv2d, same shape, same parameters, next in both orders"
                if kind == "conv2d"
                else f"{kind}, same shape, next in both orders"
            )
            rows.append(LayerPair(index, one, other, "type+order", reason))
        last = TensorRef(index, 0, TensorSpec(shape))
    return tuple(rows)


@cache
def diff(shape: tuple[int, ...], max_abs: float, nan: int = 0) -> Diff:
    """A plausible diff: errors spread over 12 powers of two under the largest, the worst of them along two borders."""
    count = 1
    for axis in shape:
        count *= axis
    plane = shape[2] if len(shape) == 4 else 1
    cells = min(plane, 64)
    values = tuple(
        max_abs if row == cells - 1 or column == cells - 1 else max_abs * 10 ** -(2 + (row * 7 + column * 3) % 5 / 2)
        for row in range(cells)
        for column in range(cells)
    )
    heatmap = Heatmap("height x width", (plane, plane), cells, cells, values) if cells > 1 else None
    exponents, first = (), 0
    if max_abs:
        top = -40
        while 2.0 ** (top + 1) <= max_abs:
            top += 1
        first = top - 21
        exponents = (*tuple(max(0, round(count * 0.02 * (1 - abs(place - 12) / 14))) for place in range(21)), max(1, count // 900))
    channels = tuple(max_abs * (0.05 + ((place * 37) % 64) / 64 * 0.95) for place in range(min(shape[1], 256)))
    worst = tuple(
        WorstElement(
            (0, 3 + place, plane - 1, place) if len(shape) == 4 else (0, 3 + place),
            0.8 + place / 10,
            0.8 + place / 10 - max_abs * (1 - place / 20),
        )
        for place in range(5)
    )
    stats = DiffStats(
        max_abs,
        max_abs / 12,
        max_abs / 6,
        min(1.0, max_abs * 1.4),
        1.0 - min(0.4, max_abs / 20),
        0.031 if max_abs > 1e-4 else 0.0,
        nan,
        0,
        worst[0].index,
    )
    torch = TensorStats(count, -2.31, 11.6, 0.412, 0.93, count // 3, 0, 0)
    paddle = replace(torch, max=11.6 + max_abs, mean=0.412 + max_abs / 12, nan=nan)
    return Diff(torch, paddle, stats, DiffDetail(first, exponents, count * 2 // 5, channels, heatmap, worst))


def results(rows: tuple[LayerPair, ...], broken: bool = True) -> tuple[LayerResult, ...]:
    made = []
    error = 0.0
    for layer in rows:
        shape = (layer.torch or layer.paddle).output.shape
        rounding = 1.1e-8 * (1 + layer.index % 9)
        if layer.paddle is None or layer.torch is None:
            harmful = broken and layer.kind != "dropout"
            note = "its consumer's input differs by 1.32" if harmful else "Dropout does nothing in eval mode"
            made.append(LayerResult(layer.index, Verdict.UNPAIRED, harmful, note=note))
            error = max(error, 1.32) if harmful else error
        elif broken and layer.path in BORN:
            error = 0.71 + layer.index / 60
            made.append(
                LayerResult(layer.index, Verdict.BORN, True, diff(shape, error), note="its input agrees, its output does not")
            )
        elif error:
            error *= 0.97
            made.append(LayerResult(layer.index, Verdict.INHERITED, True, diff(shape, error), note="its input differs already"))
        else:
            made.append(LayerResult(layer.index, Verdict.OK, False, diff(shape, rounding)))
    return tuple(made)


def report(rows: tuple[LayerPair, ...], found: tuple[LayerResult, ...], broken: bool = True) -> Report:
    lines = tuple(
        LayerReport(
            layer.index,
            layer.torch.path if layer.torch else None,
            layer.paddle.path if layer.paddle else None,
            (layer.torch or layer.paddle).type,
            layer.kind,
            layer.torch.output.shape if layer.torch else None,
            layer.paddle.output.shape if layer.paddle else None,
            layer.match,
            result.verdict,
            result.mismatch,
            result.note,
            result.propagated.stats if result.propagated else None,
        )
        for layer, result in zip(rows, found, strict=True)
    )
    last = found[-1].propagated
    output = OutputReport(not broken, last.stats.max_abs, last.stats.max_rel, last.stats.cosine, not broken, not broken)
    verdict = "mismatch" if broken else "aligned"
    name = PAIR if broken else "squeezenet1_0"
    return Report(
        "0.1.0",
        name,
        verdict,
        int(broken),
        headline(name, verdict, lines, output),
        first_born=BORN[0] if broken else None,
        first_mismatch=BORN[0] if broken else None,
        environment={"torch": "2.13.0+cpu", "paddle": "3.3.1"},
        weights=WeightsReport("Kaiming-normal from seed 0", "", 52),
        input="ones 1x3x224x224",
        tolerance={"atol": 1e-4, "rtol": 0.0},
        output=output,
        layers=lines,
        unpaired=Unpaired(("classifier.0",)),
        timing=Timing(0.104, 0.213, 2.31),
        session="sessions/20260101T120000.000Z-squeezenet1_0-3fa1",
    )


PORT = "models/broken/squeezenet1_0/paddle_model.py"

POOL = Finding(
    "ceil-mode",
    "features.2",
    "features.2",
    "paddle",
    "the pool rounds the size of its output down, torch's rounds it up",
    "pass ceil_mode=True",
    Proof(0.743, 0.0, "attribute"),
    source=f"{PORT}:57",
    old="ceil_mode=False",
    new="ceil_mode=True",
)

SUSPECTED = replace(POOL, status=Status.WARNING, evidence=Proof(None, None, "attribute"))

MISSING = Finding(
    "activation-missing",
    "features.5.squeeze_activation",
    None,
    "paddle",
    "torch has a ReLU here, Paddle has none",
    "apply F.relu to what features.5.squeeze gives",
    Proof(1.32, 1.2e-8, "experiment"),
    source=f"{PORT}:71",
)

UNEXPLAINED = Finding(
    "unknown",
    "features.9.cat",
    "features.9.cat",
    "paddle",
    "nothing that was tried explains the difference",
    "",
    Proof(1.5, None, "experiment"),
    Status.UNKNOWN,
    hints=("both inputs agree", "with the inputs exchanged max|d| is 0.4"),
)

DROPOUTS = tuple(
    Finding(
        "dropout-p",
        path,
        path,
        "paddle",
        "Paddle drops 0.1 of its inputs, torch 0.5",
        "pass p=0.5",
        Proof(None, None, "attribute"),
        Status.WARNING,
        f"{PORT}:80",
        "p=0.1",
        "p=0.5",
    )
    for path in ("classifier.0", "features.3.cat", "features.4.cat", "features.7.cat", "features.8.cat", "features.10.cat")
)

FINDINGS = (*DROPOUTS, POOL, MISSING, UNEXPLAINED)
"""Of the broken port: a warning at six layers, two causes, and a fault without one."""


def opening(broken: bool = True) -> list[Event]:
    """Up to the middle of the download."""
    started = (PAIR, "SqueezeNet 1.0 with three mistakes in the port") if broken else ("squeezenet1_0", "SqueezeNet 1.0")
    return [
        RunStarted(*started, "sessions/20260101T120000.000Z-squeezenet1_0-3fa1"),
        SideProgress("torch", "starting"),
        SideProgress("paddle", "starting"),
        SideProgress("torch", "importing"),
        SideProgress("paddle", "importing"),
        SideReady("torch", {"torch": "2.13.0+cpu", "numpy": "2.4.6", "threads": 2, "tf32": False}),
        SideProgress("torch", "building"),
        Downloading("squeezenet1_0-b66bff10.pth", 2_100_000, 5_017_600),
    ]


def preparing() -> list[Event]:
    return [
        SideReady("paddle", {"paddle": "3.3.1", "numpy": "2.4.6", "threads": 2}),
        SideProgress("paddle", "building"),
        SideProgress("torch", "built"),
        SideProgress("paddle", "built"),
        Notice(
            "warning", "the weights are random (Kaiming-normal, seed 0): no published weights were found", "pass --weights FILE"
        ),
        WeightsReady("Kaiming-normal from seed 0", ""),
        SideProgress("torch", "tracing"),
        SideProgress("paddle", "tracing"),
    ]


def events(broken: bool = True) -> list[Event]:
    """A whole run."""
    rows = layers(broken)
    found = results(rows, broken)
    rule = WeightRule("features.0.weight", "features.0.weight", "copy", "same layout")
    return [
        *opening(broken),
        *preparing(),
        LayersPaired(rows),
        WeightsPlanned(WeightPlan((rule,))),
        SideProgress("torch", "running"),
        SideProgress("paddle", "running"),
        *map(LayerDiffed, found),
        SideProgress("torch", "done"),
        SideProgress("paddle", "done"),
        RunEnded(report(rows, found, broken)),
    ]


def found_events() -> list[Event]:
    """The run on the broken port with its findings, one of them suspected before it is known."""
    *before, last = events()
    assert isinstance(last, RunEnded)
    made = [FindingMade(finding) for finding in (SUSPECTED, *FINDINGS)]
    report = last.report
    said = headline(PAIR, "mismatch", report.layers, report.output, findings=FINDINGS)
    return [*before, *made, RunEnded(replace(report, headline=said, findings=FINDINGS))]


def starting(broken: bool = True, hold: int | None = None) -> Callable[[], FakeRun]:
    return lambda: FakeRun(events(broken), hold)
