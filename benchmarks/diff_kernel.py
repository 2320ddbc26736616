"""Throughput of the diff kernels on two large float32 tensors, against a plain read of both in the same run.

    python benchmarks/diff_kernel.py [--elements 100000000] [--rounds 5]

Every contender runs in every round and its best counts. On a machine that is busy elsewhere trust the figures by processor
time, of all threads together: others' work is not in them.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from aligndbg.core import kernel
from aligndbg.core.diff import diff

Array = NDArray[np.float32]
CORES = len(os.sched_getaffinity(0))
SHARE = 1 << 20
"""Elements of a part of the parallel read."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--elements", type=int, default=100_000_000, help="of each tensor (default: 1e8, 800 MB in all)")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    a, b = tensors(options.elements)
    contenders: dict[str, Callable[[], object]] = {
        "read, one core": lambda: (a.sum(), b.sum()),
        "read, all cores": lambda: read(a, b),
        "numba": lambda: run("", a, b),
        "numpy": lambda: run("numpy", a, b),
    }
    choose("")
    if kernel.name() == "numpy":
        del contenders["numba"]
    best = dict.fromkeys(contenders, np.full(2, np.inf))
    for _ in range(options.rounds):
        for name, contender in contenders.items():
            best[name] = np.minimum(best[name], timed(contender))
    print(f"two float32 tensors of {a.size:,} elements, {CORES} cores, load {os.getloadavg()[0]:.1f}, best of {options.rounds}")
    print(f"{'':16} {'GB/s':>6} {'of the read':>12} {'GB per core and second':>24} {'of the read':>12}")
    for name, times in best.items():
        wall, busy = 2 * a.nbytes / times / 1e9
        shares = best["read, all cores"][0] / times[0], best["read, one core"][1] / times[1]
        print(f"{name:16} {wall:6.1f} {shares[0]:12.0%} {busy:24.1f} {shares[1]:12.0%}")


def tensors(elements: int) -> tuple[Array, Array]:
    """A tensor of feature maps, 56 x 56, and the same with the rounding of another framework."""
    random = np.random.default_rng(0)
    a = random.standard_normal(elements, np.float32)
    b = random.standard_normal(elements, np.float32)
    b *= np.float32(1e-6)
    b += a
    whole = elements // (64 * 56 * 56) * 64 * 56 * 56
    shape = (-1, 64, 56, 56) if whole else (-1,)
    return a[: whole or elements].reshape(shape), b[: whole or elements].reshape(shape)


def read(a: Array, b: Array) -> float:
    parts = [x.reshape(-1)[start : start + SHARE] for x in (a, b) for start in range(0, x.size, SHARE)]
    with ThreadPoolExecutor(CORES) as pool:
        return sum(pool.map(lambda part: float(part.sum()), parts))


def run(name: str, a: Array, b: Array) -> None:
    choose(name)
    diff(a, b, 1e-4, 0.0)


def choose(name: str) -> None:
    """The kernel of that name, or by default."""
    os.environ["ALIGNDBG_KERNEL"] = name
    kernel._load.cache_clear()
    kernel.warm()


def timed(contender: Callable[[], object]) -> tuple[float, float]:
    """Wall time and processor time."""
    wall, busy = time.perf_counter(), time.process_time()
    contender()
    return time.perf_counter() - wall, time.process_time() - busy


if __name__ == "__main__":
    main()
