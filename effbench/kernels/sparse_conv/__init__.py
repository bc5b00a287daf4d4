"""Convolutions over the occupied cells of grids, 2D and 3D: submanifold, strided, inverse, depthwise, and max-pooling."""

from effbench.kernels.sparse_conv.break_even import break_even_density, sparse_pays
from effbench.kernels.sparse_conv.functions import After, inverse_conv, max_pool, strided_conv, submanifold_conv
from effbench.kernels.sparse_conv.modules import InverseConv, StridedConv, SubmanifoldConv
from effbench.kernels.sparse_conv.sites import Sites
from effbench.kernels.sparse_conv.tensor import SparseTensor

__all__ = [
    "After",
    "InverseConv",
    "Sites",
    "SparseTensor",
    "StridedConv",
    "SubmanifoldConv",
    "break_even_density",
    "inverse_conv",
    "max_pool",
    "sparse_pays",
    "strided_conv",
    "submanifold_conv",
]
