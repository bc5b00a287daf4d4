"""The compiled path (float32) against the reference, on each instruction set, with threads, and gradients."""

import pytest
import torch
from sparse_cases import random_sparse

from effbench.kernels.sparse_conv import inverse_conv, strided_conv, submanifold_conv
from effbench.kernels.sparse_conv.program import BLOCK

CHANNELS = [(1, 1), (4, 16), (17, 33), (64, 80)]


def results(x, inputs, outputs, impl, dtype=torch.float32):
    """Return what three convolutions give, and the gradients of features and weights of a fixed sum of theirs."""
    made = torch.Generator().manual_seed(1)
    features = torch.randn(len(x.sites), inputs, generator=made).to(dtype).requires_grad_()
    axes = (3,) * len(x.sites.shape)
    sizes = [(inputs, outputs), (inputs, outputs), (outputs, inputs)]
    weights = [(torch.randn(*axes, *size, generator=made) / 5).to(dtype).requires_grad_() for size in sizes]
    one = submanifold_conv(x.with_features(features), weights[0], impl=impl)
    two = strided_conv(x.with_features(features), weights[1], 2, 1, impl=impl)
    three = inverse_conv(two, weights[2], x.sites, 2, 1, impl=impl)
    outs = [y.features for y in (one, two, three)]
    factors = [torch.randn(y.shape, generator=made).to(dtype) for y in outs]
    total = sum((y * factor).sum() for y, factor in zip(outs, factors, strict=True))
    return [y.detach() for y in outs] + list(torch.autograd.grad(total, [features, *weights]))


@pytest.mark.parametrize(("inputs", "outputs"), CHANNELS)
@pytest.mark.parametrize("shape", [(24, 31), (6, 12, 13)])
def test_it_equals_the_dense_reference_with_its_gradients(machine, poisoned, shape, inputs, outputs):
    x = random_sparse(shape, density=0.5, channels=1, dtype=torch.float32)
    ours = results(x, inputs, outputs, "cpu")
    for found, exact in zip(ours, results(x, inputs, outputs, "reference", torch.float64), strict=True):
        assert found.shape == exact.shape
        assert (found - exact).norm() < 1e-5 * exact.norm()


def test_threads_and_turns_give_the_same_bits(machine):
    x = random_sparse((40, 50), density=0.8, channels=1, dtype=torch.float32)
    assert len(x.sites) > 4 * BLOCK
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 3, 3):
            torch.set_num_threads(threads)
            found.append(results(x, 16, 16, "cpu"))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for run in found[1:] for a, b in zip(run, found[0], strict=True))


@pytest.mark.parametrize("count", [0, 1])
def test_frames_without_a_site_and_with_one(machine, poisoned, count):
    x = random_sparse((1, 4, 5), batch=1, density=1, channels=1, dtype=torch.float32)
    x = x.select(torch.arange(len(x.sites)) < count)
    for found, exact in zip(results(x, 3, 5, "cpu"), results(x, 3, 5, "reference"), strict=True):
        torch.testing.assert_close(found, exact)


@pytest.mark.parametrize("groups", [2, 4])
def test_groups_and_depthwise(machine, poisoned, groups):
    x = random_sparse((9, 8, 7), channels=16 * groups, dtype=torch.float32)
    for outputs in (16 * groups, 32 * groups) if groups == 2 else (16 * groups,):
        weight = torch.randn(3, 3, 3, 16 * groups // groups, outputs)
        ours, exact = (submanifold_conv(x, weight, 2, groups, impl) for impl in ("cpu", "reference"))
        torch.testing.assert_close(ours.features, exact.features, rtol=1e-4, atol=1e-4)
    weight = torch.randn(3, 3, 3, 1, 16 * groups, requires_grad=True)
    features = x.features.requires_grad_()
    both = [submanifold_conv(x.with_features(features), weight, 2, 16 * groups, impl) for impl in ("cpu", "reference")]
    torch.testing.assert_close(both[0].features, both[1].features, rtol=1e-4, atol=1e-4)
    grads = [torch.autograd.grad((y.features * y.features.detach()).sum(), (features, weight)) for y in both]
    for found, exact in zip(*grads, strict=True):
        torch.testing.assert_close(found, exact, rtol=1e-4, atol=1e-3)
