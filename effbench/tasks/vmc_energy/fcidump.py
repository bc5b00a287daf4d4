"""Integrals read from FCIDUMP text. Source: Knowles and Handy, Comput. Phys. Commun. 54, 75 (1989).

A header of Fortran names (NORB, NELEC, MS2, ORBSYM, ISYM), then a line per integral, ``value i j k l`` with orbitals from 1:
(ij|kl) in chemists' order, h_ij where k = l = 0, an orbital's energy (not used) where only i is not 0, the core energy
where all are 0. Each integral stands for all that symmetry makes equal to it. ORBSYM only checks the integrals, ISYM is not
used: what is sought is the lowest state of any symmetry.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from effbench.api import PluginError
from effbench.arrays import Array
from effbench.kernels.local_energy.integrals import Integrals
from effbench.tasks.vmc_energy.namelist import Header, expanded
from effbench.tasks.vmc_energy.room import lacks_room

NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[EDQ][+-]?\d{1,4}|[+-]\d{3})?", re.IGNORECASE | re.ASCII)
"""Fortran's reals: D or Q for E, and no letter where the exponent has three digits."""
INDEX = re.compile(r"\d{1,9}", re.ASCII)
"""An orbital; more than nine digits are no number of orbitals."""
PATTERNS = [[place < many for place in range(4)] for many in (0, 1, 2, 4)]
"""Which of the four indices a line may name: none (core), one (an orbital's energy), two (h), all (two electrons)."""
TOLERANCE = 1e-9
"""Hartree; how far two values of one integral may lie apart."""
FORBIDDEN = 1e-6
"""Hartree; what the irreps in ORBSYM forbid may be as large: orbitals of a loosely converged field are mixed that much."""
COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"PK\x03\x04", b"(\xb5/\xfd")
"""How files of gzip, bzip2, xz, zip and zstd begin."""


def read_fcidump(path: Path) -> Integrals:
    """Return the integrals of a file, orbitals in its order; raise ``PluginError`` where it is cut or contradicts itself."""
    try:
        _check_kind(path)
        # Line by line: a file of the wrong kind may be larger than memory.
        with path.open("r", encoding="utf-8-sig") as file:
            header = Header(str(path), file)
            orbitals, alpha, beta = _sector(path, header)
            values, places, numbers = _entries(path, header.lines, file, orbitals)
    except (OSError, ValueError) as error:
        raise PluginError(f"{path}: cannot be read as FCIDUMP: {error}") from error
    _check_named(path, orbitals, places)
    used = (places > 0).sum(1)
    core = _core(path, values[used == 0], numbers[used == 0])
    if not (used == 2).any():
        raise PluginError(f"{path}: no one-electron integral (a line ending in 0 0); the file is truncated")
    one, two = np.zeros((orbitals,) * 2), np.zeros((orbitals,) * 4)
    for many, into in ((2, one), (4, two)):
        rows = used == many
        _put(path, into, values[rows], places[rows][:, :many] - 1, numbers[rows])
    _check_symmetry(path, header, orbitals, values, places, numbers)
    return Integrals(core, one, two, alpha, beta)


def _sector(path: Path, header: Header) -> tuple[int, int, int]:
    """Return (orbitals, alpha electrons, beta electrons) of a state that there can be, in memory that there is."""
    orbitals, electrons, twice_sz = header.integer("NORB"), header.integer("NELEC"), header.integer("MS2", 0)
    if header.is_set("IUHF") or header.is_set("UHF"):
        raise PluginError(f"{path}: integrals of unrestricted orbitals (UHF); only restricted ones are read")
    alpha, odd = divmod(electrons + twice_sz, 2)
    beta = electrons - alpha
    if odd or orbitals < 1 or electrons < 1 or min(alpha, beta) < 0 or max(alpha, beta) > orbitals:
        raise PluginError(f"{path}: NORB={orbitals}, NELEC={electrons}, MS2={twice_sz} is no state of electrons")
    reason = lacks_room(orbitals)
    if reason:
        raise PluginError(f"{path}: NORB={orbitals}: {reason}")
    return orbitals, alpha, beta


def _check_kind(path: Path) -> None:
    """Raise for what is there and no text: a pipe or a device may never end, a packed file says nothing by its first byte."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise PluginError(f"{path}: cannot be read as FCIDUMP: it is no regular file")
    with path.open("rb") as file:
        if file.read(8).startswith(COMPRESSED):
            raise PluginError(f"{path}: cannot be read as FCIDUMP: it is compressed; unpack it first")


def _entries(path: Path, skipped: int, lines: Iterator[str], orbitals: int) -> tuple[Array, Array, Array]:
    """Return (values [R], orbitals int64 [R, 4] from 1, line numbers [R]) of the lines behind the header."""
    values, places, numbers = array("d"), array("q"), array("q")
    for number, line in enumerate(lines, skipped + 1):
        words = expanded(line)
        if not words:
            continue
        what = f"{path}, line {number}: {line.strip()[:80]!r}"
        if words[0].startswith("("):
            raise PluginError(f"{what} is a complex integral; only real ones are read")
        if len(words) != 5 or not all(INDEX.fullmatch(word) for word in words[1:]):
            raise PluginError(f"{what} is not a value and four orbitals")
        place = [int(word) for word in words[1:]]
        if max(place) > orbitals:
            raise PluginError(f"{what} names an orbital beyond NORB={orbitals}")
        if [p > 0 for p in place] not in PATTERNS:
            raise PluginError(f"{what} has orbitals that are neither 4, 2, 1 nor 0")
        values.append(_real(what, words[0]))
        places.extend(place)
        numbers.append(number)
    return np.array(values, np.float64), np.array(places, np.int64).reshape(-1, 4), np.array(numbers, np.int64)


def _check_named(path: Path, orbitals: int, places: Array) -> None:
    """Raise where no integral names an orbital: electrons in it would have no energy at all, which no molecule has."""
    missing = np.setdiff1d(np.arange(1, orbitals + 1), places[places[:, 1] > 0])
    if len(missing):
        raise PluginError(
            f"{path}: no integral names orbital {missing[0]} of NORB={orbitals}; NORB is too large or the file truncated"
        )


def _real(what: str, word: str) -> float:
    """Return a number as Fortran writes it; raise ``PluginError`` where it is none or not finite."""
    if re.fullmatch(r"[+-]?(nan|inf(inity)?|\*+)(\(.*\))?", word, re.IGNORECASE):
        raise PluginError(f"{what} holds {word}, which is no number")
    if not NUMBER.fullmatch(word):
        raise PluginError(f"{what} is not a value and four orbitals")
    value = float(re.sub(r"(?<=[\d.])(?=[+-])", "E", re.sub("[DQ]", "E", word.upper())))
    if not np.isfinite(value):
        raise PluginError(f"{what} holds {word}, which is no number that a computer holds")
    return value


def _core(path: Path, values: Array, numbers: Array) -> float:
    if not len(values):
        raise PluginError(f"{path}: no core energy (a line ending in 0 0 0 0); the file is truncated")
    wrong = np.flatnonzero(np.abs(values - values[0]) > TOLERANCE)
    if len(wrong):
        raise PluginError(
            f"{path}, line {numbers[wrong[0]]}: the core energy is {values[wrong[0]]}, and line {numbers[0]} says "
            f"{values[0]}; a file of unrestricted orbitals has several, and only restricted ones are read"
        )
    return float(values[0])


def _put(path: Path, into: Array, values: Array, places: Array, numbers: Array) -> None:
    """Write values [R] to all places [R, 2 or 4] that symmetry makes the same; raise where two of them disagree."""
    n, pairs = len(into), [np.sort(places[:, k : k + 2], 1) for k in range(0, places.shape[1], 2)]
    names = np.array([pair[:, 1] * n + pair[:, 0] for pair in pairs])
    key = np.sort(names, 0).T @ n ** (2 * np.arange(len(pairs)))
    _, first, which = np.unique(key, return_index=True, return_inverse=True)
    before = first[which.reshape(-1)]
    wrong = np.flatnonzero(np.abs(values - values[before]) > TOLERANCE)
    if len(wrong):
        row, known = wrong[0], before[wrong[0]]
        raise PluginError(
            f"{path}, line {numbers[row]}: {values[row]} where a line before says {values[known]} (line {numbers[known]}) "
            "for an integral that the symmetry of real orbitals makes the same"
        )
    kept = values[first]
    if places.shape[1] == 2:
        i, j = places[first].T
        into[i, j] = into[j, i] = kept
        return
    i, j, k, m = places[first].T
    for a, b in ((i, j), (j, i)):
        for c, d in ((k, m), (m, k)):
            into[a, b, c, d] = into[c, d, a, b] = kept


def _check_symmetry(path: Path, header: Header, orbitals: int, values: Array, places: Array, numbers: Array) -> None:
    """Raise where an integral is not zero though the product of its orbitals' irreps (ORBSYM) is not the first.

    Irreps count from 1 (Molpro) or from 0 (PySCF, whose linear groups add tens to those of D2h and C2v); where a file could
    mean either, it is right if one of them is. Other labels cannot be checked.
    """
    labels = header.integers("ORBSYM")
    if labels is None:
        return
    if len(labels) != orbitals:
        raise PluginError(f"{path}: ORBSYM lists {len(labels)} orbitals, NORB is {orbitals}")
    given = np.array(labels)
    readings = [given - 1] if given.min() >= 1 and given.max() <= 8 else []
    readings += [given % 10] if given.min() >= 0 and (given % 10).max() <= 7 else []
    wrong = []
    for irreps in readings:
        of = np.append(0, irreps)[places]  # a place that is 0 is no orbital
        product = of[:, 0] ^ of[:, 1] ^ of[:, 2] ^ of[:, 3]
        several = (places[:, 1] > 0) & (np.abs(values) > FORBIDDEN)  # an orbital's own energy is no integral
        forbidden = np.flatnonzero(several & (product != 0))
        if not len(forbidden):
            return
        wrong.append(forbidden[0])
    if wrong:
        named = " ".join(str(place) for place in places[wrong[0]] if place)
        raise PluginError(
            f"{path}, line {numbers[wrong[0]]}: the integral {named} is not zero, though ORBSYM says "
            "that its symmetry forbids it"
        )
