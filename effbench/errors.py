"""The errors a user meets: one clear sentence each, shown without traceback, with the exit code that says which kind."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BadInput(Exception):
    """The suite, the command line or a plugin cannot be used as it is (exit code 2)."""


class StoreError(Exception):
    """The store cannot be read or written; nothing computed may be lost silently, so this ends the run (exit code 2)."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the closest valid name, or the whole list where none is close."""
    names = sorted(set(valid))
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; valid: {', '.join(names)}" if names else "; none is available"


def one_line(error: BaseException, *, kind: bool = True, longest: int = 300) -> str:
    """Return type and message of an exception on one line; without the type where ``kind`` is False."""
    try:
        message = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 - a stranger's exception may not even be printable
        message = "(its message cannot be shown)"
    text = ": ".join(filter(None, (type(error).__name__, message))) if kind else message
    return text if len(text) <= longest else f"{text[: longest - 3]}..."
