"""The forwards of Paddle's own layer classes, seen when a model's forward calls them.

A subclass that overrides `forward`, or an object that got another one, computes what it likes; where it calls the class's own
forward on the way (`super().forward(x)`, `nn.Conv2D.forward(layer, x)`) it has that class's layer inside. Runs in a child only.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

from paddle import compat, nn

Observe = Callable[[nn.Layer, Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]
"""Takes a layer, the forward of its class, its arguments; returns what the caller gets."""


class NativeForwards:
    """Stands in front of the classes' forwards for as long as the process lives: a model may have kept one before it runs."""

    def __init__(self) -> None:
        self.observe: Observe | None = None
        self._seen: set[type] = set()

    def stand_before(self, names: Iterable[str]) -> None:
        """The classes of paddle.nn and paddle.compat.nn that have these names."""
        for owner in (nn, compat.nn):
            for name in names:
                base = getattr(owner, name, None)
                if isinstance(base, type) and base not in self._seen and "forward" in vars(base):
                    self._seen.add(base)
                    base.forward = self._standing_in(base.forward)

    def _standing_in(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def forward(layer: nn.Layer, *args: Any, **kwargs: Any) -> Any:
            if self.observe is None:
                return original(layer, *args, **kwargs)
            return self.observe(layer, original, args, kwargs)

        return forward


FORWARDS = NativeForwards()
