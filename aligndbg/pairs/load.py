"""pair.yaml, schema 1, from disk."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import Path

import yaml

from aligndbg.core.preprocessing import FILTERS, LARGEST_SIDE, check_order
from aligndbg.errors import InputError, PairError
from aligndbg.pairs.decode import Document, named, read_document
from aligndbg.pairs.schema import InputSpec, ModelSpec, PairSpec, PreprocessSpec, SidePreprocess, is_onnx

SCHEMA = 1
FILE_NAME = "pair.yaml"
GENERATED = ("ones", "zeros", "randn", "rand")
"""Inputs that are made rather than read."""
WEIGHT_SCHEMES = ("auto", "pretrained", "kaiming", "default")
"""Sources of weights that are no file."""
LAUNCHES = ("eval", "train")
ARGUMENTS = "for example [python, train.py, --nproc, '{ranks}']"
ACCURACIES = ("percent", "fraction")
LARGEST_SEED = (1 << 63) - 1
"""What torch's generators take."""

_NAME = r"[^\W\d]\w*(\.[^\W\d]\w*)*"
_MODULE = re.compile(rf"{_NAME}:{_NAME}")
_FILE = re.compile(rf"[^:\0]+\.py:{_NAME}")
_SHORT = ("resize_short", "interpolation", "backend", "crop", "mean", "std")
_FROM_PLACE = frozenset(("root", "path"))


def load_pair(path: Path) -> PairSpec:
    """The pair that `path`, a pair.yaml or a single-file pair, describes.

    PairError names the file, the line, what was expected and what to try. The model files must exist; the weights, the
    input and the data sets are only looked for when they are used.
    """
    path = path.absolute()
    document = read_document(path, PairError)
    _check_schema(document)
    read: PairSpec = document.decode(PairSpec, _FROM_PLACE)
    fields = {name: getattr(read, name) for name in PairSpec.__dataclass_fields__ if name not in _FROM_PLACE}
    spec = PairSpec(**fields, root=path.parent, path=path)
    _check_name(document, spec)
    for side, model in (("torch", spec.torch), ("paddle", spec.paddle)):
        _check_model(document, side, model, spec.root)
    _check_inputs(document, spec)
    _check_weights(document, spec)
    _check_numbers(document, spec)
    _check_preprocess(document, spec.preprocess)
    _check_launch(document, spec)
    _check_logs(document, spec)
    return spec


def is_target(text: str) -> bool:
    """Whether `text` has the form of `FILE.py:CALLABLE` or `module:CALLABLE`."""
    return bool(_FILE.fullmatch(text) or _MODULE.fullmatch(text))


def _check_schema(document: Document) -> None:
    node = document.at("schema")
    if node is document.root:
        return
    if node.tag != "tag:yaml.org,2002:int":
        raise document.refuse(node, f"schema: expected the whole number {SCHEMA}")
    schema = document.plain(node)
    if schema > SCHEMA:
        raise document.refuse(
            node,
            f"schema {schema} is newer than this aligndbg, which reads schema {SCHEMA}",
            "upgrade aligndbg, or write the pair in schema 1",
        )
    if schema < SCHEMA:
        raise document.refuse(node, f"schema {schema} does not exist, expected {SCHEMA}")


def _check_name(document: Document, spec: PairSpec) -> None:
    if not spec.name or not spec.name.isprintable() or len(spec.name) > 200:
        raise document.refuse(document.at("name"), f"name: expected a short name in one line, found {spec.name[:60]!r}")
    if not spec.description.isprintable():
        raise document.refuse(document.at("description"), "description: expected one printable line")


def _check_model(document: Document, side: str, model: ModelSpec, root: Path) -> None:
    node = document.at(side, "model")
    if side == "torch" and is_onnx(model):
        if not (root / model.model).is_file():
            raise document.refuse(node, f"torch.model: {named(Path(model.model))} does not exist in {named(root)}")
        return
    if not is_target(model.model):
        raise document.refuse(
            node,
            f"{side}.model: expected FILE.py:CALLABLE or module:CALLABLE, found {model.model[:60]!r}",
            "for example model.py:build or torchvision.models:resnet18",
        )
    file, _, _ = model.model.rpartition(":")
    if file.endswith(".py") and not (root / file).is_file():
        raise document.refuse(node, f"{side}.model: {named(Path(file))} does not exist in {named(root)}", _near_file(root / file))


def _near_file(path: Path) -> str:
    beside = [other.name for other in path.parent.glob("*.py")] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, beside, 1, 0.5)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"there are {', '.join(sorted(beside)[:5])}" if beside else "the path starts at the folder of the pair's file"


def _check_inputs(document: Document, spec: PairSpec) -> None:
    if spec.input and spec.inputs:
        raise document.refuse(
            document.at("inputs"), "both input and inputs are given", "keep `inputs` for models with several, else `input`"
        )
    for index, one in enumerate(spec.inputs or (spec.input or InputSpec(),)):
        keys: tuple[str | int, ...] = ("inputs", index) if spec.inputs else ("input",)
        if any(size < 1 for size in one.shape):
            raise document.refuse(document.at(*keys, "shape"), f"shape: expected sizes of 1 and more, found {list(one.shape)}")
        if one.kind not in GENERATED and not Path(one.kind).suffix:
            raise document.refuse(
                document.at(*keys, "kind"),
                f"kind: expected {', '.join(GENERATED)} or a file, found {one.kind[:60]!r}",
                _did_you_mean(one.kind, GENERATED),
            )
        if not 0 <= one.seed <= LARGEST_SEED:
            limit = "0 or more" if one.seed < 0 else f"{LARGEST_SEED} or less"
            raise document.refuse(document.at(*keys, "seed"), f"seed: expected {limit}, found {one.seed}")


def _check_weights(document: Document, spec: PairSpec) -> None:
    weights = spec.weights
    if weights.source not in WEIGHT_SCHEMES and not Path(weights.source).suffix:
        raise document.refuse(
            document.at("weights", "source"),
            f"weights.source: expected {', '.join(WEIGHT_SCHEMES)} or a file, found {weights.source[:60]!r}",
            _did_you_mean(weights.source, WEIGHT_SCHEMES),
        )
    if weights.url is not None and not re.fullmatch(r"https://[^/\s]+/[!-~]*[^/\s]", weights.url):
        raise document.refuse(document.at("weights", "url"), f"weights.url: expected https://HOST/FILE, found {weights.url[:80]!r}")
    if weights.sha256_prefix is not None and not re.fullmatch(r"[0-9a-f]{6,64}", weights.sha256_prefix):
        raise document.refuse(
            document.at("weights", "sha256_prefix"),
            f"weights.sha256_prefix: expected 6 to 64 hexadecimal digits in lower case, found {weights.sha256_prefix[:70]!r}",
        )


def _check_numbers(document: Document, spec: PairSpec) -> None:
    def check(good: bool, expected: str, *keys: str) -> None:
        if not good:
            node = document.at(*keys)
            found = f", found {node.value[:60]}" if isinstance(node, yaml.ScalarNode) else ""
            raise document.refuse(node, f"{'.'.join(keys)}: expected {expected}{found}")

    for name in ("atol", "rtol"):
        check(getattr(spec.tolerance, name) >= 0, "0 or more", "tolerance", name)
        for glob, own in spec.tolerance.layers.items():
            check((getattr(own, name) or 0) >= 0, "0 or more", "tolerance", "layers", glob, name)
    check(spec.eval.batch_size >= 1, "1 or more", "eval", "batch_size")
    check(spec.eval.max_gap >= 0, "0 or more", "eval", "max_gap")
    check(_is_percent(spec.eval.target_top1), "percent, 0 to 100", "eval", "target_top1")
    check(_is_percent(spec.train.target_top1), "percent, 0 to 100", "train", "target_top1")


def _check_launch(document: Document, spec: PairSpec) -> None:
    for name, argv in spec.launch.items():
        node = document.at("launch", name)
        if name not in LAUNCHES:
            raise document.refuse(node, f"launch: expected eval or train, found {name[:60]!r}", _did_you_mean(name, LAUNCHES))
        if not argv or not argv[0]:
            raise document.refuse(node, f"launch.{name}: expected a list of arguments, the program first", ARGUMENTS)
        if len(argv) == 1 and re.search(r"\s", argv[0]):
            raise document.refuse(node, f"launch.{name}: one argument with spaces is no command, and no shell splits it", ARGUMENTS)
        for place, word in enumerate(argv):
            if "\0" in word:
                raise document.refuse(document.at("launch", name, place), f"launch.{name}: an argument cannot hold a NUL character")


def _check_logs(document: Document, spec: PairSpec) -> None:
    """What is wrong with a regex as such; its groups are looked at where logs are read."""
    if spec.logs.accuracy not in ACCURACIES:
        raise document.refuse(
            document.at("logs", "accuracy"),
            f"logs.accuracy: expected {' or '.join(ACCURACIES)}, found {spec.logs.accuracy[:60]!r}",
            _did_you_mean(spec.logs.accuracy, ACCURACIES),
        )
    pattern, node = spec.logs.format, document.at("logs", "format")
    if pattern is None:
        return
    if not re.fullmatch(r"[\w-]+", pattern) and "(?P<" not in pattern:
        raise document.refuse(
            node,
            f"logs.format: expected a format's name or a regex with named groups, found {pattern[:60]!r}",
            "name a group after a metric, as in loss=(?P<loss>[0-9.]+)",
        )
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise document.refuse(node, f"logs.format: no regular expression: {error}") from None


def _check_preprocess(document: Document, preprocess: PreprocessSpec) -> None:
    """Numbers in bounds, a filter that the back-end has, steps that can follow each other, and one way to say them on each side."""
    for side, own in (("", preprocess), ("torch", preprocess.torch), ("paddle", preprocess.paddle)):
        if own is None:
            continue
        keys: tuple[str, ...] = ("preprocess", side) if side else ("preprocess",)
        short = [name for name in _SHORT if getattr(own, name) is not None]
        if isinstance(own, SidePreprocess):
            wholes = [name for name in ("torchvision", "paddleclas", "steps") if getattr(own, name) is not None]
            if len(wholes) > 1 or (wholes and short):
                other = next(name for name in (*short, *wholes) if name != wholes[0])
                node = document.at(*keys, other)
                raise document.refuse(node, f"{'.'.join(keys)}: {other} beside {wholes[0]}", "keep the one or the other")
        for name in ("resize_short", "crop"):
            value = getattr(own, name)
            if value is not None and not 1 <= value <= LARGEST_SIDE:
                message = f"{'.'.join(keys)}.{name}: expected 1 to {LARGEST_SIDE} pixels, found {value}"
                raise document.refuse(document.at(*keys, name), message)
        if own.std is not None and not all(value > 0 for value in own.std):
            message = f"{'.'.join(keys)}.std: expected three numbers over 0, found {list(own.std)}"
            raise document.refuse(document.at(*keys, "std"), message)
        backend = own.backend or preprocess.backend
        interpolation = own.interpolation or preprocess.interpolation
        if interpolation not in FILTERS[backend]:
            key = "interpolation" if own.interpolation else "backend"
            message = f"{'.'.join(keys)}.{key}: {backend} has {', '.join(FILTERS[backend])}, not {interpolation}"
            raise document.refuse(document.at(*keys, key), message)
        if isinstance(own, SidePreprocess) and own.steps is not None:
            try:
                check_order(tuple(choice.step for choice in own.steps))
            except InputError as error:
                raise document.refuse(document.at(*keys, "steps"), f"{'.'.join(keys)}.steps: {error.message}", error.hint) from None


def _is_percent(value: float | None) -> bool:
    return value is None or 0 <= value <= 100


def _did_you_mean(text: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(text, list(known), 1, 0.5)
    return f"did you mean {near[0]!r}?" if near else ""
