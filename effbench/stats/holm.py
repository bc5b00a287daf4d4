"""Holm's correction: the chance of any false difference in a family of tests stays at the level."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return the adjusted p-values in the order given (Holm 1979, Scand. J. Statist. 6, 65-70).

    The i-th smallest of m becomes max over j <= i of min(1, (m - j + 1) p_j). A None (not tested) stays None and is not
    counted in m. Raises ``ValueError`` for a p outside [0, 1] or NaN.
    """
    for p in p_values:
        if p is not None and not 0 <= p <= 1:
            raise ValueError(f"a p-value must lie in [0, 1], got {p}")
    tested = sorted((p, position) for position, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for smaller, (p, position) in enumerate(tested):
        largest = max(largest, min(1.0, (len(tested) - smaller) * p))
        adjusted[position] = largest
    return adjusted
