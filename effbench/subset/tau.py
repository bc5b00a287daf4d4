"""Kendall's tau-b with a tie margin, of one subset by its equation and of millions by a compiled loop.

Source: FlashEval (arXiv 2403.16379) and its code's tie rule: a pair whose difference is at most the margin is tied; pairs
tied on both sides count for nothing. tau = (C - D) / sqrt((C + D + T1)(C + D + T2)), T1 tied in the subset only, T2 in
the truth only. C + D + T1 are the pairs that the truth keeps apart, C + D + T2 those that the subset keeps apart.

All three ways add a set's samples in the same order in float64, so that they agree to the last bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from effbench.arrays import Array
from effbench.compiled import njit, prange

if TYPE_CHECKING:
    import torch


def tau_b(estimate: Array, truth: Array, margin: float = 0.0) -> float:
    """Return tau-b of two rankings [methods] by its equation; NaN where either side ties every pair."""
    rows, columns = np.triu_indices(len(truth), 1)
    ours, theirs = (
        signs(np.asarray(values)[rows] - np.asarray(values)[columns], margin) for values in (estimate, truth)
    )
    apart = np.count_nonzero(theirs) * np.count_nonzero(ours)
    return float((ours * theirs).sum() / np.sqrt(apart)) if apart else float("nan")


def signs(differences: Array, margin: float) -> Array:
    """Return +1, 0 or -1 per difference, 0 where it is within the margin."""
    return np.where(np.abs(differences) <= margin, 0, np.sign(differences)).astype(np.int64)


def sums_of_sets(columns: Array, sets: Array) -> Array:
    """Return every method's total over each set [sets, methods]; ``columns`` [samples, methods], ``sets`` [sets, n]."""
    totals = np.zeros((len(sets), columns.shape[1]))
    for place in range(sets.shape[1]):
        totals += columns[sets[:, place]]
    return totals


def taus_reference(columns: Array, truth: Array, sets: Array, margin: float) -> Array:
    """Return tau-b of the means over each set [sets], NaN as 0, by ``tau_b`` one after the other."""
    means = sums_of_sets(columns, sets) / sets.shape[1]
    return np.nan_to_num([tau_b(mean, truth, margin) for mean in means], nan=0.0)


def truth_signs(truth: Array, margin: float) -> Array:
    """Return the signs of all pairs of the truth, float64 [methods, methods], antisymmetric."""
    return signs(truth[:, None] - truth[None, :], margin).astype(np.float64)


@njit(cache=True, inline="always")
def tau_of_mean(mean: Array, order: Array, apart_truth: float, margin: float) -> float:  # pragma: no cover - compiled
    """Return tau-b of one mean [methods]; ``order`` are the ``truth_signs``; 0 where the mean ties every pair."""
    agree, apart = 0.0, 0.0
    for i in range(len(mean) - 1):
        for j in range(i + 1, len(mean)):
            difference = mean[i] - mean[j]
            sign = (1.0 if difference > margin else 0.0) - (1.0 if difference < -margin else 0.0)
            agree += sign * order[i, j]
            apart += sign * sign
    return agree / np.sqrt(apart_truth * apart) if apart > 0 else 0.0


@njit(cache=True, parallel=True)
def _taus(
    columns: Array, order: Array, sets: Array, margin: float, found: Array
) -> None:  # pragma: no cover - compiled
    methods, size = columns.shape[1], sets.shape[1]
    apart_truth = 0.0
    for i in range(methods - 1):
        for j in range(i + 1, methods):
            apart_truth += order[i, j] * order[i, j]
    for row in prange(len(sets)):
        mean = np.zeros(methods)
        for place in range(size):
            column = columns[sets[row, place]]
            for method in range(methods):
                mean[method] += column[method]
        for method in range(methods):
            mean[method] /= size
        found[row] = tau_of_mean(mean, order, apart_truth, margin)


def taus(columns: Array, truth: Array, sets: Array, margin: float) -> Array:
    """Return tau-b of the means over each set [sets], 0 where a set ties every pair.

    ``columns`` is float64 [samples, methods], ``sets`` int [sets, n] of rows of it. Compiled, on numba's threads.
    """
    found = np.empty(len(sets))
    _taus(np.ascontiguousarray(columns), truth_signs(truth, margin), np.ascontiguousarray(sets), margin, found)
    return found


def taus_torch(columns: Array, truth: Array, sets: Array, margin: float, device: str = "cpu") -> Any:
    """Return the same as ``taus`` as a float64 tensor on ``device``, computed there in blocks."""
    import torch

    table = torch.as_tensor(columns, dtype=torch.float64, device=device)
    chosen = torch.as_tensor(sets, dtype=torch.int64, device=device)
    first, second = torch.triu_indices(table.shape[1], table.shape[1], 1, device=device)
    order = torch.as_tensor(truth_signs(truth, margin), device=device)[first, second]
    block = max(1, (1 << 25) // len(first))
    return torch.cat([_taus_block(table, part, first, second, order, margin) for part in chosen.split(block)])


def _taus_block(
    table: torch.Tensor,
    sets: torch.Tensor,
    first: torch.Tensor,
    second: torch.Tensor,
    order: torch.Tensor,
    margin: float,
) -> torch.Tensor:
    import torch

    totals = torch.zeros(len(sets), table.shape[1], dtype=table.dtype, device=table.device)
    for place in range(sets.shape[1]):  # in the order of the other two, which a matrix product would not keep
        totals += table[sets[:, place]]
    means = totals / sets.shape[1]
    difference = means[:, first] - means[:, second]
    ours = (difference > margin).to(table.dtype) - (difference < -margin).to(table.dtype)
    apart = (ours * ours).sum(1) * (order * order).sum()
    return torch.where(apart > 0, (ours * order).sum(1) / apart.clamp_min(1.0).sqrt(), torch.zeros_like(apart))
