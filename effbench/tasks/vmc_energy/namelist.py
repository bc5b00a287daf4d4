"""The header of an FCIDUMP: a Fortran namelist, in the dialects that programs write.

Names in any case, values over several lines, split by commas or blanks, ``3*1`` for 1,1,1, comments behind ``!``, an end of
``&END``, ``$END`` or ``/``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from effbench.api import PluginError

START = re.compile(r"\s*[&$]FCI\b", re.IGNORECASE)
"""How a header begins; FCI is the namelist's name."""
END = re.compile(r"[&$]END\b|/", re.IGNORECASE)
"""How a header ends, in Fortran 77's and in Fortran 90's way."""
QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
"""Text in quotes, which may hold an end or a comment sign and is none."""
NAME = re.compile(r"([A-Za-z]\w*)\s*=")
"""A name and its equals sign; its values last until the next."""
WORD = re.compile(r"(\d{1,4})\*(.+)")
"""Fortran's n*value; more than four digits are no number of orbitals."""


class Header:
    """The names of a header with their values, each a list of words; ``lines`` is how many lines of the file it takes."""

    def __init__(self, where: str, lines: Iterable[str]) -> None:
        self.where, self.lines, self.values = where, 0, dict[str, list[str]]()
        text, end = "", None
        for line in lines:
            self.lines += 1
            line = QUOTED.sub("''", line).partition("!")[0]
            if not text.strip() and line.strip() and not START.match(line):
                raise PluginError(f"{where}: not an FCIDUMP: it does not begin with &FCI")
            end = END.search(line)
            text += (line[: end.start()] if end else line) + "\n"
            if end:
                if line[end.end() :].strip():
                    raise PluginError(
                        f"{where}, line {self.lines}: text behind the end of the header: {line.strip()[:80]!r}"
                    )
                break
        if not end:
            raise PluginError(f"{where}: the header has no end (&END or /); the file is truncated or not an FCIDUMP")
        names = list(NAME.finditer(text))
        ends = [name.start() for name in names[1:]] + [len(text)]
        for name, until in zip(names, ends):
            key, values = name[1].upper(), expanded(text[name.end() : until])
            if self.values.setdefault(key, values) != values:
                raise PluginError(f"{where}: the header says {key} twice, and not the same")

    def integer(self, name: str, default: int | None = None) -> int:
        """Return one whole number; raise ``PluginError`` where it is missing (without a default) or is none."""
        values = self.values.get(name)
        if values is None:
            if default is None:
                raise PluginError(f"{self.where}: the header names no {name}")
            return default
        if len(values) != 1 or not re.fullmatch(r"[+-]?\d{1,9}", values[0], re.ASCII):
            raise PluginError(f"{self.where}: {name}={','.join(values[:8])} is not one whole number")
        return int(values[0])

    def integers(self, name: str) -> list[int] | None:
        """Return whole numbers, or None where the header has no such name or a value is none."""
        values = self.values.get(name)
        if values is None or not all(re.fullmatch(r"[+-]?\d{1,9}", value, re.ASCII) for value in values):
            return None
        return [int(value) for value in values]

    def is_set(self, name: str) -> bool:
        """Return whether a logical name is true: ``.TRUE.``, ``T`` or a number other than 0."""
        return any(re.match(r"\.?T|[+-]?0*[1-9]", value, re.IGNORECASE) for value in self.values.get(name, []))


def expanded(text: str) -> list[str]:
    """Return the words of a list as Fortran reads it: split by blanks or commas, ``2*1`` twice."""
    found: list[str] = []
    for word in text.replace(",", " ").split():
        repeat = WORD.fullmatch(word)
        found += [repeat[2]] * int(repeat[1]) if repeat else [word]
    return found
