"""Trees grown by scikit-learn (extra ``nas``) or XGBoost (extra ``xgboost``), walked here: stored ones need no package."""

from __future__ import annotations

import json

import numpy as np

from effbench.api import Unsupported
from effbench.arrays import Array

TREES = 300
"""More change the order of nobody; grown in a second."""
BOOSTED_TREES = 100
"""XGBoost's own default, as are depth and rate."""
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
    parts = {
        "left": [tree.children_left for tree in trees],
        "right": [tree.children_right for tree in trees],
        "feature": [tree.feature for tree in trees],
        "threshold": [tree.threshold for tree in trees],
        "value": [tree.value[:, 0, 0] for tree in trees],
    }
    return _joined(parts)


def boosted(x: Array, y: Array, seed: int) -> dict[str, Array]:
    """Return the nodes of XGBoost's trees under its default parameters, in the form of ``forest``.

    Their scores lack the mean of the labels that boosting begins with. Raises ``Unsupported`` where XGBoost is not installed.
    """
    try:
        import xgboost
    except ModuleNotFoundError:
        raise Unsupported("boosted trees are grown by XGBoost: pip install 'effbench[xgboost]'") from None
    given = xgboost.DMatrix(x.astype(np.float32), y)
    booster = xgboost.train({"nthread": 1, "seed": seed % 2**31}, given, BOOSTED_TREES)
    trees = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]["model"]["trees"]
    parts = {
        "left": [np.array(tree["left_children"]) for tree in trees],
        "right": [np.array(tree["right_children"]) for tree in trees],
        "feature": [np.array(tree["split_indices"]) for tree in trees],
        "threshold": [np.array(tree["split_conditions"], np.float32) for tree in trees],  # as features are compared
        "value": [np.array(tree["split_conditions"]) for tree in trees],  # a leaf's condition is its value
    }
    return _joined(parts)


def forest_scores(x: Array, nodes: dict[str, Array]) -> Array:
    """Return the mean over trees, float64 [n]; features are compared in float32, as scikit-learn does."""
    return np.asarray(_leaves(x, nodes, np.less_equal).mean(1))


def boosted_scores(x: Array, nodes: dict[str, Array]) -> Array:
    """Return the sum over trees, float64 [n]; a feature goes left below its threshold, not at it."""
    return np.asarray(_leaves(x, nodes, np.less).sum(1))


def _joined(parts: dict[str, list[Array]]) -> dict[str, Array]:
    """Return all trees one after the other: children count from the first tree's root, -1 under a leaf."""
    starts = np.cumsum([0, *(len(tree) for tree in parts["left"])])[:-1]
    for side in ("left", "right"):
        parts[side] = [np.where(tree < 0, -1, tree + at) for tree, at in zip(parts[side], starts)]
    return {"roots": starts.astype(np.int64), **{part: np.concatenate(parts[part]) for part in PARTS}}


def _leaves(x: Array, nodes: dict[str, Array], goes_left: np.ufunc) -> Array:
    """Return the value of the leaf that each row reaches in each tree [n, trees]."""
    given = x.astype(np.float32)
    rows = np.arange(len(x))[:, None]
    at = np.broadcast_to(nodes["roots"], (len(x), len(nodes["roots"])))
    while True:
        is_leaf = nodes["left"][at] < 0
        if is_leaf.all():
            return np.asarray(nodes["value"][at])
        is_left = goes_left(given[rows, np.maximum(nodes["feature"][at], 0)], nodes["threshold"][at])
        at = np.where(is_leaf, at, np.where(is_left, nodes["left"][at], nodes["right"][at]))
