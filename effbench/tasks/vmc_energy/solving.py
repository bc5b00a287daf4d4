"""What PySCF makes of a molecule: its integrals in Hartree-Fock orbitals, and the energies of other methods."""

from __future__ import annotations

from typing import Any

import numpy as np

from effbench.api import Unsupported
from effbench.kernels.local_energy.integrals import Integrals
from effbench.tasks.vmc_energy.exact import known_full_ci
from effbench.tasks.vmc_energy.molecules import Energies, Molecule


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
    ccsd, triples = coupled_cluster(field, with_triples=not molecule.spin)
    return Energies(hf=float(field.e_tot), ccsd=ccsd, ccsd_t=triples, fci=known_full_ci(integrals))


def coupled_cluster(field: Any, *, with_triples: bool) -> tuple[float | None, float | None]:
    """Return CCSD's and, where wanted, CCSD(T)'s energy in Hartree; None where CCSD does not converge.

    Where no two electrons can be excited there is nothing to solve, and both are Hartree-Fock's.
    """
    from pyscf import cc

    orbitals = len(field.mo_occ)
    alpha, beta = int((field.mo_occ > 0).sum()), int((field.mo_occ == 2).sum())
    if alpha + beta < 2 or beta == orbitals:
        return float(field.e_tot), float(field.e_tot) if with_triples else None
    coupled = cc.CCSD(field)
    coupled.conv_tol, coupled.max_cycle = 1e-9, 100
    coupled.kernel()
    if not coupled.converged:
        return None, None
    return float(coupled.e_tot), float(coupled.e_tot + coupled.ccsd_t()) if with_triples else None
