"""What psi is taken to be where no sample was drawn: the policy, which changes a number, its bias and its cost.

exact: the network is asked for every determinant that H joins to a sample. Unbiased, and 10 to 1,000 times the cost.
sampled-only: psi is zero where no sample is. Then the energy is variational only with weights |psi|^2 renormalised.
screened: the network is asked where |H[x, y]| >= ``least_ha``; below it, psi is taken from the sample or zero.
semi-stochastic: as screened, and of what is left ``draws`` determinants per sample are drawn in proportion to |H[x, y]|,
which keeps the mean of the exact policy (Wu et al., arXiv 2507.19276, give the idea).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from effbench.arrays import Array
from effbench.kernels import record_kernel
from effbench.kernels.local_energy.connected import Connected, connected, most_connected
from effbench.kernels.local_energy.integrals import Integrals
from effbench.kernels.local_energy.lookup import Lookup, Rows, build_lookup, hashes_of, places

Amplitude = Callable[[Array, Array], Array]
"""log psi, complex [C], of determinants given as alpha and beta strings [C, W]."""
BYTES_OF_A_RESULT = 64
"""What one connection takes beside its strings: element, row, place, log psi, and their temporaries."""


@dataclass(frozen=True)
class Policy:
    """A policy; ``str`` is what is printed with every number that it made."""

    kind: Literal["exact", "sampled-only", "screened", "semi-stochastic"] = "sampled-only"
    least_ha: float = 0.0
    draws: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for numbers that the kind has no use for, or lacks."""
        if (self.kind in ("screened", "semi-stochastic")) != (self.least_ha > 0):
            raise ValueError(
                f"policy {self.kind}: least_ha = {self.least_ha} (it belongs to screened and semi-stochastic)"
            )
        if (self.kind == "semi-stochastic") != (self.draws > 0):
            raise ValueError(f"policy {self.kind}: draws = {self.draws} (it belongs to semi-stochastic)")

    def __str__(self) -> str:
        """Return the kind with its numbers."""
        if self.kind == "screened":
            return f"screened (|H| >= {self.least_ha:g} Ha)"
        if self.kind == "semi-stochastic":
            return f"semi-stochastic (|H| >= {self.least_ha:g} Ha, {self.draws} draws)"
        return self.kind


def beyond_the_sample(
    integrals: Integrals,
    alpha: Array,
    beta: Array,
    log_psi: Array,
    amplitude: Amplitude,
    policy: Policy,
    budget_mb: float,
    rows: Rows | None = None,
) -> Array:
    """Return E_loc complex128 [U] in Hartree by a policy that asks the network.

    Rows are taken in tiles whose connections fit ``budget_mb`` MiB; a determinant is looked up in the sample first, and one
    that several rows of a tile are joined to is asked for once. ``amplitude`` decides for itself how it batches. Of all rows
    only those from, to (``rows``) are returned where they are given.
    """
    table = build_lookup(alpha, beta, integrals.orbitals)
    of_one_row = most_connected(integrals) * (2 * 8 * alpha.shape[1] + BYTES_OF_A_RESULT)
    tile = max(1, int(budget_mb * 2**20 // of_one_row))
    first, last = rows or (0, len(alpha))
    found = np.empty(last - first, np.complex128)
    for begin in range(first, last, tile):
        tiled = slice(begin, min(begin + tile, last))
        joined = connected(integrals, alpha[tiled], beta[tiled])
        place = places(table, alpha, beta, joined.alpha, joined.beta)
        factor = np.ones(len(place))
        asked = place < 0
        if policy.least_ha:
            small = asked & (np.abs(joined.element) < policy.least_ha)
            factor[small] = 0.0
            if policy.draws:
                _draw(joined, small, policy, table.hashes[tiled], factor)
            asked &= factor > 0
        logs = np.zeros(len(place), np.complex128)
        logs[place >= 0] = log_psi[place[place >= 0]]
        if asked.any():
            logs[asked] = _ask(amplitude, table, joined.alpha[asked], joined.beta[asked])
        with np.errstate(over="ignore"):
            ratio = np.where(factor > 0, np.exp(logs - log_psi[tiled][joined.row]), 0.0)
        terms = factor * joined.element * ratio
        many = len(alpha[tiled])
        found[begin - first :][:many] = np.bincount(joined.row, terms.real, many) + 1j * np.bincount(
            joined.row, terms.imag, many
        )
        record_kernel("local_energy/connected", joined, factor, out=found[begin - first :][:many])
    return found


def _ask(amplitude: Amplitude, table: Lookup, alpha: Array, beta: Array) -> Array:
    """Return log psi of the rows, asking once for each determinant; sorted by hash, which is far cheaper than by string."""
    _, first, back = np.unique(hashes_of(table, alpha, beta), return_index=True, return_inverse=True)
    kept = (np.ascontiguousarray(alpha[first]), np.ascontiguousarray(beta[first]))
    assert (kept[0][back] == alpha).all() and (kept[1][back] == beta).all(), "two determinants of one 64-bit hash"
    return np.asarray(amplitude(*kept), np.complex128)[back]


def _draw(joined: Connected, small: Array, policy: Policy, keys: Array, factor: Array) -> None:
    """Give what is drawn of the small elements the factor times drawn / (draws x probability); keyed by the row's hash."""
    for row in np.unique(joined.row[small]):
        of_row = np.flatnonzero(small & (joined.row == row))
        weight = np.abs(joined.element[of_row])
        share = weight / weight.sum()
        rng = np.random.Generator(np.random.Philox(key=np.array([policy.seed, keys[row]], np.uint64)))
        factor[of_row] = rng.multinomial(policy.draws, share) / (policy.draws * share)
