from __future__ import annotations

import hashlib
import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from aligndbg.errors import EnvironmentFault, InputError
from aligndbg.weights.files import digest, read_checkpoint, write_npz, write_pdparams, write_safetensors

Writer = Callable[[Path, Mapping[str, NDArray[Any]]], None]
WRITERS: dict[str, Writer] = {".pdparams": write_pdparams, ".npz": write_npz, ".safetensors": write_safetensors}
EACH = pytest.mark.parametrize("suffix", WRITERS)

TENSORS = {
    "features.0.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2),
    "features.0.bias": np.array([1.5, -2], np.float64),
    "file": np.array(7, np.int64),
    "half": np.ones((2, 0), np.float16),
    "turned": np.arange(6, dtype=np.int32).reshape(2, 3).T,
    "swapped": np.arange(3, dtype=">f4"),
    "mask": np.array([True, False]),
}


def assert_same(read: Mapping[str, NDArray[Any]], written: Mapping[str, NDArray[Any]]) -> None:
    assert read.keys() == written.keys()
    for name, array in written.items():
        assert read[name].shape == array.shape and read[name].dtype == array.dtype.newbyteorder("="), name
        np.testing.assert_array_equal(read[name], array)


@EACH
def test_what_is_written_is_read_again(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    WRITERS[suffix](path, TENSORS)
    assert_same(read_checkpoint(path), TENSORS)
    assert list(tmp_path.iterdir()) == [path]


@given(
    st.dictionaries(
        st.text(st.characters(codec="ascii", exclude_characters="/\\\0"), min_size=1),
        hnp.arrays(st.sampled_from([np.float32, np.float16, np.int64, np.uint8]), hnp.array_shapes(min_dims=0, min_side=0)),
        min_size=1,
        max_size=4,
    )
)
def test_pdparams_keep_any_array(tmp_path_factory: pytest.TempPathFactory, tensors: dict[str, NDArray[Any]]) -> None:
    path = tmp_path_factory.mktemp("any") / "w.pdparams"
    write_pdparams(path, tensors)
    assert_same(read_checkpoint(path), tensors)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_form_that_paddle_has_written(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "w.pdparams"
    weight = np.arange(6, dtype=np.float32).reshape(2, 3)
    state = OrderedDict(
        plain=weight,
        named=("linear_0.w_0", np.asfortranarray(weight)),
        epoch=3,
        scalar=np.float32(2.5),
        brain=np.array([0x3F80, 0xC000], np.uint16),
    )
    state["StructuredToParameterName@@"] = {"plain": "linear_0.w_0"}
    path.write_bytes(pickle.dumps(state, protocol))
    expected = {
        "plain": weight,
        "named": weight,
        "scalar": np.array(2.5, np.float32),
        "brain": np.array([1, -2], np.float32),
    }
    assert_same(read_checkpoint(path), expected)
    path.write_bytes(pickle.dumps({"state_dict": {"plain": weight}, "epoch": 1}, protocol))
    assert_same(read_checkpoint(path), {"plain": weight})


def test_a_tensor_in_slices_is_put_together(tmp_path: Path) -> None:
    path = tmp_path / "w.pdparams"
    weight = np.arange(6, dtype=np.float32)
    info = {"big": {"OriginShape": (2, 3), "slices": ["big@@.0", "big@@.1"]}}
    path.write_bytes(pickle.dumps({"big@@.0": weight[:4], "big@@.1": weight[4:], "UnpackBigParamInfor@@": info}))
    assert_same(read_checkpoint(path), {"big": weight.reshape(2, 3)})


class Call:
    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self.reduced = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self.reduced


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (Call(os.system, "touch harm"), f"{os.name}.system"),
        (Call(eval, "1"), "builtins.eval"),
        (Call(getattr, [], "append"), "builtins.getattr"),
        (np.array([{}], object), "numpy.dtype('O8')"),
        (np.zeros(2, "f4,f4"), "numpy.dtype('V8')"),
        (Path("x"), "pathlib."),
    ],
)
def test_code_in_a_pickle_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: object, named: str) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "w.pdparams"
    path.write_bytes(pickle.dumps({"w": value}))
    with pytest.raises(InputError) as caught:
        read_checkpoint(path)
    assert f"wants {named}" in caught.value.message and str(path) in caught.value.message
    assert not (tmp_path / "harm").exists()


def test_lies_about_an_array_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.pdparams"
    content = pickle.dumps({"w": np.zeros(4, np.float32)}, 4)
    longer = content.replace(b"K\x04\x85", b"K\x7f\x85")
    assert longer != content
    path.write_bytes(longer)
    with pytest.raises(InputError, match="cut short"):
        read_checkpoint(path)


@EACH
def test_damaged_files_are_told_in_one_line(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"w{suffix}"
    with pytest.raises(InputError, match="does not exist"):
        read_checkpoint(path)
    WRITERS[suffix](path, {"w": np.ones((64, 64), np.float32)})
    content = path.read_bytes()
    for damaged in (b"", content[:40], content[: len(content) // 2], content[:-1], b"<html>not found</html>", b"\x80\x04N."):
        path.write_bytes(damaged)
        with pytest.raises(InputError) as caught:
            read_checkpoint(path)
        assert str(path) in caught.value.message and "\n" not in caught.value.message and caught.value.hint
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        read_checkpoint(path)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_input_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    for suffix in WRITERS:
        path = tmp_path_factory.mktemp("fuzz") / f"w{suffix}"
        path.write_bytes(content)
        with pytest.raises(InputError):
            read_checkpoint(path)


def test_arrays_of_objects_in_an_archive_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.npz"
    np.savez(path, w=np.array([{}], object))
    with pytest.raises(InputError, match="allow_pickle"):
        read_checkpoint(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "nothing")
    with pytest.raises(InputError, match="holds no tensors"):
        read_checkpoint(path)


def test_bfloat16_in_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    header = json.dumps({"w": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\x80\x3f\x00\xc0")
    assert_same(read_checkpoint(path), {"w": np.array([1, -2], np.float32)})


@pytest.mark.parametrize(("name", "hint"), [("w.pth", "torch side"), ("w.onnx", ".pdparams, .npz, .safetensors")])
def test_other_formats_are_named(tmp_path: Path, name: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        read_checkpoint(tmp_path / name)
    assert hint in caught.value.hint


@EACH
def test_a_failed_write_leaves_the_old_file(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / f"w{suffix}"
    path.write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EnvironmentFault, match="No space left on device"):
        WRITERS[suffix](path, TENSORS)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]
    with pytest.raises(EnvironmentFault, match="No such file") as caught:
        WRITERS[suffix](tmp_path / "absent" / f"w{suffix}", TENSORS)
    assert "folder" in caught.value.hint


def test_digest(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert digest(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()
    with pytest.raises(InputError, match="No such file"):
        digest(tmp_path / "b")


PADDLE = """
import sys, warnings
import paddle
import numpy as np
ours, theirs = sys.argv[1:]
model = paddle.nn.Sequential(paddle.nn.Conv2D(3, 4, 3), paddle.nn.BatchNorm2D(4), paddle.nn.Linear(5, 6))
with warnings.catch_warnings():
    warnings.simplefilter("error")
    missing, unexpected = model.set_state_dict(paddle.load(ours))
assert not missing and not unexpected, (missing, unexpected)
for place, value in enumerate(model.state_dict().values()):
    assert (value.numpy() == np.arange(value.size, dtype="float32").reshape(value.shape) + place).all()
state = model.state_dict()
state["brain"] = paddle.ones([3]).astype("bfloat16")
paddle.save(state, theirs)
"""


@pytest.mark.frameworks
def test_paddle_reads_ours_and_we_read_paddles(tmp_path: Path) -> None:
    shapes = {
        "0.weight": (4, 3, 3, 3),
        "0.bias": (4,),
        "1.weight": (4,),
        "1.bias": (4,),
        "1._mean": (4,),
        "1._variance": (4,),
        "2.weight": (5, 6),
        "2.bias": (6,),
    }
    tensors = {
        name: np.arange(np.prod(shape), dtype=np.float32).reshape(shape) + place
        for place, (name, shape) in enumerate(shapes.items())
    }
    ours, theirs = tmp_path / "ours.pdparams", tmp_path / "theirs.pdparams"
    write_pdparams(ours, tensors)
    done = subprocess.run(
        [sys.executable, "-c", PADDLE, str(ours), str(theirs)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert_same(read_checkpoint(theirs), {**tensors, "brain": np.ones(3, np.float32)})
