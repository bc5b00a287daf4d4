"""Bootstrap draws: kept with a cell, read back, and joined only where the same samples were drawn."""

import numpy as np
import pytest

from effbench.draws import Draws, cluster_hash, read_draws, write_draws
from effbench.store import CellFolder


def test_round_trip_keeps_nan_and_replaces_the_older(tmp_path):
    folder = CellFolder(tmp_path)
    write_draws(folder, Draws({"a": np.zeros(3)}, "x"))
    written = write_draws(folder, Draws({"a": np.array([1.0, np.nan, 2.0]), "b": np.ones(3)}, "y"))
    found = read_draws(folder)
    assert found.clusters == "y" and found.resamples == 3
    np.testing.assert_array_equal(found.values["a"], [1.0, np.nan, 2.0])
    assert list(written.parent.iterdir()) == [written]


def test_a_cell_without_draws_has_none(tmp_path):
    assert read_draws(CellFolder(tmp_path)) is None


@pytest.mark.parametrize(
    "other, joint",
    [
        (Draws({"a": np.ones(3)}, "x"), True),
        (Draws({"a": np.ones(4)}, "x"), False),
        (Draws({"a": np.ones(3)}, "y"), False),
    ],
)
def test_joint_needs_the_same_samples_and_number(other, joint):
    assert Draws({"a": np.zeros(3)}, "x").joint_with(other) is joint


def test_the_hash_knows_samples_and_seeds_but_no_order():
    assert cluster_hash(["b", "a", "a"], [1, 0]) == cluster_hash(["a", "b"], [0, 1])
    assert cluster_hash(["a", "b"], [0]) != cluster_hash(["a", "b"], [0, 1])
    assert cluster_hash(["a", "b"], [0]) != cluster_hash(["a", "c"], [0])
