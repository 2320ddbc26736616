"""Pairs and options from the command line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aligndbg.errors import UsageError
from aligndbg.pairs.adhoc import adhoc_pair, parse_shape, with_overrides
from aligndbg.pairs.schema import InputSpec, ModelSpec, PairSpec, Tolerance, ToleranceSpec, WeightsSpec

SPEC = PairSpec(
    "small",
    ModelSpec("a:b"),
    ModelSpec("c:d"),
    weights=WeightsSpec(url="https://example.org/w.pth", sha256_prefix="0123ab"),
    tolerance=ToleranceSpec(layers={"fc": Tolerance(atol=1e-2)}),
    path=Path("/pairs/small/pair.yaml"),
    root=Path("/pairs/small"),
)


def test_two_modules():
    spec = adhoc_pair("torchvision.models:resnet18", "paddle.vision.models:resnet18")
    assert spec.name == "resnet18" and spec.root == Path.cwd() and spec.path is None
    assert spec.description == "torchvision.models:resnet18 against paddle.vision.models:resnet18"
    assert adhoc_pair("a:one", "b:two").name == "one-two"


def test_two_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text("")
    assert adhoc_pair("net.py:build", "net.py:build").torch.model == "net.py:build"
    with pytest.raises(UsageError) as refused:
        adhoc_pair("net.py:build", "absent.py:build")
    assert refused.value.message == "--paddle: absent.py does not exist"


def test_a_target_without_a_callable():
    with pytest.raises(UsageError) as refused:
        adhoc_pair("resnet18", "a:b")
    assert refused.value.message == "--torch: expected MODULE:CALLABLE or FILE.py:CALLABLE, found 'resnet18'"
    assert refused.value.hint == "for example --torch torchvision.models:resnet18"


def test_no_option_changes_nothing_that_matters():
    same = with_overrides(SPEC)
    assert same.model_inputs == SPEC.model_inputs and same.weights == SPEC.weights and same.tolerance == SPEC.tolerance


def test_every_option(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.pth").write_bytes(b"")
    spec = with_overrides(
        SPEC,
        shape="8,3,32,32",
        input="cat.jpg",
        seed=3,
        weights="w.pth",
        atol=1e-5,
        rtol=1e-3,
        torch_python="env/bin/python",
        paddle_python="python3.12",
    )
    assert spec.model_inputs == (InputSpec((8, 3, 32, 32), str(tmp_path / "cat.jpg"), 3),)
    assert spec.weights.source == str(tmp_path / "w.pth")
    assert spec.weights.sha256_prefix is None, "the published file's digest says nothing about another file"
    assert (spec.tolerance.atol, spec.tolerance.rtol) == (1e-5, 1e-3)
    assert spec.tolerance.layers == {"fc": Tolerance(atol=1e-2)}
    assert spec.torch.python == str(tmp_path / "env/bin/python") and spec.paddle.python == "python3.12"
    assert with_overrides(SPEC, weights="pretrained").weights.sha256_prefix == "0123ab"


def test_an_interpreter_is_not_resolved_through_its_link(tmp_path):
    link = tmp_path / "python"
    link.symlink_to(sys.executable)
    assert with_overrides(SPEC, torch_python=str(link)).torch.python == str(link)


def test_pictures_follow_the_shape_only_where_no_file_says_otherwise():
    adhoc = with_overrides(adhoc_pair("a:b", "c:d"), shape="1,3,299,299")
    assert (adhoc.preprocess.crop, adhoc.preprocess.resize_short) == (299, 342)
    assert with_overrides(adhoc_pair("a:b", "c:d"), shape="1,3,224,224").preprocess.resize_short == 256
    assert with_overrides(SPEC, shape="1,3,299,299").preprocess.crop == 224


def test_one_input_option_holds_for_all_inputs_but_a_shape_cannot():
    two = PairSpec("two", ModelSpec("a:b"), ModelSpec("c:d"), inputs=(InputSpec((1, 4)), InputSpec((1, 5))))
    assert [one.kind for one in with_overrides(two, input="randn").model_inputs] == ["randn", "randn"]
    with pytest.raises(UsageError) as refused:
        with_overrides(two, shape="1,4")
    assert refused.value.message == "--shape: two has 2 inputs, whose shapes one option cannot give"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": "1,3,x"}, "--shape: expected sizes such as 1,3,224,224, found '1,3,x'"),
        ({"shape": ""}, "--shape: expected sizes such as 1,3,224,224, found ''"),
        ({"shape": "1,-3"}, "--shape: expected sizes such as 1,3,224,224, found '1,-3'"),
        ({"shape": "1,0"}, "--shape: expected sizes such as 1,3,224,224, found '1,0'"),
        ({"shape": "1,²"}, "--shape: expected sizes such as 1,3,224,224, found '1,²'"),
        ({"shape": "99999,99999"}, "--shape: 99999,99999 has 9999800001 elements, more than 2147483648"),
        ({"input": "one"}, "--input: expected ones, zeros, randn, rand or a file, found 'one'"),
        ({"weights": "imagenet"}, "--weights: expected auto, pretrained, kaiming, default or a file, found 'imagenet'"),
        ({"seed": -1}, "--seed: expected 0 or more, found -1"),
        ({"atol": float("nan")}, "--atol: expected a number of 0 or more, found nan"),
        ({"rtol": -1.0}, "--rtol: expected a number of 0 or more, found -1.0"),
    ],
)
def test_options_that_cannot_be_used(options, message):
    with pytest.raises(UsageError) as refused:
        with_overrides(SPEC, **options)
    assert (refused.value.message, refused.value.exit_code) == (message, 2)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=5))
def test_a_shape_reads_as_it_is_written(sizes):
    assert parse_shape(",".join(map(str, sizes))) == tuple(sizes)


@given(st.text(max_size=12))
def test_any_other_text_is_refused_in_one_line(text):
    try:
        shape = parse_shape(text)
    except UsageError as refused:
        assert refused.message.isprintable()
    else:
        assert all(size > 0 for size in shape)
