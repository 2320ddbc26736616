"""A small program that stands in for a call: what the call would compute if something about it were another.

Diagnosis tries causes with it on what a call was recorded with, and a fix is tried on the whole model by putting its result in the
call's place. Only data: a framework child carries it out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from aligndbg.core.layers import Attribute

if TYPE_CHECKING:
    # A child reads the app's messages before it knows whether its interpreter has numpy.
    from numpy.typing import NDArray

OWN = "own"
"""`Step.kind` of the recorded call itself, whatever it is."""


@dataclass(frozen=True, slots=True)
class Ref:
    """A tensor that a step reads.

    `operand`: input number `place` of call `index`, as it was when the call began. `output`: output `place` of call `index`.
    `step`: output `place` of step `index` of the program. `array`: array `index` that comes with the program.
    """

    of: Literal["operand", "output", "step", "array"]
    index: int
    place: int = 0


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter of a step: its role, the order of its axes as in core.layers.ParamSpec, and which array of the program it is."""

    role: str
    layout: str
    array: int


@dataclass(frozen=True, slots=True)
class Step:
    """One computation.

    With `kind` OWN it is call `call` once more: `inputs` take the place of its first inputs (none: all as they were) and `params`
    those of its own parameters. With any other kind it is the framework's layer or op of that kind, with attributes in normal form
    (core.attributes).
    """

    kind: str
    inputs: tuple[Ref, ...] = ()
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    params: tuple[Param, ...] = ()
    call: int = -1


@dataclass(frozen=True, slots=True)
class Program:
    """`steps` in order; the last one's outputs are the result. `arrays` are what `Param.array` and `Ref("array")` name."""

    steps: tuple[Step, ...]
    arrays: tuple[NDArray[Any], ...] = ()

    def calls(self) -> frozenset[int]:
        """The calls whose operands, outputs or own function it needs."""
        read = {ref.index for step in self.steps for ref in step.inputs if ref.of in ("operand", "output")}
        return frozenset(read | {step.call for step in self.steps if step.kind == OWN})


@dataclass(frozen=True, slots=True)
class Patch:
    """In every later forward, the outputs of call `call` are those of `program`."""

    call: int
    program: Program
