"""How an attribute is written in a Paddle model's code."""

from __future__ import annotations

from aligndbg.core.layers import Attribute, Call
from aligndbg.diagnosis.catalogue_row import Row

_LEGACY = {"weight_attr": "param_attr", "num_features": "num_channels", "data_format": "data_layout"}
"""What paddle.nn.BatchNorm, the old one, calls an argument."""

_OPERATORS = {"add": "+", "iadd": "+", "sub": "-", "isub": "-", "mul": "*", "imul": "*", "truediv": "/", "div": "/", "pow": "**"}
_REVERSED = {"radd": "+", "rsub": "-", "rmul": "*", "rtruediv": "/", "rdiv": "/"}


def argument(row: Row, value: Attribute, call: Call) -> str:
    """Paddle's argument for a canonical value of a call, as one types it: `exclusive=False`; `""` where Paddle has none."""
    if row.paddle is None:
        return ""
    name = row.paddle.name
    legacy = call.type == "BatchNorm"
    if legacy:
        name = _LEGACY.get(name, name)
    match row.spelling:
        case "not":
            return f"{name}={not value}"
        case "complement" if isinstance(value, (int, float)):
            return f"{name}={round(1 - value, 12)}"
        case "bias":
            return f"{name}={None if value else False}"
        case "affine":
            return f"{name}={None if value else False}, bias_attr={None if value else False}"
        case "approximate":
            return f"{name}={value == 'tanh'}"
        case "statistics":
            return f"trainable_statistics={bool(value)}" if legacy else f"{name}={False if value else None}"
        case "layout":
            return f"{name}={_letters(value, call)!r}"
        case "per-axis" if isinstance(value, list) and value and len(set(value)) == 1:
            return f"{name}={value[0]!r}"
        case "padding":
            return f"{name}={_shortest(value)!r}"
        case "pad" if isinstance(value, list):
            sides = [*value, *[0] * (2 * (len(call.output.shape) - 2) - len(value))]
            return f"{name}={sides[0] if len(set(sides)) == 1 else sides}" if _is_layer(call) else f"pad={sides}"
        case "flag":
            return f"{name}={bool(value)}"
        case _:
            return f"{name}={value!r}"


def typed(row: Row, value: Attribute, raw: Attribute, call: Call) -> str:
    """`argument`, with numbers and axes as the call itself has them (`raw`), and operands of an operator as an expression."""
    if row.spelling == "plain" and (row.name in ("axis", "other", "exponent") or isinstance(value, float)) and raw is not None:
        value = raw
    if row.name in ("other", "exponent") and call.type in _OPERATORS:
        return f"{_OPERATORS[call.type]} {value!r}"
    if row.name == "other" and call.type in _REVERSED:
        return f"{value!r} {_REVERSED[call.type]}"
    return argument(row, value, call)


def takes(row: Row, call: Call) -> bool:
    """Whether the row's argument is one of this Paddle call: a layer has not all that the function has, nor the other way round."""
    if row.paddle is None:
        return False
    if not _is_layer(call):
        return row.spelling not in ("bias", "affine")
    return any(owner.rpartition(".")[2][:1].isupper() for owner in row.paddle.of)


def _is_layer(call: Call) -> bool:
    return call.type[:1].isupper()


def _shortest(padding: Attribute) -> Attribute:
    """One number for all sides, one for each axis, or all: the forms of Paddle's `padding`."""
    if not isinstance(padding, list) or len(padding) % 2:
        return padding.upper() if isinstance(padding, str) else padding
    if len(set(padding)) == 1:
        return padding[0]
    return padding[::2] if padding[::2] == padding[1::2] else padding


def _letters(value: Attribute, call: Call) -> str:
    first = {3: "NCL", 4: "NCHW", 5: "NCDHW"}.get(len(call.output.shape), "NCHW")
    if call.kind == "interpolate" and first == "NCL":
        first = "NCW"
    return first if value == "channels-first" else first.replace("C", "") + "C"
