"""A reference is read from whatever an earlier run left, and what is none is refused in words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aligndbg.errors import InputError
from aligndbg.jobs import reference
from aligndbg.jobs.formats.own import write_line
from aligndbg.jobs.metrics import Sample
from aligndbg.jobs.reference import read_reference
from aligndbg.jobs.spec import JobSpec, write_spec

PPCLS = (
    "[2026/11/24 00:00:01] ppcls INFO: [Train][Epoch 1/1][Iter: {step}/4]lr(Constant): 0.1, CELoss: {loss:.5f}, loss: {loss:.5f}\n"
)


def own(path: Path, *losses: float) -> Path:
    lines = [write_line(Sample(0, None, None, "train", 0.0, step, 4, {"loss": loss})) for step, loss in enumerate(losses)]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def ppcls(path: Path, *losses: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(PPCLS.format(step=step, loss=loss) for step, loss in enumerate(losses)), encoding="utf-8")
    return path


def job(folder: Path, log_format: str | None = None) -> Path:
    folder.mkdir()
    write_spec(folder, JobSpec(folder.name, "train", "a run", ("true",), "/", log_format=log_format))
    return folder


def losses(path: Path, rank: int | None = None) -> tuple[float, ...]:
    return read_reference(path).curve("train", "loss", rank=rank).ys


def test_a_job_is_read_from_its_metrics_rather_than_its_logs(tmp_path: Path) -> None:
    folder = job(tmp_path / "job")
    ppcls(folder / "log" / "launcher.log", 9.0, 8.0)
    assert losses(folder) == (9.0, 8.0)
    own(folder / "metrics.jsonl", 3.0, 2.0, 1.0)
    assert losses(folder) == (3.0, 2.0, 1.0)


def test_a_job_whose_metrics_say_nothing_is_read_from_its_logs(tmp_path: Path) -> None:
    folder = job(tmp_path / "job")
    (folder / "metrics.jsonl").write_text("{}\n", encoding="utf-8")
    ppcls(folder / "log" / "launcher.log", 9.0, 8.0)
    assert losses(folder) == (9.0, 8.0)


def test_the_ranks_of_a_job_are_told_apart_and_its_launcher_is_left_out(tmp_path: Path) -> None:
    folder = job(tmp_path / "job", "paddleclas")
    ppcls(folder / "log" / "launcher.log", 5.0)
    ppcls(folder / "log" / "workerlog.0", 1.0, 2.0)
    ppcls(folder / "log" / "workerlog.1", 3.0, 4.0)
    curves = read_reference(folder)
    assert curves.ranks("train", "loss") == [0, 1]
    assert (losses(folder, 0), losses(folder, 1)) == ((1.0, 2.0), (3.0, 4.0))


def test_ranks_that_say_nothing_leave_it_to_the_launcher(tmp_path: Path) -> None:
    folder = job(tmp_path / "job")
    ppcls(folder / "log" / "launcher.log", 5.0)
    (folder / "log" / "workerlog.0").write_text("starting\n", encoding="utf-8")
    assert losses(folder) == (5.0,)


def test_a_job_with_a_regex_of_its_own(tmp_path: Path) -> None:
    folder = job(tmp_path / "job", r"step (?P<step>\d+) cost (?P<loss>[\d.]+)")
    (folder / "log").mkdir()
    (folder / "log" / "launcher.log").write_text("step 0 cost 7.5\nstep 1 cost 7.25\n", encoding="utf-8")
    assert losses(folder) == (7.5, 7.25)


def test_a_launchers_folder_is_read_without_its_dump_of_the_environment(tmp_path: Path) -> None:
    ppcls(tmp_path / "workerlog.0", 2.0)
    ppcls(tmp_path / "default.abcdef.log", 9.0)
    curves = read_reference(tmp_path)
    assert curves.ranks("train", "loss") == [0]


@pytest.mark.parametrize("name", ["train.log", "a name\nof two lines.txt", "run.jsonl"])
def test_a_log_by_its_lines(tmp_path: Path, name: str) -> None:
    assert losses(ppcls(tmp_path / name, 4.0, 3.5)) == (4.0, 3.5)
    assert losses(own(tmp_path / name, 2.0, 1.0)) == (2.0, 1.0)


def test_a_log_that_says_nothing_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "LOOKED_AT", 10)
    path = ppcls(tmp_path / "log", 4.0, 3.0)
    path.write_text("downloading\n" * 50 + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert losses(path) == (4.0, 3.0)


@pytest.mark.parametrize("begin", [b"", b"\xef\xbb\xbf"])
def test_a_csv_and_one_of_a_spreadsheet(tmp_path: Path, begin: bytes) -> None:
    path = tmp_path / "Reference.CSV"
    path.write_bytes(begin + b"epoch,train_loss,eval_top1\r\n0,2.5,40\r\n1,2.0,50\r\n")
    curves = read_reference(path)
    assert curves.curve("eval", "top1", whole=True).ys == (40.0, 50.0)
    assert curves.curve("train", "loss", whole=True).xs == (1.0, 2.0)


def test_a_line_without_an_end_takes_no_memory_and_hides_no_other(tmp_path: Path) -> None:
    path = ppcls(tmp_path / "log", 4.0, 3.0)
    path.write_bytes(b"x" * (reference.LONGEST * 3) + b"\n" + path.read_bytes())
    assert losses(path) == (4.0, 3.0)
    assert max(map(len, reference._lines(path))) <= reference.LONGEST


@pytest.mark.parametrize("name", ["nothing.log", "nothing.csv", "prose.log", "prose.csv", "empty.log", "empty.csv"])
def test_what_holds_no_metric_is_refused_with_its_name_and_a_hint(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"\x1b[2J{name}"
    if not name.startswith("nothing"):
        path.write_text("" if name.startswith("empty") else "once upon a time\n", encoding="utf-8")
    with pytest.raises(InputError) as refused:
        read_reference(path)
    assert name in refused.value.message
    assert refused.value.message.isprintable()
    assert refused.value.hint


def test_folders_and_pipes_that_are_no_reference(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no metric"):
        read_reference(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="neither a file nor a folder"):
        read_reference(tmp_path / "pipe")


def test_a_damaged_job_is_told_from_none(tmp_path: Path) -> None:
    folder = job(tmp_path / "job", "no-such-format")
    with pytest.raises(InputError, match="no log format is called"):
        read_reference(folder)
    (folder / "job.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="is a job that cannot be read"):
        read_reference(folder)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(content=st.binary(max_size=400), suffix=st.sampled_from([".log", ".csv"]))
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"any{suffix}"
    path.write_bytes(content)
    try:
        assert read_reference(path).metrics()
    except InputError as refused:
        assert refused.hint
