"""Local energies on real molecules, engine beside engine and beside PySCF: ``make bench-vmc`` writes docs/vmc.md.

Every arm gets the same determinants and amplitudes, is compiled and checked against the others before a time counts, and
takes turns with them. Rates count connected determinants by the formula 1 + singles + doubles, zero elements included.
"""

import argparse
import time
from math import comb
from pathlib import Path

import numba
import numpy as np

from effbench.kernels.local_energy import ENGINES, local_energies
from effbench.kernels.local_energy.connected import connected, most_connected
from effbench.kernels.local_energy.determinants import sector
from effbench.kernels.local_energy.work import work_of
from effbench.section import replace_section
from effbench.tasks.vmc_energy.frozen import frozen_integrals

TURNS = 7
SAMPLE = 10_000
AGREE_HA = 1e-9
LISTED = 100_000
"""Sectors up to this size are listed and drawn from; larger ones are walked from Hartree-Fock."""


def cloud(integrals, size):
    """Return the ``size`` determinants that are reached first from Hartree-Fock by the largest elements, and amplitudes."""
    n = integrals.orbitals
    first = [np.array([[(1 << many) - 1]], np.uint64) for many in (integrals.alpha, integrals.beta)]
    known, rows = {(int(first[0][0, 0]), int(first[1][0, 0]))}, first
    while len(known) < size:
        joined = connected(integrals, rows[0][-200:], rows[1][-200:], 1e-4)
        for at in np.argsort(-np.abs(joined.element), kind="stable"):
            known.add((int(joined.alpha[at, 0]), int(joined.beta[at, 0])))
        rows = [np.array([[pair[spin]] for pair in sorted(known)], np.uint64) for spin in (0, 1)]
        keep = np.random.default_rng(len(known)).permutation(len(known))
        rows = [part[keep] for part in rows]
    rng = np.random.default_rng(n)
    logs = rng.normal(size=size) + 1j * rng.normal(size=size)
    return rows[0][:size].copy(), rows[1][:size].copy(), logs


def timed(call):
    started = time.perf_counter()
    result = call()
    return time.perf_counter() - started, result


def sigma_of(integrals, alpha, beta, logs):
    """Return a call that finds the same energies by PySCF's ``contract_2e`` on the whole sector."""
    from pyscf.fci import cistring, direct_spin1

    n, electrons = integrals.orbitals, (integrals.alpha, integrals.beta)
    operator = direct_spin1.absorb_h1e(integrals.one, integrals.two, n, electrons, 0.5)
    rows = [cistring.strs2addr(n, many, part[:, 0].astype(np.int64)) for many, part in zip(electrons, (alpha, beta))]
    psi = np.exp(logs)
    vector = np.zeros((comb(n, electrons[0]), comb(n, electrons[1])), complex)
    vector[rows[0], rows[1]] = psi

    def call():
        parts = [direct_spin1.contract_2e(operator, part.copy(), n, electrons) for part in (vector.real, vector.imag)]
        return ((parts[0] + 1j * parts[1])[rows[0], rows[1]]) / psi + integrals.core

    return call


def bench(name, size):
    """Yield table rows of one molecule."""
    integrals = frozen_integrals(name)
    if comb(integrals.orbitals, integrals.alpha) * comb(integrals.orbitals, integrals.beta) <= LISTED:
        alpha, beta = sector(integrals.orbitals, integrals.alpha, integrals.beta)
        rng = np.random.default_rng(0)
        rows = np.sort(rng.permutation(len(alpha))[:size])
        alpha, beta, logs = alpha[rows], beta[rows], rng.normal(size=len(rows)) + 0j
    else:
        alpha, beta, logs = cloud(integrals, size)
    arms = {
        engine: lambda e=engine: local_energies(integrals, alpha, beta, logs, impl=e).energies for engine in ENGINES
    }
    if comb(integrals.orbitals, integrals.alpha) ** 2 < 1e6:
        arms["PySCF contract_2e"] = sigma_of(integrals, alpha, beta, logs)
    results = {arm: call() for arm, call in arms.items()}  # compiles
    worst = {arm: float(np.abs(found - results["slater"]).max()) for arm, found in results.items()}
    assert max(worst.values()) < AGREE_HA * max(1.0, float(np.abs(results["slater"]).max())), worst
    seconds = {arm: [] for arm in arms}
    for _ in range(TURNS):
        for arm, call in arms.items():
            seconds[arm].append(timed(call)[0])
    chosen = work_of(integrals, len(alpha)).best()
    for arm, spent in seconds.items():
        low, middle, high = np.quantile(spent, [0, 0.5, 1]) * 1e6 / len(alpha)
        rate = most_connected(integrals) / middle * 1e6
        mark = " (chosen)" if arm == chosen else ""
        size = f"| {name} | {len(alpha):,} | {most_connected(integrals):,} | {arm}{mark} "
        yield f"{size}| {middle:.2f} ({low:.2f}-{high:.2f}) | {rate:.1e} |"


def main():
    """Print the table and write it into the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--page", type=Path, default=Path("docs/vmc.md"))
    page = parser.parse_args().page
    lines = [
        f"{TURNS} interleaved turns on {numba.get_num_threads()} threads; median (least-most).",
        "",
        "| molecule | sample | connected | engine | us per determinant | connected determinants/s |",
        "|---|--:|--:|---|--:|--:|",
    ]
    for name, size in (
        ("h2o", 441),
        ("n2", 1_000),
        ("n2", SAMPLE),
        ("c2", SAMPLE),
        ("li2o", 1_000),
        ("li2o", SAMPLE),
        ("c2h4o", SAMPLE),
    ):
        for line in bench(name, size):
            print(line, flush=True)
            lines.append(line)
    replace_section(page, "local-energies", "\n".join(lines))


if __name__ == "__main__":
    main()
