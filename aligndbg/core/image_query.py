"""The filter language of pictures, in the manner of the layers' (`core/query.py`).

Terms are separated by spaces and all must hold; `!` before one turns it round.

    tabby_01         text in the picture's name
    val/*.png        a pattern for the whole name
    flip             the two sides' best classes differ; also wrong (on any side), right (on all), unread
    only:torch       only this side is right; also only:paddle
    kl>0.1           figures: max, kl (nats), p (top-1 probability of the less certain side), rank (of the label, the worse side's,
                     1 for the best class); with > >= < <= =
    label:tabby      text in the name of the true class, or its number; also torch: and paddle: for a side's best class
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase, translate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aligndbg.core.images import NOBODY, ImageColumns, Mask
from aligndbg.core.query import COMPARISONS
from aligndbg.errors import UsageError

ImageFilter = Callable[[ImageColumns], Mask]

STATES: dict[str, ImageFilter] = {
    "flip": lambda images: images.flips,
    "wrong": lambda images: images.wrong,
    "right": lambda images: images.judged & ~images.wrong,
    "unread": lambda images: ~images.judged,
}

FIGURES: dict[str, Callable[[ImageColumns], NDArray[Any]]] = {
    "max": lambda images: images.max_abs,
    "kl": lambda images: images.divergence,
    "p": lambda images: np.fmin(images.torch.certainty, images.paddle.certainty),
    "rank": lambda images: 1 + np.maximum(images.torch.rank, images.paddle.rank),
}

CLASSES: dict[str, Callable[[ImageColumns], NDArray[Any]]] = {
    "label": lambda images: images.labels,
    "torch": lambda images: images.torch.best,
    "paddle": lambda images: images.paddle.best,
}

WORDS = ("only", *CLASSES)

_FIGURE = re.compile(r"([a-z]+)(>=|<=|>|<|=)(.*)")
_WORD = re.compile(r"([a-z]+):(.*)")


@dataclass(frozen=True, slots=True)
class _Term:
    keep: ImageFilter
    inverse: bool

    def __call__(self, images: ImageColumns) -> Mask:
        return ~self.keep(images) if self.inverse else self.keep(images)


def parse_image_query(text: str, class_names: Sequence[str] = ()) -> ImageFilter | None:
    """The filter that `text` means, None where it asks nothing. `class_names` are by class. Raises UsageError with what was
    expected."""
    terms = [_term(word, class_names) for word in text.split()]
    if not terms:
        return None

    def keep(images: ImageColumns) -> Mask:
        passing: Mask = np.logical_and.reduce([term(images) for term in terms])
        return passing

    return keep


def parse_image_query_while_typing(text: str, class_names: Sequence[str] = ()) -> tuple[ImageFilter | None, UsageError | None]:
    """As `parse_image_query`; where the last term is not complete, what the terms before it ask, and what is wrong with it."""
    try:
        return parse_image_query(text, class_names), None
    except UsageError as error:
        before = " ".join(text.split()[:-1])
        try:
            return parse_image_query(before, class_names), error
        except UsageError:
            return None, error


def _term(word: str, class_names: Sequence[str]) -> _Term:
    inverse = word.startswith("!")
    body = word[1:] if inverse else word
    if not body:
        raise UsageError("! needs a term after it", "for example !flip")
    return _Term(_keep(body, class_names), inverse)


def _keep(body: str, class_names: Sequence[str]) -> ImageFilter:
    if body in STATES:
        return STATES[body]
    if found := _FIGURE.fullmatch(body):
        return _figure(found[1], found[2], found[3])
    if found := _WORD.fullmatch(body):
        return _word(found[1], found[2], class_names)
    return _name(body.lower())


def _figure(name: str, sign: str, number: str) -> ImageFilter:
    if name not in FIGURES:
        raise UsageError(f"no figure {name!r}", f"one of {', '.join(FIGURES)}")
    try:
        bound = float(number)
    except ValueError:
        raise UsageError(f"{name}{sign} needs a number, found {number!r}", f"for example {name}{sign}{_example(name)}") from None
    read, holds = FIGURES[name], COMPARISONS[sign]

    def keep(images: ImageColumns) -> Mask:
        # A NaN compares as false: a picture without the figure does not pass.
        passing: Mask = holds(read(images), bound) & images.judged  # type: ignore[arg-type]
        return passing

    return keep


def _example(name: str) -> str:
    return {"max": "1e-3", "kl": "0.1", "p": "0.9", "rank": "5"}[name]


def _word(name: str, value: str, class_names: Sequence[str]) -> ImageFilter:
    if name not in WORDS:
        raise UsageError(f"no field {name!r}", f"one of {', '.join(WORDS)}")
    if name == "only":
        sides = {"torch": lambda images: images.only_torch, "paddle": lambda images: images.only_paddle}
        if value not in sides:
            raise UsageError(f"only: expected torch or paddle, found {value!r}", "for example only:torch")
        return sides[value]
    if not value:
        raise UsageError(f"{name}: needs a class", f"for example {name}:tabby or {name}:281")
    return _classes(name, value.lower(), class_names)


def _classes(name: str, value: str, class_names: Sequence[str]) -> ImageFilter:
    read = CLASSES[name]
    if value.isascii() and value.isdecimal() and len(value) < 10:
        wanted = [int(value)]
    elif class_names:
        wanted = [number for number, text in enumerate(class_names) if fnmatchcase(text.lower(), f"*{value}*")]
    else:
        raise UsageError(f"{name}: the classes have no names here, found {value!r}", f"their numbers, for example {name}:281")

    def keep(images: ImageColumns) -> Mask:
        classes = read(images)
        passing: Mask = np.isin(classes, wanted) & (classes != NOBODY)
        return passing

    return keep


def _name(text: str) -> ImageFilter:
    if any(each in text for each in "*?["):
        matches = re.compile(translate(text)).match
        return lambda images: np.fromiter((matches(name) is not None for name in images.lowered), np.bool_, len(images))
    return lambda images: np.fromiter((text in name for name in images.lowered), np.bool_, len(images))
