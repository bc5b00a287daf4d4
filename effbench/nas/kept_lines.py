"""Finished work as lines of JSON, each written whole, so that a killed run goes on where it stopped.

The first line is the recipe. A file of another recipe is refused: its values would not be comparable with new ones.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from effbench.errors import BadInput


class KeptLines:
    """The finished lines of one recipe in ``file``, and how another is added."""

    def __init__(self, file: Path, recipe: Mapping[str, Any]) -> None:
        """Read what is finished; cut off a line that a kill left half. Raises ``BadInput`` for a file of another recipe."""
        self.file = file
        self.lines: list[dict[str, Any]] = []
        given = json.dumps(recipe, sort_keys=True)
        text = file.read_text("utf-8") if file.exists() else ""
        whole, _, _ = text.rpartition("\n")
        if not whole and given.startswith(text.rstrip("\n")):  # none yet, or killed within the first line
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("", "utf-8")
            self._append(given)
            return
        first, *lines = whole.split("\n")
        if _of_json(first) != json.loads(given):
            raise BadInput(
                f"{file}: made by another recipe, or no file of finished work ({first[:80]}); move it away, or go on with "
                "that recipe"
            )
        self.lines = [_of_json(line) for line in lines]
        if any(not isinstance(line, dict) for line in self.lines):
            raise BadInput(f"{file}: a line is not JSON; the file was changed or damaged: move it away")
        if len(whole.encode()) + 1 < file.stat().st_size:
            os.truncate(file, len(whole.encode()) + 1)

    def add(self, line: Mapping[str, Any]) -> None:
        """Write a finished line; it is on the disk when this returns."""
        self._append(json.dumps(line))
        self.lines.append(dict(line))

    def _append(self, text: str) -> None:
        with self.file.open("a", encoding="utf-8") as opened:
            opened.write(text + "\n")
            opened.flush()
            os.fsync(opened.fileno())


def _of_json(line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        return None
