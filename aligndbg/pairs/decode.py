"""A YAML file into a frozen dataclass; whatever does not fit is refused with its file and line."""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml

from aligndbg.errors import UsageError
from aligndbg.errors import named as named

LARGEST = 1 << 20
"""Bytes of a file that a person would still write by hand."""
DEEPEST = 40

T = TypeVar("T")
_TAG = "tag:yaml.org,2002:"
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_KINDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "nothing",
    "map": "a mapping",
    "seq": "a list",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Document:
    """One YAML file: a mapping of nodes that know their lines. What is wrong with it is raised as `failure`."""

    path: Path
    root: yaml.MappingNode
    failure: type[UsageError]

    def decode(self, kind: type[T], leave_out: frozenset[str] = frozenset()) -> T:
        """The document as the dataclass `kind`; fields in `leave_out` are not the file's to set."""
        found: T = self._dataclass(self.root, kind, "", leave_out)
        return found

    def refuse(self, node: yaml.Node, message: str, hint: str = "") -> UsageError:
        """An error that begins with FILE:LINE of `node`."""
        return self.failure(f"{named(self.path)}:{node.start_mark.line + 1}: {message}", hint)

    def at(self, *keys: str | int) -> yaml.Node:
        """The value under `keys`; where the file does not go that far, the last value on the way."""
        node: yaml.Node = self.root
        for key in keys:
            if isinstance(node, yaml.MappingNode):
                found = [value for name, value in node.value if name.value == str(key)]
            else:
                found = node.value[key : key + 1] if isinstance(node, yaml.SequenceNode) and isinstance(key, int) else []
            if not found:
                break
            node = found[0]
        return node

    def plain(self, node: yaml.Node) -> Any:
        """The node as plain data: dict, list, str, int, float, bool, None."""
        if isinstance(node, yaml.MappingNode):
            return {key: self.plain(value) for key, value in self._entries(node, "").items()}
        if isinstance(node, yaml.SequenceNode):
            return [self.plain(item) for item in node.value]
        tag = _tag(node)
        if tag not in _KINDS:
            raise self.refuse(
                node, f"a value tagged {node.tag!r}, expected plain text, numbers, lists or mappings", "quote it to make it text"
            )
        return self._scalar(node)

    def _value(self, node: yaml.Node, kind: Any, name: str) -> Any:
        if kind is Any:
            return self.plain(node)
        if dataclasses.is_dataclass(kind) and isinstance(kind, type):
            return self._dataclass(node, kind, name)
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if origin in (types.UnionType, typing.Union):
            if _tag(node) == "null":
                return None
            (other,) = (one for one in arguments if one is not type(None))
            return self._value(node, other, name)
        if origin is tuple:
            return self._tuple(node, arguments, name)
        if origin is Literal:
            return self._word(node, arguments, name)
        if origin is Mapping:
            if not isinstance(node, yaml.MappingNode):
                raise self._mismatch(node, "a mapping", name)
            return {key: self._value(value, arguments[1], f"{name}.{key}") for key, value in self._entries(node, name).items()}
        return self._leaf(node, kind, name)

    def _dataclass(self, node: yaml.Node, kind: type[Any], name: str, leave_out: frozenset[str] = frozenset()) -> Any:
        if not isinstance(node, yaml.MappingNode):
            raise self._mismatch(node, "a mapping", name)
        hints = typing.get_type_hints(kind)
        known = [field.name for field in dataclasses.fields(kind) if field.name not in leave_out]
        entries = self._entries(node, name)
        for key, _ in node.value:
            if key.value not in known:
                raise self.refuse(
                    key, f"unknown key {_quoted(key.value)}{f' under {name}' if name else ''}", _nearest(key.value, known)
                )
        prefix = f"{name}." if name else ""
        values = {key: self._value(value, hints[key], f"{prefix}{key}") for key, value in entries.items()}
        for field in dataclasses.fields(kind):
            required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            if required and field.name not in values and field.name not in leave_out:
                raise self.refuse(node, f"{prefix}{field.name} is missing")
        try:
            return kind(**values)
        except UsageError as error:
            raise self.refuse(node, f"{name or 'the file'}: {error.message}", error.hint) from None

    def _entries(self, node: yaml.MappingNode, name: str) -> dict[str, yaml.Node]:
        entries: dict[str, yaml.Node] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or _tag(key) != "str":
                raise self.refuse(
                    key, f"a key that is not text{f' under {name}' if name else ''}: {self._shown(key)}", "quote it to make it text"
                )
            if key.value in entries:
                raise self.refuse(key, f"the key {_quoted(key.value)} stands here a second time")
            entries[key.value] = value
        return entries

    def _tuple(self, node: yaml.Node, arguments: tuple[Any, ...], name: str) -> tuple[Any, ...]:
        if not isinstance(node, yaml.SequenceNode):
            raise self._mismatch(node, "a list", name)
        if arguments[-1] is Ellipsis:
            return tuple(self._value(item, arguments[0], f"{name}[{index}]") for index, item in enumerate(node.value))
        if len(node.value) != len(arguments):
            raise self.refuse(node, f"{name}: expected a list of {len(arguments)}, found one of {len(node.value)}")
        return tuple(
            self._value(item, kind, f"{name}[{index}]")
            for index, (item, kind) in enumerate(zip(node.value, arguments, strict=True))
        )

    def _word(self, node: yaml.Node, words: tuple[str, ...], name: str) -> str:
        if not isinstance(node, yaml.ScalarNode) or node.value not in words:
            near = difflib.get_close_matches(str(node.value), words, 1, 0.5) if isinstance(node, yaml.ScalarNode) else []
            listed = f"{', '.join(words[:-1])} or {words[-1]}"
            raise self._mismatch(node, listed, name, f"did you mean {near[0]!r}?" if near else "")
        return str(node.value)

    def _leaf(self, node: yaml.Node, kind: Any, name: str) -> Any:
        expected = _KINDS[kind.__name__]
        tag = _tag(node)
        if not isinstance(node, yaml.ScalarNode) or tag not in _KINDS:
            raise self._mismatch(node, expected, name)
        if kind is float and tag in ("int", "float"):
            try:
                number = float(self._scalar(node))
            except OverflowError:
                number = math.inf
            if not math.isfinite(number):
                raise self._mismatch(node, "a finite number", name)
            return number
        if tag != kind.__name__:
            raise self._mismatch(node, expected, name, "quote it to make it text" if kind is str and tag != "null" else "")
        return self._scalar(node)

    def _scalar(self, node: yaml.Node) -> Any:
        if isinstance(node, yaml.ScalarNode) and _is_exponent(node):
            return float(node.value)
        try:
            return yaml.constructor.SafeConstructor().construct_object(node)
        except (yaml.YAMLError, ValueError, OverflowError):
            raise self.refuse(node, f"{self._shown(node)} cannot be read") from None

    def _mismatch(self, node: yaml.Node, expected: str, name: str, hint: str = "") -> UsageError:
        return self.refuse(node, f"{name or 'the file'}: expected {expected}, found {self._shown(node)}", hint)

    def _shown(self, node: yaml.Node) -> str:
        if isinstance(node, yaml.ScalarNode):
            return _quoted(node.value) if _tag(node) == "str" else f"{_KINDS.get(_tag(node), node.tag)} ({_quoted(node.value)})"
        return "a mapping" if isinstance(node, yaml.MappingNode) else "a list"


def read_document(path: Path, failure: type[UsageError] = UsageError) -> Document:
    """Parse `path`; raises `failure` where it is missing, too large, not UTF-8, not YAML, or not one mapping."""
    shown = named(path)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise failure(f"{shown} does not exist") from None
    except OSError as error:
        raise failure(f"{shown} cannot be read: {error.strerror}") from None
    if len(content) > LARGEST:
        raise failure(f"{shown} has {len(content)} bytes, more than the {LARGEST} that are read")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise failure(f"{shown}:{line}: not UTF-8: byte 0x{content[error.start]:02x}") from None
    try:
        _check_events(text, shown, failure)
        root = yaml.compose(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise failure(f"{shown}:{line}: not YAML: {error.problem or error.context}", error.context or "") from None
    except yaml.YAMLError as error:
        raise failure(f"{shown}: not YAML: {getattr(error, 'reason', 'unreadable')}", "") from None
    if root is None:
        raise failure(f"{shown} is empty")
    if not isinstance(root, yaml.MappingNode):
        raise failure(f"{shown}:{root.start_mark.line + 1}: expected `key: value` lines, found {_KINDS.get(_tag(root), root.tag)}")
    return Document(path, root, failure)


def _check_events(text: str, shown: str, failure: type[UsageError]) -> None:
    """Refuse aliases, depth and foreign tags before nodes are made: the first two can blow a small file up."""
    depth = 0
    for event in yaml.parse(text, _Loader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent):
            raise failure(f"{shown}:{line}: aliases (*{event.anchor}) are not supported", "write the value out")
        tag = getattr(event, "tag", None)
        if tag is not None and tag != "!" and tag.removeprefix(_TAG) not in _KINDS:
            raise failure(f"{shown}:{line}: the tag {_quoted(tag)} is not supported", "leave it out")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            raise failure(f"{shown}:{line}: nested more than {DEEPEST} levels deep")


def _tag(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode) and _is_exponent(node):
        return "float"
    return str(node.tag).removeprefix(_TAG)


def _is_exponent(node: yaml.ScalarNode) -> bool:
    """Numbers such as 1e-4, which YAML 1.1 takes for text."""
    return not node.style and re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+", node.value) is not None


def _quoted(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _nearest(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, 1, 0.5)
    return f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
