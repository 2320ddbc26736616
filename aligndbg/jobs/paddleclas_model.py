"""The constructor of a model in a PaddleClas checkout, found without importing anything."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FOLDERS = ("ppcls/modeling/architectures", "ppcls/arch/backbone")


@dataclass(frozen=True, slots=True)
class Accepted:
    """Names that may be given; `any_name` where there is a `**kwargs`. `place` is `file:line`."""

    names: frozenset[str]
    any_name: bool
    place: str


def accepted_arguments(checkout: Path, name: str) -> Accepted | None:
    """What the class or function `name` takes; None where no file of the checkout's models defines it.

    A function that hands `**kwargs` on to a class of the same file takes what that class takes.
    """
    # Parsing all of a checkout takes half a second.
    defines = re.compile(rf"^(?:class|def)\s+{re.escape(name)}\b", re.MULTILINE)
    for path in _files(checkout):
        try:
            text = path.read_text("utf-8")
            if not defines.search(text):
                continue
            tree = ast.parse(text)
        except (OSError, SyntaxError, ValueError):
            continue
        defined = {node.name: node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
        if name in defined:
            return _accepted(defined[name], defined, path, depth=4)
    return None


def _accepted(
    node: ast.FunctionDef | ast.ClassDef, defined: dict[str, ast.FunctionDef | ast.ClassDef], path: Path, depth: int
) -> Accepted:
    function = _constructor(node, defined) if isinstance(node, ast.ClassDef) else node
    place = f"{path}:{node.lineno}"
    if function is None:
        return Accepted(frozenset(), True, place)
    arguments = function.args
    names = {each.arg for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)} - {"self"}
    if arguments.kwarg is None:
        return Accepted(frozenset(names), False, place)
    for target in _handed_to(function, arguments.kwarg.arg):
        if target in defined and depth and defined[target] is not node:
            inner = _accepted(defined[target], defined, path, depth - 1)
            return Accepted(frozenset(names) | inner.names, inner.any_name, inner.place)
    return Accepted(frozenset(names), True, place)


def _constructor(node: ast.ClassDef, defined: dict[str, ast.FunctionDef | ast.ClassDef]) -> ast.FunctionDef | None:
    own = next((each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"), None)
    if own is not None:
        return own
    for base in node.bases:
        parent = defined.get(base.id) if isinstance(base, ast.Name) else None
        if isinstance(parent, ast.ClassDef) and parent is not node:
            return _constructor(parent, defined)
    return None


def _handed_to(function: ast.FunctionDef, kwargs: str) -> Iterator[str]:
    """Names of what the function calls with its `**kwargs`."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            for keyword in node.keywords:
                if keyword.arg is None and isinstance(keyword.value, ast.Name) and keyword.value.id == kwargs:
                    yield node.func.id


def _files(checkout: Path) -> Iterator[Path]:
    for folder in _FOLDERS:
        yield from sorted((checkout / folder).rglob("*.py"))
