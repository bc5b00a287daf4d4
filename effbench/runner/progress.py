"""What a person sees while a suite runs: a live bar on a terminal, one line a job elsewhere; always on stderr."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from effbench.legible import legible_line


class Reporter:
    """Counts finished pieces of work out of ``total`` and says what is being done."""

    def __init__(self, total: int, quiet: bool = False) -> None:
        self._live: Any = None
        self._quiet = quiet
        self._started = time.monotonic()
        self._total, self._done = total, 0

    def __enter__(self) -> Reporter:
        if not self._quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            self._live = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._live.start()
            self._bar = self._live.add_task("planning", total=self._total)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    @property
    def is_live(self) -> bool:
        """Return whether a bar is redrawn in place, so that saying more costs nothing."""
        return self._live is not None

    def now(self, text: str) -> None:
        """Say what starts now."""
        text = legible_line(text)
        if self._live is not None:
            self._live.update(self._bar, description=text)
        elif not self._quiet:
            print(f"[{time.monotonic() - self._started:6.1f} s] {self._done}/{self._total} {text}", file=sys.stderr)

    def advance(self, pieces: int = 1) -> None:
        """Count finished pieces."""
        self._done += pieces
        self._total = max(self._total, self._done)  # what was set aside and is made again was not counted
        if self._live is not None:
            self._live.advance(self._bar, pieces)

    def say(self, text: str) -> None:
        """Print a line that stays (a failure, a notice)."""
        text = legible_line(text)
        if self._live is not None:
            self._live.console.print(text, markup=False, highlight=False)
        else:
            print(text, file=sys.stderr)
