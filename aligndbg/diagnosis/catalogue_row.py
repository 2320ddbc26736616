"""What a row of the catalogue of attributes is (diagnosis.catalogue)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aligndbg.core.layers import Attribute

Spelling = Literal[
    "plain", "per-axis", "padding", "pad", "not", "complement", "bias", "affine", "approximate", "layout", "statistics", "flag"
]
"""How Paddle's argument is written for a canonical value: `plain` as it is; `per-axis` one number where all are equal; `padding`
and `pad` the shortest of its forms; `not` its negation; `complement` 1 minus it; `bias` and `affine` by way of `bias_attr` and
`weight_attr`; `approximate` a bool; `layout` the letters of the axes; `statistics` as `use_global_stats`; `flag` True for 1."""


@dataclass(frozen=True, slots=True)
class Argument:
    """Argument `name` of the classes or functions `of`, which `file` defines, a path from where the packages lie; `""` where a
    function is written in C++ and its documentation is the source."""

    name: str
    of: tuple[str, ...]
    file: str = ""

    @property
    def source(self) -> str:
        """Where to look it up: `paddle.nn.Conv2D, paddle/nn/layer/conv.py`."""
        return ", ".join(filter(None, (self.of[0], self.file)))


@dataclass(frozen=True, slots=True)
class Row:
    """One attribute of `kinds`.

    `cause` is the finding where the two sides differ; where Paddle has what torch lacks it is `extra`, if there is one. An argument
    is None where the framework has none: it always does what core.attributes.FIXED, or the note, says. `shows` is whether a
    difference can change a forward in eval. `alternatives` are values that a port may have by mistake, in any form that
    core.attributes.normal takes.
    """

    name: str
    kinds: frozenset[str]
    cause: str
    torch: Argument | None
    paddle: Argument | None
    shows: bool = True
    spelling: Spelling = "plain"
    alternatives: tuple[Attribute, ...] = ()
    extra: str = ""
    note: str = ""


def kinds(names: str) -> frozenset[str]:
    """`conv*d` is `conv1d conv2d conv3d`."""
    return frozenset(_each(names))


def torch_layer(argument: str, classes: str, file: str) -> Argument:
    return Argument(argument, tuple(f"torch.nn.{name}" for name in _each(classes)), f"torch/nn/modules/{file}.py")


def paddle_layer(argument: str, classes: str, file: str) -> Argument:
    return Argument(argument, tuple(f"paddle.nn.{name}" for name in _each(classes)), f"paddle/nn/layer/{file}.py")


def torch_op(argument: str, functions: str, file: str = "") -> Argument:
    return Argument(argument, tuple(f"torch.{name}" for name in _each(functions)), file)


def paddle_op(argument: str, functions: str, file: str) -> Argument:
    return Argument(argument, tuple(f"paddle.{name}" for name in _each(functions)), f"paddle/{file}.py")


def _each(names: str) -> list[str]:
    return [name.replace("*", number) for name in names.split() for number in ("123" if "*" in name else " ")]
