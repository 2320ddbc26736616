"""Commands as lists of arguments."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aligndbg.errors import UsageError
from aligndbg.jobs.templates import (
    Ranks,
    filled,
    launch_environment,
    paddle_environment,
    paddle_launch,
    paddleclas_tool,
    torch_run,
    visible_gpus,
)

LOG = Path("log")
SCRIPT = ("tools/train.py", "-c", "a.yaml")


def test_one_rank_needs_no_launcher() -> None:
    assert paddle_launch("python", Ranks(), LOG, SCRIPT) == ("python", "-u", *SCRIPT)
    assert torch_run("python", Ranks(), SCRIPT) == ("python", "-u", *SCRIPT)


def test_ranks_on_the_cpu_are_counted_and_on_gpus_named() -> None:
    start = ("python", "-u", "-m", "paddle.distributed.launch")
    cpu = paddle_launch("python", Ranks(2), LOG, SCRIPT)
    assert cpu == (*start, "--nproc_per_node", "2", "--log_dir", "log", *SCRIPT)
    assert "--devices" not in cpu and "--gpus" not in cpu
    gpu = paddle_launch("python", Ranks(2, "gpu", (1, 3)), LOG, SCRIPT)
    assert gpu == (*start, "--devices", "1,3", "--log_dir", "log", *SCRIPT)
    assert paddle_launch("python", Ranks(3, "gpu"), LOG, SCRIPT)[4:6] == ("--devices", "0,1,2")
    assert launch_environment(Ranks(2)) == {"CUDA_VISIBLE_DEVICES": ""} and launch_environment(Ranks(2, "gpu")) == {}
    assert visible_gpus(Ranks(2, "gpu", (1, 3))) == {"CUDA_VISIBLE_DEVICES": "1,3"} and visible_gpus(Ranks(2, "gpu")) == {}
    assert visible_gpus(Ranks(2)) == {"CUDA_VISIBLE_DEVICES": ""} == paddle_environment(Ranks())
    assert paddle_environment(Ranks(2)) == {"CUDA_VISIBLE_DEVICES": "0,1", "PADDLE_DISTRI_BACKEND": "gloo"}
    assert paddle_environment(Ranks(2, "gpu", (1, 3))) == {}
    assert paddle_environment(Ranks(1, "gpu", (3,))) == {"CUDA_VISIBLE_DEVICES": "3"}


def test_several_machines_take_the_launchers_own_options() -> None:
    ranks = Ranks(1, master="10.0.0.1:8091", nodes="2")
    paddle = paddle_launch("python", ranks, LOG, SCRIPT)
    assert paddle[4:10] == ("--nproc_per_node", "1", "--master", "10.0.0.1:8091", "--nnodes", "2")
    torch = torch_run("python", ranks, SCRIPT)
    assert torch[4:10] == ("--rdzv-backend", "c10d", "--rdzv-endpoint", "10.0.0.1:8091", "--nnodes", "2")
    assert torch_run("python", Ranks(2), SCRIPT)[2:7] == ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Ranks(0), "expected 1 rank or more, found 0"),
        (lambda: Ranks(2, "gpu", (0,)), "2 ranks on 1 GPU"),
        (lambda: Ranks(1, "cpu", (0,)), "GPUs are named for a run on the CPU"),
        (lambda: paddleclas_tool("eval", "a.yaml", ["epochs"]), "-o epochs: expected KEY=VALUE"),
        (lambda: paddleclas_tool("eval", "a.yaml", ["a=b=c"]), "-o a=b=c: expected KEY=VALUE"),
        (lambda: filled(["{pyhton}", "x"], {"python": "python"}), "there is no {pyhton}"),
        (lambda: filled(["-c{script}"], {"script": ["a", "b"]}), "{script} is several arguments"),
        (lambda: filled(["{script}"], {"script": []}), "makes no command"),
    ],
)
def test_what_makes_no_sense_is_refused(make: object, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        make()  # type: ignore[operator]
    assert words in caught.value.message and (caught.value.hint or "rank or more" in words)


def test_each_override_has_an_option_of_its_own() -> None:
    argv = paddleclas_tool("train", "a.yaml", ["Global.epochs=2", "Arch.name=Net"])
    assert argv == ("tools/train.py", "-c", "a.yaml", "-o", "Global.epochs=2", "-o", "Arch.name=Net")


def test_a_template_takes_values_and_nothing_else() -> None:
    values = {"python": "/opt/env/bin/python", "ranks": "2", "script": ["train.py", "-v"]}
    argv = filled(["{python}", "-m", "launch", "--n={ranks}", "{script}", "$HOME", "`id`"], values)
    assert argv == ("/opt/env/bin/python", "-m", "launch", "--n=2", "train.py", "-v", "$HOME", "`id`")


@given(st.text(alphabet=st.characters(exclude_characters="{}")), st.text())
def test_values_are_never_looked_into(plain: str, value: str) -> None:
    assert filled([plain, "{a}", f"x{plain}{{a}}"], {"a": value}) == (plain, value, f"x{plain}{value}")
