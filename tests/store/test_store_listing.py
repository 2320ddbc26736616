from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from aligndbg.errors import EnvironmentFault, UsageError
from aligndbg.pairs.schema import ModelSpec, PairSpec
from aligndbg.store.listing import list_sessions, remove, resolve_session
from aligndbg.store.process import WriterProcess, is_alive, start_time, this_process
from aligndbg.store.session import open_session
from aligndbg.store.writer import SessionWriter


def _finished(root: Path, name: str, verdict: str = "aligned") -> Path:
    writer = SessionWriter.create(root, PairSpec(name, ModelSpec("m:f"), ModelSpec("m:f")), {})
    report = {"verdict": verdict, "headline": f"{name}: {verdict}", "exit_code": int(verdict != "aligned")}
    writer.finish(json.dumps(report).encode())
    return writer.path


def test_newest_first_with_damaged_ones(tmp_path: Path) -> None:
    first, second, third, fourth = (_finished(tmp_path, name) for name in ("a", "b", "c", "d"))
    (second / "session.json").write_text("{")
    (third / "results.db").write_bytes(b"")
    (tmp_path / ".x.tmp").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "README.md").write_text("")
    listed = list_sessions(tmp_path)
    assert [summary.path for summary in listed] == [fourth, third, second, first]
    assert [(summary.verdict, summary.headline, summary.status) for summary in (listed[0], listed[3])] == [
        ("aligned", "d: aligned", "finished"),
        ("aligned", "a: aligned", "finished"),
    ]
    assert "results.db" in listed[1].error
    assert "session.json is damaged" in listed[2].error


def test_no_root_no_sessions(tmp_path: Path) -> None:
    assert list_sessions(tmp_path / "none") == []
    with pytest.raises(UsageError, match="no session"):
        resolve_session(tmp_path / "none", "latest")


def test_resolve(tmp_path: Path) -> None:
    first, second = _finished(tmp_path, "squeezenet"), _finished(tmp_path, "resnet")
    assert resolve_session(tmp_path, "latest") == second
    assert resolve_session(tmp_path, first.name) == first
    assert resolve_session(tmp_path, first.name[-4:]) == first
    assert resolve_session(tmp_path, first.name[:-4]) == first
    assert resolve_session(tmp_path / "elsewhere", str(first)) == first
    with pytest.raises(UsageError) as caught:
        resolve_session(tmp_path, first.name.replace("squeezenet", "sqeezenet"))
    assert first.name in caught.value.hint
    with pytest.raises(UsageError, match="names 2 sessions"):
        resolve_session(tmp_path, first.name[:4])
    with pytest.raises(UsageError):
        resolve_session(tmp_path, "")
    with pytest.raises(UsageError):
        resolve_session(tmp_path, "../..")


def test_remove(tmp_path: Path) -> None:
    done, broken = _finished(tmp_path, "a"), _finished(tmp_path, "b")
    (broken / "session.json").write_text("")
    remove(done)
    remove(broken)
    assert list_sessions(tmp_path) == []
    (tmp_path / "precious").mkdir()
    with pytest.raises(UsageError, match="not a session"):
        remove(tmp_path / "precious")
    running = SessionWriter.create(tmp_path, PairSpec("c", ModelSpec("m:f"), ModelSpec("m:f")), {})
    with pytest.raises(UsageError, match="still being written"):
        remove(running.path)
    running.close()
    remove(running.path)
    assert not running.path.exists()


def test_open_what_is_no_session(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match="is not a session"):
        open_session(tmp_path)


def test_a_process_is_known_by_its_start() -> None:
    assert is_alive(this_process())
    assert not is_alive(WriterProcess(os.getpid(), "another boot:1"))
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert child.stdin is not None
    process = WriterProcess(child.pid, start_time(child.pid))
    assert process.started is not None and is_alive(process)
    child.stdin.close()
    child.wait()
    assert not is_alive(process)
