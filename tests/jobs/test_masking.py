"""Secrets in command lines, environments and logs."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aligndbg.jobs.masking import MASK, is_environment_dump, is_secret_name, mask_argv, mask_env, mask_text, remove_dumps

NAMES = st.sampled_from(
    [
        "HF_TOKEN",
        "password",
        "db.passwd",
        "AWS_SECRET_ACCESS_KEY",
        "apiKey",
        "WANDB_API_KEY",
        "client_secret",
        "Global.auth_key",
        "LICENSE_KEY",
    ]
)
SECRETS = st.text("abcdefghijkmnpqrstuvwxyzABCDEFG0123456789_./+~", min_size=6, max_size=30).map(lambda text: f"Zq9{text}")


@pytest.mark.parametrize(
    "name", ["HF_TOKEN", "--password", "Global.apiKey", "AWS_SECRET_ACCESS_KEY", "SSH_KEY", "MYSQL_PWD", "Cookie"]
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "tokenizer",
        "max_tokens",
        "PWD",
        "OLDPWD",
        "key_metric",
        "monkey",
        "KEYBOARD",
        "lr",
        "top1",
        "keys",
        "author",
        "--top-k",
        "key",
    ],
)
def test_names_of_other_things(name: str) -> None:
    assert not is_secret_name(name)


@given(NAMES, SECRETS)
def test_no_form_of_a_command_line_shows_a_secret(name: str, secret: str) -> None:
    shown = mask_argv(
        [
            "python",
            f"--{name}",
            secret,
            f"--{name}={secret}",
            "-o",
            f"{name}={secret}",
            "--lr",
            "0.1",
            f"s3://me:{secret.replace('/', 'x')}@host/a",
        ]
    )
    assert secret not in " ".join(shown)
    assert secret.replace("/", "x") not in shown[-1]
    assert shown[0] == "python" and shown[-3:-1] == ("--lr", "0.1")
    assert mask_argv(shown) == shown


@given(NAMES, SECRETS)
def test_no_line_of_a_log_shows_a_secret(name: str, secret: str) -> None:
    for line in (
        f"export {name}={secret}",
        f"config {{'{name}': '{secret}', 'lr': 0.1}}",
        f'{{"{name}": "{secret}"}}',
        f"training_script_args: ['--{name}', '{secret}', '--lr', '0.1']",
        f"environ({{'A': '{secret}', '{name}': 'x'}})",
        f"Authorization: Bearer {secret}",
    ):
        shown = mask_text(line)
        assert secret not in shown and MASK in shown
        assert mask_text(shown) == shown


@given(st.text(max_size=200))
def test_masking_twice_changes_nothing_more(text: str) -> None:
    once = mask_text(text)
    assert mask_text(once) == once


@pytest.mark.parametrize(
    "secret",
    [
        "ghp_0123456789abcdefghij0123",
        "hf_abcdefghij0123456789",
        "sk-proj-0123456789abcdef",
        "AKIAIOSFODNN7EXAMPLE",
        "glpat-0123456789abcdefgh",
    ],
)
def test_secrets_are_known_by_their_form(secret: str) -> None:
    assert mask_argv(["login", secret]) == ("login", MASK)
    assert mask_env({"WHO": f"x {secret} y"}) == {"WHO": f"x {MASK} y"}


@pytest.mark.parametrize(
    "line",
    [
        "[2026/11/24 00:11:10] ppcls INFO: [Train][Epoch 1/2][Iter: 0/4]lr(CosineAnnealingDecay): 0.01850656, loss: 7.01597",
        "epoch:0  , train step:0   , top1: 0.00000, loss: 8.50953, lr: 0.020000, ips: 1.74537 images/sec, eta: 0:00:36",
        " * Acc@1 83.900 (16.100) Acc@5 96.400 (3.600)",
        "basic training of key layers; tokenizer: fast; max_tokens=512; see https://host/a@b",
        "PWD=/home/me",
    ],
)
def test_other_lines_stay_as_they_are(line: str) -> None:
    assert mask_text(line) == line


def test_an_empty_value_shows_that_it_is_empty() -> None:
    assert mask_env({"TOKEN": "", "LR": "0.1"}) == {"TOKEN": "", "LR": "0.1"}


def test_dumps_are_told_by_name_or_first_line(tmp_path: Path) -> None:
    for name, text in {
        "envlog.0": "A=b",
        "envlog.init.0": "A=b",
        "backup_env.1.json": "{}",
        "default.abcdef.log": "environ({'A': 'b'})",
        "default.gpu.log": "0 30 %",
        "mine.abcdef.log": "loss: 1.0",
        "workerlog.0": "environ({'A': 'b'})",
    }.items():
        (tmp_path / name).write_text(text)
    kept = {"default.gpu.log", "mine.abcdef.log", "workerlog.0"}
    assert {path.name for path in tmp_path.iterdir() if not is_environment_dump(path)} == kept
    assert len(remove_dumps(tmp_path)) == 4
    assert {path.name for path in tmp_path.iterdir()} == kept
    assert remove_dumps(tmp_path) == []


def test_a_running_rank_finds_in_its_backup_what_it_looks_for(tmp_path: Path) -> None:
    backup, half, other = (tmp_path / f"backup_env.{rank}.json" for rank in range(3))
    backup.write_text(json.dumps({"MY_TOKEN": "swordfish", "PADDLE_TRAINER_ENDPOINTS": "a:1,b:2", "HOME": "/root"}))
    half.write_text('{"MY_TOKEN": "swor')
    other.write_text("[1]")
    assert remove_dumps(tmp_path, running=True) == [other.name]
    assert json.loads(backup.read_text()) == {"PADDLE_TRAINER_ENDPOINTS": "a:1,b:2"} and half.exists()
    before = backup.stat().st_mtime_ns
    os.utime(half, (0, 0))
    assert remove_dumps(tmp_path, running=True) == [half.name] and backup.stat().st_mtime_ns == before
    assert remove_dumps(tmp_path) == [backup.name]


@pytest.mark.parametrize(
    "piece", ["eyJaaaaaaaa-", "'--token', ", "a='\"", "x://", "token", "sk-", "bearer ", ".-", "token : ", "gh"]
)
def test_hostile_lines_cost_no_more_than_their_length(piece: str) -> None:
    begun = time.process_time()
    mask_text("token " + piece * (300_000 // len(piece)))
    assert time.process_time() - begun < 3
