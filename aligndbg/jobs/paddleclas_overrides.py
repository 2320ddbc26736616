"""What PaddleClas makes of `-o KEY=VALUE`, so that a config can be looked at as it will run.

`ppcls/utils/config.py` of releases 2.0 to 2.6: keys are dotted, a number is a place in a list, a key that is not there becomes a
new one, and the value is what Python makes of it, else text.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Sequence
from typing import Any

from aligndbg.errors import UsageError
from aligndbg.jobs.paddleclas import Config


def overridden(config: Config, overrides: Sequence[str]) -> Config:
    """The config with each `KEY=VALUE` at work. UsageError names the override that leads nowhere."""
    made = copy.deepcopy(dict(config))
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"-o {override}: expected KEY=VALUE", "for example -o Global.device=cpu")
        _put(made, key.split("."), _value(text), override)
    return made


def is_given(overrides: Sequence[str], key: str) -> bool:
    return any(override.partition("=")[0] == key for override in overrides)


def _put(config: dict[str, Any], keys: list[str], value: Any, override: str) -> None:
    node: Any = config
    for place, key in enumerate(keys):
        last = place == len(keys) - 1
        if isinstance(node, list):
            if not (key.isascii() and key.isdecimal() and int(key) < len(node)):
                where = ".".join(keys[:place]) or "the config"
                raise UsageError(f"-o {override}: {where} is a list of {len(node)}", f"expected a number below {len(node)}")
            index: Any = int(key)
        elif isinstance(node, dict):
            index = key
        else:
            raise UsageError(f"-o {override}: {'.'.join(keys[:place])} is no section of the config", "a key says where it lies")
        if last:
            node[index] = value
        elif isinstance(node, dict):
            node = node.setdefault(index, {})
        else:
            node = node[index]


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text
