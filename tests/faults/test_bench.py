"""A small run of the fault bench: what it plants is located, named, and nothing else is."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

pytestmark = [
    pytest.mark.frameworks,
    *(
        pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"{name} is not installed")
        for name in ("torch", "paddle")
    ),
]


@pytest.mark.parametrize(("architecture", "count", "seeds"), [("mixed", 1, 16), ("transformer", 2, 6)])
def test_planted_faults_are_located_and_named(architecture: str, count: int, seeds: int, tmp_path: Path) -> None:
    import bench
    from architectures import ARCHITECTURES

    scores: dict[str, bench.Score] = bench.Scores()
    note = tmp_path / "truth.json"
    with bench.opened(ARCHITECTURES[architecture], tmp_path) as opened:
        healthy = opened.look({"architecture": architecture, "seed": 0, "count": 0})
        names = bench.names_of(healthy.layers)
        bench.score((), healthy, names, scores, architecture)
        for seed in range(seeds):
            told = opened.look({"architecture": architecture, "seed": seed, "count": count, "note": str(note)})
            faults = [bench.Fault.read(each) for each in json.loads(note.read_text())]
            bench.score(faults, told, names, scores, f"{architecture}/{seed}")
    assert [miss for score in scores.values() for miss in score.misses] == []
    assert sum(score.planted + score.hidden for score in scores.values()) == seeds * count
    assert sum(score.located for score in scores.values()) == sum(score.planted for score in scores.values()) > 0
