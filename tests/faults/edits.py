"""Reversible changes to a live Paddle model: the ways in which a port comes out other than its original."""

from __future__ import annotations
import __future__

import inspect
import types
from collections.abc import Callable
from typing import Any

from paddle import nn

Forward = Callable[..., Any]
WAYS = ("subclass", "instance")
"""How a layer can come by another forward: its class overrides it, or someone has put a function on the one object."""


class Edits:
    """Changes one model, and takes its changes back in the opposite order."""

    def __init__(self, model: nn.Layer) -> None:
        self.model = model
        self._undo: list[Callable[[], None]] = []

    def __len__(self) -> int:
        return len(self._undo)

    def at(self, path: str) -> nn.Layer:
        """The layer at `path` as the model is now; `""` is the model."""
        found = self.model
        for name in path.split(".") if path else ():
            found = found._sub_layers[name]
        return found

    def swap(self, path: str, layer: nn.Layer) -> None:
        """Put `layer` where the one at `path` is."""
        parent, _, name = path.rpartition(".")
        layers = self.at(parent)._sub_layers
        before = layers[name]
        layers[name] = layer
        layer.training = before.training
        self._undo.append(lambda: layers.__setitem__(name, before))

    def forward(self, path: str, function: Forward, way: str) -> None:
        """Let the layer at `path` compute `function(layer, *inputs)`."""
        layer = self.at(path)
        if way == "instance":
            layer.__dict__["forward"] = types.MethodType(function, layer)
            self._undo.append(lambda: layer.__dict__.__delitem__("forward"))
            return
        before = type(layer)
        after = type(before.__name__, (before,), {"forward": function, "__module__": before.__module__.rpartition(".")[2]})
        object.__setattr__(layer, "__class__", after)
        self._undo.append(lambda: object.__setattr__(layer, "__class__", before))

    def method(self, path: str, name: str, function: Forward) -> None:
        """Another method of the one object at `path`."""
        layer = self.at(path)
        layer.__dict__[name] = types.MethodType(function, layer)
        self._undo.append(lambda: layer.__dict__.__delitem__(name))

    def hook_before(self, path: str, function: Callable[[nn.Layer, Any], Any]) -> None:
        self._undo.append(self.at(path).register_forward_pre_hook(function).remove)

    def hook_after(self, path: str, function: Callable[[nn.Layer, Any, Any], Any]) -> None:
        self._undo.append(self.at(path).register_forward_post_hook(function).remove)

    def assign(self, path: str, name: str, value: Any) -> None:
        """A plain attribute of the layer at `path`."""
        layer = self.at(path)
        before = getattr(layer, name)
        setattr(layer, name, value)
        self._undo.append(lambda: setattr(layer, name, before))

    def keep(self, path: str, name: str) -> None:
        """Remember the value of a parameter of the layer at `path`, which a forward may come to change."""
        parameter = self.at(path)._parameters[name]
        value = parameter.numpy()
        self._undo.append(lambda: parameter.set_value(value))

    def tie(self, path: str, name: str, parameter: Any) -> None:
        """Let the layer at `path` have `parameter`, which another one owns, as its own."""
        owned = self.at(path)._parameters
        before = owned[name]
        owned[name] = parameter
        self._undo.append(lambda: owned.__setitem__(name, before))

    def unregister(self, path: str, name: str) -> None:
        """Make a parameter of the layer at `path` a plain tensor, which no state dict lists."""
        layer = self.at(path)
        names = list(layer._parameters)
        before = layer._parameters.pop(name)
        layer.__dict__[name] = before

        def undo() -> None:
            del layer.__dict__[name]
            kept = {**layer._parameters, name: before}
            layer._parameters.clear()
            for other in names:
                layer._parameters[other] = kept[other]

        self._undo.append(undo)

    def undo(self, kept: int = 0) -> None:
        """Take back all changes but the first `kept`."""
        while len(self._undo) > kept:
            self._undo.pop()()


def retyped(function: Forward, old: str, new: str, times: int = 1) -> Forward | None:
    """`function` as it were if its author had typed `new` for `old`, compiled in its own file and at its own lines.

    None where `old` does not stand there `times` times.
    """
    source, line = inspect.getsource(function), function.__code__.co_firstlineno
    if source.count(old) != times:
        return None
    indent = len(source) - len(source.lstrip())
    lines = [text[indent:] if text[:indent].isspace() else text for text in source.replace(old, new).split("\n")]
    scope = function.__globals__
    made: dict[str, Any] = {}
    text = "\n" * (line - 1) + "\n".join(lines)
    exec(
        compile(text, function.__code__.co_filename, "exec", dont_inherit=True, flags=__future__.annotations.compiler_flag),
        scope,
        made,
    )
    return next(iter(made.values()))  # type: ignore[no-any-return]
