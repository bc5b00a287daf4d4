"""What cannot be convolved is refused in a sentence that names it."""

import pytest
import torch
from sparse_cases import random_sparse

from effbench.kernels.sparse_conv import (
    InverseConv,
    Sites,
    SparseTensor,
    StridedConv,
    SubmanifoldConv,
    inverse_conv,
    strided_conv,
    submanifold_conv,
)

ONE = torch.tensor([[0, 1, 2]])


@pytest.mark.parametrize(
    ("coordinates", "batch", "shape", "message"),
    [
        (torch.tensor([[0, 1, 2], [0, 0, 1], [0, 1, 2]]), 1, (3, 3), "rows 0 and 2 are both .0, 1, 2."),
        (torch.tensor([[0, 1, 3]]), 1, (3, 3), "row 0 .0, 1, 3. lies outside"),
        (torch.tensor([[0, -1, 2]]), 1, (3, 3), "lies outside"),
        (torch.tensor([[1, 1, 2]]), 1, (3, 3), "lies outside"),
        (ONE, 1, (3, 3, 3), r"want whole numbers \[N, 4\]"),
        (ONE.float(), 1, (3, 3), "want whole numbers"),
        (ONE, 1, (3,), "want 2 or 3 axes"),
        (ONE, 1, (0, 3), "at least 1 cell"),
        (ONE, 2**40, (2**12, 2**12), "more than 2.62 cells"),
    ],
)
def test_coordinates(coordinates, batch, shape, message):
    with pytest.raises(ValueError, match=message):
        Sites.from_coordinates(coordinates, batch, shape)


def test_operands():
    x = random_sparse((4, 5))
    weight = torch.randn(3, 3, 4, 4, dtype=torch.float64)
    for call, message in [
        (lambda: submanifold_conv(x, weight[..., :3, :]), "4 channels"),
        (lambda: submanifold_conv(x, weight, groups=3), "in 3 groups"),
        (lambda: submanifold_conv(x, weight[0]), "for 2 axes"),
        (lambda: submanifold_conv(x, weight.float()), "weight of torch.float32"),
        (lambda: submanifold_conv(x, weight, impl="cuda"), "no implementation 'cuda'"),
        (lambda: submanifold_conv(x, weight, impl="cpu"), "takes float32"),
        (lambda: submanifold_conv(x, weight, dilation=0), "dilation 0"),
        (lambda: strided_conv(x, weight, (2, 2, 2), 1), "want 2 whole numbers"),
        (lambda: strided_conv(x, weight, 0, 1), "stride 0"),
        (lambda: strided_conv(x, weight, 1, 0, dilation=3), "larger than"),
        (lambda: inverse_conv(x, weight, x.sites, 2, 1), "are no outputs"),
        (lambda: x.with_features(x.features[:-1]), "a row a site"),
        (lambda: x.select(torch.ones(3, dtype=torch.bool)), "one per site"),
        (lambda: SparseTensor.from_coordinates(ONE, torch.ones(2, 1), 1, (3, 3)), "2 rows of features for 1"),
        (lambda: SubmanifoldConv(4, 6, groups=4), "do not part into 4 groups"),
        (lambda: StridedConv(4, 4, (3, 3)), "want 3 whole numbers"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()


def test_modules_are_their_functions():
    torch.manual_seed(0)
    x = random_sparse((6, 7), dtype=torch.float32)
    for dtype in (torch.float32, torch.float64):
        given = x.with_features(x.features.to(dtype))
        sub, down, up = SubmanifoldConv(4, 8, axes=2), StridedConv(8, 8, axes=2), InverseConv(8, 4, axes=2)
        for module in (sub, down, up):
            module.to(dtype)
        first = sub(given)
        second = down(first)
        third = up(second, onto=x.sites)
        assert third.features.shape == x.features.shape
        third.features.square().sum().backward()
        assert all(module.weight.grad.abs().sum() > 0 for module in (sub, down, up))
        assert torch.equal(second.features, strided_conv(first, down.weight, 2, 1).features)
