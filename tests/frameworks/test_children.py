"""Framework children on tiny real models: what is traced, what is captured, how they fail."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from child_calls import ask, build, run

from aligndbg.errors import ChildDied, EnvironmentFault, InputError, PairError
from aligndbg.frameworks import wire
from aligndbg.frameworks.client import Child, start_child

pytestmark = pytest.mark.frameworks
HERE = Path(__file__).parent


@pytest.fixture(params=["torch", "paddle"])
def child(request: pytest.FixtureRequest) -> Child:
    return request.getfixturevalue(f"{request.param}_child")  # type: ignore[no-any-return]


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def test_in_place_ops_do_not_touch_what_was_captured_before_them(child: Child) -> None:
    build(child, "InPlace")
    trace, captured, [result] = run(child, noise(1, 3, 4, 4), (0, 1, 2, 3, 4))
    assert [call.kind for call in trace.calls] == ["conv2d", "relu", "add", "set_slice", "multiply"]
    conv, relu, added, filled, doubled = (captured[index][0] for index in range(5))
    assert conv.min() < 0
    assert np.array_equal(relu, np.maximum(conv, 0))
    assert np.array_equal(added, relu + 1)
    assert (filled[:, 0] == 5).all()
    assert np.array_equal(filled[:, 1:], added[:, 1:])
    assert np.array_equal(doubled, filled * 2)
    assert np.array_equal(result, doubled)
    assert [[ref.producer for ref in call.inputs][:1] for call in trace.calls] == [[-1], [0], [1], [2], [3]]


def test_tuples_lists_and_dicts_keep_their_tensors_apart(child: Child) -> None:
    build(child, "Structured")
    trace, captured, results = run(child, noise(1, 4, 3, 3), (5, 6))
    assert [call.kind for call in trace.calls] == ["add", "subtract", "multiply", "flatten", "transpose", "lstm", "concat"]
    assert [call.path for call in trace.calls][:3] == ["split.add", "split.sub", "split.mul"]
    assert trace.output_names == ("sequence", "states.0", "states.1", "rest.0")
    assert [(ref.producer, ref.output) for ref in trace.outputs] == [(5, 0), (5, 1), (5, 2), (6, 0)]
    assert [array.shape for array in captured[5]] == [(1, 9, 3), (1, 1, 3), (1, 1, 3)]
    assert [(ref.producer, ref.output) for ref in trace.calls[6].inputs] == [(1, 0), (2, 0)]
    assert np.array_equal(results[3], captured[6][0])


def test_repeated_layers_are_numbered_and_functional_parameters_have_roles(child: Child) -> None:
    build(child, "Reused")
    trace, _, _ = run(child, noise(1, 1, 5, 6))
    paths = ["conv2d", "linear", "relu", "linear#2", "add", "relu#2", "mul", "softmax"]
    assert [call.path for call in trace.calls] == paths
    conv, scaled, last = trace.calls[0], trace.calls[6], trace.calls[7]
    assert [(param.name, param.role, param.layout) for param in conv.params] == [("kernel", "weight", "oihw")]
    assert conv.attributes["padding"] == [1, 1]
    assert [param.name for param in scaled.params] == ["scale"]
    assert last.attributes["axis"] == -1
    assert [ref.producer for ref in trace.calls[4].inputs] == [3, 2]
    assert trace.calls[3].params == trace.calls[1].params
    assert conv.source is not None and conv.source.partition(":")[0].endswith(f"{child.side}_models.py")


def test_the_two_attention_layers_tell_their_weights_by_role(torch_child: Child, paddle_child: Child) -> None:
    build(torch_child, "Attention")
    build(paddle_child, "Attention")
    torch, paddle = (run(child, noise(2, 5, 8))[0] for child in (torch_child, paddle_child))
    assert [call.kind for call in torch.calls] == [call.kind for call in paddle.calls]
    assert {param.role: param.layout for param in torch.calls[0].params}["qkv.weight"] == "oi"
    assert {param.role: param.layout for param in paddle.calls[0].params}["q.weight"] == "io"


def test_a_forward_that_raises_says_where_and_leaves_the_child_usable(torch_child: Child) -> None:
    build(torch_child, "Fails")
    with pytest.raises(
        InputError, match=r"torch: failed in the forward on input 1x3x2x2, after first \(Conv2d\): RuntimeError"
    ) as caught:
        run(torch_child, noise(1, 3, 2, 2))
    assert "torch_models.py:" in caught.value.hint
    build(torch_child, "InPlace")
    assert run(torch_child, noise(1, 3, 2, 2))[0].calls


def test_a_killed_child_tells_its_last_words(start: Callable[[str], Child]) -> None:
    child = start("torch")
    build(child, "Dies")
    with pytest.raises(ChildDied, match="the torch child was killed by SIGKILL") as caught:
        run(child, noise(1, 3))
    assert "about to end" in caught.value.last_words
    assert child.failed


def test_a_child_ends_when_the_line_closes(start: Callable[[str], Child]) -> None:
    child = start("torch")
    child.close()
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)


@pytest.mark.parametrize(
    ("target", "message", "hint"),
    [
        ("torch_models.py:Inplace", "torch_models.py has no 'Inplace'", "did you mean InPlace"),
        ("torch_models.py:not_callable", "is int, not a callable", "name the model's class"),
        ("torch_models.py:not_a_model", "returned str, expected torch.Module", ""),
        ("torch_models.py:needs_argument", "missing 1 required positional argument: 'width'", ""),
        ("absent.py:Model", "absent.py does not exist", "check `model:`"),
        ("no_such_package.models:Model", "no module named 'no_such_package'", "install it into"),
    ],
)
def test_a_target_that_cannot_be_built_is_one_sentence(torch_child: Child, target: str, message: str, hint: str) -> None:
    with pytest.raises(PairError) as caught:
        ask(torch_child, wire.Build(target, {}, str(HERE), "cpu"))
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert "\n" not in caught.value.message


def test_a_syntax_error_names_its_line(torch_child: Child, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import torch\n\ndef model(:\n")
    with pytest.raises(PairError, match=r"broken\.py:3: invalid syntax") as caught:
        ask(torch_child, wire.Build("broken.py:model", {}, str(tmp_path), "cpu"))
    assert caught.value.hint == "mend this line: def model(:"


def test_a_missing_dependency_of_the_model_is_an_environment_fault(torch_child: Child, tmp_path: Path) -> None:
    (tmp_path / "needs.py").write_text("import no_such_package\n")
    with pytest.raises(EnvironmentFault, match="needs 'no_such_package', which is not installed"):
        ask(torch_child, wire.Build("needs.py:model", {}, str(tmp_path), "cpu"))


def test_an_interpreter_that_does_not_exist_is_an_environment_fault(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match="cannot be started with /no/such/python") as caught:
        start_child("torch", "/no/such/python", tmp_path / "log", 4096)
    assert "--torch-python" in caught.value.hint


def test_a_child_needs_numpy_and_its_framework_only(start: Callable[[str], Child], tmp_path: Path) -> None:
    words = "json.dumps([list(sys.modules), sys.path])"
    (tmp_path / "spy.py").write_text(
        f"import json, sys\nfrom torch import nn\n\ndef model():\n    print('LOADED', {words})\n    return nn.ReLU()\n"
    )
    child = start("torch")
    ask(child, wire.Build("spy.py:model", {}, str(tmp_path), "cpu"))
    line = next(line for line in child.log.read_text().splitlines() if line.startswith("LOADED"))
    modules, folders = json.loads(line.removeprefix("LOADED"))
    assert not {"msgspec", "textual", "yaml", "rich", "paddle"} & set(modules)
    # An editable install of aligndbg puts its folder on the path of every process of this interpreter.
    _, bare = json.loads(subprocess.check_output([sys.executable, "-c", f"import json, sys; print({words})"]))
    assert set(folders) == {str(tmp_path), *bare} - {""}


def test_frameworks_are_put_back_after_a_forward() -> None:
    script = """
import numpy as np, paddle, sys
from paddle import _C_ops
from pathlib import Path
from aligndbg.frameworks.paddlepaddle import PaddleFramework
functions = [(paddle, 'concat'), (paddle.nn.functional, 'relu'), (_C_ops, 'relu')]
places = [*functions, (paddle.Tensor, '__add__'), (paddle.Tensor, 'reshape')]
before = [getattr(*place) for place in places]
framework = PaddleFramework()
framework.build('paddle_models.py:InPlace', {}, Path(sys.argv[1]), 'cpu')
seen = []
framework.run([np.ones((1, 3, 2, 2), np.float32)], lambda call, outputs: seen.append([getattr(*place) for place in places]))
assert all(one is not other for one, other in zip(seen[0], before))
assert [getattr(*place) for place in places] == before
try:
    framework.run([np.ones((1, 5, 2, 2), np.float32)], lambda call, outputs: None)
except ValueError:
    assert [getattr(*place) for place in places] == before
    print('restored')
"""
    root = str(HERE.parents[1])
    done = subprocess.run(
        [sys.executable, "-c", script, str(HERE)], env={**os.environ, "PYTHONPATH": root}, capture_output=True, text=True
    )
    assert done.stdout.strip().endswith("restored"), done.stderr[-2000:]


def test_checkpoints_are_read_without_executing_them(torch_child: Child, tmp_path: Path) -> None:
    build(torch_child, "InPlace")
    torch_file, cut, words, hostile = (tmp_path / name for name in ("state.pth", "cut.pth", "words.pth", "hostile.pth"))
    assert ask(torch_child, wire.Save(str(torch_file))) == wire.Done()
    ask(torch_child, wire.LoadFile(str(torch_file)))
    cut.write_bytes(torch_file.read_bytes()[:300])
    words.write_text("not a checkpoint")
    hostile.write_bytes(b"cos\nsystem\n(S'touch " + str(tmp_path / "owned").encode() + b"'\ntR.")
    for file in (cut, words, hostile):
        with pytest.raises(InputError, match=f"{file.name} is not a torch checkpoint, or is cut short"):
            ask(torch_child, wire.LoadFile(str(file)))
    assert not (tmp_path / "owned").exists()
    with pytest.raises(InputError, match=r"absent\.pth does not exist"):
        ask(torch_child, wire.LoadFile(str(tmp_path / "absent.pth")))
    build(torch_child, "Reused")
    with pytest.raises(InputError, match="none of its 2 tensors has a name of this model"):
        ask(torch_child, wire.LoadFile(str(torch_file)))


def test_kaiming_weights_depend_on_the_seed_alone(torch_child: Child) -> None:
    build(torch_child, "InPlace")
    results = []
    for seed in (3, 4, 3):
        ask(torch_child, wire.Initialise("kaiming", seed))
        results.append(run(torch_child, noise(1, 3, 2, 2))[2][0])
    assert np.array_equal(results[0], results[2])
    assert not np.array_equal(results[0], results[1])


def test_ctrl_c_in_the_terminal_is_left_to_the_app(start: Callable[[str], Child]) -> None:
    child = start("torch")
    os.kill(child.pid, signal.SIGINT)
    build(child, "InPlace")
    assert run(child, noise(1, 3, 2, 2))[0].calls


def test_an_app_that_waits_for_memory_asks_for_nothing(torch_child: Child) -> None:
    torch_child.send(wire.Full())
    assert ask(torch_child, wire.Sync()) == wire.Done()
