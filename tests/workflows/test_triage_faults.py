"""From a fault in the port, through the pictures that it flips, to the layer that has it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pictures import SECTIONS, make_pictures
from project import Project, both_frameworks
from safetensors.numpy import save_file

from aligndbg.core.images import ranked
from aligndbg.settings import Settings
from aligndbg.store.session import open_session
from aligndbg.workflows.events import FindingMade, RunEnded
from aligndbg.workflows.inspect import Depth
from aligndbg.workflows.triage import find_evaluation, image_inspection, open_triage

pytestmark = both_frameworks

HERE = Path(__file__).parent
PICTURES = 60


def weights() -> dict[str, np.ndarray]:
    """Of channels with very different variances, and a head whose biases count."""
    random, head = np.random.default_rng(3), np.random.default_rng(104)

    def normal(*shape: int, scale: float = 1.0) -> np.ndarray:
        return (scale * random.standard_normal(shape)).astype(np.float32)

    return {
        "conv.weight": normal(16, 3, 3, 3, scale=0.3),
        "conv.bias": normal(16),
        "norm.weight": np.ones(16, np.float32),
        "norm.bias": normal(16, scale=0.1),
        "norm.running_mean": normal(16),
        "norm.running_var": np.logspace(-3, 0, 16, dtype=np.float32),
        "norm.num_batches_tracked": np.array(0),
        "head.weight": (0.3 * head.standard_normal((5, 16))).astype(np.float32),
        "head.bias": head.standard_normal(5).astype(np.float32),
    }


@pytest.mark.parametrize(
    ("model", "layer", "cause"), [("WrongEpsilon", "norm", "epsilon"), ("WrongDropout", "dropout", "dropout-mode")]
)
def test_flips_come_first_and_lead_to_the_layer(project: Project, model: str, layer: str, cause: str) -> None:
    project.pair(
        "flipping",
        {"model": f"{HERE / 'flipping_torch.py'}:Net"},
        {"model": f"{HERE / 'flipping_paddle.py'}:{model}"},
        **{**SECTIONS, "weights": {"source": "flipping.safetensors"}},
    )
    save_file(weights(), project.root / "models" / "flipping" / "flipping.safetensors")
    make_pictures(project.root / "models" / "flipping", PICTURES)
    done = project.run("eval", "flipping", "--display", "none")
    assert done.code in (0, 1), done.err

    session = find_evaluation(project.root / "sessions")
    triage = open_triage(session)
    with open_session(session) as opened:
        rows = {row.name: row.row for row in opened.images()}
        torch, paddle = opened.logits("torch"), opened.logits("paddle")
    assert torch is not None and paddle is not None
    order = ranked(triage.images, "flips")
    at = [rows[triage.images.names[place]] for place in order]
    flipped = (torch.argmax(1) != paddle.argmax(1))[at]
    count = int(flipped.sum())
    assert 0 < count < PICTURES / 2
    assert flipped[:count].all()
    gaps = np.abs(torch - paddle).max(1)[[rows[triage.images.names[place]] for place in ranked(triage.images, "max")]]
    assert (np.diff(gaps) <= 0).all()

    settings = Settings(project.root / "sessions", project.root / "cache", project.root / "logs")
    run = image_inspection(triage, int(order[0]), settings, depth=Depth(golden=False, onnx=False))
    events = list(run.events())
    assert isinstance(events[-1], RunEnded)
    report = events[-1].report
    assert report.first_born == layer
    assert triage.images.names[order[0]] in (report.input or "")
    assert report.output is not None and report.output.top1_equal is False
    assert {(event.finding.layer, event.finding.id) for event in events if isinstance(event, FindingMade)} == {(layer, cause)}
