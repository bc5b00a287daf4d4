"""Bootstrap replicates: kept with a cell, read back, and joined only where the same samples were taken."""

import numpy as np
import pytest

from effbench.replicates import Replicates, cluster_hash, read_replicates, write_replicates
from effbench.store import CellFolder

TRAINED = Replicates(
    {"a": np.ones(3)}, "x", {"a": np.array([1.0, 2.0])}, {"a": np.array([[1.0, np.nan, 3.0], [4.0, 5.0, 6.0]])}
)


def test_round_trip_keeps_nan_and_replaces_the_older(tmp_path):
    folder = CellFolder(tmp_path)
    write_replicates(folder, TRAINED)
    written = write_replicates(folder, Replicates({"a": np.array([1.0, np.nan, 2.0]), "b": np.ones(3)}, "y"))
    found = read_replicates(folder)
    assert found.clusters == "y" and found.resamples == 3 and not found.left_out
    np.testing.assert_array_equal(found.values["a"], [1.0, np.nan, 2.0])
    assert list((tmp_path / "draws").iterdir()) == written


def test_what_is_left_out_by_trainings_comes_back(tmp_path):
    folder = CellFolder(tmp_path)
    assert len(write_replicates(folder, TRAINED)) == 2
    found = read_replicates(folder)
    np.testing.assert_array_equal(found.left_out["a"], TRAINED.left_out["a"])
    np.testing.assert_array_equal(found.crossed["a"], TRAINED.crossed["a"])
    one = found.of_metric("a", 7.0)
    assert (one.value, one.trainings) == (7.0, 2) and found.of_metric("b", 1.0) is None


def test_a_cell_without_replicates_has_none(tmp_path):
    assert read_replicates(CellFolder(tmp_path)) is None


@pytest.mark.parametrize(
    "other, joint",
    [
        (Replicates({"a": np.ones(3)}, "x"), True),
        (Replicates({"a": np.ones(4)}, "x"), False),
        (Replicates({"a": np.ones(3)}, "y"), False),
        (TRAINED, True),
    ],
)
def test_joint_needs_the_same_samples_and_number(other, joint):
    assert Replicates({"a": np.zeros(3)}, "x").joint_with(other) is joint


def test_cells_of_different_numbers_of_trainings_are_not_joint():
    more = Replicates({"a": np.ones(3)}, "x", {"a": np.ones(3)}, {"a": np.ones((3, 3))})
    assert TRAINED.joint_with(TRAINED) and not TRAINED.joint_with(more)


def test_the_hash_knows_samples_groups_and_seeds_but_no_order():
    assert cluster_hash(["b", "a", "a"], [1, 0]) == cluster_hash(["a", "b"], [0, 1])
    assert cluster_hash(["a", "b"], [0]) != cluster_hash(["a", "b"], [0, 1])
    assert cluster_hash(["a", "b"], [0]) != cluster_hash(["a", "c"], [0])
    assert cluster_hash(["a", "b"], [0], ["a", "b"]) == cluster_hash(["a", "b"], [0])
    assert cluster_hash(["a", "b"], [0], ["g", "g"]) != cluster_hash(["a", "b"], [0])
