"""k-medoids by alternation: assign every point to its nearest medoid, move every medoid to the centre of its points."""

from __future__ import annotations

import numpy as np

from effbench.arrays import Array

TURNS = 50
"""A bound, not a setting: the alternation ends where no medoid moves, and a tie of distances must not keep it going."""


def k_medoids(points: Array, k: int, seed: int) -> tuple[Array, Array]:
    """Return (sorted rows of k distinct medoids, points nearest to each) of ``points`` [n, d], by squared distance.

    The middle of a cluster by squared Euclidean distance is the point nearest to its mean, so that a turn costs O(n k d).

    Park and Jun 2009, Expert Systems with Applications 36, 3336-3341, from k-means++ seeds (Arthur and Vassilvitskii 2007).
    A medoid that no other point is nearest to stays where it is.
    """
    generator = np.random.default_rng(seed)
    medoids = [int(generator.integers(len(points)))]
    nearest = _squared(points, points[medoids])[:, 0]
    while len(medoids) < k:
        nearest[medoids] = 0.0
        total = nearest.sum()
        free = np.setdiff1d(np.arange(len(points)), medoids)
        chosen = generator.choice(len(points), p=nearest / total) if total > 0 else generator.choice(free)
        medoids.append(int(chosen))
        nearest = np.minimum(nearest, _squared(points, points[[chosen]])[:, 0])
    rows = np.array(sorted(medoids))
    for _ in range(TURNS):
        owner = _owners(points, rows)
        moved = np.array([_centre(points, np.flatnonzero(owner == cluster)) for cluster in range(k)])
        if (moved == rows).all():
            break
        rows = moved
    rows = np.sort(rows)
    return rows, np.bincount(_owners(points, rows), minlength=k)


def _owners(points: Array, rows: Array) -> Array:
    """Return which medoid every point is nearest to; a medoid is its own even where two lie on one spot."""
    owner = _squared(points, points[rows]).argmin(1)
    owner[rows] = np.arange(len(rows))
    return np.asarray(owner)


def _centre(points: Array, members: Array) -> int:
    return int(members[_squared(points[members], points[members].mean(0, keepdims=True))[:, 0].argmin()])


def _squared(points: Array, others: Array) -> Array:
    squares = (points**2).sum(1)[:, None] + (others**2).sum(1)[None, :] - 2 * points @ others.T
    return np.asarray(np.maximum(squares, 0.0))
