from __future__ import annotations

import numpy as np
import pytest

from aligndbg.workflows.meeting import interchangeable


@pytest.mark.parametrize(
    ("one", "other", "fits"),
    [
        ((1, 8, 26, 26), (1, 8, 27, 27), True),
        ((1, 8), (1, 8), True),
        ((1, 112, 28, 28), (1, 122, 28, 28), False),
        ((1, 1000), (1, 10), False),
        ((1, 49, 64), (1, 50, 64), False),
        ((1, 8, 7, 7), (1, 8, 49), False),
        ((), (), True),
    ],
)
def test_what_reads_a_picture_does_not_mind_its_size(one: tuple[int, ...], other: tuple[int, ...], fits: bool) -> None:
    assert interchangeable(np.zeros(one), np.zeros(other)) is fits
