"""What PySCF makes of a molecule: its integrals in Hartree-Fock orbitals, and the energies of other methods."""

from __future__ import annotations

from math import comb, prod
from typing import Any

import numpy as np

from effbench.api import Unsupported
from effbench.kernels.local_energy.integrals import Integrals
from effbench.tasks.vmc_energy.molecules import Energies, Molecule

Array = np.ndarray[Any, Any]
MOST_DETERMINANTS = 2_000_000
"""Sectors up to this size are solved exactly (PySCF takes a minute for 1.7 million)."""


def hartree_fock(molecule: Molecule) -> Any:
    """Return PySCF's converged restricted (open-shell where spin > 0) mean field, its orbitals as ``settle`` leaves them.

    Raises ``Unsupported`` where it does not converge.
    """
    try:
        from pyscf import gto, scf
    except ImportError as error:
        raise Unsupported("a molecule without frozen integrals needs PySCF: pip install 'effbench[vmc]'") from error
    built = gto.M(
        atom=[(symbol, where) for symbol, *where in molecule.atoms],
        basis=molecule.basis, charge=molecule.charge, spin=molecule.spin, symmetry=True, verbose=0,
    )  # fmt: skip
    field = (scf.ROHF if molecule.spin else scf.RHF)(built)
    field.conv_tol = 1e-12
    field.kernel()
    if not field.converged:
        raise Unsupported(f"{molecule.name}: Hartree-Fock does not converge")
    settle(field)
    return field


def settle(field: Any) -> None:
    """Order and sign the orbitals so that another process finds the same ones, which a degenerate pair otherwise does not.

    The mean field keeps orbitals of one kind apart by abelian symmetry (pi along x, pi along y); between orbitals of one
    occupation and one energy the kind decides, and an orbital's first large coefficient is positive.
    """
    kinds = getattr(field.mo_coeff, "orbsym", np.zeros(len(field.mo_occ), int))  # a molecule may have no symmetry
    order = np.lexsort((kinds, np.round(field.mo_energy, 6), -field.mo_occ))
    orbitals = np.asarray(field.mo_coeff)[:, order]
    sizes = np.abs(orbitals)
    first = (sizes > sizes.max(0) - 1e-6).argmax(0)
    # A plain array: PySCF finds the kinds anew where it wants them.
    field.mo_coeff = orbitals * np.sign(orbitals[first, np.arange(len(first))])
    field.mo_energy, field.mo_occ = field.mo_energy[order], field.mo_occ[order]


def integrals_of(molecule: Molecule, field: Any = None) -> Integrals:
    """Return the integrals in Hartree-Fock orbitals, rounded to 12 decimals: what is below is noise of a BLAS."""
    from pyscf import ao2mo

    field = field if field is not None else hartree_fock(molecule)
    orbitals = field.mo_coeff
    one = orbitals.T @ field.get_hcore() @ orbitals
    n = orbitals.shape[1]
    two = ao2mo.restore(
        1, ao2mo.restore(8, ao2mo.kernel(field.mol, orbitals), n), n
    )  # by way of 8: equal to the last digit
    return Integrals(
        float(field.energy_nuc()), np.round((one + one.T) / 2, 12), np.round(two, 12), molecule.alpha, molecule.beta
    )


def energies_of(molecule: Molecule, field: Any, integrals: Integrals) -> Energies:
    """Return HF, CCSD, CCSD(T) (closed shells only) and FCI (small sectors only) energies in Hartree."""
    from pyscf import cc

    coupled = cc.CCSD(field)
    coupled.conv_tol = 1e-9
    coupled.kernel()
    ccsd = float(coupled.e_tot) if coupled.converged else None
    triples = float(coupled.e_tot + coupled.ccsd_t()) if ccsd is not None and not molecule.spin else None
    exact = full_ci(integrals, 1e-12) if prod(string_counts(integrals)) <= MOST_DETERMINANTS else None
    return Energies(hf=float(field.e_tot), ccsd=ccsd, ccsd_t=triples, fci=exact)


def string_counts(integrals: Integrals) -> tuple[int, int]:
    """Return how many alpha and how many beta strings the sector has; its determinants are their product."""
    return comb(integrals.orbitals, integrals.alpha), comb(integrals.orbitals, integrals.beta)


def full_ci(integrals: Integrals, tolerance_ha: float) -> float | None:
    """Return the sector's lowest energy in Hartree by PySCF, or None where it does not converge to ``tolerance_ha``."""
    from pyscf import fci

    solver = fci.direct_spin1.FCI()
    solver.conv_tol, solver.max_cycle = tolerance_ha, 300
    electrons, first = (integrals.alpha, integrals.beta), near(0, string_counts(integrals), 0)
    n, core = integrals.orbitals, integrals.core
    energy, _ = solver.kernel(integrals.one, integrals.two, n, electrons, ecore=core, ci0=first)
    return float(energy) if solver.converged else None


def near(place: int, shape: tuple[int, int], seed: int) -> Array:
    """Return a normalised vector of a space, from which its solver starts: one determinant, and a hundredth of noise.

    PySCF starts at the lowest diagonal element. Where that has another symmetry than the ground state, as C2's has, its
    iterations never leave it, and converge 45 mHa too high.
    """
    noise = np.random.default_rng(seed).normal(size=shape)
    found = 0.1 * noise / np.linalg.norm(noise)
    found.flat[place] += 1
    return np.asarray(found / np.linalg.norm(found))
