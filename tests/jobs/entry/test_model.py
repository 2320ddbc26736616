"""Losses, hits and arguments against their definitions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("paddle")

import paddle

from aligndbg.jobs.entry.model import class_argument, hits, loss_sum
from aligndbg.jobs.recipe import LossSpec

pytestmark = pytest.mark.frameworks

LOGITS = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
LABELS = np.array([0, 3, 2, 1, 1, 0])


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.6])
def test_smoothed_cross_entropy(epsilon: float) -> None:
    logs = LOGITS - np.log(np.exp(LOGITS).sum(axis=1, keepdims=True))
    target = (1 - epsilon) * np.eye(4)[LABELS] + epsilon / 4
    found = loss_sum(paddle.to_tensor(LOGITS), paddle.to_tensor(LABELS), LossSpec(2.0, epsilon))
    assert float(found) == pytest.approx(-2 * (target * logs).sum(), rel=1e-5)


def test_hits() -> None:
    order = np.argsort(-LOGITS, axis=1)
    wanted = [sum(label in row[:k] for row, label in zip(order, LABELS, strict=True)) for k in (1, 2, 5)]
    assert list(hits(paddle.to_tensor(LOGITS), paddle.to_tensor(LABELS), (1, 2, 5)).numpy()) == wanted
    assert wanted[-1] == 6


def plain(num_classes: int = 10) -> None: ...
def old(class_dim: int = 10) -> None: ...
def passes(pretrained: bool = False, **kwargs: Any) -> None: ...
def fixed() -> None: ...


@pytest.mark.parametrize(
    ("target", "given", "name"),
    [
        (plain, {}, "num_classes"),
        (old, {}, "class_dim"),
        (passes, {}, "num_classes"),
        (passes, {"class_num": 5}, "class_num"),
        (fixed, {}, None),
    ],
)
def test_what_a_callable_calls_its_classes(target: Any, given: dict[str, Any], name: str | None) -> None:
    assert class_argument(target, given) == name
