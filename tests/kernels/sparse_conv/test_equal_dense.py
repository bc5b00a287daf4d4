"""Sparse convolutions against torch's dense ones (float64), of any window, in 2D and 3D."""

import pytest
import torch
from hypothesis import given, settings
from sparse_cases import Case, cases, random_sparse
from torch.nn import functional

from effbench.kernels.sparse_conv import SparseTensor, inverse_conv, max_pool, strided_conv, submanifold_conv

QUICK = settings(max_examples=25, deadline=None)


def torch_conv(x, weight, **more):
    """Return torch's convolution of a dense tensor, with a weight [*kernel, Cin, Cout]."""
    convolution = functional.conv3d if x.ndim == 5 else functional.conv2d
    return convolution(x, weight.movedim((-1, -2), (0, 1)), **more)


@QUICK
@given(cases())
def test_a_submanifold_convolution_is_the_dense_one_read_at_its_sites(case):
    weight = case.weight(4, 8)
    ours = submanifold_conv(case.x, weight, case.dilation, case.groups)
    exact = submanifold_conv(case.x, weight, case.dilation, case.groups, impl="reference")
    assert ours.sites is case.x.sites
    torch.testing.assert_close(ours.features, exact.features)


@QUICK
@given(cases())
def test_a_strided_convolution_is_the_dense_one_and_that_is_zero_elsewhere(case):
    weight = case.weight(4, 8)
    ours = strided_conv(case.x, weight, **case.where, groups=case.groups)
    torch.testing.assert_close(ours.dense(), torch_conv(case.x.dense(), weight, **case.where, groups=case.groups))
    exact = strided_conv(case.x, weight, **case.where, groups=case.groups, impl="reference")
    assert torch.equal(ours.sites.coordinates, exact.sites.coordinates)
    torch.testing.assert_close(ours.features, exact.features)


@QUICK
@given(cases())
def test_an_inverse_convolution_is_the_transposed_dense_one_read_at_the_first_sites(case):
    down = strided_conv(case.x, case.weight(4, 4), **case.where, groups=case.groups)
    weight = case.weight(4, 8)
    ours = inverse_conv(down, weight, case.x.sites, **case.where, groups=case.groups)
    assert ours.sites is case.x.sites
    if case.groups == 1:  # the definition, which has no limit on what lies behind the last window, as torch's has
        given, dense = down.dense(), torch.zeros(len(down.dense()), 8, *case.x.sites.shape, dtype=torch.float64)
        given.requires_grad_()
        back = torch_conv(dense.requires_grad_(), weight.transpose(-1, -2), **case.where)
        (exact,) = torch.autograd.grad(back, dense, given)
        torch.testing.assert_close(ours.dense(), SparseTensor.from_dense(exact, _active(case.x)).dense())
    again = inverse_conv(down, weight, case.x.select(_all(case.x)).sites, **case.where, groups=case.groups)
    assert torch.equal(ours.features, again.features)  # a map that is looked up anew is that of the strided convolution


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("shape", [(6, 7), (4, 6, 8)])
def test_an_inverse_convolution_is_torchs_transposed_one(shape, groups):
    case = Case(
        random_sparse(shape), (3,) * len(shape), (2,) * len(shape), (1,) * len(shape), (1,) * len(shape), groups, 1
    )
    down = strided_conv(case.x, case.weight(4, 8), **case.where, groups=groups)
    weight = case.weight(8, 4)
    ours, exact = (
        inverse_conv(down, weight, case.x.sites, **case.where, groups=groups, impl=impl)
        for impl in ("auto", "reference")
    )
    torch.testing.assert_close(ours.features, exact.features)


def _active(x):
    return x.with_features(torch.ones(len(x.sites), 1)).dense()[:, 0] > 0


def _all(x):
    return torch.ones(len(x.sites), dtype=torch.bool)


@QUICK
@given(cases(groups=(4,)))
def test_depthwise_is_the_grouped_dense_convolution(case):
    weight = case.weight(4, 4)
    assert weight.shape[-2:] == (1, 4)
    ours = strided_conv(case.x, weight, **case.where, groups=4)
    torch.testing.assert_close(ours.dense(), torch_conv(case.x.dense(), weight, **case.where, groups=4))


@QUICK
@given(cases(dilations=(1,)))
def test_max_pooling_takes_the_largest_of_the_occupied_cells(case):
    lowest = case.x.with_features(case.x.features + 1000).dense() - 1000  # empty cells are lower than any number
    padding = tuple(p for size in reversed(case.padding) for p in (size, size))
    around = functional.pad(lowest, padding, value=-1000.0)
    pool = functional.max_pool3d if len(case.kernel) == 3 else functional.max_pool2d
    exact = pool(around, case.kernel, case.stride)
    ours = max_pool(case.x, case.kernel, case.stride, case.padding)
    torch.testing.assert_close(ours.with_features(ours.features + 1000).dense() - 1000, exact)


def test_a_known_answer_on_a_line_of_three_cells():
    x = SparseTensor.from_coordinates(
        torch.tensor([[0, 0, 3], [0, 0, 0], [0, 0, 1]]), torch.tensor([[3.0], [1.0], [2.0]]), 1, (1, 5)
    )
    weight = torch.tensor([10.0, 1.0, 100.0]).view(1, 3, 1, 1)
    assert submanifold_conv(x, weight).features.flatten().tolist() == [201, 12, 3]
    assert submanifold_conv(x, weight, dilation=2).features.flatten().tolist() == [1, 302, 23]
    strided = strided_conv(x, weight, 2, (0, 1))
    assert strided.sites.coordinates.tolist() == [[0, 0, 0], [0, 0, 1], [0, 0, 2]]
    assert strided.features.flatten().tolist() == [201, 320, 30]
    assert max_pool(x, (1, 3), (1, 2), (0, 1)).features.flatten().tolist() == [2, 3, 3]
    onto = inverse_conv(strided.with_features(torch.tensor([[1.0], [2.0], [3.0]])), weight, x.sites, 2, (0, 1))
    assert onto.features.flatten().tolist() == [1, 120, 230]
