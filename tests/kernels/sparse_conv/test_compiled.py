"""The compiled path (float32) against the reference, on each instruction set, with threads, and gradients."""

import pytest
import torch
from sparse_cases import random_sparse

from effbench.kernels.sparse_conv import After, inverse_conv, strided_conv, submanifold_conv
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


def after_a_bias(x, after, impl, dtype=torch.float32, grad=False):
    """Return what three convolutions with something after them give, and with ``grad`` the gradient of the bias."""
    made = torch.Generator().manual_seed(2)
    features = torch.randn(len(x.sites), 7, generator=made).to(dtype)
    bias = None if after.bias is None else after.bias.to(dtype).requires_grad_(grad)
    after = After(bias, after.relu)
    one, two = (torch.randn(3, 3, *size, generator=made).to(dtype) for size in ((7, 19), (19, 19)))
    first = submanifold_conv(x.with_features(features), one, impl=impl, after=after)
    second = strided_conv(first, two, 2, 1, impl=impl, after=after)
    third = inverse_conv(second, two, x.sites, 2, 1, impl=impl, after=after)
    outs = [y.features for y in (first, second, third)]
    if grad and bias is not None:
        outs += torch.autograd.grad(sum(y.square().sum() for y in outs), bias)
    return [y.detach() for y in outs]


@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("with_bias", [False, True])
def test_a_bias_and_relu_follow(machine, poisoned, with_bias, relu, grad):
    x = random_sparse((11, 13), density=0.4, channels=1, dtype=torch.float32)
    after = After(torch.linspace(-1, 1, 19) if with_bias else None, relu)
    ours = after_a_bias(x, after, "cpu", grad=grad)
    for found, exact in zip(ours, after_a_bias(x, after, "reference", torch.float64, grad), strict=True):
        assert (found - exact).norm() <= 1e-5 * exact.norm()


def test_nothing_in_is_the_bias_and_nan_stays_nan(machine):
    x = random_sparse((3, 4), batch=1, density=1, channels=1, dtype=torch.float32)
    none = x.select(torch.zeros(len(x.sites), dtype=torch.bool))
    weight, bias = torch.ones(3, 3, 1, 2), torch.tensor([-1.0, 2.0])
    down = strided_conv(none, weight, 2, 1)
    up = inverse_conv(down.with_features(torch.zeros(0, 1)), weight, x.sites, 2, 1, after=After(bias, relu=True))
    assert up.features.tolist() == [[0, 2]] * len(x.sites)
    broken = submanifold_conv(x.with_features(torch.full((12, 1), torch.nan)), weight, after=After(relu=True))
    assert broken.features.isnan().all()
