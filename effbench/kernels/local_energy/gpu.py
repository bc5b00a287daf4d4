"""Local energies on a GPU (numba.cuda): a block of threads per determinant, each thread takes every so many connections.

A thread decodes a connection from its number, finds the hash of its target by two or four exclusive ors, asks the bit
filter, then the table, and only on a hit computes a matrix element. Threads' sums are added in one fixed tree, without
atomics, so that a result does not depend on the order they ran in. Without a GPU the same code runs in numba's simulator
(``NUMBA_ENABLE_CUDASIM=1``) and compiles ahead of time; both are tested.
"""

# mypy: disable-error-code="attr-defined, no-untyped-call, untyped-decorator"
# numba.cuda has no types.

from __future__ import annotations

import numpy as np
from numba import cuda, float64

from effbench.arrays import Array
from effbench.kernels import record_kernel
from effbench.kernels.local_energy import elements, lookup
from effbench.kernels.local_energy.determinants import unpack
from effbench.kernels.local_energy.integrals import Integrals

THREADS = 128
"""Most threads of a block, a power of two: the tree of the sum asks for it. Not tuned: nobody has timed it on a card."""

_sign_of_move = cuda.jit(device=True)(elements.sign_of_move.py_func)
_sign_of_two = cuda.jit(device=True)(elements.sign_of_two.py_func)
_diagonal = cuda.jit(device=True)(elements.diagonal.py_func)
_single = cuda.jit(device=True)(elements.single.py_func)
_may_hold = cuda.jit(device=True)(lookup.may_hold.py_func)


def local_energies(
    integrals: Integrals,
    alpha: Array,
    beta: Array,
    psi: Array,
    table: lookup.Lookup | None = None,
    rows: lookup.Rows | None = None,
    threads: int = THREADS,
) -> Array:
    """Return E_loc complex128 [U], policy *sampled-only*, in Hartree; arguments as those of ``slater.local_energies``.

    Raises ``ValueError`` where numba finds no GPU.
    """
    if not cuda.is_available():
        raise ValueError("engine 'cuda' needs a GPU of NVIDIA with its driver, and numba finds none")
    if table is None:
        table = lookup.build_lookup(alpha, beta, integrals.orbitals)
    alpha, beta, psi = lookup.sampled_state(alpha, beta, psi)
    begin, end = rows or (0, len(alpha))
    if begin == end:
        return np.empty(0, np.complex128)  # a grid without blocks cannot be launched
    sums = cuda.device_array((end - begin, 2))
    spins = [_split(strings, integrals.orbitals) for strings in (alpha, beta)]
    arguments = [
        integrals.one, integrals.two, *spins[0], *spins[1], alpha, beta, psi.real.copy(), psi.imag.copy(),
        table.zobrist, table.hashes, table.filter, table.table,
    ]  # fmt: skip
    energies[end - begin, threads](*(cuda.to_device(array) for array in arguments), begin, sums)
    real, imaginary = sums.copy_to_host().T
    found = np.asarray((real + 1j * imaginary) / psi[begin:end] + integrals.core)
    record_kernel("local_energy/cuda", integrals, alpha, beta, psi, rows, out=found)
    return found


def _split(strings: Array, orbitals: int) -> tuple[Array, Array, Array]:
    """Return the full [U, N] and the empty [U, n - N] orbitals, and how many are full before each, int64 [U, n]."""
    filled = unpack(strings, orbitals).astype(np.int64)
    order = np.argsort(1 - filled, axis=1, kind="stable")
    electrons = int(filled[0].sum())
    return order[:, :electrons].copy(), order[:, electrons:].copy(), np.cumsum(filled, axis=1) - filled


@cuda.jit(device=True)
def _bit(word: int, orbital: int) -> np.uint64:  # pragma: no cover - compiled
    """Return the bit of an orbital in a word of a string; none where it stands in another, or is no orbital (-1)."""
    if orbital < 0 or orbital >> 6 != word:
        return np.uint64(0)
    return np.uint64(1) << np.uint64(orbital & 63)


@cuda.jit(device=True)
def _row(
    table: Array, alpha: Array, beta: Array, key: np.uint64, x: int,
    i: int, a: int, j: int, b: int, k: int, c: int, m: int, d: int,
) -> int:  # pragma: no cover - compiled  # fmt: skip
    """Return the row of ``key`` if it is x with alpha i, a, j, b and beta k, c, m, d flipped, or -1."""
    mask = len(table) - 1
    place = np.int64(key >> np.uint64(32)) & mask
    while table[place] >= 0:
        row = table[place]
        same = True
        for word in range(alpha.shape[1]):
            ours = _bit(word, i) ^ _bit(word, a) ^ _bit(word, j) ^ _bit(word, b)
            theirs = _bit(word, k) ^ _bit(word, c) ^ _bit(word, m) ^ _bit(word, d)
            if alpha[row, word] != alpha[x, word] ^ ours or beta[row, word] != beta[x, word] ^ theirs:
                same = False
        if same:
            return row
        place = (place + 1) & mask
    return -1


@cuda.jit(device=True)
def _pair(index: int, count: int) -> tuple[int, int]:  # pragma: no cover - compiled
    """Return the pair i < j of a number from 0 to count (count - 1) / 2 - 1: (0, 1), (0, 2), ..., (1, 2), ..."""
    first, left = 0, index
    while left >= count - 1 - first:
        left -= count - 1 - first
        first += 1
    return first, first + 1 + left


@cuda.jit
def energies(
    one: Array, two: Array, full_a: Array, empty_a: Array, before_a: Array, full_b: Array, empty_b: Array, before_b: Array,
    alpha: Array, beta: Array, real: Array, imaginary: Array, zobrist: Array, hashes: Array, present: Array, table: Array,
    begin: int, sums: Array,
) -> None:  # pragma: no cover - compiled  # fmt: skip
    """Write sum over y of H[x, y] psi[y] without the core energy, real and imaginary part; x is ``begin`` + the block."""
    shared_real = cuda.shared.array(THREADS, float64)
    shared_imaginary = cuda.shared.array(THREADS, float64)
    x, thread, width = begin + cuda.blockIdx.x, cuda.threadIdx.x, cuda.blockDim.x
    hash_, total_real, total_imaginary = hashes[x], 0.0, 0.0
    n_a, v_a, n_b, v_b = full_a.shape[1], empty_a.shape[1], full_b.shape[1], empty_b.shape[1]
    if thread == 0:
        value = _diagonal(0.0, one, two, full_a[x], full_b[x])
        total_real += value * real[x]
        total_imaginary += value * imaginary[x]
    for at in range(thread, n_a * v_a, width):
        i, a = full_a[x, at // v_a], empty_a[x, at % v_a]
        key = hash_ ^ zobrist[0, i] ^ zobrist[0, a]
        if _may_hold(present, key):
            y = _row(table, alpha, beta, key, x, i, a, -1, -1, -1, -1, -1, -1)
            if y >= 0:
                value = _sign_of_move(before_a[x], i, a) * _single(one, two, i, a, full_a[x], full_b[x])
                total_real += value * real[y]
                total_imaginary += value * imaginary[y]
    for at in range(thread, n_b * v_b, width):
        k, c = full_b[x, at // v_b], empty_b[x, at % v_b]
        key = hash_ ^ zobrist[1, k] ^ zobrist[1, c]
        if _may_hold(present, key):
            y = _row(table, alpha, beta, key, x, -1, -1, -1, -1, k, c, -1, -1)
            if y >= 0:
                value = _sign_of_move(before_b[x], k, c) * _single(one, two, k, c, full_b[x], full_a[x])
                total_real += value * real[y]
                total_imaginary += value * imaginary[y]
    for at in range(thread, n_a * v_a * n_b * v_b, width):
        first, second = at // (n_b * v_b), at % (n_b * v_b)
        i, a = full_a[x, first // v_a], empty_a[x, first % v_a]
        k, c = full_b[x, second // v_b], empty_b[x, second % v_b]
        key = hash_ ^ zobrist[0, i] ^ zobrist[0, a] ^ zobrist[1, k] ^ zobrist[1, c]
        if _may_hold(present, key):
            y = _row(table, alpha, beta, key, x, i, a, -1, -1, k, c, -1, -1)
            if y >= 0:
                value = _sign_of_move(before_a[x], i, a) * _sign_of_move(before_b[x], k, c) * two[i, a, k, c]
                total_real += value * real[y]
                total_imaginary += value * imaginary[y]
    holes, particles = n_a * (n_a - 1) // 2, v_a * (v_a - 1) // 2
    for at in range(thread, holes * particles, width):
        first, second = _pair(at // particles, n_a)
        third, fourth = _pair(at % particles, v_a)
        i, j, a, b = full_a[x, first], full_a[x, second], empty_a[x, third], empty_a[x, fourth]
        key = hash_ ^ zobrist[0, i] ^ zobrist[0, j] ^ zobrist[0, a] ^ zobrist[0, b]
        if _may_hold(present, key):
            y = _row(table, alpha, beta, key, x, i, a, j, b, -1, -1, -1, -1)
            if y >= 0:
                value = _sign_of_two(before_a[x], i, a, j, b) * (two[i, a, j, b] - two[i, b, j, a])
                total_real += value * real[y]
                total_imaginary += value * imaginary[y]
    holes, particles = n_b * (n_b - 1) // 2, v_b * (v_b - 1) // 2
    for at in range(thread, holes * particles, width):
        first, second = _pair(at // particles, n_b)
        third, fourth = _pair(at % particles, v_b)
        i, j, a, b = full_b[x, first], full_b[x, second], empty_b[x, third], empty_b[x, fourth]
        key = hash_ ^ zobrist[1, i] ^ zobrist[1, j] ^ zobrist[1, a] ^ zobrist[1, b]
        if _may_hold(present, key):
            y = _row(table, alpha, beta, key, x, -1, -1, -1, -1, i, a, j, b)
            if y >= 0:
                value = _sign_of_two(before_b[x], i, a, j, b) * (two[i, a, j, b] - two[i, b, j, a])
                total_real += value * real[y]
                total_imaginary += value * imaginary[y]
    shared_real[thread] = total_real
    shared_imaginary[thread] = total_imaginary
    cuda.syncthreads()
    half = width // 2
    while half > 0:
        if thread < half:
            shared_real[thread] += shared_real[thread + half]
            shared_imaginary[thread] += shared_imaginary[thread + half]
        cuda.syncthreads()
        half //= 2
    if thread == 0:
        sums[x - begin, 0] = shared_real[0]
        sums[x - begin, 1] = shared_imaginary[0]
