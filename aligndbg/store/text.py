"""Strings that UTF-8 has no form for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec


def encode_with(encoder: Callable[[Any], bytes], value: Any) -> bytes:
    """Encode; a lone surrogate, as from a file name that is not UTF-8, becomes a backslash escape instead of an error."""
    try:
        return encoder(value)
    except UnicodeEncodeError:
        return encoder(_encodable(msgspec.to_builtins(value, enc_hook=str)))


def encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, dict):
        return {_encodable(key): _encodable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(item) for item in value]
    return value
