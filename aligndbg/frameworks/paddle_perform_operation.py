"""What a computation is given: tensors, attributes and parameters, and how each is read. Runs in the Paddle child only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import paddle

from aligndbg.core.layers import Attribute
from aligndbg.frameworks.catalogue import layout_of

_PLACES = {"weight": "operand1", "bias": "operand2"}
"""Where an op whose arguments have no names takes the parameter of this role."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A layer or op by canonical kind, attributes and parameters (role -> layout and tensor), with its inputs."""

    kind: str
    inputs: Sequence[paddle.Tensor]
    attributes: Mapping[str, Attribute]
    params: Mapping[str, tuple[str, paddle.Tensor]]

    @property
    def x(self) -> paddle.Tensor:
        return self.operands()[0]

    def refuse(self, why: str) -> NotImplementedError:
        return NotImplementedError(f"{self.kind} {why}")

    def get(self, *names: str, default: Any = None) -> Any:
        """The first attribute of these names that is set; torch writes None for what is left to a default."""
        return next((value for name in names if (value := self.attributes.get(name)) is not None), default)

    def need(self, *names: str) -> Any:
        value = self.get(*names)
        if value is None:
            raise self.refuse(f"cannot be performed: its attributes have no {' or '.join(map(repr, names))}")
        return value

    def says(self, name: str) -> Any:
        """An attribute whose None has a meaning of its own and must have been recorded."""
        if name not in self.attributes:
            raise self.refuse(f"cannot be performed: its attributes have no {name!r}")
        return self.attributes[name]

    def per_axis(self, name: str, axes: int, default: Any) -> list[int]:
        """An attribute with one integer for each of `axes` spatial axes."""
        value = self.get(name, default=default)
        values = list(value) if isinstance(value, (list, tuple)) else [value]
        if len(values) == 1:
            values *= axes
        if len(values) != axes or not all(isinstance(item, int) for item in values):
            raise self.refuse(f"has {axes} spatial axes, which {name} = {value!r} does not fit")
        return values

    def param(self, role: str, layout: str) -> paddle.Tensor | None:
        """The parameter of this role, in the dtype of the first input, its axes in the order `layout`; None if there is none.

        One whose layout is not known is taken to have torch's, which `layout` must then be.
        """
        named = self.params.get(role) or self.params.get(_PLACES.get(role, ""))
        if named is not None:
            return self._cast(permuted(named[1], named[0], layout, f"{self.kind}: {role}"))
        place = int(_PLACES[role][-1]) if role in _PLACES else len(self.inputs)
        return self._cast(self.inputs[place]) if place < len(self.inputs) else None

    def matrix(self, role: str, layout: str) -> paddle.Tensor | None:
        """The parameter that a matrix product takes. Where the model's own code has laid it out, its layout is not known, and it is
        turned so that it fits the input."""
        found = self.param(role, layout)
        named = self.params.get(role) or self.params.get(_PLACES.get(role, ""))
        if found is None or named is None or named[0] or len(found.shape) != 2:
            return found
        fits = [size == self.inputs[0].shape[-1] for size in found.shape]
        if all(fits) and role != "weight":
            raise self.refuse(f"has a square {role} whose layout is not known")
        return found if fits[layout.index("i")] or not any(fits) else found.t()

    def weight(self, layout: str) -> paddle.Tensor:
        found = self.param("weight", layout)
        if found is None:
            raise self.refuse("cannot be performed without its weight")
        return found

    def vector(self, role: str) -> paddle.Tensor | None:
        """A parameter with one value a channel: Paddle keeps some of them as [1, channels]."""
        found = self.param(role, "c")
        return None if found is None else found.reshape([-1])

    def operands(self) -> list[paddle.Tensor]:
        """All tensors of an op in the order of its arguments, parameters that the model hands over among them."""
        stream = iter(self.inputs)
        named = {
            int(role.removeprefix("operand")): permuted(tensor, layout, "".join(sorted(layout)), f"{self.kind}: {role}")
            for role, (layout, tensor) in self.params.items()
            if role.startswith("operand")
        }
        count = len(self.inputs) + len(named)
        found = [named[place] if place in named else next(stream, None) for place in range(count)]
        if not found or any(tensor is None for tensor in found):
            raise self.refuse(f"has {len(self.inputs)} inputs, which do not fit its parameters {sorted(self.params)}")
        return found

    def _cast(self, tensor: paddle.Tensor) -> paddle.Tensor:
        dtype = self.inputs[0].dtype if self.inputs else tensor.dtype
        return tensor.astype(dtype) if paddle.is_floating_point(tensor) and is_float(dtype) else tensor


def is_float(dtype: Any) -> bool:
    return dtype in (paddle.float32, paddle.float64, paddle.float16, paddle.bfloat16)


def permuted(tensor: paddle.Tensor, layout: str, wanted: str, what: str) -> paddle.Tensor:
    """`tensor`, whose axes are in the order `layout`, with them in the order `wanted`; both may hold `*`."""
    axes = len(tensor.shape)
    have, want = layout_of(layout, axes), layout_of(wanted, axes)
    if not have or not want or have == want or have == "abcdefgh"[:axes]:
        return tensor
    if sorted(have) != sorted(want):
        raise NotImplementedError(f"{what} has the axes {have!r}, and {want!r} are needed")
    return tensor.transpose([have.index(letter) for letter in want])


def along(vector: paddle.Tensor, axes: int, axis: int = 1) -> paddle.Tensor:
    """`vector` shaped to broadcast along axis `axis` of a tensor of `axes` axes."""
    return vector.reshape([-1 if place == axis else 1 for place in range(axes)])


def product(values: Sequence[int]) -> int:
    return math.prod(int(value) for value in values)
