"""A part of a recipe's YAML, read value by value. Whatever nobody asked for is refused, with its file and line."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

from aligndbg.errors import UsageError
from aligndbg.pairs.decode import Document, named, read_document

T = TypeVar("T")
_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class Source:
    """A YAML file with `-o KEY=VALUE` written over it. `overrides` tells which nodes came from the command line."""

    document: Document
    overrides: dict[int, str] = field(default_factory=dict)

    def refuse(self, node: yaml.Node, message: str, hint: str = "") -> UsageError:
        """An error that begins with FILE:LINE, or with the override that the node came from."""
        return UsageError(f"{self.where(node)}: {message}", hint)

    def where(self, node: yaml.Node) -> str:
        if (override := self.overrides.get(id(node))) is not None:
            return f"-o {override}"
        return f"{named(self.document.path)}:{node.start_mark.line + 1}"

    @property
    def root(self) -> Section:
        return Section(self, self.document.root, "")


class Section:
    """One mapping of the file. `key` is its dotted place, `""` for the whole file."""

    def __init__(self, source: Source, node: yaml.MappingNode, key: str) -> None:
        self._source = source
        self._node = node
        self._key = key
        self._asked: list[str] = []
        self._entries: dict[str, yaml.Node] = {}
        self._names: dict[str, yaml.Node] = {}
        for name, value in node.value:
            if not isinstance(name, yaml.ScalarNode):
                raise source.refuse(name, f"{key or 'the file'}: a key that is not text")
            if name.value in self._entries:
                raise source.refuse(name, f"the key {name.value[:60]!r} stands here a second time")
            self._entries[name.value], self._names[name.value] = value, name

    def has(self, name: str) -> bool:
        """Whether a value is given; `null` is none."""
        return not _is_null(self._entries.get(name))

    def text(self, name: str, default: str | None = None) -> str | None:
        value = self._value(name)
        if value is None:
            return default
        if not isinstance(value, str):
            raise self._expected(name, "text")
        return value

    def choice(self, name: str, known: Sequence[str], default: str | None = None) -> str:
        """One of `known`. Refused where there is neither a value nor a default."""
        value = self.text(name, default)
        if value is None:
            raise self.refuse(None, f"{self.place(name)} is missing", f"known are {', '.join(known)}")
        if value not in known:
            near = difflib.get_close_matches(value, known, 1, 0.5)
            hint = f"did you mean {near[0]}?" if near else ""
            raise self.refuse(name, f"{self.place(name)}: expected {_one_of(known)}, found {value[:60]!r}", hint)
        return value

    def whole(self, name: str, default: int, least: int = 0, most: int = 1_000_000_000) -> int:
        value = self._value(name)
        if value is None:
            return default
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise self._expected(
                name, f"a whole number, {least} to {most}" if most < 10**9 else f"a whole number of {least} or more"
            )
        return value

    def number(self, name: str, default: float | None = None, least: float = -math.inf, most: float = math.inf) -> float:
        value = self._value(name)
        if value is None:
            if default is None:
                raise self.refuse(None, f"{self.place(name)} is missing")
            return default
        if not _is_number(value) or not least <= value <= most:
            limits = "" if least == -math.inf else f" of {least:g} or more" if most == math.inf else f", {least:g} to {most:g}"
            raise self._expected(name, f"a number{limits}")
        return float(value)

    def numbers(self, name: str) -> tuple[float, ...]:
        """A list of numbers, empty where there is none."""
        value = self._value(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(_is_number(item) for item in value):
            raise self._expected(name, "a list of numbers")
        return tuple(float(item) for item in value)

    def flag(self, name: str, default: bool) -> bool:
        value = self._value(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self._expected(name, "true or false")
        return value

    def off(self, *names: str) -> None:
        """Features that are not to be had here: false, null or nothing is accepted."""
        for name in names:
            if self._value(name) not in (None, False):
                raise self.refuse(
                    name, f"{self.place(name)} is not supported here", "leave it out, or train with PaddleClas itself"
                )

    def unread(self, *names: str) -> None:
        """What has no part in a training run, whatever it says."""
        self._asked += names

    def section(self, name: str) -> Section:
        """The mapping under `name`; an empty one where there is none."""
        self._asked.append(name)
        node = self._entries.get(name)
        if node is None or _is_null(node):
            return Section(self._source, yaml.MappingNode(f"{_TAG}map", [], self._node.start_mark), self.place(name))
        if not isinstance(node, yaml.MappingNode):
            raise self.refuse(name, f"{self.place(name)}: expected a mapping")
        return Section(self._source, node, self.place(name))

    def operations(self, name: str) -> Iterator[tuple[str, Section, Any, str]]:
        """A list of `- NAME: {OPTION: VALUE}`: each name, its options, both as plain data, and FILE:LINE or the override."""
        self._asked.append(name)
        node = self._entries.get(name)
        if node is None or _is_null(node):
            return
        if not isinstance(node, yaml.SequenceNode):
            raise self.refuse(name, f"{self.place(name)}: expected a list")
        for index, item in enumerate(node.value):
            place = f"{self.place(name)}.{index}"
            if not isinstance(item, yaml.MappingNode) or len(item.value) != 1:
                raise self._source.refuse(item, f"{place}: expected one `NAME:` with its options")
            outer = Section(self._source, item, place)
            operation = next(iter(outer._entries))
            yield operation, outer.section(operation), self._source.document.plain(item), self._source.where(item.value[0][0])

    def end(self) -> None:
        """Refuse what nobody asked for."""
        for name in self._entries:
            if name not in self._asked:
                near = difflib.get_close_matches(name, self._asked, 1, 0.6)
                hint = f"did you mean {near[0]!r}?" if near else "leave it out, or train with PaddleClas itself"
                where = f" under {self._key}" if self._key else ""
                raise self._source.refuse(self._names[name], f"{name[:60]!r}{where} is not supported here", hint)

    def refuse(self, name: str | None, message: str, hint: str = "") -> UsageError:
        """An error at the line of `name`, or at the section itself."""
        node = self._entries.get(name) if name is not None else None
        if node is not None and name is not None and id(node) not in self._source.overrides:
            node = self._names[name]
        return self._source.refuse(node or self._node, message, hint)

    def place(self, name: str) -> str:
        return f"{self._key}.{name}" if self._key else name

    def _value(self, name: str) -> Any:
        self._asked.append(name)
        node = self._entries.get(name)
        if node is None or _is_null(node):
            return None
        try:
            return self._source.document.plain(node)
        except UsageError as error:
            # It names a line of the file, which an override has none of.
            message = error.message.removeprefix(f"{named(self._source.document.path)}:{node.start_mark.line + 1}: ")
            raise self.refuse(name, f"{self.place(name)}: {message}", error.hint) from None

    def _expected(self, name: str, what: str) -> UsageError:
        node = self._entries[name]
        found = repr(node.value[:60]) if isinstance(node, yaml.ScalarNode) else "a mapping or a list"
        return self.refuse(name, f"{self.place(name)}: expected {what}, found {found}")


def read_source(path: Path, overrides: Sequence[str]) -> Source:
    """The file with each `KEY=VALUE` in place: keys are joined by dots, numbers count in lists, values are YAML.

    UsageError names the file and the line, or the override.
    """
    source = Source(read_document(path))
    for override in overrides:
        _override(source, override)
    return source


def _override(source: Source, override: str) -> None:
    key, equals, text = override.partition("=")
    keys = key.strip().split(".")
    if not equals or not all(keys):
        raise UsageError(f"-o {override}: expected KEY=VALUE", "for example -o Global.epochs=2")
    shown = override if len(override) <= 120 else f"{override[:117]}..."
    value = _parsed(text, shown)
    for node in _nodes(value):
        source.overrides[id(node)] = shown
    parent: yaml.Node = source.document.root
    for place, name in enumerate(keys):
        last = place == len(keys) - 1
        if isinstance(parent, yaml.SequenceNode):
            if not (name.isascii() and name.isdecimal()) or int(name[:9]) >= len(parent.value):
                there = f"{'.'.join(keys[:place])} is a list of {len(parent.value)}"
                raise UsageError(f"-o {shown}: {there}", "number its items from 0")
            if last:
                parent.value[int(name)] = value
            parent = parent.value[int(name)]
        elif isinstance(parent, yaml.MappingNode):
            parent = _entered(source, parent, name, value if last else None, shown)
        else:
            raise UsageError(f"-o {shown}: {'.'.join(keys[:place])} is a single value", "leave the rest of the key out")


def _entered(source: Source, parent: yaml.MappingNode, name: str, value: yaml.Node | None, shown: str) -> yaml.Node:
    """The value under `name`, which becomes `value` where that is given, and is made where it is missing."""
    for index, (key, old) in enumerate(parent.value):
        if key.value == name:
            if value is None and not _is_null(old):
                return old  # type: ignore[no-any-return]
            parent.value[index] = (key, value or yaml.MappingNode(f"{_TAG}map", [], key.start_mark))
            return parent.value[index][1]  # type: ignore[no-any-return]
    key = yaml.ScalarNode(f"{_TAG}str", name, parent.start_mark)
    made = value or yaml.MappingNode(f"{_TAG}map", [], parent.start_mark)
    source.overrides.update({id(key): shown, id(made): shown})
    parent.value.append((key, made))
    return made


def _parsed(text: str, shown: str) -> yaml.Node:
    """The value as YAML, with Python's `None` for null and an empty value for empty text, as PaddleClas takes them."""
    null, empty = (yaml.ScalarNode(f"{_TAG}{kind}", "", yaml.Mark("-o", 0, 0, 0, None, 0)) for kind in ("null", "str"))
    if text.strip() == "None":
        return null
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
            raise UsageError(f"-o {shown}: aliases are not supported", "write the value out")
        node = yaml.compose(text, yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        raise UsageError(f"-o {shown}: the value is not YAML", "put it in quotes") from None
    return empty if node is None else node


def _nodes(node: yaml.Node) -> Iterator[yaml.Node]:
    yield node
    for child in node.value if not isinstance(node, yaml.ScalarNode) else ():
        for one in child if isinstance(child, tuple) else (child,):
            yield from _nodes(one)


def _is_null(node: yaml.Node | None) -> bool:
    return node is None or (isinstance(node, yaml.ScalarNode) and node.tag == f"{_TAG}null")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e30


def _one_of(known: Sequence[str]) -> str:
    return known[0] if len(known) == 1 else f"{', '.join(known[:-1])} or {known[-1]}"
