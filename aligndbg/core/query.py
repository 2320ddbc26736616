"""The filter language of the layer table.

Terms are separated by spaces and all must hold; `!` before one turns it round.

    fire3            text in either side's path, or in the layer's type
    features.*.cat   a pattern for the whole path
    max>1e-3         figures: max, rel, mean, rms, cos, over (in percent), nan, local, floor; with > >= < <= =
    kind:conv        text in the kind or type; also verdict:born, shape:1x64, match:pinned, blame:paddle, is:mismatch
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from operator import eq, ge, gt, le, lt

from aligndbg.core.layers import Call, LayerPair
from aligndbg.core.verdict import LayerResult, Verdict
from aligndbg.errors import UsageError

Keep = Callable[[LayerPair, LayerResult | None], bool]
Figure = Callable[[LayerResult], float | None]


def _propagated(name: str, scale: float = 1.0) -> Figure:
    def read(result: LayerResult) -> float | None:
        value = getattr(result.propagated.stats, name) if result.propagated else None
        return None if value is None else scale * value

    return read


FIGURES: dict[str, Figure] = {
    "max": _propagated("max_abs"),
    "rel": _propagated("max_rel"),
    "mean": _propagated("mean_abs"),
    "rms": _propagated("rms"),
    "cos": _propagated("cosine"),
    "over": _propagated("over_tolerance", 100.0),
    "nan": _propagated("nan"),
    "local": lambda result: result.local.max_abs if result.local else None,
    "floor": lambda result: result.noise_floor,
}

COMPARISONS: dict[str, Callable[[float, float], bool]] = {">=": ge, "<=": le, ">": gt, "<": lt, "=": eq}

WORDS = ("kind", "verdict", "shape", "match", "blame", "is")

_FIGURE = re.compile(r"([a-z]+)(>=|<=|>|<|=)(.*)")
_WORD = re.compile(r"([a-z]+):(.*)")


@dataclass(frozen=True, slots=True)
class Term:
    keep: Keep
    inverse: bool

    def __call__(self, layer: LayerPair, result: LayerResult | None) -> bool:
        return self.keep(layer, result) is not self.inverse


def parse_query(text: str) -> Keep | None:
    """The predicate that `text` means, None where it asks nothing. Raises UsageError with what was expected."""
    terms = [_term(word) for word in text.split()]
    if not terms:
        return None

    def keep(layer: LayerPair, result: LayerResult | None) -> bool:
        return all(term(layer, result) for term in terms)

    return keep


def _term(word: str) -> Term:
    inverse = word.startswith("!")
    body = word[1:] if inverse else word
    if not body:
        raise UsageError("! needs a term after it", "for example !kind:relu")
    return Term(_keep(body), inverse)


def _keep(body: str) -> Keep:
    if found := _FIGURE.fullmatch(body):
        return _figure(*found.groups())
    if found := _WORD.fullmatch(body):
        return _word(*found.groups())
    return _text(body)


def _figure(name: str, sign: str, number: str) -> Keep:
    if name not in FIGURES:
        raise UsageError(f"no figure {name!r}", f"one of {', '.join(FIGURES)}")
    try:
        bound = float(number.removesuffix("%") if name == "over" else number)
    except ValueError:
        raise UsageError(f"{name}{sign} needs a number, found {number!r}", f"for example {name}{sign}1e-3") from None
    read, holds = FIGURES[name], COMPARISONS[sign]

    def keep(layer: LayerPair, result: LayerResult | None) -> bool:
        value = read(result) if result else None
        return value is not None and holds(value, bound)

    return keep


def _word(name: str, value: str) -> Keep:
    if name not in WORDS:
        raise UsageError(f"no field {name!r}", f"one of {', '.join(WORDS)}")
    if not value:
        raise UsageError(f"{name}: needs a value", _example(name))
    value = value.lower()
    match name:
        case "kind":
            return lambda layer, result: any(_holds(text, value) for call in _calls(layer) for text in (call.kind, call.type))
        case "verdict":
            return _verdict(value)
        case "shape":
            return _shape(value)
        case "match":
            return lambda layer, result: _holds(layer.match, value)
        case "blame":
            return lambda layer, result: result is not None and _holds(result.blame or "", value)
        case _:
            return _state(value)


def _example(name: str) -> str:
    examples = {"kind": "conv", "verdict": "born", "shape": "1x64", "match": "pinned", "blame": "paddle", "is": "mismatch"}
    return f"for example {name}:{examples[name]}"


def _text(text: str) -> Keep:
    text = text.lower()
    if any(character in text for character in "*?["):
        return lambda layer, result: any(fnmatchcase(call.path.lower(), text) for call in _calls(layer))
    return lambda layer, result: any(text in call.path.lower() or text in call.type.lower() for call in _calls(layer))


def _verdict(value: str) -> Keep:
    if not any(verdict.startswith(value) for verdict in Verdict):
        raise UsageError(f"no verdict {value!r}", f"one of {', '.join(Verdict)}")
    return lambda layer, result: result is not None and result.verdict.startswith(value)


def _shape(value: str) -> Keep:
    """The first axes of an output's shape; `*` or `?` stands for any one size."""
    sizes = value.rstrip("x").split("x")
    for size in sizes:
        if size not in ("*", "?") and not (size.isascii() and size.isdecimal()):
            raise UsageError(f"shape: expected sizes joined by x, found {value!r}", "for example shape:1x64 or shape:*x1000")

    def keep(layer: LayerPair, result: LayerResult | None) -> bool:
        return any(_begins(output.shape, sizes) for call in _calls(layer) for output in call.outputs)

    return keep


def _state(value: str) -> Keep:
    match value:
        case "mismatch":
            return lambda layer, result: result is not None and result.mismatch
        case "unpaired":
            return lambda layer, result: layer.torch is None or layer.paddle is None
        case "renamed":
            return lambda layer, result: (
                layer.torch is not None and layer.paddle is not None and layer.torch.path != layer.paddle.path
            )
        case "pending":
            return lambda layer, result: result is None
        case _:
            raise UsageError(f"is: expected mismatch, unpaired, renamed or pending, found {value!r}")


def _calls(layer: LayerPair) -> tuple[Call, ...]:
    return tuple(call for call in (layer.torch, layer.paddle) if call is not None)


def _holds(text: str, pattern: str) -> bool:
    return fnmatchcase(text.lower(), f"*{pattern}*")


def _begins(shape: tuple[int, ...], sizes: list[str]) -> bool:
    return len(shape) >= len(sizes) and all(wanted in ("*", "?", str(size)) for wanted, size in zip(sizes, shape, strict=False))


def parse_while_typing(text: str) -> tuple[Keep | None, UsageError | None]:
    """As `parse_query`; where the last term is not complete, what the terms before it ask, and what is wrong with it."""
    try:
        return parse_query(text), None
    except UsageError as error:
        before = " ".join(text.split()[:-1])
        try:
            return parse_query(before), error
        except UsageError:
            return None, error
