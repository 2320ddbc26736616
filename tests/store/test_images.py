"""Pictures of an evaluation: what is committed is whole, whatever moment the writer dies at."""

from __future__ import annotations

import math
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from aligndbg.errors import EnvironmentFault, UsageError
from aligndbg.pairs.schema import PairSpec
from aligndbg.store import database
from aligndbg.store.images import CLASSES, ImageRow, ImageWriter, SideScores, logits_file
from aligndbg.store.layout import RESULTS
from aligndbg.store.session import open_session
from aligndbg.store.writer import SessionWriter

WIDTH = 7


def scores(seed: int) -> SideScores:
    return SideScores(seed % 5, seed / 3, ((seed % 7, 0.5), (1, 0.25)))


def batch_of(number: int, first_row: int, count: int = 3) -> tuple[list[ImageRow], dict[str, NDArray[np.float32]]]:
    """`count` pictures, a bad one among them."""
    rows, row = [], first_row
    for place in range(count + 1):
        position = number * (count + 1) + place
        if place == 1:
            rows.append(ImageRow(position, number, None, f"a b/{position}.jpg", 3, problem="is not a picture"))
            continue
        both = (scores(position), scores(position + 1))
        rows.append(ImageRow(position, number, row, f"a b/{position}.jpg", 3, *both, 1e-6, 1e-12))
        row += 1
    values = np.arange(count * WIDTH, dtype=np.float32).reshape(count, WIDTH) + number
    return rows, {"torch": values, "paddle": values + np.float32(0.5)}


@pytest.fixture
def session(tmp_path: Path, pair: PairSpec) -> Path:
    writer = SessionWriter.create(tmp_path / "sessions", pair, {}, kind="eval")
    writer.close()
    return writer.path


def fill(folder: Path, batches: int) -> None:
    images = ImageWriter(folder)
    images.set_facts({CLASSES: str(WIDTH)})
    for number in range(batches):
        images.write(number, *batch_of(number, images.rows))
    images.close()


def test_what_was_written_is_read(session: Path) -> None:
    fill(session, 2)
    with open_session(session) as opened:
        rows = opened.images()
        torch, paddle = opened.logits("torch"), opened.logits("paddle")
    assert rows == [*batch_of(0, 0)[0], *batch_of(1, 3)[0]]
    assert torch is not None and paddle is not None
    assert np.array_equal(torch, np.concatenate([batch_of(0, 0)[1]["torch"], batch_of(1, 3)[1]["torch"]]))
    assert np.array_equal(paddle, torch + 0.5)


def test_nan_and_infinity_come_back(session: Path) -> None:
    broken = SideScores(7, math.nan, ())
    row = ImageRow(0, 0, 0, "a", 1, broken, SideScores(0, math.inf, ()), math.nan, math.inf)
    images = ImageWriter(session)
    images.write(0, [row], {side: np.full((1, WIDTH), np.nan, np.float32) for side in ("torch", "paddle")})
    (found,) = images.images()
    images.close()
    assert found.torch is not None and math.isnan(found.torch.loss)
    assert found.paddle == row.paddle
    assert found.max_abs is not None and math.isnan(found.max_abs)
    assert found.divergence == math.inf


def test_one_side_alone(session: Path) -> None:
    images = ImageWriter(session)
    images.set_facts({CLASSES: str(WIDTH)})
    images.write(0, [ImageRow(0, 0, 0, "a", 1, paddle=scores(4))], {"paddle": np.ones((1, WIDTH), np.float32)})
    images.close()
    images = ImageWriter(session)
    assert images.rows == 1
    images.close()
    with open_session(session) as opened:
        (row,) = opened.images()
        assert (row.torch, row.paddle, row.max_abs) == (None, scores(4), None)
        assert opened.logits("torch") is None
        logits = opened.logits("paddle")
        assert logits is not None and logits.shape == (1, WIDTH)


def test_a_batch_of_no_picture_is_done_too(session: Path) -> None:
    images = ImageWriter(session)
    images.write(4, [], {})
    images.close()
    again = ImageWriter(session)
    assert (again.done, again.rows, again.images()) == ({4}, 0, [])
    again.close()


def test_names_that_are_no_utf8(session: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    images = ImageWriter(session)
    images.write(0, [ImageRow(0, 0, None, name, 1, problem=f"{name} does not exist")], {})
    assert [row.name for row in images.images()] == ["caf\\udce9.jpg"]
    images.close()


def test_logits_of_a_batch_that_was_not_committed_are_cut_off(session: Path) -> None:
    fill(session, 2)
    for side, extra in (("torch", WIDTH * 4 * 3), ("paddle", 5)):
        with logits_file(session, side).open("ab") as file:
            file.write(b"\1" * extra)
    images = ImageWriter(session)
    assert (images.rows, images.done) == (6, {0, 1})
    images.write(2, *batch_of(2, 6))
    images.close()
    with open_session(session) as opened:
        for side in ("torch", "paddle"):
            found = opened.logits(side)
            assert found is not None
            assert np.array_equal(found[6:], batch_of(2, 6)[1][side])


def test_batches_whose_logits_are_lost_are_forgotten(session: Path) -> None:
    fill(session, 3)
    os.truncate(logits_file(session, "paddle"), WIDTH * 4 * 4)
    images = ImageWriter(session)
    assert (images.rows, images.done) == (3, {0})
    images.write(1, *batch_of(1, 3))
    images.close()
    with open_session(session) as opened:
        assert opened.images() == [*batch_of(0, 0)[0], *batch_of(1, 3)[0]]


def test_no_picture_is_stored_twice(session: Path) -> None:
    fill(session, 2)
    images = ImageWriter(session)
    rows, logits = batch_of(1, images.rows)
    with pytest.raises(EnvironmentFault, match="UNIQUE"):
        images.write(1, rows, logits)
    images.close()
    images = ImageWriter(session)
    assert (images.rows, len(images.images())) == (6, 8)
    images.close()


def test_rows_must_follow(session: Path) -> None:
    images = ImageWriter(session)
    with pytest.raises(ValueError, match="do not follow 0"):
        images.write(0, *batch_of(0, 1))
    images.close()


def test_an_older_session_has_no_pictures_and_can_take_them(session: Path) -> None:
    connection = sqlite3.connect(session / RESULTS)
    connection.executescript("DROP TABLE images; DROP TABLE batches; DROP TABLE facts; PRAGMA user_version = 2;")
    connection.close()
    with open_session(session) as opened:
        assert (opened.images(), opened.facts()) == ([], {})
    fill(session, 1)
    with open_session(session) as opened:
        assert len(opened.images()) == 4
    assert database.SCHEMA == 3


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_images import batch_of, WIDTH
from aligndbg.store.images import CLASSES, ImageWriter
images = ImageWriter(Path(sys.argv[1]))
images.set_facts({CLASSES: str(WIDTH)})
for number in range(max(images.done, default=-1) + 1, 10_000):
    images.write(number, *batch_of(number, images.rows))
    print(number, flush=True)
"""


def test_killed_at_any_moment_it_loses_no_batch_that_was_told(session: Path) -> None:
    shown = -1
    for count in (0, 1, 5, 23, 40):
        child = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(session), str(Path(__file__).parent)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        for _ in range(count):
            shown = int(child.stdout.readline())
        child.kill()
        shown = max([shown, *(int(line) for line in child.stdout.read().split("\n")[:-1])])
        child.wait()
        child.stdout.close()
        with open_session(session) as opened:
            rows = opened.images()
            assert len(rows) % 4 == 0
            assert len(rows) >= 4 * (shown + 1)
            assert [row.position for row in rows] == list(range(len(rows)))
            logits = opened.logits("torch")
            for row in rows:
                if row.row is not None:
                    assert logits is not None
                    assert logits[row.row][0] == row.batch + WIDTH * (row.row % 3)


def test_a_session_goes_on_where_it_was(tmp_path: Path, pair: PairSpec) -> None:
    writer = SessionWriter.create(tmp_path, pair, {"limit": 3}, kind="eval")
    writer.write_notice("info", "first")
    writer.close()
    again = SessionWriter.resume(writer.path)
    with open_session(writer.path) as opened:
        assert opened.status == "running"
    again.write_notice("info", "second")
    again.finish(b'{"verdict": "within", "headline": "h", "exit_code": 0}')
    with open_session(writer.path) as opened:
        assert (opened.status, opened.snapshot.kind) == ("finished", "eval")
        assert [entry.message for entry in opened.stream()] == ["first", "second"]  # type: ignore[union-attr]
    with pytest.raises(UsageError, match="it is finished"):
        SessionWriter.resume(writer.path)


def test_what_still_goes_on_is_not_resumed(tmp_path: Path, pair: PairSpec) -> None:
    writer = SessionWriter.create(tmp_path, pair, {})
    with pytest.raises(UsageError, match="it is running"):
        SessionWriter.resume(writer.path)
    writer.close()
