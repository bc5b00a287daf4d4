"""The arms of the comparison: our engines and PySCF in this process, NetKet and OpenFermion in one of their own."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from math import comb
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from bench_vmc.samples import Sampled
from effbench.arrays import Array
from effbench.kernels.local_energy import ENGINES, local_energies

PYSCF = "PySCF contract_2e"
MOST_SIGMA = 1e6
"""Determinants of a sector that PySCF's sigma vector is asked for."""


def timed(call: Callable[[], Any]) -> float:
    """Return the seconds that a call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def local_arms(sampled: Sampled) -> dict[str, Callable[[], Array]]:
    """Return arm -> call that returns the local energies [U], of what runs in this process."""
    integrals, alpha, beta, logs = sampled[1:]

    def ours(engine: str) -> Callable[[], Array]:
        return lambda: local_energies(integrals, alpha, beta, logs, impl=engine).energies

    arms = {engine: ours(engine) for engine in ENGINES}
    if comb(integrals.orbitals, integrals.alpha) * comb(integrals.orbitals, integrals.beta) < MOST_SIGMA:
        arms[PYSCF] = _sigma(sampled)
    return arms


def _sigma(sampled: Sampled) -> Callable[[], Array]:
    """Return a call that finds the same energies by PySCF's sigma vector on the whole sector."""
    from pyscf.fci import cistring, direct_spin1

    integrals, psi = sampled.integrals, np.exp(sampled.logs)
    n, electrons = integrals.orbitals, (integrals.alpha, integrals.beta)
    operator = direct_spin1.absorb_h1e(integrals.one, integrals.two, n, electrons, 0.5)
    strings = (sampled.alpha, sampled.beta)
    rows = [cistring.strs2addr(n, many, part[:, 0].astype(np.int64)) for many, part in zip(electrons, strings)]
    vector = np.zeros([comb(n, many) for many in electrons], complex)
    vector[rows[0], rows[1]] = psi

    def call() -> Array:
        parts = [direct_spin1.contract_2e(operator, part.copy(), n, electrons) for part in (vector.real, vector.imag)]
        return np.asarray((parts[0] + 1j * parts[1])[rows[0], rows[1]] / psi + integrals.core)

    return call


class Peer:
    """A process of ``peer.py`` that serves one sample; ``setup_s`` says what building and compiling an arm took."""

    def __init__(self, python: Path, folder: Path, sampled: Sampled) -> None:
        np.savez(folder / "job.npz", **sampled.job())
        self.folder = folder
        self._process = subprocess.Popen(
            [python, Path(__file__).with_name("peer.py"), folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"JAX_ENABLE_X64": "1", "JAX_PLATFORMS": "cpu"},
        )
        self.setup_s: dict[str, float] = json.loads(self._ask())

    def __enter__(self) -> Peer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def _ask(self, arm: str = "") -> str:
        assert self._process.stdin is not None and self._process.stdout is not None
        if arm:
            print(arm, file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        assert answer, f"the peers' process ended with {self._process.wait()}"
        return answer

    def seconds(self, arm: str) -> float:
        """Return what one call of an arm takes."""
        return float(self._ask(arm))

    def energies(self) -> dict[str, Array]:
        """Return arm -> local energies [U]; arms that make connections alone have none."""
        return {file.stem: np.load(file) for file in sorted(self.folder.glob("*.npy"))}
