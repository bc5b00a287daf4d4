"""Molecules: where the atoms are, in which basis, with how many electrons; checked before anything is computed."""

from __future__ import annotations

from math import dist, isfinite
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator

from effbench.errors import nearest
from effbench.yamlscalar import number_hint

SYMBOLS = ("H", "He", "Li", "Be", "B", "C", "N", "O", "F", "Ne", "Na", "Mg", "Al", "Si", "P", "S", "Cl", "Ar")
"""Elements by atomic number, from 1."""
FUNCTIONS = {"sto-3g": (1, 5, 9), "6-31g": (2, 9, 13), "6-31g*": (2, 14, 18), "cc-pvdz": (5, 14, 18)}
"""Orbitals of an atom by basis, of the elements up to He, up to Ne, and up to Ar."""
BASES = tuple(FUNCTIONS)
"""Names of the bases whose sizes are known, so that integrals that do not fit are refused before PySCF starts."""
LEAST_DISTANCE = 0.1
"""Angstrom; atoms nearer than this are one atom written twice."""
LONGEST_NAME = 100
"""Characters; a name is part of the names of files, which hold 255 bytes."""

Atom = tuple[str, float, float, float]


class Molecule(BaseModel):
    """A molecule: ``atoms`` in Angstrom, ``spin`` = alpha minus beta electrons (2 Sz), orbitals of restricted Hartree-Fock.

    Raises pydantic's ``ValidationError``, whose messages are sentences for a user.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    atoms: tuple[Atom, ...]
    basis: str = "sto-3g"
    charge: int = 0
    spin: Annotated[int, Field(ge=0)] = 0

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        """Names become ids of results and names of files."""
        if not name.strip() or not name.isprintable() or set(name) & set("/\\:") or len(name) > LONGEST_NAME:
            raise ValueError(
                f"{name[:40]!r} is no name of a molecule; want up to {LONGEST_NAME} characters that can be "
                "printed, without /, \\ and :"
            )
        return name

    @field_validator("basis")
    @classmethod
    def _known_basis(cls, basis: str) -> str:
        if basis.lower() not in BASES:
            raise ValueError(f"unknown basis {basis!r}{nearest(basis.lower(), BASES)}")
        return basis.lower()

    @field_validator("atoms", mode="before")
    @classmethod
    def _shaped(cls, atoms: Any) -> Any:
        """Say how an atom is written where it is not: pydantic would name a place in a tuple."""
        if not isinstance(atoms, list | tuple) or not atoms:
            raise ValueError("want a list of atoms [element, x, y, z] in Angstrom")
        for place, atom in enumerate(atoms, 1):
            numbers = atom[1:] if isinstance(atom, list | tuple) and len(atom) == 4 else [None]
            if not all(isinstance(x, int | float) and not isinstance(x, bool) and isfinite(x) for x in numbers):
                hint = next(filter(None, (number_hint(x) for x in numbers if isinstance(x, str))), "")
                raise ValueError(
                    f"atom {place}: want [element, x, y, z] with numbers in Angstrom, got {atom!r:.80}{hint}"
                )
            if not isinstance(atom[0], str):  # YAML 1.1 reads N and No as false
                raise ValueError(f"atom {place}: {atom[0]!r} is no element's symbol; write it in quotes")
        return atoms

    @field_validator("atoms")
    @classmethod
    def _apart(cls, atoms: tuple[Atom, ...]) -> tuple[Atom, ...]:
        for place, (symbol, *where) in enumerate(atoms):
            if symbol not in SYMBOLS:
                known = {s.lower(): s for s in SYMBOLS}.get(symbol.lower())
                hint = f"; did you mean {known!r}?" if known else f"; there are bases for {', '.join(SYMBOLS)}"
                raise ValueError(f"unknown element {symbol!r}{hint}")
            for other, (_, *there) in enumerate(atoms[:place]):
                if dist(where, there) < LEAST_DISTANCE:
                    raise ValueError(
                        f"atoms {other + 1} and {place + 1} stand at the same place {tuple(where)}, less than "
                        f"{LEAST_DISTANCE} Angstrom apart"
                    )
        return atoms

    @model_validator(mode="after")
    def _possible_spin(self) -> Molecule:
        electrons = self.electrons
        if electrons < 1:
            raise ValueError(f"{self.name}: charge {self.charge} leaves no electron")
        if electrons % 2 != self.spin % 2:
            odd = "an odd number needs an odd spin" if electrons % 2 else "an even number needs an even spin"
            raise ValueError(
                f"{self.name}: {electrons} electrons cannot have spin {self.spin} (alpha minus beta): {odd}"
            )
        if self.spin > electrons:
            raise ValueError(f"{self.name}: {electrons} electrons cannot have spin {self.spin} (alpha minus beta)")
        if self.alpha > self.orbitals:
            raise ValueError(
                f"{self.name}: {self.alpha} alpha electrons (charge {self.charge}, spin {self.spin}) do not fit into the "
                f"{self.orbitals} orbitals of {self.basis}"
            )
        return self

    @property
    def orbitals(self) -> int:
        """Return the number of spatial orbitals that the basis has for these atoms."""
        rows = [(number > 2) + (number > 10) for number in self._numbers]
        return sum(FUNCTIONS[self.basis][row] for row in rows)

    @property
    def _numbers(self) -> list[int]:
        return [SYMBOLS.index(symbol) + 1 for symbol, *_ in self.atoms]

    @property
    def electrons(self) -> int:
        """Return the number of electrons."""
        return sum(self._numbers) - self.charge

    @property
    def alpha(self) -> int:
        """Return the number of alpha electrons."""
        return (self.electrons + self.spin) // 2

    @property
    def beta(self) -> int:
        """Return the number of beta electrons."""
        return (self.electrons - self.spin) // 2


def _kind(given: Any) -> str:
    return "name" if isinstance(given, str) else "molecule"


Given = Annotated[
    Annotated[str, Tag("name")] | Annotated[Molecule, Tag("molecule")],
    Discriminator(_kind),
]
"""What a suite may give: a name (frozen molecule or file) or a molecule; what it is decides whose errors are shown."""


class Energies(BaseModel):
    """Energies in Hartree of a molecule's frozen integrals; null where a method was not run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hf: float
    ccsd: float | None
    ccsd_t: float | None
    fci: float | None


class Frozen(Molecule):
    """A molecule that ships: where its geometry comes from, and what it is for."""

    source: str
    use: Literal["train", "kernel"] = "train"
    """Whether suites solve it, or only time kernels on it."""


class Solved(BaseModel):
    """What belongs to the integrals of a frozen molecule: their hash, energies, program and version of these."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    integrals_sha256: str
    energies: Energies
    solved_by: str
