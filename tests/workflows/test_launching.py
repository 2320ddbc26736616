"""From what a user asks for to the exact command of a job, and to the job itself."""

from __future__ import annotations

import dataclasses
import shlex
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from aligndbg.errors import PairError, UsageError
from aligndbg.jobs.expectation import Expectation, read_expectation
from aligndbg.jobs.folder import log_files, read_job, stop
from aligndbg.jobs.paddleclas_overrides import overridden
from aligndbg.jobs.templates import RANK_LOG, Ranks
from aligndbg.pairs.discovery import find_pair
from aligndbg.pairs.load import load_pair
from aligndbg.pairs.schema import PairSpec
from aligndbg.settings import Settings
from aligndbg.workflows.launch_request import FIELDS, LaunchRequest, Offer, Wrong, defaults, offers, read_form
from aligndbg.workflows.launching import LaunchPlan, check_logs, launch_plan, start_launch

SETTINGS = Settings(Path("sessions"), Path("cache"), Path("logs"), torch_python="/opt/torch/python", paddle_python=sys.executable)
PYTHON = sys.executable

NEW: dict[str, Any] = {
    "Global": {"device": "gpu", "epochs": 3},
    "Arch": {"name": "Net", "class_num": 10},
    "DataLoader": {
        name: {"dataset": {"image_root": "photos", "cls_label_path": f"{name}.txt"}, "sampler": {"batch_size": 4}}
        for name in ("Train", "Eval")
    },
}
OLD: dict[str, Any] = {
    "ARCHITECTURE": {"name": "Net"},
    "classes_num": 10,
    "epochs": 3,
    "total_images": 2,
    "TRAIN": {"batch_size": 5, "file_list": "absent.txt"},
    "VALID": {"batch_size": 4, "transforms": [{"ToCHWImage": None}]},
}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PaddleClas of two tools that say how they were called."""
    root = tmp_path / "PaddleClas"
    (root / "photos").mkdir(parents=True)
    (root / "tools").mkdir()
    models = root / "ppcls" / "arch" / "backbone"
    models.mkdir(parents=True)
    (models / "net.py").write_text("class Net:\n    def __init__(self, class_num=10, class_dim=10):\n        pass\n")
    for tool in ("train", "eval"):
        (root / "tools" / f"{tool}.py").write_text("import os, sys; print(sys.argv[1:], os.environ['CUDA_VISIBLE_DEVICES'] == '')")
    for name in ("Train", "Eval"):
        (root / f"{name}.txt").write_text("0.jpg 0\n1.jpg 1\n")
    for number in range(2):
        (root / "photos" / f"{number}.jpg").touch()
    (root / "new.yaml").write_text(yaml.safe_dump(NEW))
    (root / "old.yaml").write_text(yaml.safe_dump(OLD))
    monkeypatch.chdir(tmp_path)
    return root


def pair_in(folder: Path, **sections: Any) -> PairSpec:
    folder.mkdir(parents=True, exist_ok=True)
    document = {"schema": 1, "name": "small", "torch": {"model": "math:sqrt"}, "paddle": {"model": "math:sqrt"}, **sections}
    (folder / "pair.yaml").write_text(yaml.safe_dump(document))
    return load_pair(folder / "pair.yaml")


def planned(**request: Any) -> LaunchPlan:
    return launch_plan(LaunchRequest(**request), SETTINGS)


def argv_of(plan: LaunchPlan) -> tuple[str, ...]:
    assert plan.spec and plan.wrong == ()
    return plan.spec.argv


def wrong_in(plan: LaunchPlan) -> dict[str, str]:
    return {one.field: one.message for one in plan.wrong}


# -- PaddleClas --------------------------------------------------------------------------------------------------------


def test_a_config_of_each_generation_is_told_to_run_on_the_cpu(checkout: Path) -> None:
    new = planned(kind="paddleclas-eval", checkout="PaddleClas", config="new.yaml")
    assert argv_of(new) == (PYTHON, "-u", "tools/eval.py", "-c", "new.yaml", "-o", "Global.device=cpu")
    assert new.spec and new.spec.cwd == str(checkout) and new.spec.env == {"CUDA_VISIBLE_DEVICES": ""}
    assert new.problems == () and new.expectation == Expectation()
    old = planned(kind="paddleclas-eval", checkout="PaddleClas", config="PaddleClas/old.yaml")
    assert argv_of(old)[3:] == ("-c", "old.yaml", "-o", "use_gpu=False")
    assert old.problems == ()


def test_what_the_user_or_the_config_says_of_the_device_stands(checkout: Path) -> None:
    request = LaunchRequest("paddleclas-eval", checkout="PaddleClas", config="new.yaml", overrides=("Global.device=gpu",))
    plan = launch_plan(request, SETTINGS)
    assert argv_of(plan)[-2:] == ("-o", "Global.device=gpu")
    assert [problem.key for problem in plan.problems] == ["Global.device"]
    (checkout / "cpu.yaml").write_text(yaml.safe_dump({**NEW, "Global": {"device": "cpu"}}))
    assert argv_of(planned(kind="paddleclas-eval", checkout="PaddleClas", config="cpu.yaml"))[-1] == "cpu.yaml"
    gpu = planned(kind="paddleclas-train", checkout="PaddleClas", config="new.yaml", ranks=Ranks(1, "gpu", (3,)))
    assert argv_of(gpu)[-1] == "new.yaml" and gpu.spec and gpu.spec.env == {"CUDA_VISIBLE_DEVICES": "3"}


def test_ranks_go_through_the_launcher(checkout: Path) -> None:
    plan = planned(kind="paddleclas-train", checkout="PaddleClas", config="new.yaml", ranks=Ranks(2), output="out")
    start = (PYTHON, "-u", "-m", "paddle.distributed.launch", "--nproc_per_node", "2", "--log_dir", "log", "tools/train.py")
    output = f"Global.output_dir={checkout.parent / 'out'}"
    assert argv_of(plan) == (*start, "-c", "new.yaml", "-o", "Global.device=cpu", "-o", output)
    assert plan.spec and plan.spec.ranks == 2
    # Paddle's launcher fails where this is set to nothing.
    assert plan.spec.env["CUDA_VISIBLE_DEVICES"] == "0,1"
    gpu = planned(kind="paddleclas-train", checkout="PaddleClas", config="new.yaml", ranks=Ranks(2, "gpu", (1, 3)))
    assert "--devices" in argv_of(gpu) and gpu.spec and gpu.spec.env == {}


def test_the_config_is_looked_at_as_it_will_run(checkout: Path) -> None:
    old = {"kind": "paddleclas-train", "checkout": "PaddleClas", "config": "old.yaml", "ranks": Ranks(2)}
    keys = [problem.key for problem in planned(**old).problems]
    assert keys == ["TRAIN.batch_size", "TRAIN.file_list"]
    mended = planned(**old, overrides=("TRAIN.batch_size=4", "TRAIN.file_list=Train.txt", "TRAIN.data_dir=photos"))
    assert mended.problems == ()


def test_a_training_says_what_it_will_be(checkout: Path, tmp_path: Path) -> None:
    pair = pair_in(tmp_path / "pair", train={"target_top1": 70.5, "margin": 0.1})
    plan = planned(kind="paddleclas-train", pair=pair, checkout="PaddleClas", config="new.yaml", overrides=("Global.epochs=7",))
    assert plan.expectation == Expectation(epochs=7, classes=10, target_top1=70.5, margin=0.1)
    folder = start_launch(plan, tmp_path / "jobs")
    assert read_expectation(folder) == plan.expectation
    over(folder)


@pytest.mark.parametrize(
    ("request_", "field", "words"),
    [
        ({"checkout": "", "config": "new.yaml"}, "checkout", "no PaddleClas checkout is named"),
        ({"checkout": "photos", "config": "new.yaml"}, "checkout", "photos is no PaddleClas checkout: it has no ppcls/"),
        ({"checkout": "PaddleClas", "config": ""}, "config", "no config is named"),
        ({"checkout": "PaddleClas", "config": "absent.yaml"}, "config", "absent.yaml cannot be read: No such file"),
        ({"checkout": "PaddleClas", "config": "Train.txt"}, "config", "is no PaddleClas config"),
        ({"checkout": "PaddleClas", "config": "new.yaml", "overrides": ("epochs",)}, "overrides", "expected KEY=VALUE"),
        ({"checkout": "PaddleClas", "config": "new.yaml", "overrides": ("a=b=c",)}, "overrides", "expected KEY=VALUE"),
        ({"checkout": "PaddleClas", "config": "new.yaml", "overrides": ("Arch.name.x=1",)}, "overrides", "Arch.name is no section"),
        ({"checkout": "PaddleClas", "config": "new.yaml", "ranks": Ranks(nodes="2")}, "master", "2 machines need to know"),
    ],
)
def test_what_must_be_mended_first(checkout: Path, request_: dict[str, Any], field: str, words: str) -> None:
    plan = planned(kind="paddleclas-eval", **request_)
    assert not plan.ready and words in wrong_in(plan)[field]
    with pytest.raises(UsageError):
        start_launch(plan, checkout.parent / "jobs")
    assert not (checkout.parent / "jobs").exists()


def test_overrides_are_what_paddleclas_makes_of_them() -> None:
    config = {"a": {"b": [{"c": 1}, {"d": 2}]}, "text": "x"}
    found = overridden(config, ("a.b.1.d=[1, 2]", "a.e.f=True", "text=1e-3", "new=some words", "g=range"))
    assert found == {"a": {"b": [{"c": 1}, {"d": [1, 2]}], "e": {"f": True}}, "text": 1e-3, "new": "some words", "g": "range"}
    assert config == {"a": {"b": [{"c": 1}, {"d": 2}]}, "text": "x"}
    with pytest.raises(UsageError, match=r"a\.b is a list of 2"):
        overridden(config, ("a.b.2=1",))


# -- other kinds -------------------------------------------------------------------------------------------------------


def test_a_script_under_torchrun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "python").touch()
    settings = dataclasses.replace(SETTINGS, torch_python=str(tmp_path / "python"))
    (tmp_path / "train.py").touch()
    request = LaunchRequest("torchrun", argv=("train.py", "--lr", "0.1"), ranks=Ranks(2, "gpu", (0, 2)))
    plan = launch_plan(request, settings)
    launcher = (str(tmp_path / "python"), "-u", "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    assert argv_of(plan) == (*launcher, str(RANK_LOG), "train.py", "--lr", "0.1")
    assert plan.spec and plan.spec.env == {"CUDA_VISIBLE_DEVICES": "0,2"} and plan.spec.cwd == str(tmp_path)
    assert "there is no other.py" in wrong_in(planned(kind="torchrun", argv=("other.py",)))["argv"]
    assert wrong_in(planned(kind="torchrun"))["argv"] == "no script is named"
    assert "there is no folder nowhere" in wrong_in(planned(kind="command", argv=("true",), folder="nowhere"))["folder"]


def test_an_evaluation_of_our_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pair = pair_in(tmp_path / "pair")
    (tmp_path / "photos").mkdir()
    (tmp_path / "list.txt").touch()
    plan = planned(kind="evaluate", pair=pair, list="list.txt", data="photos")
    files = ("--list", str(tmp_path / "list.txt"), "--data", str(tmp_path / "photos"))
    assert argv_of(plan) == (PYTHON, "-u", "-m", "aligndbg", "eval", str(pair.path), *files, "--display", "plain")
    some = planned(kind="evaluate", pair=pair, data="photos", limit="100", every="5", own_tensors=True)
    assert some.spec is not None and shlex.join(some.spec.argv).count("--limit 100 --every 5 --own-preprocess") == 1
    assert set(wrong_in(planned(kind="evaluate", pair=pair, data="photos", limit="x", every="0"))) == {"limit", "every"}
    absent = planned(kind="evaluate", pair=pair, list="no.txt", data="no")
    assert wrong_in(absent) == {"data": "no does not exist", "list": "no.txt does not exist"}


def test_a_template_of_the_pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["{python}", "go.py", "--n={ranks}", "{overrides}", "--list", "{list}", "$HOME"]
    logs = {"format": r"loss=(?P<loss>[0-9.]+)", "accuracy": "fraction"}
    pair = pair_in(tmp_path / "a pair", launch={"eval": words}, logs=logs)
    request = LaunchRequest("template", pair, template="eval", ranks=Ranks(2), overrides=("a=1", "b=2"), list="list.txt")
    plan = launch_plan(request, SETTINGS)
    over = ("-o", "a=1", "-o", "b=2")
    assert argv_of(plan) == (PYTHON, "go.py", "--n=2", *over, "--list", str(tmp_path / "list.txt"), "$HOME")
    spec = plan.spec
    assert spec and (spec.cwd, spec.log_format, spec.log_accuracy) == (str(tmp_path / "a pair"), logs["format"], "fraction")
    start = f"cd {shlex.quote(spec.cwd)} && CUDA_VISIBLE_DEVICES='' {PYTHON} go.py"
    assert plan.shell.startswith(start) and plan.shell.endswith("'$HOME'")


def test_a_template_refuses_what_it_has_no_place_for(tmp_path: Path) -> None:
    pair = pair_in(tmp_path, launch={"eval": ["python", "{list}"], "train": ["python", "{rank}"]})
    plan = planned(kind="template", pair=pair, template="eval", ranks=Ranks(2), overrides=("a=1",))
    assert wrong_in(plan).keys() == {"list", "overrides", "ranks"}
    assert "there is no {rank}" in wrong_in(planned(kind="template", pair=pair, template="train"))["template"]
    assert "says nothing of how" in wrong_in(planned(kind="template", pair=pair_in(tmp_path), template="eval"))["template"]


def test_gpus_are_told_once(tmp_path: Path) -> None:
    pair = pair_in(tmp_path, launch={"eval": ["{python}", "{ranks}"], "train": ["{python}", "--devices", "{gpus}"]})
    ranks = Ranks(2, "gpu", (1, 3))
    one, other = (planned(kind="template", pair=pair, template=name, ranks=ranks) for name in ("eval", "train"))
    assert one.spec and one.spec.env == {"CUDA_VISIBLE_DEVICES": "1,3"}
    assert other.spec and other.spec.env == {} and argv_of(other)[-1] == "1,3"


def test_a_log_regex_is_refused_where_it_stands(tmp_path: Path) -> None:
    pair = pair_in(tmp_path, logs={"format": "(?P<los>[0-9.]+)"}, launch={"eval": ["python"]})
    with pytest.raises(PairError) as caught:
        check_logs(pair)
    line = 1 + (tmp_path / "pair.yaml").read_text().splitlines().index("  format: (?P<los>[0-9.]+)")
    assert caught.value.message.startswith(f"{tmp_path / 'pair.yaml'}:{line}: logs.format: the log regex has a group 'los'")
    assert caught.value.hint == "did you mean loss?"
    assert "'los'" in wrong_in(planned(kind="template", pair=pair, template="eval"))["log_format"]
    check_logs(pair_in(tmp_path, logs={"format": "timm"}))


def test_secrets_are_masked_where_they_are_shown_and_kept_where_they_run(tmp_path: Path) -> None:
    program = "import sys; print(len(sys.argv[2]))"
    plan = planned(kind="command", argv=(PYTHON, "-c", program, "--token", "swordfish"), folder=str(tmp_path))
    assert "swordfish" not in plan.text + plan.shell and plan.spec and plan.spec.argv[-1] == "swordfish"
    folder = start_launch(plan, tmp_path / "jobs")
    over(folder)
    assert log_files(folder)[0].read_text() == "9\n"
    assert [path for path in folder.rglob("*") if path.is_file() and b"swordfish" in path.read_bytes()] == []


def test_a_plan_starts_as_often_as_it_is_started(checkout: Path) -> None:
    plan = planned(kind="paddleclas-eval", checkout="PaddleClas", config="new.yaml", title="two words")
    one, other = (start_launch(plan, checkout.parent / "jobs") for _ in range(2))
    assert one != other
    for folder in (one, other):
        over(folder)
        assert log_files(folder)[0].read_text() == "['-c', 'new.yaml', '-o', 'Global.device=cpu'] True\n"
    job = read_job(one)
    assert job.spec and (job.spec.title, job.spec.kind, job.spec.argv) == ("two words", "paddleclas-eval", argv_of(plan))


# -- the form ----------------------------------------------------------------------------------------------------------


def test_a_pair_is_offered_what_it_has(tmp_path: Path) -> None:
    none = [offer.kind for offer in offers(None)]
    assert none == ["paddleclas-train", "paddleclas-eval", "torchrun", "command"]
    pair = pair_in(tmp_path, launch={"train": ["python"]}, train={"recipe": "train.yaml"})
    first, second, third, *rest = offers(pair)
    assert (first.kind, second.kind, second.template, third.kind) == ("train", "template", "train", "evaluate")
    assert [offer.kind for offer in rest] == none


def test_a_training_takes_its_pictures_from_the_form(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "photos" / name / "one.png")
    pair = find_pair(str(Path(__file__).parents[2] / "models/squeezenet1_0"))
    values = {
        "config": str(pair.root / "train.yaml"),
        "ranks": "2",
        "data": str(tmp_path / "photos"),
        "overrides": "Arch.class_num=2",
    }
    request, wrong = read_form(Offer("train", ""), values, pair)
    plan = launch_plan(request, SETTINGS, wrong)
    assert plan.wrong == () and plan.spec is not None
    assert f'DataLoader.Train.dataset.image_root="{tmp_path / "photos"}"' in plan.spec.argv
    assert plan.spec.argv.index("Arch.class_num=2") > plan.spec.argv.index("DataLoader.Eval.dataset.cls_label_path=null")
    request, wrong = read_form(Offer("train", ""), {**values, "data": "", "list": "list.txt"}, pair)
    assert [one.field for one in launch_plan(request, SETTINGS, wrong).wrong] == ["data"]


def test_a_form_begins_with_what_is_known(checkout: Path, tmp_path: Path) -> None:
    pair = pair_in(tmp_path / "pair", train={"recipe": "train.yaml"}, eval={"list": "../list.txt", "data": "/data"})
    assert defaults(Offer("train", ""), pair)["config"] == "pair/train.yaml"
    assert defaults(Offer("train", ""), pair)["data"] == ""
    assert {**defaults(Offer("evaluate", ""), pair), "device": ""}.items() >= {"list": "list.txt", "data": "/data"}.items()
    assert defaults(Offer("paddleclas-eval", ""), pair)["checkout"] == "PaddleClas"


def test_the_texts_of_a_form_make_a_request() -> None:
    texts = {"argv": "train.py 'two words' --x", "ranks": " 2 ", "device": "gpu", "gpus": "1, 3", "master": "", "title": " t "}
    request, wrong = read_form(Offer("torchrun", ""), {**texts, "checkout": "ignored"}, None)
    assert wrong == ()
    assert request == LaunchRequest("torchrun", argv=("train.py", "two words", "--x"), ranks=Ranks(2, "gpu", (1, 3)), title="t")


@pytest.mark.parametrize(
    ("texts", "field", "words"),
    [
        ({"ranks": "0"}, "ranks", "expected 1 to 1024, found '0'"),
        ({"ranks": "٣"}, "ranks", "expected 1 to 1024"),
        ({"ranks": ""}, "ranks", "expected 1 to 1024, found ''"),
        ({"argv": "a 'b"}, "argv", "no closing quotation"),
        ({"device": "gpu", "gpus": "0,x"}, "gpus", "expected numbers of GPUs"),
        ({"device": "gpu", "gpus": "0,0"}, "gpus", "names a GPU twice"),
        ({"device": "gpu", "gpus": "0,1"}, "gpus", "1 rank on 2 GPUs"),
        ({"nodes": "two"}, "nodes", "expected a number of machines"),
        ({"nodes": "2"}, "master", "2 machines need to know where to meet"),
        ({"nodes": "2", "master": "nowhere"}, "master", "expected HOST:PORT"),
    ],
)
def test_a_field_says_what_is_wrong_with_it(texts: dict[str, str], field: str, words: str) -> None:
    offer = Offer("torchrun", "")
    _, wrong = read_form(offer, {"argv": "x", "ranks": "1", **texts}, None)
    assert [one.field for one in wrong] == [field] and words in wrong[0].message


@given(
    st.sampled_from(sorted(FIELDS)),
    st.dictionaries(st.sampled_from([*FIELDS["template"], *FIELDS["torchrun"], "checkout"]), st.text()),
)
def test_whatever_is_typed_makes_a_plan(kind: Any, texts: dict[str, str]) -> None:
    """No text of a field is an error of the form's own."""
    if kind == "train":
        texts = {**texts, "config": ""}
    request, wrong = read_form(Offer(kind, "", "eval"), texts, None)
    plan = launch_plan(request, SETTINGS, wrong)
    assert plan.ready == (plan.spec is not None and plan.wrong == ())
    assert all(isinstance(one, Wrong) and one.message for one in plan.wrong)


def over(folder: Path) -> None:
    until = time.monotonic() + 30
    while not ((state := read_job(folder).state) and state.final):
        if time.monotonic() > until:
            stop(read_job(folder), 1)
            raise AssertionError(f"{folder.name} does not end")
        time.sleep(0.02)
