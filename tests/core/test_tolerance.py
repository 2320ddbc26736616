from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aligndbg.core.tolerance import Tolerances


def test_without_globs_every_layer_has_the_pairs_tolerance() -> None:
    assert Tolerances().of("features.0") == (1e-4, 0.0)
    assert Tolerances(1e-3, 0.5).of("anything", "else") == (1e-3, 0.5)


@pytest.mark.parametrize(
    ("path", "tolerance"),
    [
        ("features.0", (1e-4, 0.01)),
        ("classifier.1", (1e-3, 0.01)),
        ("classifier.1.relu#2", (1e-3, 0.01)),
        ("classifier", (1e-4, 0.01)),
        ("Classifier.1", (1e-4, 0.01)),
        ("bn.1", (0.0, 0.5)),
    ],
)
def test_a_glob_sets_what_it_names_and_inherits_the_rest(path: str, tolerance: tuple[float, float]) -> None:
    # A tolerance of 0 is one, not the absence of one.
    tolerances = Tolerances(1e-4, 0.01, {"classifier.*": (1e-3, None), "bn.[0-9]": (0.0, 0.5)})
    assert tolerances.of(path) == tolerance


def test_the_path_of_either_side_may_fit() -> None:
    tolerances = Tolerances(layers={"_fc": (1.0, None)})
    assert tolerances.of("fc", "_fc") == tolerances.of("_fc", "fc") == (1.0, 0.0)
    assert tolerances.of("fc", "fc") == (1e-4, 0.0)


def test_the_last_glob_that_fits_decides_for_each_number() -> None:
    layers = {"*": (1.0, 0.1), "features.*": (2.0, None), "features.3": (None, 0.3), "classifier": (9.0, 9.0)}
    assert Tolerances(layers=layers).of("features.3") == (2.0, 0.3)
    assert Tolerances(layers=dict(reversed(layers.items()))).of("features.3") == (1.0, 0.1)


@given(
    st.dictionaries(st.sampled_from(["*", "a*", "b", "?.c"]), st.tuples(st.none() | st.floats(0, 1), st.none() | st.floats(0, 1)))
)
def test_of_takes_each_number_from_the_pair_or_from_a_glob(layers: dict[str, tuple[float | None, float | None]]) -> None:
    atol, rtol = Tolerances(7.0, 8.0, layers).of("b.c")
    assert atol in {7.0, *(own for own, _ in layers.values())}
    assert rtol in {8.0, *(own for _, own in layers.values())}
