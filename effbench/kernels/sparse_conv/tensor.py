"""A sparse tensor: a row of features for every occupied cell."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from effbench.kernels.sparse_conv.sites import Sites


@dataclass(frozen=True)
class SparseTensor:
    """Features [N, C] of sites; row i belongs to ``sites.coordinates[i]``. Raises ``ValueError`` where N differs."""

    sites: Sites
    features: torch.Tensor

    def __post_init__(self) -> None:
        if self.features.ndim != 2 or len(self.features) != len(self.sites):
            raise ValueError(
                f"sparse_conv: features {list(self.features.shape)}; want [{len(self.sites)}, C], a row a site"
            )

    @classmethod
    def from_coordinates(
        cls, coordinates: torch.Tensor, features: torch.Tensor, batch_size: int, shape: tuple[int, ...]
    ) -> SparseTensor:
        """Return the tensor of cells in any order with their features; raises as ``Sites.from_coordinates``."""
        sites, order = Sites.from_coordinates(coordinates, batch_size, shape)
        if len(features) != len(order):
            raise ValueError(f"sparse_conv: {len(features)} rows of features for {len(order)} coordinates")
        return cls(sites, features[order.to(features.device)])

    @classmethod
    def from_dense(cls, x: torch.Tensor, active: torch.Tensor | None = None) -> SparseTensor:
        """Return the cells of x [B, C, *shape] where ``active`` bool [B, *shape] is true, or any channel is not zero."""
        if active is None:
            active = (x.detach() != 0).any(1)
        coordinates = active.nonzero()
        sites, order = Sites.from_coordinates(coordinates.cpu(), len(x), x.shape[2:])
        batch, *cells = coordinates[order.to(coordinates.device)].unbind(1)
        return cls(sites, x.movedim(1, -1)[(batch, *cells)])

    def dense(self) -> torch.Tensor:
        """Return [B, C, *shape], zero where there is no site."""
        sites, (_, channels) = self.sites, self.features.shape
        flat = self.features.new_zeros(sites.batch_size * _cells(sites), channels)
        flat = flat.index_copy_(0, sites.keys.to(flat.device), self.features)
        return flat.view(sites.batch_size, *sites.shape, channels).movedim(-1, 1)

    def with_features(self, features: torch.Tensor) -> SparseTensor:
        """Return other features of the same sites."""
        return SparseTensor(self.sites, features)

    def select(self, mask: torch.Tensor) -> SparseTensor:
        """Return the rows where the bool [N] ``mask`` is true, on sites of their own."""
        return SparseTensor(self.sites.select(mask), self.features[mask.to(self.features.device)])

    def take(self, rows: torch.Tensor) -> SparseTensor:
        """Return the rows whose numbers, int64 and ascending, are given, on sites of their own."""
        sites = Sites(self.sites.keys.index_select(0, rows), self.sites.batch_size, self.sites.shape)
        return SparseTensor(sites, self.features.index_select(0, rows.to(self.features.device)))


def _cells(sites: Sites) -> int:
    cells = 1
    for extent in sites.shape:
        cells *= extent
    return cells
