"""Why: the cause of each planted fault is named, proven by trying its fix, and tried on the live model when asked."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from aligndbg.core.findings import Finding, Status
from aligndbg.errors import UsageError
from aligndbg.pairs.schema import InputSpec, ModelSpec, PairSpec, WeightsSpec
from aligndbg.settings import Settings
from aligndbg.workflows.events import Event, FindingMade, RunEnded, RunFailed, SideProgress
from aligndbg.workflows.inspect import Depth, Inspection
from aligndbg.workflows.report_model import Report

pytestmark = [
    pytest.mark.frameworks,
    *(
        pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"{name} is not installed")
        for name in ("torch", "paddle")
    ),
]

FILE = Path(__file__).with_name("located_paddle.py")
PAIR = PairSpec(
    "located",
    ModelSpec("located_torch.py:Net"),
    ModelSpec("located_paddle.py:Net"),
    weights=WeightsSpec("kaiming"),
    input=InputSpec((1, 3, 16, 16), "randn"),
    root=Path(__file__).parent,
)


@dataclass(frozen=True, slots=True)
class Told:
    report: Report
    events: tuple[Event, ...]

    @property
    def found(self) -> dict[str, Finding]:
        """The causes that were found, by the id."""
        return {finding.id: finding for finding in self.report.findings if finding.status is Status.FOUND}

    @property
    def diagnosed(self) -> bool:
        return any(isinstance(event, SideProgress) and event.stage == "diagnosing" for event in self.events)


Run = Callable[..., Told]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def inspect(*faults: str, depth: Depth | None = None, what_if: Sequence[str] = (), inputs: Sequence[str] = ()) -> Told:
        pair = replace(PAIR, paddle=replace(PAIR.paddle, kwargs={"faults": list(faults)}))
        settings = Settings(tmp_path / "sessions", tmp_path / "cache", tmp_path / "logs")
        depth = depth or Depth(onnx=False)
        events = tuple(Inspection(pair, settings, {}, inputs=inputs, depth=depth, what_if=what_if).events())
        last = events[-1]
        if isinstance(last, RunFailed):
            raise last.error
        assert isinstance(last, RunEnded)
        return Told(last.report, events)

    return inspect


def line_of(text: str) -> str:
    """`file:line` of the only line of the port that holds `text`."""
    (number,) = [number for number, line in enumerate(FILE.read_text().splitlines(), 1) if text in line]
    return f"{FILE}:{number}"


def test_a_healthy_run_looks_for_no_cause(run: Run) -> None:
    told = run()
    assert told.report.verdict == "aligned" and not told.report.findings and not told.diagnosed


@pytest.mark.parametrize(
    ("fault", "cause", "layer", "source", "new"),
    [
        ("epsilon", "epsilon", "norm", "self.norm = ", "epsilon=1e-05"),
        ("pool", "pool-kind", "pool", "self.pool = ", "MaxPool2d"),
        ("dropout", "dropout-mode", "drop", "self.drop = ", "mode='upscale_in_train'"),
        ("concat", "input-order", "cat", "x = F.relu(paddle.concat", ""),
        ("no-relu", "activation-missing", "act", "x = self.pool(x if", ""),
        ("residual", "scale", "multiply", "y = y + 1.001 * x", ""),
    ],
)
def test_a_cause_is_named_with_its_place_and_proof(run: Run, fault: str, cause: str, layer: str, source: str, new: str) -> None:
    told = run(fault)
    assert list(told.found) == [cause] and all(finding.status is not Status.UNKNOWN for finding in told.report.findings)
    finding = told.found[cause]
    assert (finding.layer, finding.side, finding.new) == (layer, "paddle", new) or fault == "residual"
    assert finding.source == line_of(source)
    floor = next(one.noise_floor for one in told.report.layers if finding.layer in (one.torch, one.paddle))
    assert finding.evidence.after is not None and finding.evidence.after <= (floor or 1e-5)
    assert finding.evidence.before is None or finding.evidence.before > 10 * finding.evidence.after
    assert cause in told.report.headline
    assert FindingMade(finding) in told.events


def test_each_of_several_faults_has_its_cause(run: Run) -> None:
    told = run("epsilon", "dropout", "concat", "no-relu")
    assert sorted(told.found) == ["activation-missing", "dropout-mode", "epsilon", "input-order"]
    assert [finding.layer for finding in told.report.findings] == ["norm", "act", "cat", "drop"]


def test_attributes_are_told_before_any_number(run: Run) -> None:
    told = run("epsilon")
    first = next(place for place, event in enumerate(told.events) if isinstance(event, FindingMade))
    running = next(place for place, event in enumerate(told.events) if isinstance(event, SideProgress) and event.stage == "running")
    warning = told.events[first]
    assert first < running and isinstance(warning, FindingMade)
    assert (warning.finding.status, warning.finding.id) == (Status.WARNING, "epsilon")


def test_without_diagnosis_the_difference_stays_a_warning(run: Run) -> None:
    told = run("epsilon", depth=Depth(onnx=False, diagnose=False))
    assert [(finding.status, finding.id) for finding in told.report.findings] == [(Status.WARNING, "epsilon")]
    assert not told.diagnosed


def test_what_remains_with_a_fix_at_work(run: Run) -> None:
    told = run("epsilon", "no-relu", what_if=["norm:epsilon"])
    assert list(told.found) == ["activation-missing"]
    assert told.report.what_if == ("norm:epsilon",)
    assert told.report.headline.startswith("located with 1 fix tried out: mismatch")
    assert any("source untouched" in notice for notice in told.report.notices)


@pytest.mark.parametrize(
    "faults", [("epsilon", "pool", "dropout", "concat", "no-relu", "residual"), ("residual",), ("concat", "no-relu")]
)
def test_all_fixes_together_align_the_live_model(run: Run, faults: tuple[str, ...]) -> None:
    told = run(*faults, what_if=["all"])
    assert told.report.verdict == "aligned" and told.report.exit_code == 0
    assert len(told.report.what_if) == len(faults) and not told.found
    assert told.report.output is not None and told.report.output.met


def test_a_fix_that_no_finding_has_is_a_wrong_option(run: Run) -> None:
    with pytest.raises(UsageError, match=r"--what-if: 'norm:stride' is no finding of this run") as caught:
        run("epsilon", what_if=["norm:stride"])
    assert "norm:epsilon" in caught.value.hint


def test_a_fault_that_two_inputs_show_is_told_once(run: Run) -> None:
    told = run("no-relu", inputs=["randn", "ones"])
    assert [finding.id for finding in told.report.findings] == ["activation-missing"]
