"""The Pareto front: which points no other one beats, how near to it the others are, and how sure each place on it is."""

from __future__ import annotations

import numpy as np

from effbench.arrays import Array
from effbench.stats.inputs import finite

MOST_AT_ONCE = 2_000_000
"""Values sorted at once: 16 MB an array, of which a sort holds about ten, however many methods and resamples there are."""


def is_non_dominated(x: Array, y: Array, higher_x: bool, higher_y: bool) -> Array:
    """Return whether no other method dominates each, column by column: bool [methods, columns] from x and y of that shape.

    A method dominates another where it is at least as good on both axes and better on one; equal methods do not
    dominate each other. O(methods log methods) a column: in the order of x, from the best, only the best y so far counts.
    Raises ``ValueError`` where the shapes differ or a value is not finite.
    """
    ours, theirs = finite(x, "x", dimensions=2), finite(y, "y", dimensions=2)
    if ours.shape != theirs.shape:
        raise ValueError(f"need the same methods and columns on both axes, got shapes {ours.shape} and {theirs.shape}")
    a, b = ours if higher_x else -ours, theirs if higher_y else -theirs
    found = np.ones(a.shape, bool)
    if not a.size:
        return found
    step = max(1, MOST_AT_ONCE // len(a))
    for start in range(0, a.shape[1], step):
        within = slice(start, start + step)
        found[:, within] = _is_ahead(a[:, within], b[:, within])
    return found


def probability_non_dominated(x: Array, y: Array, higher_x: bool, higher_y: bool) -> Array:
    """Return the share of joint replicates in which no other method dominates [methods], from x and y [methods, resamples].

    Column b of all methods must be one resample. Raises ``ValueError`` where the shapes differ, there is no replicate, or one
    is not finite: leave a method without a value on an axis out.
    """
    ours, theirs = finite(x, "the replicates of x", dimensions=2), finite(y, "the replicates of y", dimensions=2)
    if ours.shape != theirs.shape or ours.size == 0:
        raise ValueError(
            f"need the same methods and resamples on both axes, got shapes {ours.shape} and {theirs.shape}"
        )
    return np.asarray(is_non_dominated(ours, theirs, higher_x, higher_y).mean(1))


def nearest_to_front(x: Array, y: Array, higher_x: bool, higher_y: bool, most: int) -> Array:
    """Return the places, in order, of the ``most`` points nearest to the front, from x [points] and y [points].

    Nearer is what lies in an earlier layer: the front, the front of what is left without it, and so on. Of the layer that
    does not fit whole, those that stand first in the input are taken.
    """
    left, found = np.arange(len(x)), np.arange(0)
    while len(left) and len(found) < most:
        ahead = is_non_dominated(np.asarray(x)[left, None], np.asarray(y)[left, None], higher_x, higher_y)[:, 0]
        found, left = np.concatenate([found, left[ahead]]), left[~ahead]
    return np.sort(found[:most])


def _is_ahead(a: Array, b: Array) -> Array:
    """Return the same for a and b [methods, columns] of which more is better."""
    order = np.lexsort((-b, -a), axis=0)  # best a first, of equal a the best b first
    a, b = np.take_along_axis(a, order, 0), np.take_along_axis(b, order, 0)
    rows = np.arange(len(a))[:, None]
    begins = np.vstack([np.ones((1, a.shape[1]), bool), a[1:] != a[:-1]])
    first = np.maximum.accumulate(np.where(begins, rows, 0), axis=0)  # where the run of one a begins
    best = np.maximum.accumulate(b, axis=0)
    before = np.vstack([np.full((1, a.shape[1]), -np.inf), best[:-1]])  # the best b of the rows above
    beaten = (np.take_along_axis(before, first, 0) >= b) | (np.take_along_axis(b, first, 0) > b)
    found = np.empty(a.shape, bool)
    np.put_along_axis(found, order, ~beaten, 0)
    return found
