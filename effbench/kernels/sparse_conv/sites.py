"""Where a sparse tensor has rows: sorted cells of a batch of grids, with the kernel maps found between them so far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from effbench.arrays import Array
from effbench.kernels.sparse_conv.geometry import AXES, Window

if TYPE_CHECKING:
    from effbench.kernels.sparse_conv.kernel_map import KernelMap

MOST_CELLS = 2**62
"""Cells of a batch: their numbers, and those of a window's reach beyond, are int64."""


MOST_BITS = 2**28
"""Cells that get a bit each (48 MB with their counts); in a larger grid, lists are merged instead, which takes longer."""


MOST_ROWS = 2**23
"""Cells whose rows stand in a table, 32 MB that a thread keeps."""
MOST_SEEN = 2**18
"""Cells that are all looked at for whether a window hits them; in a larger grid it is asked for each input instead."""


def is_small(batch_size: int, shape: Sequence[int]) -> bool:
    """Return whether so many grids are small enough to look at every cell."""
    return batch_size * math.prod(shape) <= min(MOST_SEEN, MOST_ROWS)


class Index(NamedTuple):
    """Of 64 cells each: which are occupied, uint64, and how many are before them, int32."""

    words: Array
    ranks: Array


def numbered_by_bits(batch_size: int, shape: Sequence[int]) -> bool:
    """Return whether so many grids are small enough for a bit a cell."""
    return batch_size * math.prod(shape) <= MOST_BITS


def has_row_table(batch_size: int, shape: Sequence[int]) -> bool:
    """Return whether so many grids are small enough for a row number a cell (``tabled``)."""
    return batch_size * math.prod(shape) <= MOST_ROWS


class Sites:
    """Occupied cells of ``batch_size`` grids of ``shape`` (y, x or z, y, x), each once, in the order of their int64 keys.

    ``keys`` int64 [N] are the cells' numbers, known to be sorted, unique and inside the grid; ``from_coordinates`` makes them
    of any cells. Sites never change: ``select`` makes new ones, which know no kernel map of these.
    """

    def __init__(self, keys: torch.Tensor, batch_size: int, shape: tuple[int, ...]) -> None:
        self.keys = keys
        self.batch_size = batch_size
        self.shape = shape
        self.own_maps: dict[Window, KernelMap] = {}
        """Window -> map onto these very sites; without them beside it, lest sites keep themselves alive."""
        self.maps: dict[tuple[str, Window], tuple[Sites, KernelMap]] = {}
        """(purpose, window) -> (output sites, map) of what was asked for; ``effbench.kernels.sparse_conv.maps`` fills it."""

        self.known_index: Index | None = None
        """What ``index`` returns, once it is known."""
        self._coordinates: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.keys)

    def __repr__(self) -> str:
        return f"Sites({len(self)} of {self.batch_size} x {' x '.join(map(str, self.shape))} cells)"

    @property
    def coordinates(self) -> torch.Tensor:
        """Return the cells int32 [N, 1 + D]: batch, then the axes of ``shape``; made when they are first asked for."""
        if self._coordinates is None:
            from effbench.kernels.sparse_conv import keys as compiled

            cells = torch.from_numpy(compiled.cells_of(self.keys.numpy(), three(self.shape)))
            self._coordinates = cells if len(self.shape) == 3 else cells[:, [0, 2, 3]]
        return self._coordinates

    @classmethod
    def from_coordinates(
        cls, coordinates: torch.Tensor, batch_size: int, shape: Sequence[int]
    ) -> tuple[Sites, torch.Tensor]:
        """Return the sites of integer cells [N, 1 + D] in any order, and the order int64 [N]: row i was row order[i].

        Features that belong to ``coordinates`` are then ``features[order]``. Raises ``ValueError`` for a cell that appears
        twice, or outside the grid or the batch.
        """
        from effbench.kernels.sparse_conv import bitmap
        from effbench.kernels.sparse_conv import keys as compiled

        grid = check_grid(batch_size, shape)
        if coordinates.ndim != 2 or coordinates.shape[1] != 1 + len(grid) or coordinates.dtype.is_floating_point:
            raise ValueError(
                f"sparse_conv: coordinates {list(coordinates.shape)} of {coordinates.dtype}; "
                f"want whole numbers [N, {1 + len(grid)}] (batch, then {'z, y, x' if len(grid) == 3 else 'y, x'})"
            )
        cells = coordinates.detach().cpu()
        outside = (cells < 0) | (cells >= torch.tensor([batch_size, *grid]))
        if outside.any():
            row = int(outside.any(1).nonzero()[0])
            raise ValueError(
                f"sparse_conv: coordinates row {row} {cells[row].tolist()} lies outside {batch_size} grids of {grid}"
            )
        found = cells.to(torch.int32).contiguous()
        numbers = compiled.keys_of(padded(found).numpy(), three(grid))
        if numbered_by_bits(batch_size, grid):
            words = bitmap.occupied(numbers, batch_size * math.prod(grid))
            index = Index(words, bitmap.before(words))
            keys = torch.from_numpy(bitmap.keys_in(*index))
            if len(keys) == len(numbers):
                order = torch.empty(len(keys), dtype=torch.int64)
                order[torch.from_numpy(bitmap.ranks_of(numbers, *index)).long()] = torch.arange(len(keys))
                sites = cls(keys, batch_size, grid)
                sites.known_index = index
                return sites, order
        ordered, order = torch.sort(torch.from_numpy(numbers))
        twice = (ordered[1:] == ordered[:-1]).nonzero()
        if len(twice):
            rows = sorted(int(order[int(twice[0]) + k]) for k in (0, 1))
            raise ValueError(
                f"sparse_conv: coordinates rows {rows[0]} and {rows[1]} are both {cells[rows[0]].tolist()}; want it once"
            )
        return cls(ordered, batch_size, grid), order

    def select(self, mask: torch.Tensor) -> Sites:
        """Return the sites where the bool [N] ``mask`` is true; maps between them are looked up anew."""
        if mask.shape != (len(self),) or mask.dtype != torch.bool:
            raise ValueError(
                f"sparse_conv: mask {list(mask.shape)} of {mask.dtype}; want bool [{len(self)}], one per site"
            )
        return Sites(self.keys[mask.cpu()], self.batch_size, self.shape)

    def index(self) -> Index:
        """Return the bits of all cells, looked up once; only for grids that ``numbered_by_bits`` is true of."""
        if self.known_index is None:
            from effbench.kernels.sparse_conv import bitmap

            words = bitmap.occupied(self.keys.numpy(), self.batch_size * math.prod(self.shape))
            self.known_index = Index(words, bitmap.before(words))
        return self.known_index

    def density(self) -> float:
        """Return the occupied share of all cells."""
        return len(self) / max(1, self.batch_size * math.prod(self.shape))


def check_grid(batch_size: int, shape: Sequence[int]) -> tuple[int, ...]:
    """Return a shape as whole numbers; raise ``ValueError`` for one that no sites can have."""
    grid = tuple(int(n) for n in shape)
    if len(grid) not in AXES or min(grid) < 1 or batch_size < 0:
        raise ValueError(f"sparse_conv: a batch of {batch_size} grids of {grid}; want 2 or 3 axes of at least 1 cell")
    if batch_size * math.prod(grid) > MOST_CELLS:
        raise ValueError(
            f"sparse_conv: a batch of {batch_size} grids of {grid} has more than 2^62 cells, too many to number"
        )
    return grid


def padded(cells: torch.Tensor) -> torch.Tensor:
    """Return cells with three axes: where there are two, z = 0 is put in."""
    if cells.shape[1] == 4:
        return cells.contiguous()
    return torch.stack([cells[:, 0], torch.zeros_like(cells[:, 0]), cells[:, 1], cells[:, 2]], 1)


def three(shape: Sequence[int]) -> Array:
    """Return a shape int64 [3]: where there are two axes, z has one cell."""
    return np.array((1,) * (3 - len(shape)) + tuple(shape), np.int64)
