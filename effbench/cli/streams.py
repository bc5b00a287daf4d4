"""stdout and stderr that never end a command: closed, full, gone, or too narrow for the characters that we print.

What a command computes does not depend on who reads its messages. A reader that goes away (``| head``) is no failure;
a full disk behind stdout is told once, at the end.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
import unicodedata
from typing import IO, Any

REPLACED = "effbench-plain"
_LACKED, _PLAIN = (
    "→ ← ↑ ↓ ± × · • … ≥ ≤ ≈ − – — ‘ ’ “ ” µ μ Δ █ ▌ ░ ✓ ✗ │ ┃ ║",
    "-> <- ^ v +- x . * ... >= <= ~ - - - ' ' \" \" u u d # # . ok x | | |",
)
PLAIN = dict(zip(_LACKED.split(), _PLAIN.split(), strict=True))
"""What stands for a character that the terminal's encoding lacks."""
BOX_DRAWING = range(0x2500, 0x2580)
UNWRITTEN = 4
"""The exit code of a command that did its work and could not say so: nothing failed, and no input was bad."""


class Lenient(io.FileIO):
    """A file descriptor whose writes never raise; ``failure`` is the first error, after which writes go nowhere."""

    failure: OSError | None = None

    def write(self, data: Any) -> int:
        """Write what can be written and say that all of it was."""
        size = memoryview(data).nbytes
        if self.failure is not None:
            return size
        try:
            return super().write(data)
        except BlockingIOError:
            raise
        except OSError as error:
            self.failure = error
            return size


def steady_streams() -> Lenient:
    """Replace ``sys.stdout`` and ``sys.stderr`` by streams that never raise; return what is below stdout.

    A descriptor that is closed is opened on the null device first: else the next file of a store would get its number,
    and with it whatever a library prints. So it is for workers and the board, which inherit it.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    codecs.register_error(REPLACED, _plain)
    sys.stdout, out = _steady(sys.stdout, 1)
    sys.stderr, _ = _steady(sys.stderr, 2)
    return out


def told_in_full(out: Lenient, code: int) -> int:
    """Return the exit code of a command whose own is ``code``, once all it said on stdout is written or lost."""
    sys.stdout.flush()
    failure = out.failure
    if failure is not None and failure.errno not in (errno.EPIPE, errno.EBADF):
        print(f"error: stdout cannot be written: {failure.strerror}", file=sys.stderr)
        code = code or UNWRITTEN
    sys.stderr.flush()
    return code


def _steady(stream: IO[str] | None, descriptor: int) -> tuple[io.TextIOWrapper, Lenient]:
    if stream is not None:
        stream.flush()
    raw = Lenient(descriptor, "wb", closefd=False)
    encoding = getattr(stream, "encoding", None) or "utf-8"
    is_prompt = descriptor == 2 or raw.isatty()
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, REPLACED, line_buffering=is_prompt), raw


def _plain(error: UnicodeError) -> tuple[str, int]:
    """Return what stands for characters that the encoding lacks: ASCII that looks alike, else a question mark."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(map(_alike, text)), error.end


def _alike(character: str) -> str:
    if character in PLAIN:
        return PLAIN[character]
    if ord(character) in BOX_DRAWING:
        return "-" if "HORIZONTAL" in unicodedata.name(character, "") else "+"
    return unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode() or "?"
