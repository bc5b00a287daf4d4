"""What of EffBench-Micro is trained so far: a line of JSON per cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from effbench.nas.cells import Code
from effbench.nas.kept_lines import KeptLines
from effbench.zoo.nas_micro.recipe import Trained


class TrainedCell(NamedTuple):
    """A finished cell: ``reached[epochs]`` is one training per seed."""

    code: Code
    reached: Mapping[int, Sequence[Trained]]


class TrainingState:
    """The finished cells of one recipe in ``file``, and how another is added."""

    def __init__(self, file: Path, recipe: Mapping[str, Any]) -> None:
        """Read what is finished. Raises ``BadInput`` for a state of another recipe."""
        self._kept = KeptLines(file, recipe)
        self.cells = [_cell(line) for line in self._kept.lines]

    def add(self, cell: TrainedCell) -> None:
        """Write a finished cell; it is on the disk when this returns."""
        reached = {str(epochs): [asdict(one) for one in trained] for epochs, trained in cell.reached.items()}
        self._kept.add({"code": list(cell.code), "reached": reached})
        self.cells.append(cell)


def _cell(line: Mapping[str, Any]) -> TrainedCell:
    reached = {int(epochs): [Trained(**one) for one in trained] for epochs, trained in line["reached"].items()}
    return TrainedCell(tuple(line["code"]), reached)
