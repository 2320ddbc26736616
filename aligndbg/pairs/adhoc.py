"""Pairs and changes to pairs that are given on the command line."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from aligndbg.errors import UsageError
from aligndbg.pairs.decode import named
from aligndbg.pairs.load import GENERATED, LARGEST_SEED, WEIGHT_SCHEMES, is_target
from aligndbg.pairs.schema import ModelSpec, PairSpec, PreprocessSpec, WeightsSpec

MOST_ELEMENTS = 1 << 31
"""Elements of one input; more is a slip of the keyboard."""


def adhoc_pair(torch: str, paddle: str) -> PairSpec:
    """The pair of two models, each `module:CALLABLE` or `FILE.py:CALLABLE`; files start at the working folder."""
    for option, target in (("--torch", torch), ("--paddle", paddle)):
        if not is_target(target):
            raise UsageError(
                f"{option}: expected MODULE:CALLABLE or FILE.py:CALLABLE, found {target!r}",
                f"for example {option} {_EXAMPLE[option]}",
            )
        file = target.rpartition(":")[0]
        if file.endswith(".py") and not Path(file).expanduser().is_file():
            raise UsageError(f"{option}: {named(Path(file))} does not exist", "the path starts at the working folder")
    names = [target.rpartition(":")[2] for target in (torch, paddle)]
    return PairSpec(
        name=names[0] if names[0] == names[1] else "-".join(names),
        torch=ModelSpec(_expanded(torch)),
        paddle=ModelSpec(_expanded(paddle)),
        description=f"{torch} against {paddle}",
        root=Path.cwd(),
    )


def onnx_pair(onnx: str, paddle: str) -> PairSpec:
    """The pair of an ONNX file, which is the reference, and a Paddle model."""
    path = Path(onnx).expanduser().absolute()
    if not path.is_file():
        raise UsageError(f"--onnx: {named(path)} does not exist", "the path starts at the working folder")
    spec = adhoc_pair(paddle, paddle)
    description = f"{path.name} in ONNX Runtime against {paddle}"
    return replace(spec, name=path.stem, torch=ModelSpec(str(path)), description=description)


def with_overrides(
    spec: PairSpec,
    *,
    shape: str | None = None,
    input: str | None = None,
    seed: int | None = None,
    weights: str | None = None,
    atol: float | None = None,
    rtol: float | None = None,
    torch_python: str | None = None,
    paddle_python: str | None = None,
) -> PairSpec:
    """`spec` with the command line's options in place of its own; None leaves a field as it is.

    Paths start at the working folder. `input` and `seed` hold for every input of the model; layers with a tolerance
    of their own keep it.
    UsageError names the option and the value that cannot be used.
    """
    inputs = spec.model_inputs
    if shape is not None:
        if len(inputs) > 1:
            raise UsageError(
                f"--shape: {spec.name} has {len(inputs)} inputs, whose shapes one option cannot give",
                "edit `inputs:` in its pair.yaml",
            )
        inputs = (replace(inputs[0], shape=parse_shape(shape)),)
        if spec.path is None:
            spec = replace(spec, preprocess=_preprocess_for(inputs[0].shape))
    if input is not None:
        kind = _file_or_word("--input", input, GENERATED)
        inputs = tuple(replace(one, kind=kind) for one in inputs)
    if seed is not None:
        if seed < 0:
            raise UsageError(f"--seed: expected 0 or more, found {seed}")
        if seed > LARGEST_SEED:
            raise UsageError(f"--seed: expected {LARGEST_SEED} or less, found {seed}")
        inputs = tuple(replace(one, seed=seed) for one in inputs)
    spec = replace(spec, input=None, inputs=inputs)
    if weights is not None:
        spec = replace(spec, weights=_weights(spec.weights, weights))
    for option, value in (("--atol", atol), ("--rtol", rtol)):
        if value is not None and not (math.isfinite(value) and value >= 0):
            raise UsageError(f"{option}: expected a number of 0 or more, found {value}")
    if atol is not None:
        spec = replace(spec, tolerance=replace(spec.tolerance, atol=atol))
    if rtol is not None:
        spec = replace(spec, tolerance=replace(spec.tolerance, rtol=rtol))
    if torch_python is not None:
        spec = replace(spec, torch=replace(spec.torch, python=_interpreter(torch_python)))
    if paddle_python is not None:
        spec = replace(spec, paddle=replace(spec.paddle, python=_interpreter(paddle_python)))
    return spec


def parse_shape(text: str) -> tuple[int, ...]:
    """`1,3,224,224` as sizes."""
    parts = text.split(",")
    if not all(part.strip().isascii() and part.strip().isdecimal() and len(part.strip()) < 10 and int(part) > 0 for part in parts):
        raise UsageError(f"--shape: expected sizes such as 1,3,224,224, found {text!r}")
    shape = tuple(int(part) for part in parts)
    if math.prod(shape) > MOST_ELEMENTS:
        raise UsageError(f"--shape: {text} has {math.prod(shape)} elements, more than {MOST_ELEMENTS}")
    return shape


_EXAMPLE = {"--torch": "torchvision.models:resnet18", "--paddle": "paddle.vision.models:resnet18"}


def _expanded(target: str) -> str:
    source, _, name = target.rpartition(":")
    return f"{Path(source).expanduser()}:{name}" if source.endswith(".py") else target


def _preprocess_for(shape: tuple[int, ...]) -> PreprocessSpec:
    """Pictures for a pair without a file: cropped to the input's size, resized to 8/7 of it, as 256 is to 224."""
    if len(shape) != 4 or shape[2] != shape[3]:
        return PreprocessSpec()
    return PreprocessSpec(resize_short=round(shape[2] * 8 / 7), crop=shape[2])


def _weights(spec: WeightsSpec, source: str) -> WeightsSpec:
    chosen = _file_or_word("--weights", source, WEIGHT_SCHEMES)
    # The published file's digest says nothing about the user's own.
    prefix = spec.sha256_prefix if chosen in WEIGHT_SCHEMES else None
    return replace(spec, source=chosen, sha256_prefix=prefix)


def _file_or_word(option: str, text: str, words: tuple[str, ...]) -> str:
    if text in words:
        return text
    path = Path(text).expanduser()
    if not text or "\0" in text or not (path.suffix or path.exists()):
        raise UsageError(f"{option}: expected {', '.join(words)} or a file, found {text!r}")
    return str(path.absolute())


def _interpreter(python: str) -> str:
    """A path from the working folder; a bare name is left for PATH."""
    return str(Path(python).expanduser().absolute()) if "/" in python else python
