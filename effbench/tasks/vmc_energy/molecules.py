"""Molecules: where the atoms are, in which basis, with how many electrons; checked before anything is computed."""

from __future__ import annotations

from math import dist
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from effbench.errors import nearest

SYMBOLS = ("H", "He", "Li", "Be", "B", "C", "N", "O", "F", "Ne", "Na", "Mg", "Al", "Si", "P", "S", "Cl", "Ar")
"""Elements by atomic number, from 1."""
BASES = ("sto-3g", "6-31g", "6-31g*", "cc-pvdz")
LEAST_DISTANCE = 0.1
"""Angstrom; atoms nearer than this are one atom written twice."""

Atom = tuple[str, float, float, float]


class Molecule(BaseModel):
    """A molecule: ``atoms`` in Angstrom, ``spin`` = alpha minus beta electrons (2 Sz), orbitals of restricted Hartree-Fock.

    Raises pydantic's ``ValidationError``, whose messages are sentences for a user.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    atoms: Annotated[tuple[Atom, ...], Field(min_length=1)]
    basis: str = "sto-3g"
    charge: int = 0
    spin: Annotated[int, Field(ge=0)] = 0

    @field_validator("basis")
    @classmethod
    def _known_basis(cls, basis: str) -> str:
        if basis.lower() not in BASES:
            raise ValueError(f"unknown basis {basis!r}{nearest(basis.lower(), BASES)}")
        return basis.lower()

    @field_validator("atoms")
    @classmethod
    def _apart(cls, atoms: tuple[Atom, ...]) -> tuple[Atom, ...]:
        for place, (symbol, *where) in enumerate(atoms):
            if symbol not in SYMBOLS:
                raise ValueError(f"unknown element {symbol!r}{nearest(symbol, SYMBOLS)}")
            for other, (_, *there) in enumerate(atoms[:place]):
                if dist(where, there) < LEAST_DISTANCE:
                    raise ValueError(f"atoms {other + 1} and {place + 1} stand at the same place {tuple(where)}")
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
        return self

    @property
    def electrons(self) -> int:
        """Return the number of electrons."""
        return sum(SYMBOLS.index(symbol) + 1 for symbol, *_ in self.atoms) - self.charge

    @property
    def alpha(self) -> int:
        """Return the number of alpha electrons."""
        return (self.electrons + self.spin) // 2

    @property
    def beta(self) -> int:
        """Return the number of beta electrons."""
        return (self.electrons - self.spin) // 2


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
