"""What sparse convolutions cost, counted: pairs times channels, and the look-ups of maps."""

import pytest
import torch
from sparse_cases import random_sparse

from effbench.kernels import isa
from effbench.kernels.sparse_conv import break_even_density, max_pool, sparse_pays, strided_conv, submanifold_conv
from effbench.kernels.sparse_conv.cost import dense_macs, effective_macs
from effbench.kernels.sparse_conv.geometry import centred
from effbench.kernels.sparse_conv.maps import submanifold_map
from effbench.measure.compute import measure_compute


@pytest.mark.parametrize("shape", [(9, 8), (5, 6, 7)])
def test_a_convolution_costs_its_pairs_and_its_map_once(shape):
    x = random_sparse(shape, channels=16, dtype=torch.float32)
    weight = torch.randn(*(3,) * len(shape), 16, 32)
    first = measure_compute(lambda: submanifold_conv(x, weight).features)
    second = measure_compute(lambda: submanifold_conv(x, weight).features)
    found = submanifold_map(x.sites, centred(3, len(shape)))
    dense = x.with_features(torch.ones(len(x.sites), 1)).dense()
    pairs = int(
        (
            submanifold_conv(x.with_features(torch.ones(len(x.sites), 1)), torch.ones_like(weight[..., :1, :1]))
        ).features.sum()
    )
    assert dense.sum() == len(x.sites) and pairs == found.total
    assert effective_macs(found, weight) == pairs * 16 * 32
    assert second.flops_by_dtype == {"float32": 2 * pairs * 16 * 32}
    assert first.flops_by_dtype == second.flops_by_dtype | {"int64": 2 * len(x.sites) * len(found.source)}
    assert dense_macs(x.sites, weight) == 2 * dense[0].numel() * 3 ** len(shape) * 16 * 32


def test_a_full_grid_costs_as_much_as_the_dense_convolution_but_for_its_border():
    x = random_sparse((8, 8), density=1, channels=4, dtype=torch.float32)
    weight = torch.randn(1, 1, 4, 4)
    submanifold_conv(x, weight)
    assert effective_macs(submanifold_map(x.sites, centred(1, 2)), weight) == dense_macs(x.sites, weight)


def test_gradients_and_pooling_are_counted():
    x = random_sparse((9, 8), channels=16, dtype=torch.float32)
    features, weight = x.features.requires_grad_(), torch.randn(3, 3, 16, 16, requires_grad=True)
    strided_conv(x, weight, 2, 1)
    forward = measure_compute(lambda: strided_conv(x, weight, 2, 1).features)
    both = measure_compute(
        lambda: torch.autograd.grad(
            strided_conv(x.with_features(features), weight, 2, 1).features.sum(), (features, weight)
        )
    )
    assert both.flops_by_dtype["float32"] >= 3 * forward.flops_by_dtype["float32"]
    pooled = measure_compute(lambda: max_pool(x, (3, 2), (3, 2)).features)
    assert pooled.flops_by_dtype["float32"] == len(x.sites) * 16
    assert isa.current().vectors in ("avx512-vnni", "avx2", "portable")


def test_sparse_pays_below_the_measured_density():
    assert break_even_density(8) == break_even_density(32) < break_even_density(48) < break_even_density(64)
    assert break_even_density(64) > break_even_density(96) > break_even_density(128) == break_even_density(1000)
    assert sparse_pays(break_even_density(32) - 0.01, 32) and not sparse_pays(break_even_density(32), 32)
    assert break_even_density(64, "submanifold") > break_even_density(64, "submanifold, map") > break_even_density(64)
    with pytest.raises(ValueError, match=r"density 1\.5; want a share"):
        sparse_pays(1.5, 64)
