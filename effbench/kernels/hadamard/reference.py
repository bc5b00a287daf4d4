"""The Hadamard rotation, dense: H [n, n] / sqrt(n) for every n = 2^k x {1, 12, 20, 144, 240}, by Kronecker products.

H12 and H20 are Paley's (Paley 1933, construction I, q = 11 and 19). Sizes of real models, 1152 = 12 x 12 x 8, 4608 = 12 x 12
x 32 and 1920 = 12 x 20 x 8, have no Sylvester matrix.
"""

from __future__ import annotations

from functools import cache

import torch

PALEY_FACTORS: dict[int, tuple[int, ...]] = {1: (), 12: (12,), 20: (20,), 144: (12, 12), 240: (12, 20)}
"""What a size may be beside its power of two -> the orders of Paley's matrices whose product it is, outermost first."""


def factors_of(size: int) -> tuple[int, int]:
    """Return (odd part, power of two) of a size, the smallest odd part first; raise ``ValueError`` where there is none."""
    for odd in PALEY_FACTORS:
        power, rest = divmod(size, odd)
        if rest == 0 and power > 0 and power & (power - 1) == 0:
            return odd, power
    raise ValueError(f"no Hadamard matrix of size {size} here: sizes are a power of two times 1, 12, 20, 144 or 240")


def has_rotation(size: int) -> bool:
    """Return whether a size has a Hadamard matrix here."""
    try:
        factors_of(size)
    except ValueError:
        return False
    return True


@cache
def paley(order: int) -> torch.Tensor:
    """Return Paley's matrix of order q + 1 (12 or 20) as [order, order] float64 of +-1, q = order - 1 a prime = 3 mod 4."""
    q = order - 1
    squares = {i * i % q for i in range(1, q)}
    chi = [0 if i == 0 else 1 if i in squares else -1 for i in range(q)]
    matrix = torch.ones(order, order, dtype=torch.float64)
    for i in range(q):
        for j in range(q):
            matrix[i + 1, j + 1] = chi[(j - i) % q] if i != j else 1
    matrix[1:, 0] = -1
    return matrix


def sylvester(order: int) -> torch.Tensor:
    """Return Sylvester's matrix of a power of two as [order, order] float64 of +-1."""
    matrix = torch.ones(1, 1, dtype=torch.float64)
    while len(matrix) < order:
        matrix = torch.cat([torch.cat([matrix, matrix], 1), torch.cat([matrix, -matrix], 1)])
    return matrix


def hadamard_matrix(size: int) -> torch.Tensor:
    """Return H / sqrt(size) [size, size] float64, orthogonal: odd part (x) Sylvester, so that index = odd * power + place."""
    odd, power = factors_of(size)
    outer = torch.ones(1, 1, dtype=torch.float64)
    for order in PALEY_FACTORS[odd]:
        outer = torch.kron(outer, paley(order))
    return torch.kron(outer, sylvester(power)) / size**0.5


def hadamard(x: torch.Tensor, multiplier: torch.Tensor | None = None) -> torch.Tensor:
    """Return (x * multiplier) @ H / sqrt(C) of x [..., C] in its own dtype, computed in float64.

    ``multiplier`` [C] holds random signs, and 1 / s of smoothing where there is one.
    """
    wide = x.double() if multiplier is None else x.double() * multiplier.double()
    return (wide @ hadamard_matrix(x.shape[-1]).to(x.device)).to(x.dtype)


def transformed(x: torch.Tensor, multiplier: torch.Tensor | None, rotate: bool) -> torch.Tensor:
    """Return rows x [..., C] times ``multiplier`` [C] where there is one, and rotated where that is asked for."""
    if rotate:
        return hadamard(x, multiplier)
    return x if multiplier is None else x * multiplier
