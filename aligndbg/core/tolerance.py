"""How far two elements may be apart, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class Tolerances:
    """An element agrees where |torch - paddle| <= atol + rtol * |torch|.

    `layers` maps globs of call paths, of either side, to an (atol, rtol) of their own; None there inherits. The last glob that
    fits a layer decides, as later lines of a file do.
    """

    atol: float = 1e-4
    rtol: float = 0.0
    layers: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)

    def of(self, *paths: str) -> tuple[float, float]:
        """(atol, rtol) of the layer that goes by these paths."""
        atol, rtol = self.atol, self.rtol
        for glob, own in self.layers.items():
            if any(fnmatchcase(path, glob) for path in paths):
                atol, rtol = (inherited if value is None else value for value, inherited in zip(own, (atol, rtol), strict=True))
        return atol, rtol
