from __future__ import annotations

import numpy as np
import pytest

from aligndbg.workflows.reporting import compare_outputs, flat_environment


def logits(scale: float = 1.0) -> np.ndarray:
    return (scale * np.linspace(-1, 1, 10, dtype=np.float32)).reshape(1, 10)


def test_equal_results_meet_the_guide() -> None:
    output, agrees = compare_outputs([logits()], [logits()], [logits()], 1e-4, 0.0)
    assert agrees and output.met and output.top1_equal and output.top5_equal and not output.note
    assert output.max_abs == output.golden_max_abs == 0.0
    assert [score.index for score in output.torch_top5] == [9, 8, 7, 6, 5]


def test_what_rounding_explains_agrees_with_a_sentence_although_the_guide_is_not_met() -> None:
    torch = logits(371.0)
    output, agrees = compare_outputs([torch], [torch + np.float32(6.7e-4)], [torch + np.float32(3e-4)], 1e-4, 0.0)
    assert agrees and not output.met
    assert output.note.startswith("by rounding alone: torch itself is") and output.golden_max_abs == pytest.approx(3e-4, rel=0.2)


def test_what_rounding_does_not_explain_disagrees() -> None:
    torch = logits()
    output, agrees = compare_outputs([torch], [torch + np.float32(6.7e-4)], [torch], 1e-4, 0.0)
    assert not agrees and not output.met and not output.note


def test_without_golden_the_tolerance_decides() -> None:
    torch = logits(371.0)
    output, agrees = compare_outputs([torch], [torch + np.float32(6.7e-4)], [], 1e-4, 0.0)
    assert not agrees and output.golden_max_abs is None


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_on_one_side_disagrees(value: float) -> None:
    broken = logits()
    broken[0, 3] = value
    output, agrees = compare_outputs([logits()], [broken], [logits()], 1e-4, 0.0)
    assert not agrees and not output.met and output.max_abs == np.inf


def test_a_result_that_paddle_lacks_disagrees_one_that_it_adds_does_not() -> None:
    assert not compare_outputs([logits(), logits()], [logits()], [], 1e-4, 0.0)[1]
    assert compare_outputs([logits()], [logits(), logits()], [], 1e-4, 0.0)[1]
    assert compare_outputs([logits()], [logits()[:, :5]], [], 1e-4, 0.0)[1] is False


def test_the_environment_names_a_side_only_where_the_two_differ() -> None:
    sides = {"torch": {"torch": "2", "numpy": "2.4", "pid": 1}, "paddle": {"paddle": "3", "numpy": "2.0", "pid": 2}}
    assert flat_environment(sides) == {
        "torch": "2",
        "paddle": "3",
        "onnxruntime": None,
        "torch numpy": "2.4",
        "paddle numpy": "2.0",
    }
