"""The factored rotation against the dense matrix, for every kind of size."""

import pytest
import torch
from comparing import rms_ratio

from effbench.kernels.hadamard import hadamard, has_rotation
from effbench.kernels.hadamard.reference import hadamard_matrix

SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 512, 2048, 12, 20, 24, 40, 48, 96, 160, 144, 192, 240, 480, 768, 1152, 1920, 4608]
CLOSE = 3e-7
"""RMS ratio of log2(n) additions in float32 to the product in float64."""


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("multiplied", [False, True])
def test_it_equals_the_dense_product(machine, poisoned, size, multiplied):
    g = torch.Generator().manual_seed(size)
    x = torch.randn(2, 3, size, generator=g) + 1
    multiplier = torch.randn(size, generator=g) if multiplied else None
    assert rms_ratio(hadamard(x, multiplier), hadamard(x, multiplier, impl="reference")) < CLOSE


@pytest.mark.parametrize("size", [64, 144, 240, 1152])
def test_it_keeps_lengths_and_its_transpose_takes_it_back(size):
    x = torch.randn(7, size, generator=torch.Generator().manual_seed(size))
    y = hadamard(x)
    assert torch.allclose(y.norm(dim=1), x.norm(dim=1), rtol=1e-5)
    assert rms_ratio(y.double() @ hadamard_matrix(size).T, x.double()) < CLOSE


def test_the_comparison_sees_one_sign():
    matrix = hadamard_matrix(48)
    matrix[17, 5] *= -1
    x = torch.randn(50, 48, generator=torch.Generator().manual_seed(0))
    assert rms_ratio(hadamard(x).double(), x.double() @ matrix) > 1e-2


def test_an_outlier_is_spread_over_all_channels():
    x = torch.zeros(1, 1152)
    x[0, 700] = 100.0
    assert torch.allclose(hadamard(x).abs(), torch.full((1, 1152), 100 / 1152**0.5))


def test_sizes_without_a_matrix_strides_and_no_rows(machine):
    assert not has_rotation(136) and has_rotation(1152)
    with pytest.raises(ValueError, match="no Hadamard matrix of size 136"):
        hadamard(torch.ones(2, 136))
    x = torch.randn(24, 8, generator=torch.Generator().manual_seed(1))
    assert torch.equal(hadamard(x.T.contiguous().T), hadamard(x))
    assert hadamard(x[:0]).shape == (0, 8)
