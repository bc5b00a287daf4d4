"""Tiles of the Triton products and of attention: how much of the output one program computes, by card and size.

Chosen so that no register spills (``gpu_resources`` compiles and counts), not by time: nobody has timed them on a card.
"""

# mypy: disable-error-code="untyped-decorator, no-untyped-def, no-untyped-call"
# Triton has no types.

from __future__ import annotations

from typing import Literal, NamedTuple

import torch

from effbench.kernels.gpu_launch import Options, tl, triton

Product = Literal["linear_w8a8", "linear_w4a8", "linear_w4a16", "conv2d_w8a8"]
FEW_ROWS = 64
"""Up to so many rows a tile is as flat as the input: text, class embeddings, one image of a small model."""


class ProductTile(NamedTuple):
    """Rows, outputs and inputs of one step of a program, and how it is compiled."""

    block_m: int
    block_n: int
    block_k: int
    options: Options

    def constants(self) -> dict[str, int]:
        """Return the constants of a kernel."""
        return {"BLOCK_M": self.block_m, "BLOCK_N": self.block_n, "BLOCK_K": self.block_k}

    def grid(self, rows: int, outputs: int) -> tuple[int]:
        """Return the number of programs."""
        return (triton.cdiv(rows, self.block_m) * triton.cdiv(outputs, self.block_n),)


def tile_for(
    product: Product, capability: int, rows: int, *, aligned: bool = True, wide_input: bool = False
) -> ProductTile:
    """Return the tile of a product of so many rows.

    ``aligned``: rows begin at multiples of 16 bytes; else every byte is loaded by itself, and an address of its own takes two
    registers. ``wide_input``: activations of 4 bytes.
    """
    if not aligned:
        return ProductTile(64 if rows > FEW_ROWS else 32, 64, 32, Options(num_warps=4, num_stages=2))
    if rows <= FEW_ROWS:
        return ProductTile(32, 64, 64, Options(num_warps=4, num_stages=3))
    if product == "linear_w4a16":
        return ProductTile(64, 64, 32, Options(4, 3)) if wide_input else ProductTile(128, 64, 64, Options(8, 3))
    if product == "linear_w4a8":
        return ProductTile(128, 64, 64, Options(num_warps=8, num_stages=3))
    return ProductTile(128, 128, 64, Options(num_warps=8, num_stages=4 if capability >= 90 else 3))


class AttentionTile(NamedTuple):
    """Rows of a program of attention, keys of one of its steps, and how it is compiled."""

    block_m: int
    block_n: int
    options: Options

    def constants(self) -> dict[str, int]:
        """Return the constants of a kernel."""
        return {"BLOCK_M": self.block_m, "BLOCK_N": self.block_n}


def attention_tile(capability: int, dtype: torch.dtype, *, aligned: bool = True, states: int = 1) -> AttentionTile:
    """Return the tile of attention with heads of up to 128 numbers.

    ``aligned`` as in ``tile_for``. ``states``: results that a program sums side by side.
    """
    if dtype == torch.float32:
        if not aligned:
            return AttentionTile(16, 16, Options(num_warps=8))
        return (
            AttentionTile(32, 16, Options(num_warps=8)) if states > 1 else AttentionTile(32, 32, Options(num_warps=4))
        )
    if not aligned:
        return AttentionTile(32, 32, Options(num_warps=8))
    if states > 1:
        return AttentionTile(64, 64, Options(num_warps=8, num_stages=2))
    return AttentionTile(128, 64, Options(8, 3)) if capability >= 90 else AttentionTile(128, 32, Options(8, 2))


@triton.jit
def tile_of(program, M, N, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr):
    """Return (row, column) of a program's tile: eight rows of tiles at a time, so that weights are read from the cache."""
    across = tl.cdiv(N, BLOCK_N)
    down = tl.cdiv(M, BLOCK_M)
    band = program // (8 * across)
    tall = tl.minimum(down - band * 8, 8)
    place = program % (8 * across)
    return band * 8 + place % tall, place // tall
