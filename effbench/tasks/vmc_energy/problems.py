"""From what a suite names to integrals with known energies: a frozen molecule, an FCIDUMP file, or atoms."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from effbench.api import PluginError
from effbench.errors import nearest
from effbench.tasks.vmc_energy.frozen import frozen_integrals, frozen_molecules, solved
from effbench.tasks.vmc_energy.molecules import Given, Molecule
from effbench.tasks.vmc_energy.room import lacks_room
from effbench.tasks.vmc_energy.system import Problem

if TYPE_CHECKING:
    from effbench.kernels.local_energy.integrals import Integrals

SUFFIX = ".fcidump"
"""Taken off a file's name to name its molecule."""


def is_file(given: Given) -> bool:
    """Return whether a name means a file: by its ending, or since there is one; a frozen molecule's name never does."""
    if not isinstance(given, str) or given in frozen_molecules():
        return False
    return Path(given).suffix.lower() == SUFFIX or _is_there(given)


def name_of(given: Given) -> str:
    """Return a sample's id: a molecule's name, or that of a file without folder and without the ending ``.fcidump``."""
    if isinstance(given, Molecule):
        return given.name
    if not is_file(given):
        return given
    path = Path(given)
    return path.stem if path.suffix.lower() == SUFFIX else path.name


def check_given(taken: Sequence[Given]) -> None:
    """Raise ``PluginError`` for what cannot be had, and where two molecules would have one name and one result."""
    known: dict[str, Given] = {}
    for given in taken:
        identity(given)
        name = name_of(given)
        if name in known:
            if known[name] == given:
                raise PluginError(f"the molecule {name!r} is named twice; results belong to names, so name it once")
            first, second = (
                f"the atoms of {g.name!r}" if isinstance(g, Molecule) else repr(g) for g in (known[name], given)
            )
            raise PluginError(
                f"two molecules would both be called {name!r}: {first} and {second}; results belong to names, so choose "
                "another name for one of them"
            )
        known[name] = given


def identity(given: Given) -> str:
    """Return what pins a molecule; raise ``PluginError`` where it cannot be had. Nothing is solved for it."""
    if isinstance(given, Molecule):
        if given.name in frozen_molecules():
            raise PluginError(f"molecule {given.name!r}: a frozen molecule has this name; choose another")
        reason = lacks_room(given.orbitals)
        if reason:
            raise PluginError(f"molecule {given.name!r}: {given.orbitals} orbitals of {given.basis}: {reason}")
        return f"{given.name}:{hashlib.sha256(given.model_dump_json().encode()).hexdigest()[:16]}"
    if is_file(given):
        from effbench.tasks.vmc_energy.fcidump import read_fcidump

        return _of_file(given, read_fcidump(Path(given)))
    if given not in solved():
        hint = nearest(given, frozen_molecules())
        raise PluginError(f"no frozen molecule {given!r}{hint} (nor is there an FCIDUMP file of this name)")
    return f"{given}:{solved()[given].integrals_sha256[:16]}"


def _of_file(given: str, integrals: Integrals) -> str:
    return f"{name_of(given)}:{integrals.sha256[:16]}"


def calibration_names(taken: Sequence[Given]) -> list[str]:
    """Return the two smallest frozen molecules that are not evaluated, at least one."""
    names = {name_of(given) for given in taken}
    free = [name for name, molecule in frozen_molecules().items() if name not in names and molecule.use == "train"]
    if not free:
        raise PluginError("every frozen molecule is evaluated; none is left to calibrate on")
    return free[:2]


def load_problem(given: Given, planned: str = "") -> Problem:
    """Return integrals and energies; a molecule given by atoms is solved here, once in a process.

    A file's orbitals are sorted, and its energies found when they are first asked for: Hartree-Fock, and full CI where the
    sector is small enough (``exact.MOST_DETERMINANTS``). Raises ``PluginError`` where its ``identity`` is not what was
    ``planned``: its results would stand under the name of others.
    """
    return _loaded(given, planned or identity(given))


@cache
def _loaded(given: Given, planned: str) -> Problem:
    if isinstance(given, Molecule):
        from effbench.tasks.vmc_energy.solving import energies_of, hartree_fock, integrals_of

        field = hartree_fock(given)
        integrals = integrals_of(given, field)
        return Problem(given.name, integrals, partial(energies_of, given, field, integrals))
    if is_file(given):
        from effbench.tasks.vmc_energy.aufbau import by_energy
        from effbench.tasks.vmc_energy.exact import known_energies
        from effbench.tasks.vmc_energy.fcidump import read_fcidump

        read = read_fcidump(Path(given))
        if _of_file(given, read) != planned:
            raise PluginError(
                f"{given}: the file holds other integrals than when the run was planned; start the run again"
            )
        integrals = by_energy(read)
        return Problem(name_of(given), integrals, partial(known_energies, integrals))
    return Problem(given, frozen_integrals(given), solved()[given].energies)


def _is_there(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):  # longer than a name may be, or a control character in it
        return False
