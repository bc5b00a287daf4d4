"""Local energies E_loc(x) = sum over y of <x|H|y> psi(y) / psi(x) of a molecule's determinants, the cost of neural VMC.

``local_energies`` is what callers use. ``reference.py`` says what is computed; four engines compute it over a sample:
``slater`` (moves of electrons, looked up), ``pauli`` (grouped Pauli terms, looked up), ``all-pairs``, and ``cuda`` on a GPU.
``connected`` asks for amplitudes beyond the sample. The engine that ran is recorded ("local_energy/slater").
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from effbench.arrays import Array
from effbench.kernels.local_energy.engines import ENGINES, Engine, engine_for
from effbench.kernels.local_energy.integrals import Integrals
from effbench.kernels.local_energy.lookup import Rows
from effbench.kernels.local_energy.policies import Amplitude, Policy, beyond_the_sample

__all__ = ["ENGINES", "Amplitude", "Engine", "LocalEnergies", "Policy", "local_energies"]

SAMPLED_ONLY = Policy()
"""The policy that asks nobody, so that it can stand where no network is given."""
BUDGET_MB = 512.0
"""What the connections of one tile may take: far below the memory of any machine that trains."""


class LocalEnergies(NamedTuple):
    """``energies`` complex128 [U] (or of the rows asked for) in Hartree, the engine and the policy, as they are printed."""

    energies: Array
    engine: str
    policy: str


def local_energies(
    integrals: Integrals,
    alpha: Array,
    beta: Array,
    log_psi: Array,
    *,
    policy: Policy = SAMPLED_ONLY,
    amplitude: Amplitude | None = None,
    impl: Engine | Literal["auto"] = "auto",
    device: str | None = None,
    budget_mb: float = BUDGET_MB,
    rows: Rows | None = None,
) -> LocalEnergies:
    """Return the local energy of each determinant of a sample without repetitions.

    ``alpha`` and ``beta`` are packed strings uint64 [U, W] (``determinants.pack``), ``log_psi`` complex [U] up to a constant.
    ``rows`` (from, to) asks for the energies of these rows alone, the others still being the sample (data parallelism).
    Policies other than sampled-only ask ``amplitude`` for log psi, in tiles of at most ``budget_mb`` MiB. ``auto`` is the
    engine that is expected to be done first on ``device`` (a processor, unless one is named). Raises ``ValueError`` for an
    engine that does not compute the policy or has no such device; for rows that stand twice, of other numbers of electrons,
    of zero amplitude or that are not there; and where ``amplitude`` is missing.
    """
    log_psi = np.asarray(log_psi, np.complex128)
    _check(integrals, alpha, beta, log_psi, rows)
    engine = engine_for(impl, policy, device, integrals, len(alpha))
    if policy.kind != "sampled-only":
        if amplitude is None:
            raise ValueError(f"policy {policy} asks for amplitudes beyond the sample, and no `amplitude` is given")
        found = beyond_the_sample(integrals, alpha, beta, log_psi, amplitude, policy, budget_mb, rows)
        return LocalEnergies(found, engine, str(policy))
    psi = np.exp(log_psi - log_psi.real.max())
    if (psi == 0).any():
        raise ValueError(f"row {int((psi == 0).argmax())} of the sample has an amplitude of zero beside the largest")
    return LocalEnergies(_run(engine, integrals, alpha, beta, psi, rows), engine, str(policy))


def _check(integrals: Integrals, alpha: Array, beta: Array, log_psi: Array, rows: Rows | None) -> None:
    if not len(alpha) == len(beta) == len(log_psi) or not len(alpha):
        raise ValueError(
            f"{len(alpha)} alpha strings, {len(beta)} beta strings, {len(log_psi)} amplitudes; want as many"
        )
    for strings, electrons, name in ((alpha, integrals.alpha, "alpha"), (beta, integrals.beta, "beta")):
        counts = np.bitwise_count(strings).sum(1)
        if (counts != electrons).any():
            row = int((counts != electrons).argmax())
            raise ValueError(f"row {row} of the sample has {counts[row]} {name} electrons, the molecule {electrons}")
    bad = ~np.isfinite(log_psi.imag) | np.isnan(log_psi.real) | np.isneginf(log_psi.real)
    if bad.any():
        raise ValueError(f"row {int(bad.argmax())} of the sample has no finite log amplitude: {log_psi[bad.argmax()]}")
    if rows is not None and not 0 <= rows[0] <= rows[1] <= len(alpha):
        raise ValueError(f"rows {rows[0]} to {rows[1]} are not rows of a sample of {len(alpha)}")


def _run(engine: Engine, integrals: Integrals, alpha: Array, beta: Array, psi: Array, rows: Rows | None) -> Array:
    from effbench.kernels.local_energy import all_pairs, pauli, slater
    from effbench.kernels.local_energy.lookup import build_lookup

    table = build_lookup(alpha, beta, integrals.orbitals)  # also what refuses rows that stand twice
    if engine == "all-pairs":
        return all_pairs.local_energies(integrals, alpha, beta, psi, rows)
    if engine == "pauli":
        return pauli.local_energies(integrals, alpha, beta, psi, table, rows)
    if engine == "cuda":
        from effbench.kernels.local_energy import gpu

        return gpu.local_energies(integrals, alpha, beta, psi, table, rows)
    return slater.local_energies(integrals, alpha, beta, psi, table, rows)
