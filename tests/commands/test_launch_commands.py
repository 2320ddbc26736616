"""`aligndbg launch` and `aligndbg paddleclas train|eval`, as users run them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml
from project import Project

GO = "import json, os, sys; print(json.dumps([sys.argv[1:], os.environ.get('CUDA_VISIBLE_DEVICES')]))"


@pytest.fixture
def clas(project: Project) -> Project:
    """A project with a checkout whose tools say how they were called."""
    root = project.root / "PaddleClas"
    for folder in ("ppcls/arch/backbone", "tools"):
        (root / folder).mkdir(parents=True)
    (root / "ppcls/arch/backbone/net.py").write_text("def Net(**kwargs):\n    pass\n")
    for tool in ("train", "eval"):
        (root / f"tools/{tool}.py").write_text(GO)
    (root / "some.yaml").write_text(yaml.safe_dump({"Arch": {"name": "Net"}, "Global": {"device": "gpu", "epochs": 3}}))
    return project


def said(project: Project, name: str) -> list[object]:
    """What the program said, once it is over."""
    done = project.run("jobs", "logs", "-f", name)
    assert done.code == 0, done.err
    found: list[object] = json.loads(done.out)
    return found


def test_a_tool_of_paddleclas_becomes_a_job(clas: Project) -> None:
    words = ("paddleclas", "train", "PaddleClas", "-c", "some.yaml", "-o", "Global.epochs=5", "--device", "cpu", "--title", "five")
    dry = clas.run(*words, "--dry-run")
    options = ["-c", "some.yaml", "-o", "Global.epochs=5", "-o", "Global.device=cpu"]
    command = f"CUDA_VISIBLE_DEVICES='' {sys.executable} -u tools/train.py {' '.join(options)}\n"
    assert (dry.code, dry.err) == (0, "")
    assert dry.out == f"cd {clas.root / 'PaddleClas'} && {command}"
    assert clas.run("jobs", "list", "--json").json == []
    done = clas.run(*words)
    assert done.code == 0 and "-paddleclas-train-" in done.out
    name = done.out.strip()
    assert said(clas, name) == [options, ""]
    job = clas.run("jobs", "show", name, "--json").json
    assert (job["title"], job["status"]) == ("five", "ended")
    expected = json.loads((Path(job["path"]) / "expectation.json").read_text())
    assert expected["epochs"] == 5


def test_errors_in_the_config_stop_the_start(clas: Project) -> None:
    words = ("paddleclas", "eval", "PaddleClas", "-c", "some.yaml", "-o", "Global.pretrained_model=absent", "--device", "cpu")
    refused = clas.run(*words)
    assert refused.code == 2 and "✗ error    Global.pretrained_model: " in refused.err
    assert refused.error == [
        "error: the config has errors, so nothing was started",
        "try: mend them, or --force starts in spite of them",
    ]
    dry = clas.run(*words, "--dry-run")
    assert dry.code == 1 and "✗ error" in dry.err and dry.out.startswith("cd ")
    forced = clas.run(*words, "--force")
    assert forced.code == 0 and said(clas, forced.out.strip())


def test_a_pairs_own_command_becomes_a_job(project: Project) -> None:
    launch = {"eval": ["{python}", "go.py", "--n={ranks}", "{overrides}", "{list}"]}
    project.pair("own", launch=launch, eval={"list": "val.txt"})
    folder = project.root / "models" / "own"
    (folder / "go.py").write_text(GO)
    done = project.run("launch", "own", "eval", "--nproc", "2", "-o", "a=1", "--device", "cpu")
    assert done.code == 0, done.err
    assert said(project, done.out.strip()) == [["--n=2", "-o", "a=1", str(folder / "val.txt")], ""]
    job = project.run("jobs", "show", "--json").json
    assert (job["pair"], job["ranks"], job["cwd"]) == ("own", 2, str(folder))
    absent = project.run("launch", "own", "train")
    assert (absent.code, absent.error[0]) == (2, "error: launch: own says nothing of how to launch 'train'")


def test_a_log_regex_is_refused_with_its_line(project: Project) -> None:
    project.pair("own", launch={"eval": ["true"]}, logs={"format": "(?P<los>[0-9.]+)"})
    done = project.run("launch", "own", "eval")
    assert (
        done.code == 2 and "models/own/pair.yaml:" in done.error[0] and "logs.format: the log regex has a group 'los'" in done.err
    )


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("PaddleClas", "-c", "absent.yaml"), "error: -c: "),
        (("models", "-c", "some.yaml"), "error: CHECKOUT: models is no PaddleClas checkout: it has no ppcls/"),
        (("PaddleClas", "-c", "some.yaml", "-o", "epochs"), "error: -o: -o epochs: expected KEY=VALUE"),
        (("PaddleClas", "-c", "some.yaml", "--nproc", "0"), "error: --nproc: expected 1 or more, found 0"),
        (("PaddleClas", "-c", "some.yaml", "--devices", "0,0"), "error: --devices: 0,0 names a GPU twice"),
        (("PaddleClas", "-c", "some.yaml", "--devices", "0,1"), "error: --devices: 1 rank on 2 GPUs"),
        (("PaddleClas", "-c", "some.yaml", "--nnodes", "2"), "error: --master: 2 machines need to know where to meet"),
        (("PaddleClas", "-c", "some.yaml", "--nnodes", "x"), "error: --nnodes: expected a number of machines"),
        (("PaddleClas",), "error: the following arguments are required: -c/--config"),
        (("PaddleClas", "-c", "some.yaml", "--pair", "nobody"), "error: there is no pair 'nobody'"),
    ],
)
def test_wrong_use(clas: Project, words: tuple[str, ...], error: str) -> None:
    done = clas.run("paddleclas", "eval", *words)
    assert done.code == 2 and done.error[0].startswith(error) and "Traceback" not in done.err
    assert clas.run("jobs", "list", "--json").json == []
