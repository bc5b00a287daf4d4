"""Molecules: what cannot exist is refused; what ships is whole, and its energies are those of the dossier's table."""

import numpy as np
import pytest
from pydantic import ValidationError

from effbench.api import PluginError
from effbench.kernels.local_energy.reference import matrix_element
from effbench.tasks.vmc_energy.frozen import (
    find_frozen,
    frozen_integrals,
    frozen_molecules,
    read_packed,
    solved,
    write_packed,
)
from effbench.tasks.vmc_energy.molecules import BASES, SYMBOLS, Molecule

WATER = {"name": "water", "atoms": [["O", 0, 0, 0], ["H", 0, 0.76, 0.59], ["H", 0, -0.76, 0.59]]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"charge": 1}, "9 electrons cannot have spin 0 .* an odd number needs an odd spin"),
        ({"spin": 1}, "10 electrons cannot have spin 1 .* an even number needs an even spin"),
        ({"spin": 12}, "10 electrons cannot have spin 12"),
        ({"charge": 10}, "leaves no electron"),
        ({"basis": "sto-3"}, "unknown basis 'sto-3'; did you mean 'sto-3g'?"),
        ({"atoms": [["O", 0, 0, 0], ["H", 0, 0, 1], ["H", 0, 0, 1.0]]}, "atoms 2 and 3 stand at the same place"),
        ({"atoms": [["Oo", 0, 0, 0]]}, "unknown element 'Oo'; there are bases for H, He, "),
        ({"atoms": [["o", 0, 0, 0]]}, r"unknown element 'o'; did you mean 'O'\?"),
        ({"atoms": [["Fe", 0, 0, 0]]}, "unknown element 'Fe'"),
        ({"atoms": [["O", 0, 0]]}, r"atom 1: want \[element, x, y, z\] with numbers in Angstrom, got \['O', 0, 0\]"),
        ({"atoms": [["O", 0, 0, float("nan")]]}, "atom 1: want .* with numbers"),
        ({"atoms": [["O", 0, 0, True]]}, "atom 1: want .* with numbers"),
        ({"atoms": [["O", 0, 0, "1e-1"]]}, "atom 1: want .* with numbers .* write 0.1"),
        ({"atoms": [["O", 0, 0, "010"]]}, "atom 1: want .* with numbers .* with a leading zero"),
        ({"atoms": [[False, 0, 0, 0]]}, "atom 1: False is no element's symbol; write it in quotes"),
        ({"atoms": []}, "want a list of atoms"),
        ({"atoms": "O 0 0 0"}, "want a list of atoms"),
        ({"atoms": [["He", 0, 0, 0]], "spin": 2}, "2 alpha electrons .* do not fit into the 1 orbitals of sto-3g"),
        ({"name": "a/b"}, "'a/b' is no name of a molecule"),
        ({"name": " "}, "is no name of a molecule"),
        ({"name": "a\nb"}, "is no name of a molecule"),
        ({"geometry": 1}, "geometry"),
    ],
)
def test_what_cannot_exist_is_refused(change, message):
    with pytest.raises(ValidationError, match=message):
        Molecule(**WATER | change)


def test_electrons_are_counted():
    assert (Molecule(**WATER).alpha, Molecule(**WATER).beta) == (5, 5)
    cation = Molecule(**WATER | {"charge": 1, "spin": 1, "basis": "STO-3G"})
    assert (cation.alpha, cation.beta, cation.basis) == (5, 4, "sto-3g")


EXPECTED = {  # qubits, HF, CCSD, FCI of the dossier's table 2.1, Hartree
    "h2": (4, -1.117042, -1.137305, -1.137305),
    "lih": (12, -7.863105, -7.882752, -7.882762),
    "lih-unit-bond": (12, -7.767362, -7.784455, -7.784460),
    "beh2": (14, -14.443241, -14.472713, -14.472947),
    "h2o": (14, -74.964448, -75.015409, -75.015530),
    "h2o-c2v": (14, -74.962548, -75.023142, -75.023291),
    "ch2-triplet": (14, -37.484633, -37.504411, -37.504435),
    "nh3": (16, -55.454793, -55.520931, -55.521150),
    "nh3-c3v": (16, -55.451284, -55.527974, -55.528228),
    "n2": (20, -107.498968, -107.656080, -107.660206),
    "c2": (20, -74.420860, -74.674460, -74.690782),
    "o2-triplet": (20, -147.631948, -147.747738, -147.750235),
    "lif-unit-bond": (20, -105.113710, -105.159235, -105.166172),
    "li2o": (30, -87.795567, -87.885514, None),
    "c2h4o": (38, -150.927488, -151.118401, None),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_energies_are_those_of_the_table(name):
    qubits, hf, ccsd, fci = EXPECTED[name]
    integrals, energies = frozen_integrals(name), solved()[name].energies
    assert 2 * integrals.orbitals == qubits
    # The table's CCSD of C2H4O lies 6e-6 below ours, which stays where it is from a tolerance of 1e-7 to one of 1e-10.
    loose = 1e-5 if name == "c2h4o" else 3e-6
    assert energies.hf == pytest.approx(hf, abs=2e-6) and energies.ccsd == pytest.approx(ccsd, abs=loose)
    assert (energies.fci is None) == (fci is None) and (fci is None or energies.fci == pytest.approx(fci, abs=2e-6))


@pytest.mark.parametrize("name", EXPECTED)
def test_the_hartree_fock_determinant_has_the_energy_of_hartree_fock(name):
    """Item 9: E_loc of psi = HF alone; the first orbitals are filled, since they come in the order of their energy."""
    integrals = frozen_integrals(name)
    filled = tuple((np.arange(integrals.orbitals) < many).astype(int) for many in (integrals.alpha, integrals.beta))
    assert matrix_element(integrals, filled, filled) == pytest.approx(solved()[name].energies.hf, abs=1e-9)


def test_every_molecule_that_is_named_has_integrals():
    assert set(frozen_molecules()) == set(solved()) == set(EXPECTED)


def test_integrals_and_hash_that_disagree_are_refused(tmp_path):
    integrals = frozen_integrals("h2")
    write_packed(tmp_path / "h2.npz", integrals)
    assert read_packed(tmp_path / "h2.npz", find_frozen("h2"), integrals.sha256).sha256 == integrals.sha256
    with pytest.raises(
        PluginError, match=r"h2.npz: integrals of hash .* solved.yaml says " + solved()["lih"].integrals_sha256[:12]
    ):
        read_packed(tmp_path / "h2.npz", find_frozen("h2"), solved()["lih"].integrals_sha256)


def test_an_unknown_molecule_names_the_nearest():
    with pytest.raises(PluginError, match="no frozen molecule 'nh33'; did you mean 'nh3'"):
        find_frozen("nh33")


def test_orbitals_are_counted_as_pyscf_counts_them():
    gto = pytest.importorskip("pyscf.gto")
    for basis in BASES:
        for number in (1, 2, 3, 5, 10, 11, 14, 18):
            atom = (SYMBOLS[number - 1], 0.0, 0.0, 0.0)
            expected = gto.M(atom=[(atom[0], atom[1:])], basis=basis, spin=number % 2, verbose=0).nao
            assert Molecule(name="x", atoms=[atom], basis=basis, spin=number % 2).orbitals == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": "x", "atoms": [["H", 0, 0, 0], ["H", 0, 0, 0.74]], "basis": "def2-svp"}, "unknown basis 'def2-svp'"),
        ({"name": "x", "atoms": [["Fe", 0, 0, 0]]}, "unknown element 'Fe'"),
        ({"name": "x", "atoms": [["h", 0, 0, 0]]}, "unknown element 'h'; did you mean 'H'?"),
        ({"name": "x", "atoms": [["H", 0, 0, 0]]}, "x: 1 electrons cannot have spin 0"),
    ],
)
def test_a_suite_is_told_what_is_wrong_with_the_molecule_and_nothing_else(given, message):
    """Case molecule-errors-hidden: not that a molecule is no name."""
    from effbench.tasks.vmc_energy.task import VmcEnergy

    with pytest.raises(ValidationError) as raised:
        VmcEnergy.Params(molecules=("h2", given))
    (error,) = raised.value.errors()
    assert message in error["msg"] and error["loc"][:2] == ("molecules", 1)
