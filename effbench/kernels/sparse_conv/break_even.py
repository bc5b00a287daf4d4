"""At which density of a map from above a sparse 2D convolution stops being quicker than the dense one, on a CPU.

Measured by ``make bench-sparse`` (docs/sparse-kernels.md) on patches of occupied cells; between the widths that were
measured, a straight line, and beyond them the nearest one.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

Kind = Literal["submanifold", "submanifold, map", "regular, map"]
"""``regular`` outputs at every cell that is hit (``strided_conv`` with stride 1); with a map that is looked up, or kept."""

WIDTHS = (32, 64, 128)
"""Channels in and out of the 3 x 3 convolutions that were timed, over 128 x 128 cells in float32 on one thread."""
BREAK_EVEN: dict[Kind, tuple[float, ...]] = {
    "submanifold": (0.80, 0.90, 0.88),
    "submanifold, map": (0.67, 0.88, 0.88),
    "regular, map": (0.64, 0.85, 0.81),
}
"""Density of the inputs at which both take as long, for each of the widths. With two threads, in 32 channels, 0.82, 0.67 and
0.46: from there to 0.64 the two differ by a tenth at most."""


def break_even_density(channels: int, kind: Kind = "regular, map") -> float:
    """Return the share of occupied cells below which a sparse 3 x 3 convolution of so many channels is the quicker one."""
    return float(np.interp(channels, WIDTHS, BREAK_EVEN[kind]))


def sparse_pays(density: float, channels: int, kind: Kind = "regular, map") -> bool:
    """Return whether to convolve a map of a density sparsely; raises ``ValueError`` for a density that is no share."""
    if not 0 <= density <= 1:
        raise ValueError(f"sparse_pays: density {density}; want a share of cells from 0 to 1")
    return density < break_even_density(channels, kind)
