"""A run killed at any moment leaves a session that opens and holds all that was shown."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from aligndbg.store.listing import list_sessions
from aligndbg.store.session import open_session

WRITER = """
import sys
from pathlib import Path
from aligndbg.core.stats import Diff, DiffDetail, DiffStats, TensorStats
from aligndbg.core.verdict import LayerResult, Verdict
from aligndbg.pairs.schema import ModelSpec, PairSpec
from aligndbg.store.writer import SessionWriter

tensor = TensorStats(1, 0., 0., 0., 0., 0, 0, 0)
diff = Diff(tensor, tensor, DiffStats(0., 0., 0., 0., None, 0., 0, 0, (0,)), DiffDetail(0, (), 1, (0.,) * 256, None, ()))
writer = SessionWriter.create(Path(sys.argv[1]), PairSpec("tiny", ModelSpec("m:f"), ModelSpec("m:f")), {})
print("created", flush=True)
for index in range(10_000_000):
    writer.write_result(LayerResult(index, Verdict.OK, False, diff))
    print(index, flush=True)
"""


@pytest.mark.parametrize("shown", [0, 1, 17, 700, 2500])
def test_kill(tmp_path: Path, shown: int) -> None:
    child = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "created\n"
    for _ in range(shown):
        child.stdout.readline()
    (summary,) = list_sessions(tmp_path)
    assert summary.status == "running"
    child.kill()
    last = max((int(line) for line in child.stdout.read().split("\n")[:-1]), default=shown - 1)
    child.wait()
    child.stdout.close()

    (summary,) = list_sessions(tmp_path)
    assert (summary.status, summary.error) == ("partial", "")
    with open_session(summary.path) as session:
        assert session.status == "partial"
        found = session.results()
        assert sorted(found) == list(range(len(found)))
        assert len(found) > last, "a row that was shown is lost"


def test_kill_while_creating(tmp_path: Path) -> None:
    """Whenever creation is cut, the root holds complete sessions or hidden leftovers, never a folder that cannot be opened."""
    for milliseconds in range(0, 40, 4):
        waiting = (
            f"import threading, os, time; threading.Thread(target=lambda: (time.sleep({milliseconds}/1e3), os._exit(9))).start()\n"
        )
        loaded = WRITER.replace("writer = SessionWriter.create", waiting + "writer = SessionWriter.create")
        subprocess.run([sys.executable, "-c", loaded, str(tmp_path)], stdout=subprocess.DEVNULL, check=False)
    for summary in list_sessions(tmp_path):
        assert summary.error == ""
        open_session(summary.path).close()
