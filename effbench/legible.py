r"""Text of strangers made harmless to show: control and direction characters stand as visible escapes.

A method's name, an error message or a prompt may hold terminal escapes, or marks that turn the order of what follows; read
from a store, they are shown as ``\x1b`` and never sent on. What scripts and emoji need (joiners, LRM, RLM) stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

_TURNS = "\u2028\u2029\u202a-\u202e\u2066-\u2069"
_HIDDEN = re.compile(rf"[\x00-\x08\x0b-\x1f\x7f-\x9f{_TURNS}\ud800-\udfff]")
_HIDDEN_OR_BREAK = re.compile(rf"[\t\n]|{_HIDDEN.pattern}")
_ESCAPED = re.compile(rb"\\[ubfrnt]")
_SHORT = {"\n": r"\n", "\t": r"\t"}


def legible(text: str) -> str:
    """Return the text with every control or direction character but newline and tab as its escape."""
    if text.isascii() and text.isprintable():
        return text
    return _HIDDEN.sub(_escape, text)


def legible_line(text: str) -> str:
    """Return the same on one line: newlines and tabs too stand as escapes, so that no name can forge a line of ours."""
    if text.isascii() and text.isprintable():
        return text
    return _HIDDEN_OR_BREAK.sub(_escape, text)


def all_legible(value: Any, one: Callable[[str], str] = legible) -> Any:
    """Return nested mappings, lists and tuples with every string in them, keys too, made legible by ``one``."""
    if isinstance(value, str):
        return one(value)
    if isinstance(value, dict):
        return {all_legible(key, one): all_legible(item, one) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(all_legible(item, one) for item in value)
    return value


def may_hide(data: bytes) -> bool:
    """Return whether a JSON document may hold a character that a line must not: a cheap look that spares most the walk."""
    if b"\x7f" in data or (b"\\" in data and _ESCAPED.search(data) is not None):
        return True
    return not data.isascii() and _HIDDEN.search(data.decode(errors="replace")) is not None


def _escape(found: re.Match[str]) -> str:
    if (short := _SHORT.get(found[0])) is not None:
        return short
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
