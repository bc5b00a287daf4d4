"""Rows that no longer fit are set aside; a kill at any moment loses no row that does, and keeps none that does not."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from effbench.api import Metric
from effbench.parts import metadata_values, read_parts, write_outputs, write_part
from effbench.runner.holdings import set_aside_incomplete_rows
from effbench.store import SAMPLE_KEY, CellFolder

TASK = SimpleNamespace(task=SimpleNamespace(metrics=(Metric("cost", "", False, primary=True),)))
PARTS = {"a": ["0", "1"], "b": ["2", "3"], "c": ["4"], "d": ["5", "6"]}
KEPT = {"0", "2", "3", "5"}
"""Samples whose outputs are kept: part b stays whole, c goes whole, a and d are divided."""
PLANNED = {(0, name) for names in PARTS.values() for name in names}


class Killed(Exception):
    """Stands for SIGKILL."""


@pytest.fixture
def folder(tmp_path):
    folder = CellFolder(tmp_path / "store/cells/0123456789abcdef")
    for stem, names in PARTS.items():
        columns = {"sample_id": names, "seed": [0] * len(names), "score.cost": [float(name) for name in names]}
        write_part(folder.samples, stem, columns, {"code_version": "1", "reference": "" if stem == "d" else "r"})
        for name in set(names) & KEPT:
            write_outputs(folder.outputs, f"o{name}", [name], 0, [{"x": np.ones(1)}])
    return folder


def rows(folder):
    table = read_parts(folder.samples, SAMPLE_KEY)
    return dict(zip(table["sample_id"].to_pylist(), table["score.cost"].to_pylist()))


def test_rows_that_stay_keep_what_they_were_scored_against(folder):
    assert "3 of its results lack their outputs" in set_aside_incomplete_rows(TASK, folder, PLANNED, keep=True)
    assert rows(folder) == {name: float(name) for name in KEPT}
    assert metadata_values(folder.samples, "reference") == {"", "r"}
    assert [len(list(aside.iterdir())) for aside in folder.path.glob("samples-before-*")] == [3]
    assert set_aside_incomplete_rows(TASK, folder, PLANNED, keep=True) == ""


@pytest.mark.parametrize("moment", range(6))
def test_a_kill_while_rows_are_set_aside_loses_none_and_revives_none(folder, monkeypatch, moment):
    """Killed between the two renames that it was, all rows that fitted were left in a folder that nobody read."""
    left = moment

    def counted(act):
        def acting(path, *arguments, **named):
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed
            return act(path, *arguments, **named)

        return acting

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", counted(Path.rename))  # writing a part renames too
        patch.setattr(Path, "mkdir", counted(Path.mkdir))
        with pytest.raises(Killed):
            set_aside_incomplete_rows(TASK, folder, PLANNED, keep=True)
    assert rows(folder).keys() >= KEPT
    set_aside_incomplete_rows(TASK, folder, PLANNED, keep=True)
    assert rows(folder) == {name: float(name) for name in KEPT}
