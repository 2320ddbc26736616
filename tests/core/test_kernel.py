from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from aligndbg.core import kernel
from aligndbg.core.diff import diff

SCRIPT = """
import sys
import numpy as np
from aligndbg.core import kernel
from aligndbg.core.diff import diff, warm
warm()
found = diff(np.arange(5000, dtype=np.float32), np.ones(5000, np.float32), 1e-4, 0.0)
print(kernel.name(), 'numba' in sys.modules, found.stats.max_abs)
"""


@pytest.mark.parametrize(("variable", "value"), [("ALIGNDBG_KERNEL", "numpy"), ("NUMBA_DISABLE_JIT", "1")])
def test_the_compiled_kernel_can_be_left_out(variable: str, value: str) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], env={**os.environ, variable: value}, capture_output=True, text=True)
    name, loaded, top = done.stdout.split()
    assert (name, top) == ("numpy", "4998.0"), done.stderr
    assert variable != "ALIGNDBG_KERNEL" or loaded == "False"


def test_an_absent_or_broken_numba_costs_nothing_but_time(monkeypatch: pytest.MonkeyPatch) -> None:
    load = kernel._load.__wrapped__
    assert (load() is None) == (importlib.util.find_spec("numba") is None or "ALIGNDBG_KERNEL" in os.environ)
    monkeypatch.setitem(sys.modules, "numba", None)
    assert load() is None


def test_results_do_not_depend_on_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    size = 6 * kernel.RANGE + 1001
    random = np.random.default_rng(0)
    a = random.standard_normal((1, 1, size)).astype(np.float32).round(2)
    b = a + random.standard_normal(a.shape).astype(np.float32).round(1)
    for x, value in ((a, np.nan), (b, np.inf), (a, 1e30)):
        x[0, 0, random.integers(0, size, 20)] = value
    found = set()
    with ThreadPoolExecutor(8) as pool:
        monkeypatch.setattr(kernel, "_pool", lambda: pool)
        for threads in (1, 2, 3, 8):
            monkeypatch.setattr(kernel, "_threads", lambda threads=threads: threads)
            found.add(repr(diff(a, b, 1e-4, 1e-3)))
    assert len(found) == 1


def test_several_threads_may_compare_at_once() -> None:
    a = np.random.default_rng(0).standard_normal(3 * kernel.RANGE).astype(np.float32)
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda scale: repr(diff(a, a * np.float32(1.5), 1e-4, 0.0)), range(8)))
    assert len(found) == 1
