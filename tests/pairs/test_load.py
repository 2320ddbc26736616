"""pair.yaml: what it may say, and the words with which the rest is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aligndbg.core.preprocessing import CenterCrop, Decode, Normalise, ResizeShort, ToCHW
from aligndbg.errors import PairError
from aligndbg.pairs.load import ARGUMENTS, load_pair
from aligndbg.pairs.schema import InputSpec, LogsSpec, PackagedFile, SidePreprocess, Tolerance

HEAD = "schema: 1\nname: small\ntorch: {model: 'math:sqrt'}\npaddle: {model: 'math:sqrt'}\n"
STEPS = "preprocess:\n  torch:\n    steps:\n"


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str | bytes) -> Path:
        path = tmp_path / "pair.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_everything_that_a_file_may_say(write, tmp_path):
    (tmp_path / "net.py").write_text("")
    spec = load_pair(
        write(
            """
schema: 1
name: full
description: all keys
torch: {model: net.py:build, kwargs: {width: 2, names: [a, b], eps: 1e-5}, python: ../env/bin/python}
paddle: {model: pkg.sub:Net.make, kwargs: {}, python: null}
weights:
  source: pretrained
  url: https://example.org/a/w-0123ab.pth
  package: {distribution: some-weights, file: some_weights/w.pth}
  sha256_prefix: 0123ab
  map: {a.weight: b.w}
  ignore: ["*.num_batches_tracked"]
inputs:
  - {shape: [2, 3, 8, 8], kind: randn, seed: 7}
  - {kind: ids.npy, shape: [2, 5]}
tolerance: {atol: 1e-4, rtol: 1, layers: {"classifier.*": {atol: 1.0e-3}}}
layers: {ignore: ["aux.*"], pair: {"classifier.1": "classifier.0"}}
preprocess: {resize_short: 232, interpolation: bicubic, backend: cv2, crop: 224, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 1]}
eval: {list: val.txt, data: /data, batch_size: 8, target_top1: 70, max_gap: 0.1}
train: {recipe: train.yaml, target_top1: 70.5, margin: 0.3}
launch: {eval: [python, -m, paddle.distributed.launch], train: [python, train.py]}
logs: {format: "loss=(?P<loss>[0-9.]+)", accuracy: fraction}
"""
        )
    )
    assert spec.torch.kwargs == {"width": 2, "names": ["a", "b"], "eps": 1e-5}
    assert spec.torch.python == "../env/bin/python" and spec.paddle.python is None
    assert spec.weights.package == PackagedFile("some-weights", "some_weights/w.pth")
    assert spec.weights.ignore == ("*.num_batches_tracked",) and spec.weights.map == {"a.weight": "b.w"}
    assert spec.model_inputs == (InputSpec((2, 3, 8, 8), "randn", 7), InputSpec((2, 5), "ids.npy"))
    assert (spec.tolerance.atol, spec.tolerance.rtol) == (1e-4, 1.0)
    assert spec.tolerance.layers == {"classifier.*": Tolerance(atol=1e-3)}
    assert spec.preprocess.std == (0.5, 0.5, 1.0) and isinstance(spec.preprocess.std[2], float)
    assert spec.eval.target_top1 == 70.0 and spec.launch["eval"] == ("python", "-m", "paddle.distributed.launch")
    assert spec.logs == LogsSpec("loss=(?P<loss>[0-9.]+)", "fraction")
    assert spec.root == tmp_path and spec.path == tmp_path / "pair.yaml"


def test_each_side_may_have_its_own_preprocessing(write):
    text = """
preprocess:
  resize_short: 232
  torch: {torchvision: MobileNet_V2_Weights.IMAGENET1K_V2}
  paddle:
    steps:
      - decode: {backend: cv2, exif: false}
      - resize_short: {size: 256, backend: cv2, rounding: round}
      - center_crop: {size: 224, rounding: floor, pad: false}
      - normalise: {mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5], divide: false}
      - to_chw: {}
"""
    found = load_pair(write(HEAD + text)).preprocess
    assert found.resize_short == 232 and found.torch == SidePreprocess(torchvision="MobileNet_V2_Weights.IMAGENET1K_V2")
    assert found.paddle is not None and found.paddle.steps is not None
    assert [choice.step for choice in found.paddle.steps] == [
        Decode("cv2", exif=False),
        ResizeShort(256, "bilinear", "cv2", "round"),
        CenterCrop(224, "floor", pad=False),
        Normalise((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), divide=False),
        ToCHW(),
    ]


def test_a_short_file_means_the_guides_input(write):
    spec = load_pair(write(HEAD))
    assert spec.model_inputs == (InputSpec((1, 3, 224, 224), "ones", 0),)
    assert spec.weights.source == "auto" and spec.tolerance.atol == 1e-4


@pytest.mark.parametrize(
    ("text", "line", "message", "hint"),
    [
        (HEAD + "wieghts: {}\n", 5, "unknown key 'wieghts'", "did you mean 'weights'?"),
        (HEAD + "input:\n  shpae: [1]\n", 6, "unknown key 'shpae' under input", "did you mean 'shape'?"),
        (HEAD + "eval: {zzz: 1}\n", 5, "unknown key 'zzz' under eval", "known keys: list, data, batch_size, target_top1, max_gap"),
        (HEAD + "root: /\n", 5, "unknown key 'root'", None),
        (HEAD + "name: again\n", 5, "the key 'name' stands here a second time", ""),
        (HEAD.replace("'math:sqrt'}", "'math:sqrt', kwargs: {a: 1, a: 2}}"), 3, "the key 'a' stands here a second time", ""),
        (HEAD + "1: x\n", 5, "a key that is not text: a whole number ('1')", "quote it to make it text"),
        (HEAD + "[a]: x\n", 5, "a key that is not text: a list", "quote it to make it text"),
        (
            HEAD.replace("schema: 1", "schema: 2"),
            1,
            "schema 2 is newer than this aligndbg, which reads schema 1",
            "upgrade aligndbg, or write the pair in schema 1",
        ),
        (HEAD.replace("schema: 1", "schema: 0"), 1, "schema 0 does not exist, expected 1", ""),
        (HEAD.replace("schema: 1", "schema: one"), 1, "schema: expected the whole number 1", ""),
        ("schema: 1\nname: x\ntorch: {model: 'a:b'}\n", 1, "paddle is missing", ""),
        ("schema: 1\nname: x\ntorch: {}\npaddle: {model: 'a:b'}\n", 3, "torch.model is missing", ""),
        (HEAD.replace("small", "no"), 2, "name: expected text, found true or false ('no')", "quote it to make it text"),
        (HEAD + "input: {shape: [1, x]}\n", 5, "input.shape[1]: expected a whole number, found 'x'", ""),
        (HEAD + "input: {shape: [1, 0]}\n", 5, "shape: expected sizes of 1 and more, found [1, 0]", ""),
        (HEAD + "input: {shape: 3}\n", 5, "input.shape: expected a list, found a whole number ('3')", ""),
        (HEAD + "input: {seed: true}\n", 5, "input.seed: expected a whole number, found true or false ('true')", ""),
        (
            HEAD + "input: {kind: onse}\n",
            5,
            "kind: expected ones, zeros, randn, rand or a file, found 'onse'",
            "did you mean 'ones'?",
        ),
        (
            HEAD + "inputs:\n- {}\n- {seed: -1}\n",
            7,
            "seed: expected 0 or more, found -1",
            "",
        ),
        (
            HEAD + "input: {}\ninputs: [{}]\n",
            6,
            "both input and inputs are given",
            "keep `inputs` for models with several, else `input`",
        ),
        (HEAD + "tolerance: {atol: -1}\n", 5, "tolerance.atol: expected 0 or more, found -1", ""),
        (HEAD + "tolerance: {atol: .nan}\n", 5, "tolerance.atol: expected a finite number, found a number ('.nan')", ""),
        (HEAD + f"tolerance: {{atol: {'9' * 400}}}\n", 5, None, None),
        (HEAD + f"input: {{seed: {'9' * 9000}}}\n", 5, None, None),
        (HEAD + "input: {seed: 2001-01-01}\n", 5, None, None),
        (HEAD + "torch2: !!set {a}\n", 5, "the tag 'tag:yaml.org,2002:set' is not supported", "leave it out"),
        (HEAD + "tolerance: {atol: '1e-4'}\n", 5, "tolerance.atol: expected a number, found '1e-4'", ""),
        (HEAD + "preprocess: {mean: [1, 2]}\n", 5, "preprocess.mean: expected a list of 3, found one of 2", ""),
        (HEAD + "preprocess: {backend: pli}\n", 5, "preprocess.backend: expected pil or cv2, found 'pli'", "did you mean 'pil'?"),
        (HEAD + "preprocess: {backend: [pil]}\n", 5, "preprocess.backend: expected pil or cv2, found a list", ""),
        (HEAD + "preprocess: {crop: 0}\n", 5, "preprocess.crop: expected 1 to 32768 pixels, found 0", ""),
        (HEAD + "preprocess:\n  std: [1, 0, 1]\n", 6, "preprocess.std: expected three numbers over 0, found [1.0, 0.0, 1.0]", ""),
        (
            HEAD + "preprocess:\n  interpolation: area\n",
            6,
            "preprocess.interpolation: pil has nearest, bilinear, bicubic, lanczos, box, hamming, not area",
            "",
        ),
        (
            HEAD + "preprocess:\n  interpolation: box\n  paddle:\n    backend: cv2\n",
            8,
            "preprocess.paddle.backend: cv2 has nearest, bilinear, bicubic, lanczos, area, not box",
            "",
        ),
        (
            HEAD + "preprocess:\n  paddle:\n    torchvsion: x\n",
            7,
            "unknown key 'torchvsion' under preprocess.paddle",
            "did you mean 'torchvision'?",
        ),
        (
            HEAD + "preprocess:\n  paddle:\n    paddleclas: a.yaml\n    crop: 3\n",
            8,
            "preprocess.paddle: crop beside paddleclas",
            "keep the one or the other",
        ),
        (
            HEAD + "preprocess:\n  torch:\n    torchvision: x\n    steps: [{decode: {}}, {to_chw: {}}]\n",
            8,
            "preprocess.torch: steps beside torchvision",
            "keep the one or the other",
        ),
        (
            HEAD + STEPS + "      - deocde: {}\n",
            8,
            "unknown key 'deocde' under preprocess.torch.steps[0]",
            "did you mean 'decode'?",
        ),
        (HEAD + STEPS + "      - decode: {}\n      - {}\n", 9, "preprocess.torch.steps[1]: expected one step", None),
        (
            HEAD + STEPS + "      - decode: {}\n      - center_crop: {size: 0}\n",
            9,
            "preprocess.torch.steps[1].center_crop: size: expected 1 to 32768 pixels, found 0",
            "",
        ),
        (
            HEAD + STEPS + "      - decode: {}\n      - resize: {height: 3, width: 4, interpolation: hammer}\n",
            9,
            "preprocess.torch.steps[1].resize.interpolation: expected nearest, bilinear, bicubic, lanczos, area, box or hamming, "
            "found 'hammer'",
            "did you mean 'hamming'?",
        ),
        (
            HEAD + STEPS + "      - decode: {}\n      - normalise: {}\n",
            8,
            "preprocess.torch.steps: to_chw is missing: the model takes channels first",
            "add `- to_chw: {}` as the last step",
        ),
        (HEAD + STEPS + "      - to_chw: {}\n", 8, "preprocess.torch.steps: the first step is to be decode", ""),
        (HEAD + "weights: [a]\n", 5, "weights: expected a mapping, found a list", ""),
        (
            HEAD + "weights: {url: 'http://example.org/w.pth'}\n",
            5,
            "weights.url: expected https://HOST/FILE, found 'http://example.org/w.pth'",
            "",
        ),
        (
            HEAD + "weights: {sha256_prefix: 12345678}\n",
            5,
            "weights.sha256_prefix: expected text, found a whole number ('12345678')",
            "quote it to make it text",
        ),
        (
            HEAD + "weights: {source: kaimin}\n",
            5,
            "weights.source: expected auto, pretrained, kaiming, default or a file, found 'kaimin'",
            None,
        ),
        (HEAD + "launch: {eval: python x}\n", 5, "launch.eval: expected a list, found 'python x'", ""),
        (HEAD + "launch: {evl: [python]}\n", 5, "launch: expected eval or train, found 'evl'", "did you mean 'eval'?"),
        (HEAD + "launch: {eval: []}\n", 5, "launch.eval: expected a list of arguments, the program first", ARGUMENTS),
        (
            HEAD + "launch:\n  eval: [python]\n  train: [python train.py -x]\n",
            7,
            "launch.train: one argument with spaces is no command, and no shell splits it",
            ARGUMENTS,
        ),
        (HEAD + 'launch:\n  train:\n  - python\n  - "a\\0b"\n', 8, "launch.train: an argument cannot hold a NUL character", ""),
        (
            HEAD + "logs:\n  accuracy: fractions\n",
            6,
            "logs.accuracy: expected percent or fraction, found 'fractions'",
            "did you mean 'fraction'?",
        ),
        (
            HEAD + "logs:\n  format: 'loss=(?P<loss>[0-9.+)'\n",
            6,
            "logs.format: no regular expression: unterminated character set at position 14",
            "",
        ),
        (
            HEAD + "logs:\n  format: 'loss=([0-9.]+)'\n",
            6,
            "logs.format: expected a format's name or a regex with named groups, found 'loss=([0-9.]+)'",
            "name a group after a metric, as in loss=(?P<loss>[0-9.]+)",
        ),
        (HEAD + "logs: {formats: timm}\n", 5, "unknown key 'formats' under logs", "did you mean 'format'?"),
        (HEAD + "eval: {target_top1: 101}\n", 5, "eval.target_top1: expected percent, 0 to 100, found 101", ""),
        (
            HEAD.replace("'math:sqrt'", "resnet18", 1),
            3,
            "torch.model: expected FILE.py:CALLABLE or module:CALLABLE, found 'resnet18'",
            "for example model.py:build or torchvision.models:resnet18",
        ),
        (HEAD + "description: &a x\nname2: *a\n", 6, "aliases (*a) are not supported", "write the value out"),
        (HEAD + f"weights: {'[' * 60}{']' * 60}\n", 5, "nested more than 40 levels deep", ""),
        (HEAD.replace("'math:sqrt'}", "'math:sqrt', kwargs: {a: !!python/object/apply:os.system [id]}}"), 3, None, None),
        (HEAD + "eval: {list: !!python/name:os.system x}\n", 5, None, None),
        (HEAD + "input: {shape: [1\n", 6, "not YAML: did not find expected ',' or ']'", None),
        (HEAD + "\tinput: 3\n", 5, "not YAML: found character that cannot start any token", None),
        ("- a\n- b\n", 1, "expected `key: value` lines, found a list", ""),
        (HEAD + "---\na: 1\n", 5, "not YAML: but found another document", None),
        (HEAD.encode() + b"description: \xff\n", 5, "not UTF-8: byte 0xff", ""),
        (HEAD + 'description: "\\e[31m"\n', 5, "description: expected one printable line", ""),
    ],
)
def test_refused_with_file_and_line(write, text, line, message, hint):
    path = write(text)
    with pytest.raises(PairError) as refused:
        load_pair(path)
    found = refused.value
    assert found.message.isprintable() and found.hint.isprintable()
    if message is None:
        assert found.message.startswith(f"{path}:{line}: ")
    else:
        assert found.message == f"{path}:{line}: {message}"
    if hint is not None:
        assert found.hint == hint


def test_a_missing_model_file_names_its_neighbours(write, tmp_path):
    (tmp_path / "torch_model.py").write_text("")
    with pytest.raises(PairError) as refused:
        load_pair(write(HEAD.replace("math:sqrt", "torch_modle.py:net", 1)))
    assert refused.value.message == f"{tmp_path}/pair.yaml:3: torch.model: torch_modle.py does not exist in {tmp_path}"
    assert refused.value.hint == "did you mean 'torch_model.py'?"


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "does not exist"), (b"", "is empty"), (b"# nothing\n", "is empty"), (b" " * (1 << 21), "has 2097152 bytes")],
)
def test_no_pair_at_all(tmp_path, content, message):
    path = tmp_path / "pair.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PairError) as refused:
        load_pair(path)
    assert refused.value.message.startswith(f"{path} {message}")


def test_a_path_with_an_escape_sequence_stays_printable(tmp_path):
    with pytest.raises(PairError) as refused:
        load_pair(tmp_path / "a\x1b[2Jb" / "pair.yaml")
    assert refused.value.message.isprintable() and "\\x1b" in refused.value.message


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=80), st.text(alphabet="abc:[]{}&*!|>-'\"#%@ \n\t1.\x1b", max_size=80).map(str.encode)))
def test_no_bytes_make_it_fail_otherwise(write, junk):
    try:
        load_pair(write(HEAD.encode() + junk))
    except PairError as refused:
        assert refused.message.isprintable() and refused.hint.isprintable()
