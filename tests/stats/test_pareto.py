"""The front by sorting against the definition, and the layers behind it."""

import numpy as np
import pytest

from effbench.stats import pareto
from effbench.stats.pareto import is_non_dominated, nearest_to_front, probability_non_dominated


def by_definition(x, y, higher_x, higher_y):
    a, b = x if higher_x else -x, y if higher_y else -y
    beats = (a[:, None] >= a) & (b[:, None] >= b) & ((a[:, None] > a) | (b[:, None] > b))  # [by whom, whom, columns]
    return ~beats.any(0)


@pytest.mark.parametrize("higher_x", [True, False])
@pytest.mark.parametrize("higher_y", [True, False])
@pytest.mark.parametrize("distinct", [2, 4, 10**6])
def test_sorting_finds_what_the_definition_says_with_any_number_of_ties(higher_x, higher_y, distinct):
    generator = np.random.default_rng([distinct, higher_x, higher_y])
    for methods in (1, 2, 3, 17, 40):
        x, y = generator.integers(0, distinct, (2, methods, 50)).astype(float)
        found = is_non_dominated(x, y, higher_x, higher_y)
        assert (found == by_definition(x, y, higher_x, higher_y)).all()
        assert probability_non_dominated(x, y, higher_x, higher_y) == pytest.approx(found.mean(1))


def test_columns_in_pieces_are_the_same_as_at_once(monkeypatch):
    x, y = np.random.default_rng(0).normal(size=(2, 7, 100))
    whole = is_non_dominated(x, y, True, False)
    monkeypatch.setattr(pareto, "MOST_AT_ONCE", 50)
    assert (is_non_dominated(x, y, True, False) == whole).all()
    assert is_non_dominated(np.empty((0, 3)), np.empty((0, 3)), True, True).shape == (0, 3)


def test_the_nearest_come_layer_by_layer():
    # Two layers of two and one point behind both; with higher x and y better.
    x, y = np.array([1.0, 3.0, 4.0, 2.0, 0.0]), np.array([3.0, 1.0, 2.0, 4.0, 0.0])
    assert nearest_to_front(x, y, True, True, 2).tolist() == [2, 3]
    assert nearest_to_front(x, y, True, True, 3).tolist() == [0, 2, 3]  # the first of the second layer
    assert nearest_to_front(x, y, True, True, 4).tolist() == [0, 1, 2, 3]
    assert nearest_to_front(x, y, True, True, 99).tolist() == [0, 1, 2, 3, 4]
    assert nearest_to_front(x, y, False, False, 1).tolist() == [4]
