"""Batches decoded by workers are those that one process decodes, whatever is wrong with a picture or a worker."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from multiprocessing.connection import wait
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aligndbg.core.preprocessing import CenterCrop, Decode, Normalise, ResizeShort, ToCHW
from aligndbg.datasets.decoders import Decoded, Decoders
from aligndbg.datasets.pipeline import Pipeline
from aligndbg.errors import EnvironmentFault

SIZE = 16
ONE = Pipeline((Decode(), ResizeShort(20), CenterCrop(SIZE), Normalise(), ToCHW()))
OTHER = Pipeline((Decode(), ResizeShort(24, "bicubic"), CenterCrop(SIZE), Normalise(), ToCHW()))


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    random = np.random.default_rng(0)
    paths = []
    for index in range(11):
        paths.append(tmp_path / f"a picture\n{index}.png")
        Image.fromarray(random.integers(0, 255, (30 + index, 40, 3), np.uint8)).save(paths[-1])
    return paths


def run(decoders: Decoders, batches: Sequence[Sequence[Path]]) -> list[tuple[Decoded, list[np.ndarray]]]:
    found: list[tuple[Decoded, list[np.ndarray]]] = []
    numbers = iter(range(len(batches)))
    deadline = time.monotonic() + 60
    while len(found) < len(batches):
        while decoders.room and (number := next(numbers, None)) is not None:
            decoders.submit(number, batches[number])
        while (decoded := decoders.finished()) is not None:
            found.append((decoded, [tensor.copy() for tensor in decoded.tensors]))
            decoders.release(decoded)
            break
        else:
            decoders.serve(wait(decoders.connections, 5))
        assert time.monotonic() < deadline
    return found


@pytest.mark.parametrize("workers", [1, 3])
def test_every_pipeline_of_every_picture_in_order(pictures: list[Path], workers: int) -> None:
    batches = [pictures[start : start + 4] for start in range(0, 11, 4)] * 3
    with Decoders((ONE, OTHER), (3, SIZE, SIZE), 4, workers) as decoders:
        found = run(decoders, batches)
    assert [decoded.number for decoded, _ in found] == list(range(len(batches)))
    for (decoded, tensors), batch in zip(found, batches, strict=True):
        assert decoded.places == tuple(range(len(batch)))
        assert not decoded.problems
        for pipeline, tensor in zip((ONE, OTHER), tensors, strict=True):
            assert np.array_equal(tensor, np.stack([pipeline.apply(path) for path in batch]))


def test_bad_pictures_are_told_and_the_others_move_up(pictures: list[Path], tmp_path: Path) -> None:
    truncated = tmp_path / "truncated.png"
    truncated.write_bytes(pictures[0].read_bytes()[:200])
    batch = [tmp_path / "missing.png", pictures[1], truncated, pictures[2]]
    with Decoders((ONE,), (3, SIZE, SIZE), 4, 2) as decoders:
        ((decoded, (tensor,)),) = run(decoders, [batch])
    assert decoded.places == (1, 3)
    assert np.array_equal(tensor, np.stack([ONE.apply(pictures[1]), ONE.apply(pictures[2])]))
    assert "missing.png" in decoded.problems[0] and "does not exist" in decoded.problems[0]
    assert "truncated.png" in decoded.problems[2]


def test_a_batch_without_a_good_picture(tmp_path: Path) -> None:
    with Decoders((ONE,), (3, SIZE, SIZE), 2, 1) as decoders:
        ((decoded, (tensor,)),) = run(decoders, [[tmp_path / "a", tmp_path / "b"]])
    assert (decoded.places, tensor.shape) == ((), (0, 3, SIZE, SIZE))


def test_another_shape_than_the_model_s(pictures: list[Path]) -> None:
    with Decoders((ONE,), (3, SIZE, SIZE + 1), 2, 1) as decoders:
        ((decoded, _),) = run(decoders, [pictures[:1]])
    assert decoded.problems[0].endswith("gives 3x16x16 after preprocessing, the model's input is 3x16x17")


def test_a_picture_that_kills_its_workers_is_left_out(
    pictures: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "shadow").mkdir()
    (tmp_path / "shadow" / "sitecustomize.py").write_text(
        "import os\nfrom PIL import Image\nopened = Image.open\n"
        "Image.open = lambda path: os.kill(os.getpid(), 9) if 'deadly' in str(path) else opened(path)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "shadow"))
    deadly = tmp_path / "deadly.png"
    deadly.write_bytes(pictures[0].read_bytes())
    with Decoders((ONE,), (3, SIZE, SIZE), 4, 1) as decoders:
        ((decoded, (tensor,)),) = run(decoders, [[pictures[1], deadly, pictures[2], pictures[3]]])
    assert decoded.problems == {1: "the process that decoded it was killed by SIGKILL, twice"}
    assert np.array_equal(tensor, np.stack([ONE.apply(pictures[place]) for place in (1, 2, 3)]))


def test_a_worker_that_something_else_kills_costs_no_picture(pictures: list[Path]) -> None:
    with Decoders((ONE,), (3, SIZE, SIZE), 6, 1) as decoders:
        run(decoders, [pictures[6:7]])
        (pid,) = decoders.pids
        os.kill(pid, signal.SIGSTOP)
        decoders.submit(1, pictures[:6])
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 30
        while (decoded := decoders.finished()) is None:
            decoders.serve(wait(decoders.connections, 5))
            assert time.monotonic() < deadline
        assert decoders.pids != [pid]
        assert decoded.problems == {}
        assert np.array_equal(decoded.tensors[0], np.stack([ONE.apply(path) for path in pictures[:6]]))


def test_workers_end_with_their_parent(pictures: list[Path]) -> None:
    decoders = Decoders((ONE,), (3, SIZE, SIZE), 2, 2)
    pids = decoders.pids
    run(decoders, [pictures[:2]])
    decoders.close()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_missing_backend_ends_the_work(pictures: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "shadow").mkdir()
    (tmp_path / "shadow" / "sitecustomize.py").write_text("import sys; sys.modules['cv2'] = None\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "shadow"))
    cv2 = Pipeline((Decode("cv2"), ResizeShort(20, backend="cv2"), CenterCrop(SIZE), Normalise(), ToCHW()))
    with Decoders((cv2,), (3, SIZE, SIZE), 2, 1) as decoders, pytest.raises(EnvironmentFault, match="cv2"):
        run(decoders, [pictures[:2]])
