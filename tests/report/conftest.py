"""Reports of the kinds that a run ends in, and the golden files that their outputs are held against.

`ALIGNDBG_UPDATE_GOLDEN=1 pytest tests/report` accepts what the code prints now.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aligndbg.core.findings import Finding, Proof, Status
from aligndbg.core.stats import DiffStats
from aligndbg.core.verdict import Verdict
from aligndbg.workflows.headline import headline
from aligndbg.workflows.report_model import ClassScore, LayerReport, OutputReport, Report, Timing, Unpaired, WeightsReport

GOLDEN = Path(__file__).with_name("golden")

ENVIRONMENT = {"torch": "2.13.0+cpu", "paddle": "3.3.1", "numpy": "2.4.6", "threads": 2, "tf32": False, "onnxruntime": None}

LAYERS = (
    ("features.0", "Conv2d", "Conv2D", "conv2d", (1, 96, 109, 109)),
    ("features.1", "ReLU", "ReLU", "relu", (1, 96, 109, 109)),
    ("features.2", "MaxPool2d", "MaxPool2D", "max_pool2d", (1, 96, 54, 54)),
    ("features.3.squeeze", "Conv2d", "Conv2D", "conv2d", (1, 16, 54, 54)),
    ("features.3.squeeze_activation", "ReLU", "ReLU", "relu", (1, 16, 54, 54)),
    ("features.3.expand1x1", "Conv2d", "Conv2D", "conv2d", (1, 64, 54, 54)),
    ("features.3.expand1x1_activation", "ReLU", "ReLU", "relu", (1, 64, 54, 54)),
    ("features.3.expand3x3", "Conv2d", "Conv2D", "conv2d", (1, 64, 54, 54)),
    ("features.3.expand3x3_activation", "ReLU", "ReLU", "relu", (1, 64, 54, 54)),
    ("features.3.cat", "cat", "concat", "concat", (1, 128, 54, 54)),
    *((f"features.4.layer{k}", "Conv2d", "Conv2D", "conv2d", (1, 128, 54, 54)) for k in range(24)),
    ("classifier.0", "Dropout", "", "dropout", (1, 512, 13, 13)),
    ("classifier.1", "Conv2d", "Conv2D", "conv2d", (1, 1000, 13, 13)),
    ("flatten", "flatten", "flatten", "flatten", (1, 1000)),
)


def stats(max_abs: float, over: float = 0.0, nan: int = 0, inf: int = 0) -> DiffStats:
    return DiffStats(max_abs, max_abs / 10, max_abs / 5, min(1.0, max_abs * 3), 0.99, over, nan, inf, (0, 3, 1, 1))


def _layers() -> list[LayerReport]:
    rows = []
    for index, (path, kind, paddle, op, shape) in enumerate(LAYERS):
        if not paddle:
            note = "Dropout does nothing in eval mode"
            rows.append(LayerReport(index, path, None, kind, op, shape, None, "unpaired", Verdict.UNPAIRED, False, note))
            continue
        diff = stats(1.2e-8 * (index % 7 + 1))
        rows.append(LayerReport(index, path, path, kind, op, shape, shape, "type+order", Verdict.OK, False, propagated=diff))
    return rows


def _top5(*logits: float) -> tuple[ClassScore, ...]:
    names = ("tabby, tabby cat", "tiger cat", "Egyptian cat", "lynx, catamount", "plastic bag")
    return tuple(
        ClassScore(k, name, logit, 0.7 / 2**place)
        for place, (k, name, logit) in enumerate(zip((281, 282, 285, 287, 728), names, logits, strict=True))
    )


def _report(
    name: str, verdict: str, exit_code: int, layers: list[LayerReport], output: OutputReport | None, error: str = ""
) -> Report:
    return Report(
        "0.1.0",
        name,
        verdict,
        exit_code,
        headline(name, verdict, layers, output, error),
        environment=ENVIRONMENT,
        weights=WeightsReport("torch.hub's cache squeezenet1_0-b66bff10.pth", "b66bff10" * 8, 52),
        input="1x3x224x224 ones",
        tolerance={"atol": 1e-4, "rtol": 0.0},
        output=output,
        layers=tuple(layers),
        session="sessions/20260101T120000.000Z-squeezenet1_0-3fa1",
        timing=Timing(0.104, 0.213, 2.31),
    )


@pytest.fixture
def aligned() -> Report:
    top5 = _top5(12.1, 11.4, 10.0, 8.25, 6.9)
    output = OutputReport(True, 7.5e-8, 1.1e-6, 0.99999999, True, True, None, top5, top5)
    return replace(_report("squeezenet1_0", "aligned", 0, _layers(), output), unpaired=Unpaired(("classifier.0",)))


@pytest.fixture
def broken() -> Report:
    rows = _layers()

    def change(index: int, verdict: Verdict, diff: DiffStats | None, **fields: object) -> None:
        rows[index] = replace(rows[index], verdict=verdict, mismatch=True, propagated=diff, **fields)  # type: ignore[arg-type]

    change(2, Verdict.SHAPE, None, paddle_shape=(1, 96, 53, 53), note="the spatial size differs by one: look at ceil_mode")
    change(4, Verdict.UNPAIRED, None, paddle=None, paddle_shape=None, match="unpaired", note="its consumer's input differs by 0.71")
    change(5, Verdict.BORN, stats(0.71, 0.4), local=stats(0.7), blame="paddle")
    change(7, Verdict.NAN, stats(13.28, 0.9, nan=12, inf=3), paddle="features.3.expand_3x3")
    for index in (6, 8, *range(9, 34), 35, 36):
        change(index, Verdict.INHERITED, stats(0.5 / index, 0.2), note="its input differs already")
    output = OutputReport(
        False, 0.71, 0.3, 0.993, False, False, None, _top5(12.1, 11.4, 10.0, 8.25, 6.9), _top5(3.1, 2.4, 2.0, 1.25, float("nan"))
    )
    report = _report("broken/squeezenet1_0", "mismatch", 1, rows, output)
    notices = ("the weights are random (Kaiming-normal, seed 0): no published weights were found",)
    weights = WeightsReport("Kaiming-normal from seed 0", "", 50, ("classifier.1.bias",), ("num_batches_tracked",))
    return replace(
        report,
        notices=notices,
        weights=weights,
        first_mismatch="features.2",
        unpaired=Unpaired(("classifier.0",), ("extra.0", "extra.1")),
    )


def finding(layer: str, id: str = "epsilon", **fields: Any) -> Finding:
    """A BatchNorm of another epsilon, found by trying torch's, but for `fields`."""
    made = Finding(
        id,
        layer,
        layer,
        "paddle",
        f"{layer} adds epsilon 1e-3 to the variance, torch 1e-5",
        "pass epsilon=1e-05",
        Proof(0.031, 0.0, "attribute"),
        source="models/mine/paddle_model.py:57",
        old="epsilon=0.001",
        new="epsilon=1e-05",
    )
    return replace(made, **fields)


CEIL = finding(
    "features.2",
    "ceil-mode",
    message="the pool rounds the size of its output down, torch's rounds it up",
    fix="pass ceil_mode=True",
    evidence=Proof(None, 0.0, "attribute"),
    old="ceil_mode=False",
    new="ceil_mode=True",
)

MISSING = finding(
    "features.3.squeeze_activation",
    "activation-missing",
    paddle_layer=None,
    message="torch has a ReLU here, Paddle has none",
    fix="apply F.relu to what features.3.squeeze gives",
    evidence=Proof(0.71, 1.2e-8, "experiment"),
    source=str(Path.cwd() / "models/mine/paddle_model.py:61"),
    old="",
    new="",
)

UNKNOWN = finding(
    "features.3.expand3x3",
    "unknown",
    message="nothing that was tried explains the difference",
    fix="",
    evidence=Proof(13.28, None, "experiment"),
    status=Status.UNKNOWN,
    source=None,
    old="",
    new="",
    hints=("its output has 12 NaN and 3 Inf", "torch's weight with two axes exchanged comes near: max|d| 0.02"),
)

FINDINGS = (
    finding("classifier.1", status=Status.WARNING, evidence=Proof(None, None, "attribute")),
    UNKNOWN,
    CEIL,
    MISSING,
    *(finding(f"features.4.layer{k}", evidence=Proof(0.031 + k / 100, k * 1e-9, "attribute")) for k in range(24)),
    *(
        finding(
            f"features.{k}",
            "dropout-p",
            message=f"Paddle drops 0.{k} of its inputs, torch 0.5",
            status=Status.WARNING,
            old=f"p=0.{k}",
            new="p=0.5",
            evidence=Proof(None, None, "attribute"),
        )
        for k in range(1, 9)
    ),
)
"""As a run makes them: each kind, one of them at many layers, and more warnings than are told."""


@pytest.fixture
def found(broken: Report) -> Report:
    said = headline(broken.pair, "mismatch", broken.layers, broken.output, findings=FINDINGS)
    return replace(broken, headline=said, findings=FINDINGS)


@pytest.fixture
def cannot_pair() -> Report:
    message = "no layer of GoogLeNet's inception blocks has a partner: Paddle's has no BatchNorm (57 of torch's 199 calls)"
    report = _report("zoo/googlenet", "cannot-pair", 4, [], None, message)
    return replace(
        report, weights=None, timing=None, error={"message": message, "hint": "pin the layers with `layers.pair` in pair.yaml"}
    )


@pytest.fixture
def failed() -> Report:
    message = "the paddle child died of signal 9 while it built the model"
    report = _report("squeezenet1_0", "error", 3, [], None, message)
    words = 'Traceback (most recent call last):\n  File "m.py", line 3\nMemoryError: \x1b[31mout\x1b[0m of memory\n'
    error = {"message": message, "hint": "give it more memory", "last_words": words}
    return replace(report, environment={}, weights=None, timing=None, session=None, error=error)


HOSTILE = "[red]l0[/red]\x1b[2J\x1b]0;owned\x07\r\n| `x` <b>@team</b>\u202egnp.\ud800"


@pytest.fixture
def hostile() -> Report:
    row = LayerReport(
        0, HOSTILE, HOSTILE + "p", HOSTILE, "relu", (1,), (1,), "m", Verdict.BORN, True, HOSTILE, stats(1.0), blame=HOSTILE
    )
    score = (ClassScore(1, HOSTILE, 1.0, 0.5),)
    output = OutputReport(False, 1.0, torch_top5=score, paddle_top5=score)
    report = _report(HOSTILE, "mismatch", 1, [row], output)
    return replace(
        report,
        environment={HOSTILE: HOSTILE, "torch": {HOSTILE: HOSTILE}},
        weights=WeightsReport(HOSTILE, HOSTILE, 1, (HOSTILE,), (HOSTILE,)),
        input=HOSTILE,
        notices=(HOSTILE,),
        unpaired=Unpaired((HOSTILE,), (HOSTILE,)),
        error={"hint": HOSTILE, HOSTILE: HOSTILE},
        session=HOSTILE,
        first_mismatch=HOSTILE,
        findings=(
            *(hostile_finding(status) for status in Status),
            replace(hostile_finding(Status.FOUND), layer=f"{HOSTILE}2", old="", new=""),
        ),
    )


def hostile_finding(status: Status) -> Finding:
    proof = Proof(1.0, float("nan"), "experiment")
    return Finding(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, proof, status, HOSTILE, HOSTILE, HOSTILE, (HOSTILE,))


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    def check(name: str, text: str) -> None:
        path = GOLDEN / name
        if os.environ.get("ALIGNDBG_UPDATE_GOLDEN"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.is_file(), f"{path.name} is missing; set ALIGNDBG_UPDATE_GOLDEN=1 to write it"
        assert text == path.read_text(encoding="utf-8")

    return check
