"""A random forest, grown by scikit-learn (extra ``nas``) and walked here, so that a stored one needs no package."""

from __future__ import annotations

import numpy as np

from effbench.api import Unsupported
from effbench.arrays import Array

TREES = 300
"""More change the order of nobody; grown in a second."""
PARTS = ("left", "right", "feature", "threshold", "value")


def forest(x: Array, y: Array, seed: int) -> dict[str, Array]:
    """Return the nodes of all trees one after the other, ``roots`` [trees] being where each begins.

    Raises ``Unsupported`` where scikit-learn is not installed.
    """
    try:
        from sklearn.ensemble import RandomForestRegressor
    except ModuleNotFoundError:
        raise Unsupported("a random forest is grown by scikit-learn: pip install 'effbench[nas]'") from None
    grown = RandomForestRegressor(TREES, random_state=seed % 2**32, max_features=1 / 3, n_jobs=1).fit(x, y)
    trees = [tree.tree_ for tree in grown.estimators_]
    starts = np.cumsum([0, *(tree.node_count for tree in trees)])[:-1]
    own = {
        "left": [np.where(t.children_left < 0, -1, t.children_left + at) for t, at in zip(trees, starts)],
        "right": [np.where(t.children_right < 0, -1, t.children_right + at) for t, at in zip(trees, starts)],
        "feature": [t.feature for t in trees],
        "threshold": [t.threshold for t in trees],
        "value": [t.value[:, 0, 0] for t in trees],
    }
    return {"roots": starts.astype(np.int64), **{part: np.concatenate(own[part]) for part in PARTS}}


def forest_scores(x: Array, nodes: dict[str, Array]) -> Array:
    """Return the mean over trees, float64 [n]; features are compared in float32, as scikit-learn does."""
    given = x.astype(np.float32)
    rows = np.arange(len(x))[:, None]
    at = np.broadcast_to(nodes["roots"], (len(x), len(nodes["roots"])))
    while True:
        is_leaf = nodes["left"][at] < 0
        if is_leaf.all():
            return np.asarray(nodes["value"][at].mean(1))
        goes_left = given[rows, np.maximum(nodes["feature"][at], 0)] <= nodes["threshold"][at]
        at = np.where(is_leaf, at, np.where(goes_left, nodes["left"][at], nodes["right"][at]))
