"""What of EffBench-Micro is trained so far: a line of JSON per cell, written whole, so that a killed run goes on.

The first line is the recipe. A state of another recipe is refused: its cells would not be comparable with new ones.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from effbench.errors import BadInput
from effbench.nas.cells import Code
from effbench.zoo.nas_micro.recipe import Trained


class TrainedCell(NamedTuple):
    """A finished cell: ``reached[epochs]`` is one training per seed."""

    code: Code
    reached: Mapping[int, Sequence[Trained]]


class TrainingState:
    """The finished cells of one recipe in ``file``, and how another is added."""

    def __init__(self, file: Path, recipe: Mapping[str, Any]) -> None:
        """Read what is finished; cut off a line that a kill left half. Raises ``BadInput`` for a state of another recipe."""
        self.file = file
        self.cells: list[TrainedCell] = []
        given = json.dumps(recipe, sort_keys=True)
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            self._append(given)
            return
        whole, _, _ = file.read_text("utf-8").rpartition("\n")
        if not whole:  # killed within the first line
            file.unlink()
            self._append(given)
            return
        if len(whole) + 1 < file.stat().st_size:
            os.truncate(file, len(whole.encode()) + 1)
        first, *lines = whole.split("\n")
        if json.loads(first) != json.loads(given):
            raise BadInput(f"{file}: trained by another recipe ({first}); move it away, or train with that one")
        self.cells = [_cell(json.loads(line)) for line in lines]

    def add(self, cell: TrainedCell) -> None:
        """Write a finished cell; it is on the disk when this returns."""
        reached = {str(epochs): [asdict(one) for one in trained] for epochs, trained in cell.reached.items()}
        self._append(json.dumps({"code": list(cell.code), "reached": reached}))
        self.cells.append(cell)

    def _append(self, line: str) -> None:
        with self.file.open("a", encoding="utf-8") as opened:
            opened.write(line + "\n")
            opened.flush()
            os.fsync(opened.fileno())


def _cell(line: Mapping[str, Any]) -> TrainedCell:
    reached = {int(epochs): [Trained(**one) for one in trained] for epochs, trained in line["reached"].items()}
    return TrainedCell(tuple(line["code"]), reached)
