"""What a layer class of a framework is, in words that both frameworks share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aligndbg.core.layers import Attribute
from aligndbg.frameworks.ops import per_axis, plain_value

Read = str | Callable[[Any], Any]
"""How an attribute is read off a layer: its name there, or a function of the layer."""


@dataclass(frozen=True, slots=True)
class LayerClass:
    """One class of a framework's `nn`.

    `attributes` maps canonical names to where the layer keeps them; `params` maps the layer's own parameter and
    buffer names to (role, layout).
    In a layout, `*` stands for the spatial axes of a convolution, `?` for an order that the class does not fix.
    """

    kind: str
    attributes: Mapping[str, Read] = field(default_factory=dict)
    params: Mapping[str, tuple[str, str]] = field(default_factory=dict)


_SPATIAL = "dhw"


def layout_of(layout: str, axes: int) -> str:
    """`layout` spelled out for a tensor of `axes` axes; `""` where it does not fit, which means unknown."""
    if "*" in layout:
        spatial = axes - len(layout) + 1
        layout = layout.replace("*", _SPATIAL[-spatial:] if 0 < spatial <= 3 else "")
    return layout if len(layout) == axes and "?" not in layout else ""


def read_attributes(layer: Any, entry: LayerClass) -> dict[str, Attribute]:
    """The canonical attributes of `layer`; what a report cannot hold, or this version of the framework has not, is left out."""
    found: dict[str, Attribute] = {}
    for name, read in entry.attributes.items():
        try:
            value = plain_value(read(layer) if callable(read) else getattr(layer, read))
        except AttributeError:
            continue
        if value is not NotImplemented:
            found[name] = per_axis(value, entry.kind) if name in _PER_AXIS else value
    if "stride" in found and found["stride"] is None:
        found["stride"] = found.get("kernel_size")
    return found


_PER_AXIS = frozenset({"kernel_size", "stride", "padding", "dilation", "output_padding", "output_size"})


def entry_for(layer_type: type, namespaces: tuple[str, ...], table: Mapping[str, LayerClass]) -> tuple[LayerClass, bool]:
    """The entry of the framework class that `layer_type` is or extends, and whether it runs that class's own forward.

    A class outside the table gets a kind from its name. A user's subclass that overrides `forward` is not the framework's
    layer any more: what it computes is told by the ops inside.
    """
    runs_own = True
    for base in layer_type.__mro__:
        native = base.__module__.startswith(namespaces)
        if native and base.__name__ in table:
            return table[base.__name__], runs_own
        if "forward" in vars(base):
            if native:
                return LayerClass(base.__name__.lower()), runs_own
            runs_own = False
    return LayerClass(layer_type.__name__.lower()), False


def native_base(layer_type: type, namespaces: tuple[str, ...], table: Mapping[str, LayerClass]) -> type | None:
    """The framework's class of the table that `layer_type` is or extends."""
    return next((base for base in layer_type.__mro__ if base.__module__.startswith(namespaces) and base.__name__ in table), None)
