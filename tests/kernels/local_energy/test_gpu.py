"""The GPU engine: its numbers in numba's simulator, its machine code compiled ahead of time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SIMULATED = """
import sys
sys.path.insert(0, {folder!r})
import numpy as np
from molecules import random_sample, symmetric
from effbench.kernels.local_energy.determinants import pack
from effbench.kernels import recording
from effbench.kernels.local_energy import local_energies as dispatched
from effbench.kernels.local_energy.gpu import local_energies
from effbench.kernels.local_energy.integrals import random_integrals
from effbench.kernels.local_energy.reference import local_energies as expected

worst = 0.0
for integrals, share in [
    (random_integrals(4, 2, 2, 0), 0.6), (symmetric(5, 2, 3, 5, irreps=2), 0.2), (random_integrals(4, 4, 1, 1), 1.0),
    (random_integrals(3, 0, 2, 2), 1.0),
]:
    alpha, beta, psi = random_sample(integrals, share, 1)
    found = local_energies(integrals, alpha, beta, psi, threads=8)
    worst = max(worst, np.abs(found - expected(integrals, alpha, beta, psi)).max())
    assert np.array_equal(found[1:3], local_energies(integrals, alpha, beta, psi, rows=(1, 3), threads=8))
    assert len(local_energies(integrals, alpha, beta, psi, rows=(2, 2), threads=8)) == 0
# Over the border of a word: two electrons of either spin among 66 orbitals, in a handful of determinants.
integrals = random_integrals(66, 1, 1, 0, share=0.2)
strings = [np.eye(66, dtype=int)[[0, 65, 64, 63, 0]], np.eye(66, dtype=int)[[65, 65, 1, 1, 64]]]
alpha, beta = (pack(rows) for rows in strings)
psi = np.random.default_rng(1).normal(size=5) + 0.3j
found = local_energies(integrals, alpha, beta, psi, threads=8)
worst = max(worst, np.abs(found - expected(integrals, alpha, beta, psi)).max())
names = []
with recording.listening(lambda name, *_: names.append(name)):
    for more in ({{"impl": "cuda"}}, {{"device": "cuda:0"}}, {{"device": "cuda", "rows": (1, 3)}}):
        again = dispatched(integrals, alpha, beta, np.log(psi), **more)
        assert again.engine == "cuda"
        worst = max(worst, np.abs(again.energies - found[slice(*more.get("rows", (0, 5)))]).max())
assert names == ["local_energy/cuda"] * 3, names
print(worst)
"""

PTX = """
import sys
from types import SimpleNamespace
from numba import cuda, types
from numba.cuda import dispatcher
from effbench.kernels.local_energy.gpu import energies
real, number, word = types.float64, types.int64, types.uint64
of = [(real, 2), (real, 4), *[(number, 2)] * 6, (word, 2), (word, 2), (real, 1), (real, 1), (word, 2), (word, 1), (word, 1),
      (types.int32, 1)]
arguments = (*(types.Array(kind, axes, "C") for kind, axes in of), number, types.Array(real, 2, "C"))
capability = tuple(map(int, sys.argv[1]))
# Device functions ask the card that is there what it can do; there is none, so the one that is meant answers.
dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=capability)
try:
    ptx, _ = cuda.compile_ptx(energies.py_func, arguments, cc=capability)
except Exception as error:
    if "libNVVM" in str(error) or "NvvmSupportError" in type(error).__name__:
        sys.exit("no toolkit: " + str(error).splitlines()[0])
    raise
print(ptx)
"""


def run(code, *arguments, **env):
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=280, env={**os.environ, **env}
    )


@pytest.mark.proof
@pytest.mark.timeout(300)
def test_in_the_simulator_it_equals_the_reference():
    done = run(SIMULATED.format(folder=str(Path(__file__).parent)), NUMBA_ENABLE_CUDASIM="1")
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 1e-11


@pytest.mark.parametrize("capability", ["80", "90"])
def test_it_compiles_for_the_cards_that_are_meant(capability):
    done = run(PTX, capability)
    if "no toolkit" in done.stderr:
        pytest.skip(done.stderr.strip()[-200:])
    assert done.returncode == 0, done.stderr
    assert f".target sm_{capability}" in done.stdout and ".entry" in done.stdout
    assert "atom." not in done.stdout  # sums are trees, so that they do not depend on the order of threads
