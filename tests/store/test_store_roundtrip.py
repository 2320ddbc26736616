from __future__ import annotations

import errno
import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from aligndbg.core.layers import LayerPair
from aligndbg.core.verdict import LayerResult, Verdict
from aligndbg.errors import CannotPair, EnvironmentFault
from aligndbg.pairs.schema import PairSpec
from aligndbg.store import database, entries
from aligndbg.store.session import open_session
from aligndbg.store.writer import SessionWriter
from aligndbg.weights.plan import WeightPlan, WeightRule

REPORT = json.dumps({"schema": 1, "verdict": "aligned", "headline": "tiny: aligned", "exit_code": 0, "layers": []}).encode()
PLAN = WeightPlan(
    (WeightRule("fc.weight", "fc.weight", "transpose", "Linear stores [in, out]", (1, 0), flags=("square",)),), ("a",), ("b",)
)


def test_what_is_written_is_read(tmp_path: Path, pair: PairSpec, layers: tuple[LayerPair, ...], results: list[LayerResult]) -> None:
    writer = SessionWriter.create(tmp_path / "sessions", pair, {"atol": 1e-4, "input": Path("cat.png")}, {"numpy": "2.4"})
    writer.write_environment("torch", {"torch": "2.13.0", "threads": 2, "tf32": False})
    writer.write_weights("torch.hub's cache", "b66bff10")
    writer.write_plan(PLAN)
    writer.write_layers(layers)
    for result in results:
        writer.write_result(result)
    writer.write_notice("warning", "random weights", "download them")
    writer.keep("inputs", {"0": np.arange(12, dtype=np.float32).reshape(3, 4).T})
    writer.keep("features.0/relu#2", {"torch": np.float64([np.nan, 1]), "paddle": np.float64([0, 1])})
    writer.finish(REPORT)
    writer.close()

    with open_session(writer.path) as session:
        assert session.status == "finished"
        assert session.layers() == layers
        assert session.results() == {result.index: result for result in results}
        assert session.plan() == PLAN
        assert session.report_json() == REPORT
        assert set(session.tensor_names()) == {"inputs", "features.0/relu#2"}
        np.testing.assert_array_equal(session.tensors("inputs")["0"], np.arange(12, dtype=np.float32).reshape(3, 4).T)
        np.testing.assert_array_equal(session.tensors("features.0/relu#2")["torch"], [np.nan, 1])
        assert list(session.stream()) == [
            entries.SideEnvironment("torch", {"torch": "2.13.0", "threads": 2, "tf32": False}),
            entries.WeightsSource("torch.hub's cache", "b66bff10"),
            PLAN,
            entries.PairedLayers(layers),
            *results,
            entries.StoredNotice("warning", "random weights", "download them"),
        ]
        snapshot = session.snapshot
    assert snapshot.pair == pair
    assert snapshot.options == {"atol": 1e-4, "input": "cat.png"}
    assert snapshot.environment == {"numpy": "2.4"}
    assert [source.role for source in snapshot.sources] == ["pair", "torch", "paddle"]
    torch_source = snapshot.sources[1]
    assert torch_source.text == "def tiny(): ...\n"
    assert torch_source.sha256 == hashlib.sha256(b"def tiny(): ...\n").hexdigest()
    assert not list(writer.path.glob("results.db-*")), "a finished session is plain files"


def test_last_result_of_a_layer_wins(
    tmp_path: Path, pair: PairSpec, layers: tuple[LayerPair, ...], results: list[LayerResult], revised: LayerResult
) -> None:
    writer = SessionWriter.create(tmp_path, pair, {})
    writer.write_layers(layers)
    for result in [*results, revised]:
        writer.write_result(result)
    writer.close()
    with open_session(writer.path) as session:
        assert session.results()[5].verdict is Verdict.INHERITED
        assert len(list(session.stream())) == 1 + len(results) + 1


def test_name_of_the_folder(tmp_path: Path, pair: PairSpec) -> None:
    writer = SessionWriter.create(tmp_path, pair, {})
    writer.close()
    stamp, name, suffix = writer.path.name.split("-", 1)[0], writer.path.name[21:-5], writer.path.name[-4:]
    assert stamp.endswith("Z") and len(stamp) == 20
    assert name == "broken-tiny"
    assert len(suffix) == 4 and int(suffix, 16) >= 0
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("name", ["../../etc", "..", "a" * 500, "\x1b[31m", "ü/ß", "卷" * 200])
def test_hostile_pair_names_stay_in_the_root(tmp_path: Path, name: str) -> None:
    from aligndbg.pairs.schema import ModelSpec

    writer = SessionWriter.create(tmp_path / "s", PairSpec(name, ModelSpec("m:f"), ModelSpec("m:f"), root=tmp_path), {})
    writer.keep(f"../{name}", {"x": np.zeros(1)})
    writer.close()
    assert writer.path.parent == tmp_path / "s"
    with open_session(writer.path) as session:
        assert session.snapshot.pair.name == name
        assert session.tensor_names() == (f"../{name}",)
        assert session.tensors(f"../{name}")["x"].shape == (1,)


def test_failure_is_kept(tmp_path: Path, pair: PairSpec) -> None:
    writer = SessionWriter.create(tmp_path, pair, {})
    writer.fail(CannotPair("no common structure", "pin a layer"))
    writer.close()
    with open_session(writer.path) as session:
        assert session.status == "failed"
        outcome = session.snapshot.outcome
        assert outcome is not None and outcome.failure is not None
        assert (outcome.failure.kind, outcome.failure.message, outcome.exit_code) == ("CannotPair", "no common structure", 4)
        assert (outcome.verdict, outcome.headline) == ("cannot-pair", "no common structure")
        assert session.report_json() is None


def test_running_then_partial(tmp_path: Path, pair: PairSpec) -> None:
    writer = SessionWriter.create(tmp_path, pair, {})
    with open_session(writer.path) as session:
        assert session.status == "running"
    writer.close()
    with open_session(writer.path) as session:
        assert session.status == "partial"


def test_reading_while_another_writes(tmp_path: Path, pair: PairSpec, results: list[LayerResult]) -> None:
    writer = SessionWriter.create(tmp_path, pair, {})
    with open_session(writer.path) as session:
        for count, result in enumerate(results[:5], start=1):
            writer.write_result(result)
            assert len(session.results()) == count
    writer.close()


def test_reading_changes_nothing(tmp_path: Path, pair: PairSpec, results: list[LayerResult]) -> None:
    writer = SessionWriter.create(tmp_path, pair, {})
    writer.write_result(results[0])
    writer.finish(REPORT)
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in writer.path.rglob("*")}
    with open_session(writer.path) as session:
        list(session.stream())
        with pytest.raises(sqlite3.OperationalError):
            session._connection.execute("DELETE FROM results")
    assert before == {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in writer.path.rglob("*")}


def test_a_row_costs_less_than_a_millisecond(tmp_path: Path, pair: PairSpec, results: list[LayerResult]) -> None:
    writer = SessionWriter.create(tmp_path, pair, {})
    began = time.process_time()
    for _ in range(5):
        for result in results:
            writer.write_result(result)
    spent = time.process_time() - began
    writer.close()
    assert spent / (5 * len(results)) < 1e-3


@pytest.mark.parametrize("fault", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_unwritable_root_is_one_clear_line(tmp_path: Path, pair: PairSpec, monkeypatch: pytest.MonkeyPatch, fault: int) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(fault, os.strerror(fault))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(EnvironmentFault) as caught:
        SessionWriter.create(tmp_path / "sessions", pair, {})
    assert str(tmp_path / "sessions") in caught.value.message
    assert os.strerror(fault) in caught.value.message
    assert "\n" not in caught.value.message
    assert "--sessions" in caught.value.hint
    assert caught.value.exit_code == 3


def test_a_file_where_the_root_should_be(tmp_path: Path, pair: PairSpec) -> None:
    (tmp_path / "sessions").write_text("")
    with pytest.raises(EnvironmentFault, match="sessions"):
        SessionWriter.create(tmp_path / "sessions", pair, {})


@pytest.fixture
def ordinary_user() -> Iterator[None]:
    """Root may write anywhere; nobody may not."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    yield
    os.seteuid(was)


def test_read_only_folder(tmp_path: Path, pair: PairSpec, request: pytest.FixtureRequest) -> None:
    root = tmp_path / "sessions"
    root.mkdir(mode=0o555)
    request.getfixturevalue("ordinary_user")
    with pytest.raises(EnvironmentFault, match="Permission denied"):
        SessionWriter.create(root, pair, {})


def test_full_disk_in_the_middle(tmp_path: Path, pair: PairSpec, results: list[LayerResult]) -> None:
    writer = SessionWriter.create(tmp_path, pair, {})
    writer._connection.execute("PRAGMA max_page_count = 16")
    with pytest.raises(EnvironmentFault, match="full"):
        for result in results:
            writer.write_result(result)
    writer._connection.execute("PRAGMA max_page_count = 100000")
    writer.close()
    with open_session(writer.path) as session:
        assert 0 < len(session.results()) < len(results)


def test_older_schema_is_migrated_without_touching_the_file(
    tmp_path: Path, pair: PairSpec, results: list[LayerResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = SessionWriter.create(tmp_path, pair, {})
    writer.write_result(results[0])
    writer.finish(REPORT)
    before = (writer.path / "results.db").read_bytes()
    monkeypatch.setattr(database, "MIGRATIONS", (*database.MIGRATIONS, "CREATE TABLE later (x); INSERT INTO later VALUES (7);"))
    monkeypatch.setattr(database, "SCHEMA", database.SCHEMA + 1)
    with open_session(writer.path) as session:
        assert session.results() == {0: results[0]}
        assert session._connection.execute("SELECT x FROM later").fetchone() == (7,)
    assert (writer.path / "results.db").read_bytes() == before
    # Opened to be written, the same step is taken in place, once.
    database.connect_to_write(writer.path).close()
    connection = database.connect_to_write(writer.path)
    assert connection.execute("PRAGMA user_version").fetchone() == (database.SCHEMA,)
    connection.close()


def test_a_session_from_before_there_were_findings_opens(
    tmp_path: Path, pair: PairSpec, results: list[LayerResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.setattr(database, "MIGRATIONS", database.MIGRATIONS[:1])
        older.setattr(database, "SCHEMA", 1)
        older.setattr("aligndbg.store.snapshot.SCHEMA", 1)
        writer = SessionWriter.create(tmp_path, pair, {})
        writer.write_result(results[0])
        writer.close()
    before = (writer.path / "results.db").read_bytes()
    assert json.loads((writer.path / "session.json").read_bytes())["schema"] == 1
    with open_session(writer.path) as session:
        assert list(session.stream()) == [results[0]]
    assert (writer.path / "results.db").read_bytes() == before


def test_newer_database_is_refused(tmp_path: Path, pair: PairSpec) -> None:
    writer = SessionWriter.create(tmp_path, pair, {})
    writer.finish(REPORT)
    with sqlite3.connect(writer.path / "results.db") as connection:
        connection.execute(f"PRAGMA user_version = {database.SCHEMA + 1}")
    connection.close()
    with pytest.raises(EnvironmentFault, match=r"results\.db was written by a newer aligndbg"):
        open_session(writer.path)


def test_newer_snapshot_is_refused(tmp_path: Path, pair: PairSpec) -> None:
    writer = SessionWriter.create(tmp_path, pair, {})
    writer.finish(REPORT)
    path = writer.path / "session.json"
    path.write_text(json.dumps({"schema": database.SCHEMA + 1, "unknown": {}}))
    with pytest.raises(EnvironmentFault, match=r"session\.json was written by a newer aligndbg"):
        open_session(writer.path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"schema": "1"}', b'{"schema": 1}'])
def test_damaged_snapshot_names_the_file(tmp_path: Path, pair: PairSpec, content: bytes) -> None:
    writer = SessionWriter.create(tmp_path, pair, {})
    writer.close()
    (writer.path / "session.json").write_bytes(content)
    with pytest.raises(EnvironmentFault, match=r"session\.json is damaged"):
        open_session(writer.path)


def test_damaged_database_names_the_file(tmp_path: Path, pair: PairSpec, results: list[LayerResult]) -> None:
    writer = SessionWriter.create(tmp_path, pair, {})
    for result in results:
        writer.write_result(result)
    writer.close()
    path = writer.path / "results.db"
    whole = path.read_bytes()

    path.write_bytes(b"not a database, not even close" * 10)
    with pytest.raises(EnvironmentFault, match=r"results\.db: file is not a database"):
        open_session(writer.path)

    # Whatever byte range is lost, the answer is rows or one sentence that names the file.
    for begin in range(100, len(whole), len(whole) // 40):
        path.write_bytes(whole[:begin] + b"\xa5" * 2000 + whole[begin + 2000 :])
        try:
            with open_session(writer.path) as session:
                list(session.stream())
                session.results()
        except EnvironmentFault as fault:
            assert "results.db" in fault.message

    path.unlink()
    with pytest.raises(EnvironmentFault, match=r"results\.db"):
        open_session(writer.path)


def test_unknown_and_damaged_tensors(tmp_path: Path, pair: PairSpec) -> None:
    writer = SessionWriter.create(tmp_path, pair, {})
    writer.keep("inputs", {"0": np.zeros(3)})
    writer.close()
    with open_session(writer.path) as session:
        with pytest.raises(EnvironmentFault) as caught:
            session.tensors("input")
        assert caught.value.hint == "kept: inputs"
        (writer.path / "tensors" / "inputs.safetensors").write_bytes(b"\x00" * 5)
        with pytest.raises(EnvironmentFault, match=r"inputs\.safetensors cannot be read"):
            session.tensors("inputs")


def test_strings_that_are_not_unicode_are_kept_as_escapes(tmp_path: Path) -> None:
    from aligndbg.core.layers import Call, TensorSpec
    from aligndbg.errors import ChildDied
    from aligndbg.pairs.schema import ModelSpec

    bad = "caf\udce9"
    call = Call(0, bad, "relu", bad, (TensorSpec((1,)),), attributes={bad: bad})
    writer = SessionWriter.create(tmp_path, PairSpec(bad, ModelSpec("m:f", {bad: bad}), ModelSpec("m:f")), {bad: Path(bad)})
    writer.write_environment("torch", {bad: bad})
    writer.write_notice("warning", bad, bad)
    writer.write_weights(bad, "")
    writer.write_layers([LayerPair(0, call, call, "type+order", bad)])
    writer.write_result(LayerResult(0, Verdict.ERROR, True, note=bad))
    writer.fail(ChildDied(bad, bad, bad))
    with open_session(writer.path) as session:
        assert session.layers()[0].path == "caf\\udce9"
        assert session.results()[0].note == "caf\\udce9"
        assert session.snapshot.outcome is not None and session.snapshot.outcome.headline == "caf\\udce9"
        assert len(list(session.stream())) == 5


def test_an_unreadable_source_does_not_stop_the_run(tmp_path: Path, pair: PairSpec) -> None:
    (pair.root / "torch_model.py").unlink()
    (pair.root / "torch_model.py").mkdir()
    (pair.root / "paddle_model.py").write_bytes(b"# caf\xe9\n")
    writer = SessionWriter.create(tmp_path / "s", pair, {})
    writer.close()
    with open_session(writer.path) as session:
        assert [(source.role, source.text) for source in session.snapshot.sources] == [
            ("pair", "schema: 1\nname: broken/tiny\n"),
            ("paddle", None),
        ]
