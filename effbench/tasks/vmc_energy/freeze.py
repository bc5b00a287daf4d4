"""Freezes integrals: ``python -m effbench.tasks.vmc_energy.freeze``, in the repository, with PySCF.

Every molecule of ``data_manifests/molecules.yaml`` without integrals is solved; those that have some stay as they are, since
other integrals of the same molecule are another task. ``--again NAME`` replaces them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import yaml

from effbench.tasks.vmc_energy.frozen import frozen_molecules, write_packed
from effbench.tasks.vmc_energy.molecules import Solved
from effbench.tasks.vmc_energy.solving import energies_of, hartree_fock, integrals_of

HEAD = """\
# Hashes of the frozen integrals beside this file, and energies (Ha) of these integrals. Written by
# python -m effbench.tasks.vmc_energy.freeze; null: not run (CCSD(T): closed shells only; FCI: too many determinants).
"""
"""How the file of frozen molecules begins."""


def main() -> None:
    """Write ``integrals/NAME.npz`` of what is missing and ``integrals/solved.yaml`` anew."""
    import pyscf

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, default=Path("data_manifests/integrals"))
    parser.add_argument("--again", nargs="*", default=[], metavar="NAME")
    options = parser.parse_args()
    options.out.mkdir(exist_ok=True)
    page = options.out / "solved.yaml"
    found = yaml.safe_load(page.read_text("utf-8")) if page.exists() else {}
    for name, molecule in frozen_molecules().items():
        if name in found and name not in options.again:
            continue
        field = hartree_fock(molecule)
        integrals = integrals_of(molecule, field)
        energies = energies_of(molecule, field, integrals)
        write_packed(options.out / f"{name}.npz", integrals)
        solved = Solved(integrals_sha256=integrals.sha256, energies=energies, solved_by=f"PySCF {pyscf.__version__}")
        found[name] = solved.model_dump()
        page.write_text(HEAD + yaml.safe_dump(found, sort_keys=False), "utf-8")
        print(name, energies, flush=True)


if __name__ == "__main__":
    main()
