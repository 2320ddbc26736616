"""The command line up to the point where a command begins its work."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import aligndbg
from aligndbg.cli import main, parse
from aligndbg.commands import COMMANDS

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def empty_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("ALIGNDBG_SESSIONS", "ALIGNDBG_MODELS", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("words", "run"),
    [
        ("", "app:open_app"),
        ("PAIR --watch", "app:open_app"),
        ("report PAIR OTHER", "report:report"),
        ("--headless report PAIR", "report:report"),
        ("--headless PAIR", "report:report"),
        ("PAIR --headless --json -", "report:report"),
        ("--headless", "report:report"),
        ("convert PAIR -o x.pdparams", "convert:convert"),
        ("--headless convert PAIR -o x.pdparams", "convert:convert"),
        ("pairs", "pairs:list_all"),
        ("pairs check", "pairs:check"),
        ("pairs new NAME", "pairs:new"),
        ("sessions", "sessions:list_all"),
        ("sessions list --json", "sessions:list_all"),
        ("sessions show", "sessions:show"),
        ("sessions export latest --md -", "sessions:export"),
        ("sessions rm one two", "sessions:remove_all"),
        ("doctor", "doctor:doctor"),
        ("serve PAIR", "serve:serve"),
    ],
)
def test_words_lead_to_a_command(words: str, run: str) -> None:
    assert parse(words.split()).run == run


@pytest.mark.parametrize("words", [["sessions", "--sessions", "X", "list"], ["sessions", "list", "--sessions", "X"]])
def test_the_sessions_folder_may_stand_before_or_after_the_action(words: list[str]) -> None:
    assert parse(words).sessions == "X"


def test_every_command_has_options_and_a_help_text(capsys: pytest.CaptureFixture[str]) -> None:
    for command in COMMANDS:
        with pytest.raises(SystemExit) as left:
            main([command, "--help"])
        assert left.value.code == 0
        assert f"usage: aligndbg {command}" in capsys.readouterr().out


def test_help_names_every_command_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    assert all(f"  {command} " in shown for command in COMMANDS)
    assert "0 aligned, 1 mismatch, 2 wrong usage, 3 environment, 4 cannot be paired, 130 interrupted" in shown


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out == f"aligndbg {aligndbg.__version__}\n"


@pytest.mark.parametrize(
    ("words", "error", "attempt"),
    [
        ("report --atol", "argument --atol: expected one argument", "`aligndbg report --help` lists the options"),
        ("report squeezenet1_0 --seed 9223372036854775808", "--seed: expected 9223372036854775807 or less, found 9", ""),
        ("report PAIR --jsn x", "unrecognized arguments: --jsn x", "`aligndbg report --help` lists the options"),
        ("--headl", "unrecognized arguments: --headl", "`aligndbg --help` lists the options"),
        ("report --atol small", "argument --atol: invalid float value: 'small'", ""),
        ("sessions shwo", "argument ACTION: invalid choice: 'shwo'", ""),
        ("convert PAIR", "the following arguments are required: -o/--output", ""),
        ("convert PAIR -o x.pth", "--output: expected a name that ends in .pdparams, found 'x.pth'", ""),
        ("convert PAIR -o no/x.pdparams", "--output: there is no folder no", "make it first"),
        ("convert", "the following arguments are required: -o/--output", ""),
        ("report PAIR --json - --md -", "--json - and --md - would both write to standard output", "name a file for one"),
        ("report PAIR --json .", "--json: . is a folder", "name a file"),
        ("report PAIR --device tpu", "--device: expected cpu, gpu or gpu:0, found 'tpu'", ""),
        ("report --torch m:f", "--paddle is missing: a pair without a file needs both models", "--paddle MODULE:CALLABLE"),
        ("report PAIR --torch m:f --paddle m:f", "'PAIR' and --torch/--paddle both name a pair", "give one of them"),
        ("report PAIR --sessions taken", "--sessions: taken is not a folder", "name a folder; it is made where it is missing"),
        ("sessions list --sessions taken", "--sessions: taken is not a folder", ""),
        ("sesions", "there is no pair 'sesions'", "did you mean the command sessions?"),
        ("sessions show nope", "there is no session 'nope' in ", "`aligndbg sessions list` shows what there is"),
        ("sessions show", "there is no session in ", "a run writes one: `aligndbg report PAIR`"),
        ("sessions export latest", "nothing to export to", "--json FILE or --md FILE; - is standard output"),
        ("pairs new ../x", "'../x' cannot name a pair", "letters, digits, _ . and -, and one / for a group"),
        ("serve --port 0", "--port: expected 1 to 65535, found 0", ""),
    ],
)
def test_wrong_usage_is_one_line_and_what_to_try(words: str, error: str, attempt: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("taken").write_text("")
    assert main(words.split()) == 2
    shown = capsys.readouterr()
    first, *rest = shown.err.splitlines()
    assert first.startswith(f"error: {error}")
    assert len(rest) <= 1
    assert not attempt or rest == [f"try: {attempt}"]
    assert shown.out == ""


def test_report_without_any_pair(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("aligndbg.commands.report.nearest_pairs", tuple)
    assert main(["report"]) == 2
    assert capsys.readouterr().err == "error: there is no pair to compare\ntry: `aligndbg pairs new NAME` makes one\n"


def test_the_app_says_what_to_do_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open(os.devnull) as nothing:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdin", nothing)
        assert main([]) == 3
    assert capsys.readouterr().err == ("error: standard input is no terminal\ntry: `aligndbg --headless report` needs none\n")


def test_a_reader_that_leaves_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "aligndbg", "pairs", "list"],
        stdout=write,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def test_an_interrupt_before_the_work_begins(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(options: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("aligndbg.commands.pairs.list_all", interrupted)
    assert main(["pairs"]) == 130
    assert capsys.readouterr().err == "error: interrupted\n"
