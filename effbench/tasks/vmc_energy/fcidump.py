"""Integrals as FCIDUMP text, in and out. Source: Knowles and Handy, Comput. Phys. Commun. 54, 75 (1989).

A header of Fortran names (NORB, NELEC, MS2, ORBSYM, ISYM), then a line per integral, ``value i j k l`` with orbitals from 1:
(ij|kl) in chemists' order, h_ij where k = l = 0, the core energy where all are 0. Each integral stands for all that
symmetry makes equal to it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from effbench.api import PluginError
from effbench.kernels.local_energy.integrals import ZERO, Integrals

Array = np.ndarray[Any, Any]
PATTERNS = [[place < many for place in range(4)] for many in (0, 1, 2, 4)]
TOLERANCE = 1e-9
"""Hartree; how far two values of one integral may lie apart."""


def read_fcidump(path: Path) -> Integrals:
    """Return the integrals of a file; raise ``PluginError`` where it is truncated or contradicts itself."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PluginError(f"{path}: cannot be read as FCIDUMP: {error}") from error
    header, end, body = _split(text)
    if not end:
        raise PluginError(f"{path}: the header has no end (&END or /); the file is truncated or not an FCIDUMP")
    orbitals, electrons, twice_sz = (_number(path, header, name) for name in ("NORB", "NELEC", "MS2"))
    if re.search(r"I?UHF\s*=\s*\.?(T|1)", header, re.IGNORECASE):
        raise PluginError(f"{path}: integrals of unrestricted orbitals (UHF); only restricted ones are read")
    if electrons % 2 != twice_sz % 2 or abs(twice_sz) > electrons or electrons > 2 * orbitals or orbitals < 1:
        raise PluginError(f"{path}: NORB={orbitals}, NELEC={electrons}, MS2={twice_sz} is no state of electrons")
    one, two = np.zeros((orbitals,) * 2), np.zeros((orbitals,) * 4)
    seen_one, seen_two = np.zeros(one.shape, bool), np.zeros(two.shape, bool)
    core = None
    for number, line in enumerate(body.splitlines(), header.count("\n") + 1):
        if not line.strip():
            continue
        value, places = _entry(path, number, line, orbitals)
        i, j, k, m = places
        if not any(places):
            core = value
        elif not j and not k and not m:
            continue  # an orbital's energy
        elif not k and not m:
            _put(path, number, one, seen_one, ((i - 1, j - 1), (j - 1, i - 1)), value)
        else:
            i, j, k, m = i - 1, j - 1, k - 1, m - 1
            pairs = ((i, j), (j, i)), ((k, m), (m, k))
            equal = [(*a, *b) for a in pairs[0] for b in pairs[1]]
            _put(path, number, two, seen_two, (*equal, *((c, d, a, b) for a, b, c, d in equal)), value)
    if core is None:
        raise PluginError(f"{path}: no core energy (a line ending in 0 0 0 0); the file is truncated")
    _check_symmetry(path, header, one, two)
    return Integrals(core, one, two, (electrons + twice_sz) // 2, (electrons - twice_sz) // 2)


def write_fcidump(path: Path, integrals: Integrals) -> None:
    """Write each integral above 1e-14 Hartree once, to 17 digits, so that it is read back as it was."""
    n, electrons = integrals.orbitals, integrals.alpha + integrals.beta
    lines = [
        f"&FCI NORB={n},NELEC={electrons},MS2={integrals.alpha - integrals.beta},",
        f" ORBSYM={'1,' * n}",
        " ISYM=1,",
        "&END",
    ]
    pairs = [(p, q) for p in range(n) for q in range(p + 1)]
    for first, (p, q) in enumerate(pairs):
        for r, s in pairs[: first + 1]:
            if abs(integrals.two[p, q, r, s]) > ZERO:
                lines.append(f"{integrals.two[p, q, r, s]:.17g} {p + 1} {q + 1} {r + 1} {s + 1}")
    lines += [f"{integrals.one[p, q]:.17g} {p + 1} {q + 1} 0 0" for p, q in pairs if abs(integrals.one[p, q]) > ZERO]
    path.write_text("\n".join([*lines, f"{integrals.core:.17g} 0 0 0 0", ""]), "utf-8")


def _split(text: str) -> tuple[str, bool, str]:
    """Return (header with its end, whether it has one, the rest)."""
    found = re.search(r"(&END|^\s*/|/\s*$)[^\n]*\n?", text, re.IGNORECASE | re.MULTILINE)
    return (text[: found.end()], True, text[found.end() :]) if found else (text, False, "")


def _number(path: Path, header: str, name: str) -> int:
    found = re.search(rf"\b{name}\s*=\s*(-?\d+)", header, re.IGNORECASE)
    if not found and name == "MS2":
        return 0
    if not found:
        raise PluginError(f"{path}: the header names no {name}")
    return int(found[1])


def _entry(path: Path, number: int, line: str, orbitals: int) -> tuple[float, tuple[int, int, int, int]]:
    parts = line.split()
    try:
        value, (i, j, k, m) = float(parts[0].upper().replace("D", "E")), map(int, parts[1:])
    except ValueError:
        raise PluginError(f"{path}, line {number}: {line.strip()!r} is not a value and four orbitals") from None
    if not all(0 <= place <= orbitals for place in (i, j, k, m)) or not np.isfinite(value):
        raise PluginError(
            f"{path}, line {number}: {line.strip()!r} names an orbital beyond NORB={orbitals}, or no number"
        )
    if [bool(place) for place in (i, j, k, m)] not in PATTERNS:
        raise PluginError(f"{path}, line {number}: {line.strip()!r} has orbitals that are neither 4, 2, 1 nor 0")
    return value, (i, j, k, m)


def _put(path: Path, number: int, into: Array, seen: Array, places: Any, value: float) -> None:
    for place in places:
        if seen[place] and abs(into[place] - value) > TOLERANCE:
            raise PluginError(
                f"{path}, line {number}: {value} where a line before says {into[place]} for an integral that the symmetry of "
                "real orbitals makes the same"
            )
        into[place], seen[place] = value, True


def _check_symmetry(path: Path, header: str, one: Array, two: Array) -> None:
    """Raise where an integral is not zero though the product of its orbitals' irreps (ORBSYM, 1 to 8) is not the first."""
    found = re.search(r"ORBSYM\s*=\s*([\d,\s]+)", header, re.IGNORECASE)
    if not found:
        return
    irreps = np.array([int(x) for x in re.findall(r"\d+", found[1])]) - 1
    if len(irreps) != len(one):
        raise PluginError(f"{path}: ORBSYM lists {len(irreps)} orbitals, NORB is {len(one)}")
    product = irreps[:, None] ^ irreps
    wrong = np.argwhere((np.abs(one) > TOLERANCE) & (product != 0)).tolist()
    wrong += np.argwhere((np.abs(two) > TOLERANCE) & (product[:, :, None, None] != product)).tolist()
    if wrong:
        places = " ".join(str(place + 1) for place in wrong[0])
        raise PluginError(f"{path}: the integral {places} is not zero, though ORBSYM says that its symmetry forbids it")
