"""What is set differently, or is there on one side only, is told although no number shows it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from nets import Net

from aligndbg.core.findings import Status
from aligndbg.core.layers import Attribute, LayerPair, Trace
from aligndbg.core.matching import match
from aligndbg.core.verdict import LayerResult, Verdict
from aligndbg.workflows.causes import Causes, warnings_of
from aligndbg.workflows.events import Event, FindingMade


def net(middle: str = "", **attributes: Attribute) -> Trace:
    """conv, perhaps a layer, norm, linear."""
    made = Net()
    made.conv("conv", 3, 8)
    if middle:
        made.call(middle, "middle", (1, 8, 8, 8), **attributes)
    made.norm("norm", 8)
    made.linear("fc", 8, 10)
    return made.trace


def rows(torch: Trace, paddle: Trace) -> tuple[LayerPair, ...]:
    return match(torch, paddle)


def told(torch: Trace, paddle: Trace) -> list[tuple[str, str, str | None]]:
    found = list(warnings_of(rows(torch, paddle)))
    assert all(finding.status is Status.WARNING and finding.evidence.after is None for finding in found)
    return [(finding.id, finding.layer, finding.paddle_layer) for finding in found]


def test_a_dropout_of_one_side_is_told() -> None:
    plain, dropping = net(), net("dropout", p=0.5)
    assert told(dropping, plain) == [("missing-layer", "middle", None)]
    assert told(plain, dropping) == [("extra-layer", "middle", "middle")]
    assert told(dropping, net("identity")) == [("missing-layer", "middle", "middle")]
    assert told(dropping, dropping) == told(net("dropout", p=0.0), plain) == []


def test_another_share_is_told_as_one_that_shows_in_training_only() -> None:
    (finding,) = warnings_of(rows(net("dropout", p=0.5), net("dropout", p=0.2)))
    assert (finding.id, finding.old, finding.new) == ("dropout-p", "p=0.2", "p=0.5")
    assert "no forward in eval shows it" in finding.message


@pytest.mark.parametrize(("mismatch", "expected"), [(False, ["activation-extra"]), (True, [])])
def test_a_call_that_makes_no_difference_is_told_at_the_end(mismatch: bool, expected: list[str]) -> None:
    layers = rows(net(), net("relu"))
    events: list[Event] = []
    causes = Causes(layers, events.append)
    causes.warn()
    assert events == []
    results = {row.index: LayerResult(row.index, Verdict.OK, mismatch and row.path == "middle") for row in layers}
    causes.tell((), layers, results)
    assert [event.finding.id for event in events if isinstance(event, FindingMade)] == expected
    assert [finding.id for finding in causes.findings] == expected
