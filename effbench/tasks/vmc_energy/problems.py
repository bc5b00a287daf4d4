"""From what a suite names to integrals with known energies: a frozen molecule, an FCIDUMP file, or atoms."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from effbench.api import PluginError
from effbench.tasks.vmc_energy.frozen import find_frozen, frozen_integrals, frozen_molecules, solved
from effbench.tasks.vmc_energy.molecules import Energies, Molecule
from effbench.tasks.vmc_energy.system import Problem

Given = str | Molecule
SUFFIXES = (".fcidump", ".FCIDUMP")


def is_file(given: Given) -> bool:
    """Return whether a name is that of an FCIDUMP file."""
    return isinstance(given, str) and given.endswith(SUFFIXES)


def name_of(given: Given) -> str:
    """Return a sample's id: a molecule's name, or that of a file without folder and ending."""
    if isinstance(given, Molecule):
        return given.name
    return Path(given).stem if is_file(given) else given


def identity(given: Given) -> str:
    """Return what pins a molecule; raise ``PluginError`` where it cannot be had. Nothing is solved for it."""
    if isinstance(given, Molecule):
        if given.name in frozen_molecules():
            raise PluginError(f"molecule {given.name!r}: a frozen molecule has this name; choose another")
        return f"{given.name}:{hashlib.sha256(given.model_dump_json().encode()).hexdigest()[:16]}"
    if is_file(given):
        from effbench.tasks.vmc_energy.fcidump import read_fcidump

        return f"{name_of(given)}:{read_fcidump(Path(given)).sha256[:16]}"
    return f"{find_frozen(given).name}:{solved()[given].integrals_sha256[:16]}"


def calibration_names(taken: Sequence[Given]) -> list[str]:
    """Return the two smallest frozen molecules that are not evaluated, at least one."""
    names = {name_of(given) for given in taken}
    free = [name for name, molecule in frozen_molecules().items() if name not in names and molecule.use == "train"]
    if not free:
        raise PluginError("every frozen molecule is evaluated; none is left to calibrate on")
    return free[:2]


@cache
def load_problem(given: Given) -> Problem:
    """Return integrals and energies; a molecule given by atoms is solved here, once in a process."""
    if isinstance(given, Molecule):
        from effbench.tasks.vmc_energy.solving import energies_of, hartree_fock, integrals_of

        field = hartree_fock(given)
        integrals = integrals_of(given, field)
        return Problem(given.name, integrals, energies_of(given, field, integrals))
    if is_file(given):
        from effbench.kernels.local_energy.reference import lowest_energy
        from effbench.tasks.vmc_energy.fcidump import read_fcidump

        integrals = read_fcidump(Path(given))
        return Problem(
            name_of(given), integrals, Energies(hf=lowest_energy(integrals), ccsd=None, ccsd_t=None, fci=None)
        )
    return Problem(given, frozen_integrals(given), solved()[given].energies)
