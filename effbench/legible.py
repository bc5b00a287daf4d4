r"""Text of strangers made harmless to show: control and direction characters stand as visible escapes.

A method's name, an error message or a prompt may hold terminal escapes, or marks that turn the order of what follows; read
from a store, they are shown as ``\x1b`` and never sent on. What scripts and emoji need (joiners, LRM, RLM) stays.
"""

from __future__ import annotations

import re
from typing import Any

_TURNS = "\u2028\u2029\u202a-\u202e\u2066-\u2069"
_HIDDEN = re.compile(rf"[\x00-\x08\x0b-\x1f\x7f-\x9f{_TURNS}\ud800-\udfff]")
_ESCAPED = re.compile(rb"\\[ubfr]")


def legible(text: str) -> str:
    """Return the text with every control or direction character but newline and tab as its escape."""
    if text.isascii() and text.isprintable():
        return text
    return _HIDDEN.sub(_escape, text)


def all_legible(value: Any) -> Any:
    """Return nested mappings, lists and tuples with every string in them, keys too, made legible."""
    if isinstance(value, str):
        return legible(value)
    if isinstance(value, dict):
        return {all_legible(key): all_legible(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(all_legible(item) for item in value)
    return value


def may_hide(data: bytes) -> bool:
    """Return whether a JSON document may hold such a character: a cheap look that spares most of them the walk."""
    if b"\x7f" in data or (b"\\" in data and _ESCAPED.search(data) is not None):
        return True
    return not data.isascii() and _HIDDEN.search(data.decode(errors="replace")) is not None


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
