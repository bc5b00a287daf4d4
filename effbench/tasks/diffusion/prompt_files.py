"""The rows of the files that prompts come from, as they stand there: nothing is guessed, converted or left out.

What cannot be read that way is refused in a sentence that names the place. Numbers, dates and missing values are never
recognised in text: ``None`` and ``001`` are words.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from effbench.api import PluginError
from effbench.counted import counted

OTHER_ENCODINGS = {
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
"""The byte order marks of encodings that are not read, the longer ones first."""


class PromptRow(NamedTuple):
    """One row: ``key`` is its id unless a column gives one, ``place`` says where it stands, ``values`` are its columns."""

    key: Any
    place: str
    values: Mapping[str, Any]


def text_of(path: Path) -> str:
    """Return a UTF-8 file's text without its byte order mark, line ends as they are; raise ``PluginError`` for another."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PluginError(f"prompts {str(path)!r}: cannot be read: {error.strerror or error}") from None
    for mark, name in OTHER_ENCODINGS.items():
        if content.startswith(mark):
            raise PluginError(f"prompts {str(path)!r}: is in {name}; save it as UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise PluginError(
            f"prompts {str(path)!r}: line {line} holds the byte 0x{content[error.start]:02x}, which is not UTF-8; "
            "save the file as UTF-8"
        ) from None
    if (at := text.find("\0")) >= 0:
        line = text.count("\n", 0, at) + 1
        raise PluginError(f"prompts {str(path)!r}: line {line} holds a NUL character; save the file as text in UTF-8")
    return text


def text_rows(path: Path, columns: Sequence[str]) -> Iterator[PromptRow]:
    r"""Yield the lines of a text file, ended by ``\n`` or ``\r\n`` and by nothing else; blank lines are no rows."""
    for number, line in enumerate(text_of(path).split("\n"), 1):
        prompt = line.removesuffix("\r")
        if "\r" in prompt:
            raise PluginError(
                f"prompts {str(path)!r}: line {number} holds a carriage return that ends no line; "
                "end lines by \\n or \\r\\n"
            )
        if prompt.strip():
            yield PromptRow(f"{number:05d}", f"line {number}", {"prompt": prompt})


def csv_rows(path: Path, columns: Sequence[str]) -> Iterator[PromptRow]:
    """Yield the rows under a header, every field as text; blank lines are no rows.

    Fields are separated by commas; one that holds a comma, a quote or a line end stands in double quotes.
    """
    text, where = text_of(path), f"prompts {str(path)!r}"
    # Split here and not by the reader: a carriage return inside a line is then an error and never silently its end.
    end = "\n" if "\n" in text else "\r"
    reader = csv.reader((line + end for line in text.split(end)), strict=True)
    header: list[str] = []
    count, started = 0, 1
    try:
        for fields in reader:
            line, started = started, reader.line_num + 1
            if not fields:
                continue
            if not header:
                header = fields
                require_once(header, columns, where)
                continue
            place = f"row {count + 1} (line {line})"
            if len(fields) != len(header):
                raise PluginError(
                    f"{where}: {place} has {counted(len(fields), 'field')} under {counted(len(header), 'column')}; "
                    "put a field that holds a comma into double quotes"
                )
            yield PromptRow(f"{count:05d}", place, dict(zip(header, fields, strict=True)))
            count += 1
    except csv.Error as error:
        why = "a quote that is never closed" if "unexpected end" in str(error) else str(error).partition(" - ")[0]
        raise PluginError(f"{where}: the row that begins in line {started} is not CSV: {why}") from None


def json_rows(path: Path, columns: Sequence[str]) -> Iterator[PromptRow]:
    """Yield the objects of a JSON list, or the captions of a file in COCO's form with COCO's own ids."""
    where = f"prompts {str(path)!r}"
    loaded = _json(text_of(path), where)
    if isinstance(loaded, dict) and isinstance(loaded.get("annotations"), list):
        for number, row in enumerate(loaded["annotations"], 1):
            values = _object(row, 0, f"annotation {number}", where).values
            require_once(list(values), ("id", "caption"), f"{where}: annotation {number}")
            yield PromptRow(values["id"], f"annotation {number}", {"prompt": values["caption"], **values})
        return
    if not isinstance(loaded, list):
        raise PluginError(f"{where}: neither a list of rows nor COCO's annotations")
    yield from (_object(row, number, f"row {number + 1}", where) for number, row in enumerate(loaded))


def jsonl_rows(path: Path, columns: Sequence[str]) -> Iterator[PromptRow]:
    r"""Yield the objects of a file with one a line, lines ended by ``\n`` or ``\r\n``; blank lines are no rows."""
    where, count = f"prompts {str(path)!r}", 0
    for number, line in enumerate(text_of(path).split("\n"), 1):
        if line.strip(" \t\r"):
            yield _object(_json(line, f"{where}: line {number}"), count, f"line {number}", where)
            count += 1


def parquet_rows(path: Path, columns: Sequence[str]) -> Iterator[PromptRow]:
    """Yield the rows of a Parquet file, of which only the wanted columns are read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    where = f"prompts {str(path)!r}"
    try:
        names = pq.read_schema(path).names
        require_once(names, columns, where)
        with pq.ParquetFile(path) as opened:
            rows = opened.read(columns=list(columns)).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise PluginError(f"{where}: cannot be read: {' '.join(str(error).split())[:300]}") from None
    yield from (PromptRow(f"{number:05d}", f"row {number + 1}", row) for number, row in enumerate(rows))


READERS: dict[str, Callable[[Path, Sequence[str]], Iterator[PromptRow]]] = {
    ".txt": text_rows,
    ".json": json_rows,
    ".jsonl": jsonl_rows,
    ".csv": csv_rows,
    ".parquet": parquet_rows,
}
"""How a file is read by its ending: its path and the wanted columns -> its rows."""


def require_once(names: Sequence[str], columns: Sequence[str], where: str) -> None:
    """Raise ``PluginError`` unless each wanted column is there once, naming those that are."""
    for column in columns:
        if column not in names:
            raise PluginError(f"{where}: has no column {column!r}; it has {', '.join(map(repr, names)) or 'none'}")
        if names.count(column) > 1:
            raise PluginError(f"{where}: {names.count(column)} columns are called {column!r}; give each its own name")


def _object(row: Any, number: int, place: str, where: str) -> PromptRow:
    if not isinstance(row, dict):
        raise PluginError(f"{where}: {place} is not an object with columns such as {{'prompt': 'a dog'}}")
    return PromptRow(f"{number:05d}", place, row)


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise PluginError(f"{where}: is not JSON: {' '.join(str(error).split())[:200]}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object whose keys differ; JSON's reader would keep the last of two."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(
            f"the key {next(name for name in names if names.count(name) > 1)!r} stands twice in one object"
        )
    return found
