"""What a user can get wrong: one clear line, at most one to try, the right exit code, never a traceback."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
from project import FAST, HERE, Done, Project, both_frameworks


def refused(done: Done, code: int, error: str, attempt: str = "") -> None:
    """`error` and `attempt` are the whole lines, `{...}` in them standing for any text."""
    assert done.code == code, done
    assert "Traceback" not in done.err
    assert done.out == ""
    expected = [f"error: {error}", *([f"try: {attempt}"] if attempt else [])]
    # The last that is said, and nothing between.
    last = done.err.splitlines()[-len(expected) :]
    assert len(done.error) == len(expected), done.err
    for line, words in zip(last, expected, strict=True):
        assert re.fullmatch(re.escape(words).replace(r"\{\.\.\.\}", ".*"), line), line


def test_an_unknown_pair(project: Project) -> None:
    project.pair("squeeze")
    refused(project.run("report", "sqeeze"), 2, "there is no pair 'sqeeze'", "did you mean squeeze{...}?")
    refused(project.run("sqeeze"), 2, "there is no pair 'sqeeze'", "did you mean squeeze{...}?")


def test_a_wrong_key(project: Project) -> None:
    project.pair("plain", wieghts={"source": "kaiming"})
    error = f"{project.root}/models/plain/pair.yaml:16: unknown key 'wieghts'"
    refused(project.run("report", "plain"), 2, error, "did you mean 'weights'?")


def test_a_model_file_that_is_not_there(project: Project) -> None:
    project.pair("plain", torch="modle.py:build")
    folder = project.root / "models" / "plain"
    (folder / "model.py").write_text("")
    error = f"{folder}/pair.yaml:4: torch.model: modle.py does not exist in {folder}"
    refused(project.run("report", "plain"), 2, error, "did you mean 'model.py'?")


def test_weights_that_are_not_there(project: Project) -> None:
    project.pair("plain")
    done = project.run("report", "plain", "--weights", "absent.pth")
    refused(done, 2, f"weights: {project.root}/absent.pth does not exist", "`--weights kaiming` runs without any; {...}")


def test_a_picture_that_is_none(project: Project) -> None:
    project.pair("plain")
    (project.root / "cat.jpg").write_text("no picture")
    done = project.run("report", "plain", "--input", "cat.jpg", "--display", "none")
    refused(done, 2, f"{project.root}/cat.jpg is not a picture", "expected JPEG, PNG or another format that Pillow reads")
    assert len(done.err.splitlines()) == 2
    refused(project.run("report", "plain", "--input", "dog.jpg"), 2, f"{project.root}/dog.jpg does not exist")


def test_an_input_file_of_another_shape(project: Project) -> None:
    project.pair("plain")
    numpy.save(project.root / "x.npy", numpy.zeros((1, 3, 4, 4), "float32"))
    done = project.run("report", "plain", "--input", "x.npy")
    refused(done, 2, f"{project.root}/x.npy holds 1x3x4x4, the model's input is 1x3x8x8", "reshape it, or say so with --shape")


def test_sessions_that_cannot_be_written(project: Project) -> None:
    project.pair("plain")
    attempt = "choose a folder that can be written with --sessions DIR"
    refused(project.run("report", "plain", "--sessions", "/proc/x"), 3, "sessions cannot be written to /proc/x: {...}", attempt)
    (project.root / "file").write_text("")
    named = project.run("report", "plain", ALIGNDBG_SESSIONS="file")
    refused(named, 3, f"sessions cannot be written to {project.root}/file: {{...}}", attempt)


def test_the_json_report_tells_of_the_failure_too(project: Project) -> None:
    done = project.run("report", "nope", "--json", "-")
    assert done.code == 2
    report = json.loads(done.out)
    assert (report["verdict"], report["exit_code"]) == ("error", 2)
    assert report["error"]["message"] == "there is no pair 'nope'"
    assert done.error[0] == "error: there is no pair 'nope'"


class TestInTheChildren:
    """What is wrong shows only once a child is at work."""

    pytestmark = both_frameworks

    def test_a_syntax_error(self, project: Project) -> None:
        (project.root / "broken.py").write_text("import torch\n\ndef build(:\n    pass\n")
        project.pair("plain", torch=f"{project.root}/broken.py:build")
        where = f"torch: {project.root}/broken.py:3: invalid syntax"
        refused(project.run("report", "plain"), 2, where, "mend this line: def build(:")

    def test_a_callable_that_is_not_there(self, project: Project) -> None:
        project.pair("plain", paddle="Plian")
        refused(project.run("report", "plain"), 2, f"paddle: {HERE}/paddle_models.py has no 'Plian'", "did you mean Plain?")

    def test_an_input_that_the_model_does_not_take(self, project: Project) -> None:
        project.pair("plain")
        done = project.run("report", "plain", "--shape", "1,4,8,8")
        error = (
            "torch: failed in the forward on input 1x4x8x8: RuntimeError: {...} expected input[1, 4, 8, 8] to have 3 channels{...}"
        )
        refused(done, 2, error, f"see {HERE}/torch_models.py:{{...}}")

    def test_a_model_that_raises(self, project: Project) -> None:
        project.pair("fails", torch="Fails")
        done = project.run("report", "fails")
        error = "torch: failed in the forward on input 1x3x8x8: ValueError: the gate is shut and stays so"
        refused(done, 2, error, f"see {HERE}/torch_models.py:{{...}}")
        assert "  torch: failed in the forward" in done.err

    def test_weights_that_end_early(self, project: Project) -> None:
        project.pair("plain")
        path = project.root / "cut.pth"
        save = f"import torch; torch.save({{'w': torch.zeros(999)}}, {str(path)!r})"
        subprocess.run([sys.executable, "-c", save], check=True)
        path.write_bytes(path.read_bytes()[:-200])
        done = project.run("report", "plain", "--weights", "cut.pth")
        error = f"torch: {path} is not a torch checkpoint, or is cut short: its end is missing or damaged"
        refused(done, 2, error, "fetch it again")

    @pytest.mark.parametrize(
        ("name", "content", "why", "attempt"),
        [
            ("text.pth", b"version https://git-lfs", "it begins with b'version https://git-lfs'", "fetch it again"),
            (
                "hostile.pth",
                b"cos\nsystem\n(S'touch owned'\ntR.",
                "it wants os.system, and a checkpoint needs tensors only",
                "loading it could run code; save it again with torch.save(model.state_dict(), FILE)",
            ),
        ],
        ids=["text", "hostile"],
    )
    def test_weights_that_are_no_checkpoint(self, project: Project, name: str, content: bytes, why: str, attempt: str) -> None:
        project.pair("plain", weights={"source": f"../../{name}"})
        (project.root / name).write_bytes(content)
        error = f"torch: {{...}}/{name} is not a torch checkpoint, or is cut short: {why}"
        refused(project.run("report", "plain"), 2, error, attempt)
        assert not (project.root / "owned").exists()

    def test_a_paddle_checkpoint_that_wants_to_run_code(self, project: Project) -> None:
        project.pair("plain")
        (project.root / "hostile.pdparams").write_bytes(b"cos\nsystem\n(S'touch owned'\ntR.")
        done = project.run("report", "plain", "--weights", "hostile.pdparams")
        error = "{...}/hostile.pdparams is refused: it wants os.system, and a checkpoint needs arrays and containers only"
        refused(done, 2, error, "loading it could run code; save it again with paddle.save(model.state_dict(), FILE)")
        assert not (project.root / "owned").exists()

    @pytest.mark.parametrize(
        ("body", "error"),
        [("raise EOFError('Ran out of input')", "EOFError: Ran out of input"), ("raise SystemExit(3)", "SystemExit: 3")],
        ids=["end-of-file", "exit"],
    )
    def test_model_code_that_ends_the_process(self, project: Project, body: str, error: str) -> None:
        """Neither is mistaken for the end of the line to the app."""
        code = f"from torch import nn\n\nclass Model(nn.Module):\n    def forward(self, x):\n        {body}\n"
        (project.root / "ends.py").write_text(code)
        project.pair("plain", torch=f"{project.root}/ends.py:Model")
        attempt = f"see {project.root}/ends.py:5"
        refused(project.run("report", "plain", *FAST), 2, f"torch: failed in the forward on input 1x3x8x8: {error}", attempt)

    def test_a_child_that_dies_tells_its_last_words(self, project: Project) -> None:
        body = "print('so far', flush=True); os.kill(os.getpid(), 9)"
        code = f"import os\nfrom torch import nn\n\nclass Model(nn.Module):\n    def forward(self, x):\n        {body}\n"
        (project.root / "dies.py").write_text(code)
        project.pair("plain", torch=f"{project.root}/dies.py:Model")
        done = project.run("report", "plain", "--display", "none", *FAST)
        assert (done.code, done.out) == (3, "")
        error, attempt, *words = done.err.splitlines()
        assert error == "error: the torch child was killed by SIGKILL; it may have run out of memory"
        assert attempt == f"try: read its log: {project.sessions[0]}/logs/torch.log"
        assert words == ["its last words:", "  so far"]

    def test_a_gpu_that_is_not_there(self, project: Project) -> None:
        project.pair("plain")
        done = project.run("report", "plain", "--device", "gpu:99", *FAST)
        refused(done, 3, "{...}: there is no gpu:99: {...} sees {...} GPU{...}", "--device cpu, or a build of {...} for CUDA")

    @pytest.mark.parametrize("numpy_there", [False, True], ids=["bare", "with-numpy"])
    def test_an_interpreter_without_the_framework(self, project: Project, numpy_there: bool) -> None:
        project.pair("plain")
        python = bare_environment(project.root / "bare", numpy_there)
        done = project.run("report", "plain", "--paddle-python", "bare/bin/python", "--display", "none")
        lacks, install = ("paddle", "paddlepaddle") if numpy_there else ("numpy", "numpy, and paddle with it")
        error = f"paddle: {lacks} cannot be imported in {python}: ModuleNotFoundError: No module named '{lacks}'"
        refused(done, 3, error, f"{python} -m pip install {install}")

    def test_an_interpreter_that_is_none(self, project: Project) -> None:
        project.pair("plain")
        stub = project.root / "stub"
        stub.write_text("#!/bin/sh\nexit 7\n")
        stub.chmod(0o755)
        done = project.run("report", "plain", "--torch-python", "./stub")
        refused(
            done, 3, "the torch child ended with exit code 7 before it said anything", f"check that {stub} is Python 3.10 or later"
        )
        done = project.run("report", "plain", "--torch-python", "./absent")
        error = f"the torch child cannot be started with {project.root}/absent: No such file or directory"
        refused(done, 3, error, "check `torch: python:` in pair.yaml, or --torch-python")


def bare_environment(folder: Path, numpy_there: bool) -> Path:
    """A virtual environment with nothing in it, or with numpy alone."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    [packages] = folder.glob("lib/python*/site-packages")
    if numpy_there:
        for source in Path(numpy.__file__).parents[1].glob("numpy*"):
            (packages / source.name).symlink_to(source)
    return folder / "bin" / "python"
