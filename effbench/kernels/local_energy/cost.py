"""What local energies cost, by the names under which the engines record themselves.

Over a sample they are the product of a sparse matrix, H between its determinants, with psi. A multiply-accumulate is one
element other than zero times one amplitude: how many there are depends on the sample, not on its size alone, and is counted
in it. An element is real and an amplitude complex, so that each counts twice. Finding the elements (moves, look-ups, signs)
is integer work and additions, and what distinguishes the engines; it is in their time, as element-wise work is elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from effbench.kernels.cost import Cost

if TYPE_CHECKING:
    from effbench.arrays import Array
    from effbench.kernels.local_energy.connected import Connected
    from effbench.kernels.local_energy.integrals import Integrals
    from effbench.kernels.local_energy.lookup import Rows

FLOPS_PER_ELEMENT = 2 * 2
"""Two multiply-accumulates of two operations: a real element times the real and the imaginary part of psi."""


def sample_flops(integrals: Integrals, alpha: Array, beta: Array, psi: Array, rows: Rows | None, *, out: Array) -> int:
    """Return the operations over a sample; compares every two determinants of it."""
    from effbench.kernels.local_energy.all_pairs import joined_pairs

    return FLOPS_PER_ELEMENT * joined_pairs(integrals, alpha, beta, rows)


def sample_bytes(integrals: Integrals, alpha: Array, beta: Array, psi: Array, rows: Rows | None, *, out: Array) -> int:
    """Return the bytes of integrals, determinants and amplitudes, read once, and of the energies, written."""
    return sum(array.nbytes for array in (integrals.one, integrals.two, alpha, beta, psi, out))


def pauli_bytes(integrals: Integrals, alpha: Array, beta: Array, psi: Array, rows: Rows | None, *, out: Array) -> int:
    """Return the bytes of the Pauli terms in place of the integrals', which are not read once the terms are there."""
    from effbench.kernels.local_energy.pauli_terms import pauli_terms

    return pauli_terms(integrals).nbytes + sum(array.nbytes for array in (alpha, beta, psi, out))


def connected_flops(joined: Connected, factor: Array, *, out: Array) -> int:
    """Return the operations over the determinants joined to some rows whose amplitude the policy takes."""
    return FLOPS_PER_ELEMENT * int((factor * joined.element != 0).sum())


def connected_bytes(joined: Connected, factor: Array, *, out: Array) -> int:
    """Return the bytes of the list of connections, written and read, of their factors, and of the energies."""
    return 2 * sum(array.nbytes for array in joined) + factor.nbytes + out.nbytes


OVER_A_SAMPLE = Cost(sample_flops, sample_bytes, "float64")
"""Of the engines that read the integrals themselves."""
COSTS: dict[str, Cost] = {
    "local_energy/all-pairs": OVER_A_SAMPLE,
    "local_energy/slater": OVER_A_SAMPLE,
    "local_energy/cuda": OVER_A_SAMPLE,
    "local_energy/pauli": Cost(sample_flops, pauli_bytes, "float64"),
    "local_energy/connected": Cost(connected_flops, connected_bytes, "float64"),
}
"""Recorded kernel -> cost; the amplitudes that ``connected`` asks for are the network's work, and counted there."""
