"""See every functional op of a Paddle forward, by standing in front of it for as long as the forward lasts.

Paddle has no counterpart of torch's `TorchFunctionMode`. Ops are reached by three ways, and all are covered: public
Python functions (`paddle.concat`,
`paddle.nn.functional.relu`) under every module-level name that refers to them, methods and operators of
`paddle.Tensor`, and the compiled
functions of `paddle._C_ops` for whatever holds a reference of its own. The outermost one is the call.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import paddle
from paddle import _C_ops

Prepare = Callable[[str, Callable[..., Any], tuple[Any, ...], dict[str, Any]], None]
"""Takes the op's name, the original function and its arguments, before it runs."""

Observe = Callable[[str, Callable[..., Any], tuple[Any, ...], dict[str, Any], Any], Any]
"""Takes the op's name, the original function, its arguments and its result; returns what the caller gets."""

_OPERATORS = (
    "add radd iadd sub rsub isub mul rmul imul truediv rtruediv div rdiv floordiv rfloordiv mod rmod pow rpow matmul "
    "rmatmul neg abs "
    "getitem setitem lt le gt ge eq ne and or xor invert"
).split()
_METHODS = "contiguous clone detach _slice reshape_ transpose_ t_".split()
"""Methods of paddle.Tensor written in C++ that make a tensor."""

_CREATES = frozenset(
    "to_tensor create_parameter create_tensor is_tensor is_complex is_integer is_floating_point is_empty rank shape".split()
)
"""Public functions that only ask, or make a tensor from nothing."""


OWN_KINDS = {"scaled_dot_product_attention": "flash_attention"}
"""Ops that are not what another framework has under their name: Paddle's attention keeps the heads behind the sequence."""


class Probe(Protocol):
    """`quiet` is read before and held up during each op; a tracer is one."""

    quiet: int


@contextlib.contextmanager
def watch_ops(probe: Probe, prepare: Prepare, observe: Observe) -> Iterator[None]:
    """Calls `prepare` before and `observe` after each outermost op while `probe.quiet` is 0. Everything is put back at the end,
    whatever happens."""

    def stand_in(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original, assigned=("__name__", "__doc__"), updated=())
        def op(*args: Any, **kwargs: Any) -> Any:
            if probe.quiet:
                return original(*args, **kwargs)
            prepare(name, original, args, kwargs)
            probe.quiet += 1
            try:
                result = original(*args, **kwargs)
            finally:
                probe.quiet -= 1
            return observe(name, original, args, kwargs, result)

        return op

    replaced: list[tuple[Any, str, Any]] = []
    try:
        for owner, name, original, replacement in _places(stand_in):
            setattr(owner, name, replacement)
            replaced.append((owner, name, original))
        yield
    finally:
        for owner, name, original in reversed(replaced):
            setattr(owner, name, original)


def _places(stand_in: Callable[[str, Callable[..., Any]], Callable[..., Any]]) -> list[tuple[Any, str, Any, Any]]:
    stand_ins: dict[int, tuple[Callable[..., Any], Callable[..., Any]]] = {
        id(function): (function, stand_in(function.__name__, function)) for function in public_ops().values()
    }
    for name, function in vars(_C_ops).items():
        if isinstance(function, types.BuiltinFunctionType):
            stand_ins.setdefault(id(function), (function, stand_in(name, function)))
    places: list[tuple[Any, str, Any, Any]] = []
    for module in list(sys.modules.values()):
        if isinstance(module, types.ModuleType) and not module.__name__.startswith("aligndbg."):
            for name, value in list(vars(module).items()):
                if (found := stand_ins.get(id(value))) is not None:
                    places.append((module, name, value, found[1]))
    tensor = paddle.Tensor
    own = [f"__{name}__" for name in _OPERATORS] + _METHODS
    for name, value in list(vars(tensor).items()):
        if (found := stand_ins.get(id(value))) is not None:
            places.append((tensor, name, value, found[1]))
        elif value is not None and callable(value) and (name in own or name in ("astype", "cast", "to", "cpu", "cuda")):
            places.append((tensor, name, value, stand_in(name, value)))
    return places


@functools.cache
def public_ops() -> Mapping[str, Callable[..., Any]]:
    """Paddle's public functions on tensors, by name."""
    names = [(paddle.nn.functional, name) for name in paddle.nn.functional.__all__]
    names += [(paddle, name) for name in paddle.tensor.tensor_method_func]
    found: dict[str, Callable[..., Any]] = {}
    for owner, name in names:
        function = getattr(owner, name, None)
        if inspect.isfunction(function) and name not in _CREATES:
            found.setdefault(name, function)
    return found


@functools.cache
def signature_of(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (ValueError, TypeError):
        return None
