"""The comparison of outputs: bytes where nothing is allowed, norms where something is."""

import numpy as np
import pytest

from effbench.testing.outputs import difference

IMAGE = np.array([[3.0, 0.0], [0.0, 4.0]])  # norm 5
SPOT = np.array([[0.0, 0.0], [0.04, 0.03]])  # norm 0.05


@pytest.mark.parametrize(
    ("other", "rtol", "words"),
    [
        (IMAGE.copy(), 0.0, ""),
        (IMAGE + SPOT, 0.0101, ""),
        (IMAGE + SPOT, 0.0099, "differs by a vector of norm 0.05"),
        (np.nextafter(IMAGE, 9.0), 0.0, "differs by a vector of norm"),
        (np.copysign(IMAGE, -IMAGE) * -1, 0.0, ""),
        (np.where(IMAGE == 0, -0.0, IMAGE), 0.0, "differs"),
        (np.where(IMAGE == 0, -0.0, IMAGE), 1e-12, ""),
        (IMAGE.astype(np.float32), 1.0, "is float64 [2, 2] against float32 [2, 2]"),
        (IMAGE.ravel(), 1.0, "is float64 [2, 2] against float64 [4]"),
        (IMAGE * 0.0, 1e6, "its own norm is 0"),
    ],
)
def test_difference(other, rtol, words):
    found = difference({"image": IMAGE}, {"image": other}, rtol)
    assert words in found if words else found == ""


def test_names_must_agree():
    assert "['image'] against ['depth']" in difference({"image": IMAGE}, {"depth": IMAGE}, 1.0)


def test_times_are_not_compared():
    assert difference({"image": IMAGE, "took_s": SPOT}, {"image": IMAGE, "took_s": IMAGE}, 0.0) == ""


@pytest.mark.parametrize("name", ["took", "wall_time", "epoch_ms", "seconds"])
def test_what_seems_to_be_a_time_is_told_the_name_that_times_have(name):
    assert "under a name ending in _s" in difference({name: IMAGE}, {name: IMAGE + SPOT}, 0.0)


@pytest.mark.parametrize("name", ["image", "sometimes", "status", "terms"])
def test_what_does_not_seem_to_be_a_time_is_not(name):
    assert "_s" not in difference({name: IMAGE}, {name: IMAGE + SPOT}, 0.0)
