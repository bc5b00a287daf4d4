"""Safe YAML that remembers where each key stands, so that an error can name file, line and column."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from effbench.errors import BadInput

Key = tuple[str | int, ...]


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
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise BadInput(f"{path}: cannot read the file: {reason}") from None
    return parse(text, str(path))


def parse(text: str, source: str) -> Document:
    """Return the parsed text under the name ``source``."""
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        positions: dict[Key, tuple[int, int]] = {}
        _index(root, (), positions, source, frozenset())
        data = loader.construct_document(root) if root is not None else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise BadInput(f"{source}{at}: malformed YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise BadInput(f"{source}: malformed YAML: {' '.join(str(error).split())}") from None
    finally:
        loader.dispose()
    return Document(source, data, positions)


def _index(
    node: yaml.Node | None, key: Key, positions: dict[Key, tuple[int, int]], source: str, above: frozenset[int]
) -> None:
    if node is None:
        return
    if id(node) in above:
        raise BadInput(f"{source}:{node.start_mark.line + 1}: {dotted(key)}: an alias that contains itself")
    above = above | {id(node)}
    positions.setdefault(key, (node.start_mark.line + 1, node.start_mark.column + 1))
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for name, value in node.value:
            if not isinstance(name, yaml.ScalarNode):
                continue
            line, column = name.start_mark.line + 1, name.start_mark.column + 1
            if name.value in seen:
                raise BadInput(f"{source}:{line}:{column}: {dotted((*key, name.value))}: the key is given twice")
            seen.add(name.value)
            positions[(*key, name.value)] = (line, column)
            _index(value, (*key, name.value), positions, source, above)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _index(value, (*key, index), positions, source, above)
