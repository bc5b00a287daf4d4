"""Bad score matrices are one sentence each; what is done with missing scores is what was asked."""

import numpy as np
import pytest
from planted import matrix

from effbench.errors import BadInput
from effbench.subset.matrix import check_same, score_matrix

GOOD = np.random.default_rng(0).normal(size=(5, 8))


def test_it_keeps_what_it_is_given():
    found = matrix(GOOD)
    assert np.allclose(found.truth, GOOD.mean(1)) and len(found.pool_sha256) == 64
    assert found.of_methods([0, 2, 3, 4]).methods == ("m0", "m2", "m3", "m4")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (GOOD[:3], "3 methods are too few"),
        (np.ones((5, 8)), "all methods have the same mean"),
        (np.where(np.eye(5, 8) > 0, np.nan, GOOD), "5 scores are missing or not finite, first that of method 'm0' on"),
        (np.where(np.eye(5, 8) > 0, np.inf, GOOD), "5 scores are missing or not finite"),
    ],
)  # fmt: skip
def test_what_cannot_be_ranked_is_refused(values, said):
    with pytest.raises(BadInput, match=said):
        matrix(values)


def test_repeats_and_shapes_are_refused():
    with pytest.raises(BadInput, match="sample 'x' stands twice"):
        score_matrix("score", GOOD, list("abcde"), ["x", "x", *"123456"])
    with pytest.raises(BadInput, match="method 'a' stands twice"):
        score_matrix("score", GOOD, list("aacde"), list("12345678"))
    with pytest.raises(BadInput, match=r"shape \(5, 8\) do not fit 4 methods x 8 samples"):
        score_matrix("score", GOOD, list("abcd"), list("12345678"))
    with pytest.raises(BadInput, match="not of the same methods and samples"):
        check_same([matrix(GOOD), matrix(GOOD[:, :7])])


def test_missing_scores_cost_samples_or_methods_as_asked():
    holes = GOOD.copy()
    holes[4, 2] = np.nan
    assert matrix(holes, missing="drop-samples").values.shape == (5, 7)
    assert matrix(holes, missing="drop-methods").methods == ("m0", "m1", "m2", "m3")
    holes[0] = np.nan
    with pytest.raises(BadInput, match="3 methods are too few"):
        matrix(holes, missing="drop-methods")
    with pytest.raises(BadInput, match="no sample has a score of every method"):
        matrix(holes, missing="drop-samples")
