"""The fault bench plants what it says it does, on two small nets."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.frameworks

FOLDER = str(Path(__file__).resolve().parent)
KEEP_NO_NAMES = {"affine", "bias-missing", "bias-extra", "weight-missing", "missing-layer"}
"""Faults that add parameters to the state dict or take some away."""


@pytest.fixture(scope="module", autouse=True)
def neighbours() -> Iterator[None]:
    """The bench's modules import each other by their bare names, as the files of a port do."""
    sys.path.insert(0, FOLDER)
    yield
    sys.path.remove(FOLDER)


def field_of(architecture: str):
    import faulty
    import paddle
    from architectures import ARCHITECTURES
    from plants import Field

    paddle.seed(0)
    return Field(faulty.healthy(architecture), ARCHITECTURES[architecture].shape)


def outputs(model, field) -> np.ndarray:
    import paddle

    with paddle.no_grad():
        return model(field.ground.input.clone()).numpy()


@pytest.mark.parametrize(("architecture", "kinds"), [("mixed", 36), ("transformer", 25)])
def test_a_fault_changes_its_own_layer_alone_and_can_be_taken_back(architecture: str, kinds: int) -> None:
    from kinds import leaves
    from plants import INVISIBLE, VISIBLE

    field = field_of(architecture)
    names = list(field.edits.model.state_dict())
    paths = [path for path, _ in leaves(field.edits.model) if path in field.ground.seen]
    before = outputs(field.edits.model, field)
    planted = set()
    for id_, seed in itertools.product(field.ids(), range(3)):
        fault = field.plant(id_, np.random.default_rng(seed))
        if fault is None:
            continue
        planted.add(id_)
        if id_ not in KEEP_NO_NAMES:
            assert set(field.edits.model.state_dict()) == set(names), fault
        wrong = {name.partition("#")[0] for name in fault.layer}
        for path in paths:
            if not any(path == name or path.startswith(f"{name}.") for name in wrong):
                assert field.ground.effect(field.edits.at(path), path) < INVISIBLE, (fault, path)
        assert fault.effect > VISIBLE if fault.shows else fault.effect < INVISIBLE, fault
        if fault.shows:
            assert not np.array_equal(outputs(field.edits.model, field), before), fault
        field.clear()
        assert list(field.edits.model.state_dict()) == names, fault
        assert np.array_equal(outputs(field.edits.model, field), before), fault
    assert len(planted) >= kinds


def test_a_draw_is_the_same_each_time_and_its_faults_are_apart(tmp_path: Path) -> None:
    import faulty
    import paddle
    from architectures import ARCHITECTURES

    once, again = (faulty.planted("transformer", 5, 3) for _ in range(2))
    assert once == again
    assert len(once) == 3
    assert len({fault.layer for fault in once}) == 3
    assert len({fault.id for fault in once}) == 3

    note = tmp_path / "truth.json"
    models = [faulty.build("transformer", 5, 3, note=str(note)) for _ in range(2)]
    assert [fault["id"] for fault in json.loads(note.read_text())] == [fault.id for fault in once]
    x = paddle.ones(ARCHITECTURES["transformer"].shape)
    paddle.seed(0)
    first = models[0](x).numpy()
    paddle.seed(0)
    assert np.array_equal(first, models[1](x).numpy())


def test_every_kind_comes_up_in_turn() -> None:
    import faulty
    from plants import KINDS

    able = field_of("mixed").ids()
    drawn = {faulty.planted("mixed", seed)[0].id for seed in range(len(able))}
    assert len(able) >= 36
    assert len(drawn) >= len(able) - 3
    assert set(KINDS) >= {"heads", "concat-axis", "weight-shared", "residual"}


def test_a_healthy_model_and_one_kind_only() -> None:
    import faulty

    assert faulty.planted("mixed", 3, 0) == ()
    assert {faulty.planted("mixed", seed, 1, ["ceil-mode"])[0].id for seed in range(3)} == {"ceil-mode"}
    with pytest.raises(ValueError, match="none of these kinds"):
        faulty.planted("mixed", 0, 1, ["heads"])
