"""Safe YAML that remembers where each key stands, so that an error can name file, line and column.

Nothing that a stranger writes into a file costs more than its size: the bytes, the depth and what aliases expand to are
bounded, and explicit tags make no objects. Aliased values are copies, so that changing one place changes no other.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from effbench.errors import BadInput
from effbench.yamlplain import LOADER
from effbench.yamlscalar import BadScalar, plain_value

Key = tuple[str | int, ...]

MAX_BYTES = 8 * 2**20
"""A choice: the largest files that ship have some fifty kilobytes; a hundred times that is room for what others write."""
MAX_DEPTH = 40
"""A choice: a suite nests less than ten levels; recursion over the values, several frames a level, ends at a thousand."""
MAX_ALIASED = 10_000
"""Values that come from aliases, in a whole file; a suite's own are some dozens."""

TAGS = {"str": (str,), "int": (int,), "float": (int, float), "bool": (bool,), "null": (type(None),)}
"""Explicit tags that are taken, where the value is of that kind already."""
TAG_PREFIX = "tag:yaml.org,2002:"

_UNPRINTABLE = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Document:
    """A parsed YAML file: plain data and the position of every key path."""

    source: str
    data: Any
    positions: dict[Key, tuple[int, int]]
    overrides: dict[Key, str] = field(default_factory=dict)
    """Key paths that did not come from the file, with what they came from (``--set a.b=1``)."""

    def where(self, key: Key) -> str:
        """Return "file:line:column: key.path" of the key, or of its nearest enclosing key that stands in the file."""
        for length in range(len(key), 0, -1):
            if key[:length] in self.overrides:
                return f"{self.overrides[key[:length]]}: {dotted(key)}"
        for given, option in self.overrides.items():
            if key and given[: len(key)] == key and key not in self.positions:
                return f"{option}: {dotted(key)}"
        known = key
        while known not in self.positions and known:
            known = known[:-1]
        line, column = self.positions.get(known, (1, 1))
        path = dotted(key)
        return f"{self.source}:{line}:{column}: {path}" if path else f"{self.source}:{line}:{column}"


def dotted(key: Key) -> str:
    """Return ``tasks[0].with.steps`` for ("tasks", 0, "with", "steps")."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def load(path: Path) -> Document:
    """Return the parsed file; raise ``BadInput`` in one sentence where it is missing, malformed or repeats a key."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise BadInput(
                f"{path}: more than {MAX_BYTES // 2**20} MiB is no file for a person to write; it is not read"
            )
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise BadInput(f"{path}: cannot read the file: {reason}") from None
    return parse(text, str(path))


def parse(text: str, source: str, finite: bool = True) -> Document:
    """Return the parsed text under the name ``source``; raise ``BadInput`` in one sentence where it cannot be used.

    ``finite=False`` takes .inf and .nan, for files that hold what was computed instead of what was asked for.
    """
    if len(text) > MAX_BYTES:
        raise BadInput(f"{source}: more than {MAX_BYTES // 2**20} MiB of text")
    if bad := _UNPRINTABLE.search(text):
        before = text[: bad.start()]
        line, column = before.count("\n") + 1, bad.start() - before.rfind("\n")
        raise BadInput(f"{source}:{line}:{column}: malformed YAML: {_named(bad.group())} cannot stand in a text")
    try:
        events = _bounded(yaml.parse(text, Loader=LOADER), source)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise BadInput(f"{source}{at}: malformed YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise BadInput(f"{source}: malformed YAML: {' '.join(str(error).split())}") from None
    building = _Building(source, events, finite)
    return Document(source, building.document(), building.positions)


def has_comment(text: str, value: Any) -> bool:
    """Return whether the text ends in a comment, so that ``value``, what it was parsed as, is only what stands before."""
    for found in re.finditer(r"(?<!\S)#", text):
        try:
            if parse(text[: found.start()], "").data == value:
                return True
        except BadInput:  # the sign stands in quotes
            continue
    return False


def _named(character: str) -> str:
    name = unicodedata.name(character, "a control character" if ord(character) < 0xA0 else "a character")
    return f"U+{ord(character):04X} ({name.lower() if name.isupper() else name})"


def _bounded(events: Iterator[Any], source: str) -> list[Any]:
    """Return the events of the one document; refuse a second one, and nesting too deep for anything that follows."""
    kept: list[Any] = []
    depth = documents = 0
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                line, _ = _place(event)
                raise BadInput(f"{source}:{line}: a second document begins here; the file may hold one only")
        elif isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                line, column = _place(event)
                raise BadInput(f"{source}:{line}:{column}: nested deeper than {MAX_DEPTH} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if isinstance(event, yaml.NodeEvent | yaml.CollectionEndEvent):
            kept.append(event)
    return kept


class _Building:
    """Makes plain data of the events of one document, each alias by reading the events of its anchor again."""

    def __init__(self, source: str, events: Sequence[Any], finite: bool) -> None:
        self._source, self._events, self._finite = source, events, finite
        self.positions: dict[Key, tuple[int, int]] = {}
        self._anchors: dict[str, tuple[int, int]] = {}
        """Anchor -> its first event and the one after its last; (n, 0) while it is being read."""
        self._aliases = self._aliased = 0

    def document(self) -> Any:
        """Return the data; None of an empty document."""
        return self._value(0, ())[0] if self._events else None

    def _value(self, at: int, key: Key) -> tuple[Any, int]:
        """Return the value whose first event is ``at``, and the event after its last."""
        event = self._events[at]
        if len(key) > MAX_DEPTH:
            raise self._refused(event, (), f"aliases nest deeper than {MAX_DEPTH} levels")
        if self._aliases:
            self._aliased += 1
            if self._aliased > MAX_ALIASED:
                raise self._refused(event, key, f"aliases expand to more than {MAX_ALIASED} values; write them out")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, key), at + 1
        self.positions[key] = _place(event)
        anchor = event.anchor
        if anchor is not None and not self._aliases:
            self._anchors[anchor] = (at, 0)
        value, end = self._content(event, at, key)
        if anchor is not None and not self._aliases:
            self._anchors[anchor] = (at, end)
        return value, end

    def _content(self, event: Any, at: int, key: Key) -> tuple[Any, int]:
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, key), at + 1
        is_map = isinstance(event, yaml.MappingStartEvent)
        if event.tag not in (None, "!", TAG_PREFIX + ("map" if is_map else "seq")):
            raise self._refused(event, key, f"the tag {_tag(event.tag)} is not taken; write the plain value")
        return self._mapping(at + 1, key) if is_map else self._sequence(at + 1, key)

    def _alias(self, event: Any, key: Key) -> Any:
        start, end = self._anchors.get(event.anchor, (0, -1))
        if end == -1:
            raise self._refused(event, key, f"malformed YAML: found undefined alias {event.anchor!r}")
        if end == 0:
            raise self._refused(event, key, "an alias that contains itself")
        self._aliases += 1
        value, _ = self._value(start, key)
        self._aliases -= 1
        return value

    def _sequence(self, at: int, key: Key) -> tuple[list[Any], int]:
        items: list[Any] = []
        while not isinstance(self._events[at], yaml.SequenceEndEvent):
            item, at = self._value(at, (*key, len(items)))
            items.append(item)
        return items, at + 1

    def _mapping(self, at: int, key: Key) -> tuple[dict[str, Any], int]:
        """Return the mapping; what ``<<`` merges into it gives way to its own keys."""
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        is_merged = False
        while not isinstance(event := self._events[at], yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise self._refused(event, key, "a key must be a word")
            name, inner = event.value, (*key, event.value)
            self._scalar(event, inner, is_key=True)
            is_merge = name == "<<" and event.implicit[0]
            if name in own or (is_merge and is_merged):
                raise self._refused(event, inner, "the key is given twice")
            if is_merge:
                merged, at, is_merged = *self._merge(at + 1, key), True
                continue
            own[name], at = self._value(at + 1, inner)
            self.positions[inner] = _place(event)
        return {**merged, **own}, at + 1

    def _merge(self, at: int, key: Key) -> tuple[dict[str, Any], int]:
        event, written, self.positions = self._events[at], self.positions, {}
        value, end = self._value(at, key)
        parts = value if isinstance(value, list) else [value]
        if not all(isinstance(part, dict) for part in parts):
            self.positions = written
            raise self._refused(event, (*key, "<<"), "only mappings can be merged")
        self.positions = {**self.positions, **written}
        return {name: part[name] for part in reversed(parts) for name in part}, end

    def _scalar(self, event: Any, key: Key, is_key: bool = False) -> Any:
        text: str = event.value
        if bad := _UNPRINTABLE.search(text):
            raise self._refused(event, key[:-1] if is_key else key, f"{_named(bad.group())} cannot stand in a text")
        if is_key:
            if event.tag not in (None, "!", TAG_PREFIX + "str"):
                raise self._refused(event, key, f"the tag {_tag(event.tag)} is not taken; write the plain key")
            return text
        try:
            if event.tag is None:
                return plain_value(text, self._finite) if event.implicit[0] else text
            kinds = TAGS.get(event.tag.removeprefix(TAG_PREFIX) if event.tag != "!" else "str")
            if kinds is None:
                raise BadScalar(f"the tag {_tag(event.tag)} is not taken; write the plain value")
            if str in kinds:
                return text
            value = plain_value(text, self._finite)
        except BadScalar as error:
            raise self._refused(event, key, str(error)) from None
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise self._refused(event, key, f"{text[:40]!r} is not of the tag {_tag(event.tag)}; write the plain value")
        return float(value) if float in kinds else value  # type: ignore[arg-type]

    def _refused(self, event: Any, key: Key, message: str) -> BadInput:
        line, column = _place(event)
        path = dotted(key)
        return BadInput(f"{self._source}:{line}:{column}: {f'{path}: ' if path else ''}{message}")


def _place(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _tag(tag: str) -> str:
    return f"!!{tag.removeprefix(TAG_PREFIX)}" if tag.startswith(TAG_PREFIX) else tag
