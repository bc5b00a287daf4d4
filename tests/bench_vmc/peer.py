"""NetKet and OpenFermion in an environment of their own: ``python peer.py FOLDER``; nothing of EffBench is imported.

FOLDER/job.npz holds integrals, determinants as occupations [U, n] of both spins, and log psi. The names of the arms that can
run are printed as one line of JSON with what making them took, their energies lie in FOLDER/<arm>.npy; then every line on
standard input names an arm, and the answer is the seconds that one call took. ``--matrices`` writes OpenFermion's matrix of
the determinants instead.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

MOST_QUBITS = 16
"""OpenFermion's matrix is of all 2^qubits states; larger ones take minutes to build."""
TILE = 1000
"""Determinants that NetKet gets at once: its padded array of connections is uint8 [tile, connected, qubits]."""

CUTOFF = 1e-11
"""NetKet's own."""


def openfermion_matrix(job):
    """Return H as a CSR matrix between the job's determinants, in OpenFermion's interleaved order of the modes."""
    from openfermion import FermionOperator, get_sparse_operator

    one, two = job["one"], job["two"]
    operator, modes = FermionOperator(), 2 * len(one)
    # Written term by term: an InteractionOperator is converted by sums that drop what is below 1e-8.
    operator.terms[()] = float(job["core"])
    for p, q in np.argwhere(one):
        for spin in (0, 1):
            operator.terms[(2 * p + spin, 1), (2 * q + spin, 0)] = one[p, q]
    for p, s, q, r in np.argwhere(two):
        for x, y in np.ndindex(2, 2):
            ladder = ((2 * p + x, 1), (2 * q + y, 1), (2 * r + y, 0), (2 * s + x, 0))
            operator.terms[ladder] = two[p, s, q, r] / 2
    matrix = get_sparse_operator(operator, modes).tocsr()
    occupied = np.stack([job["alpha"], job["beta"]], axis=2).reshape(len(job["alpha"]), -1).astype(np.int64)
    rows = occupied @ (1 << np.arange(occupied.shape[1])[::-1])  # qubit 0 is the first factor
    part = matrix[rows][:, rows]
    assert abs(part.imag).max() == 0
    return part.real.tocsr()


def openfermion_arm(job):
    """Return a call that multiplies the matrix with psi; ``signs`` take psi into the interleaved order."""
    matrix, psi = openfermion_matrix(job), np.exp(job["logs"]) * job["signs"]
    return lambda: (matrix @ psi) / psi


def netket_arms(job):
    """Return a call that makes the connections alone, and one that looks amplitudes up for energies as well."""
    import jax
    import jax.numpy as jnp
    import sparse
    from netket.experimental.operator import ParticleNumberAndSpinConservingFermioperator2nd as Operator
    from netket.hilbert import SpinOrbitalFermions

    n, electrons = job["alpha"].shape[1], tuple(int(job[spin][0].sum()) for spin in ("alpha", "beta"))
    hilbert = SpinOrbitalFermions(n, s=1 / 2, n_fermions_per_spin=electrons)
    # What ``from_pyscf_molecule`` calls with integrals of its own.
    one, two = (sparse.COO.from_numpy(np.where(np.abs(part) > CUTOFF, part, 0.0)) for part in (job["one"], job["two"]))
    operator = Operator._from_sparse_arrays_normal_order_all_sectors(
        hilbert, [jnp.asarray(float(job["core"])), one, 0.5 * two.transpose((0, 2, 3, 1))], cutoff=CUTOFF
    )
    states = np.concatenate([job["alpha"], job["beta"]], axis=1).astype(np.uint8)
    powers = jnp.asarray(1 << np.arange(2 * n, dtype=np.int64))
    numbers = states.astype(np.int64) @ np.asarray(powers)
    order = np.argsort(numbers)
    keys, psi = jnp.asarray(numbers[order]), jnp.asarray(np.exp(job["logs"])[order])

    @jax.jit
    def connections(x):
        return operator.get_conn_padded(x)

    @jax.jit
    def energies(x, own):
        joined, elements = operator.get_conn_padded(x)
        asked = joined.astype(jnp.int64) @ powers
        place = jnp.minimum(jnp.searchsorted(keys, asked), len(keys) - 1)
        return (elements * jnp.where(keys[place] == asked, psi[place], 0)).sum(-1) / own

    tiles = [slice(begin, begin + TILE) for begin in range(0, len(states), TILE)]
    inputs = [(jnp.asarray(states[tile]), jnp.asarray(np.exp(job["logs"])[tile])) for tile in tiles]

    def only_connections():
        return [jax.block_until_ready(connections(x)) for x, _ in inputs]

    def whole():
        return np.concatenate([np.asarray(energies(x, own)) for x, own in inputs])

    return only_connections, whole


def arms_of(job):
    """Return arm -> call, and arm -> seconds that making it took."""
    found, spent = {}, {}
    started = time.perf_counter()
    found["NetKet connections"], found["NetKet energies"] = netket_arms(job)
    spent["NetKet energies"] = spent["NetKet connections"] = time.perf_counter() - started
    if 2 * job["alpha"].shape[1] <= MOST_QUBITS:
        started = time.perf_counter()
        found["OpenFermion sparse"] = openfermion_arm(job)
        spent["OpenFermion sparse"] = time.perf_counter() - started
    return found, spent


def main():
    """Serve one job."""
    folder = Path(sys.argv[1])
    job = dict(np.load(folder / "job.npz"))
    if "--matrices" in sys.argv:
        from scipy.sparse import save_npz, triu

        save_npz(folder / "matrix.npz", triu(openfermion_matrix(job)).tocsr())
        return
    arms, spent = arms_of(job)
    for arm, call in arms.items():
        started = time.perf_counter()
        result = call()  # compiles
        spent[arm] += time.perf_counter() - started
        if arm != "NetKet connections":
            np.save(folder / f"{arm}.npy", result)
    print(json.dumps(spent), flush=True)
    for line in sys.stdin:
        started = time.perf_counter()
        arms[line.strip()]()
        print(time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    main()
