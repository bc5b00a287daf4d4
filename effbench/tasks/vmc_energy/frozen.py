"""The molecules that ship: ``data_manifests/molecules.yaml``, and a file of integrals each, checked by hash when read.

The hashes and the energies that belong to them stand in ``integrals/solved.yaml``, which ``freeze.py`` writes.

Integrals are frozen since degenerate orbitals (N2's pi, C2's) come out rotated by another BLAS: psi and even the number of
Pauli strings change then, though no energy does.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import yaml

from effbench.api import PluginError
from effbench.errors import nearest
from effbench.tasks.vmc_energy.molecules import Frozen, Molecule, Solved

if TYPE_CHECKING:
    from effbench.kernels.local_energy.integrals import Integrals


@cache
def frozen_molecules() -> dict[str, Frozen]:
    """Return name -> molecule of the manifest, in its order."""
    text = files("effbench_data_manifests").joinpath("molecules.yaml").read_text("utf-8")
    return {entry["name"]: Frozen.model_validate(entry) for entry in yaml.safe_load(text)["molecules"]}


@cache
def solved() -> dict[str, Solved]:
    """Return name -> hash and energies of every molecule whose integrals ship."""
    text = (files("effbench_data_manifests") / "integrals" / "solved.yaml").read_text("utf-8")
    return {name: Solved.model_validate(entry) for name, entry in yaml.safe_load(text).items()}


def find_frozen(name: str) -> Frozen:
    """Return a molecule by name; raise ``PluginError`` naming the nearest."""
    if name not in frozen_molecules():
        raise PluginError(f"no frozen molecule {name!r}{nearest(name, frozen_molecules())}")
    return frozen_molecules()[name]


@cache
def frozen_integrals(name: str) -> Integrals:
    """Return a molecule's integrals; raise ``PluginError`` where the file and the manifest disagree."""
    molecule = find_frozen(name)
    with as_file(files("effbench_data_manifests") / "integrals" / f"{name}.npz") as path:
        return read_packed(path, molecule, solved()[name].integrals_sha256)


def read_packed(path: Path, molecule: Molecule, sha256: str) -> Integrals:
    """Return the integrals of a file written by ``write_packed``; raise ``PluginError`` for another hash."""
    from effbench.kernels.local_energy.integrals import Integrals

    with np.load(path, allow_pickle=False) as data:
        n = len(data["one"])
        first, second = np.tril_indices(n)
        place = np.empty((n, n), np.int64)
        place[first, second] = place[second, first] = np.arange(len(first))
        square = np.empty((len(first),) * 2)
        lower = np.tril_indices(len(first))
        square[lower] = data["two"]
        square.T[lower] = data["two"]
        two = square[place.reshape(-1)[:, None], place.reshape(-1)].reshape((n,) * 4)
        integrals = Integrals(float(data["core"]), data["one"], two, molecule.alpha, molecule.beta)
    if integrals.sha256 != sha256:
        raise PluginError(
            f"{path.name}: integrals of hash {integrals.sha256[:12]}, solved.yaml says {sha256[:12]}; energies of one "
            "cannot be compared with the other's"
        )
    return integrals


def write_packed(path: Path, integrals: Integrals) -> None:
    """Write each integral once: of the pairs p >= q, and of these pairs the first not before the second."""
    n = integrals.orbitals
    rows, columns = np.tril_indices(n)
    square = integrals.two[rows, columns][:, rows, columns]
    two = square[np.tril_indices(len(rows))]
    np.savez_compressed(path, core=np.float64(integrals.core), one=integrals.one, two=two)
