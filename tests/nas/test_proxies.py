"""Every proxy against its definition on a network that a hand can compute."""

import math

import pytest
import torch
from torch import nn

from effbench.nas import proxies
from effbench.nas.network import StackedNetwork
from effbench.nas.skeleton import Skeleton, flops, parameters

X = torch.tensor([[1.0, 2.0], [0.5, -1.0], [-2.0, 1.5]])
Y = torch.tensor([0, 1, 1])


def line():
    """One linear layer of two classes without bias."""
    layer = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.3, -0.2], [0.1, 0.4]]))
    return layer


def by_hand():
    """dL/dW of the linear layer: the mean of (softmax - one-hot) x."""
    weight = line().weight.detach()
    p = torch.softmax(X @ weight.T, 1) - nn.functional.one_hot(Y, 2)
    return weight, p.T @ X / 3, p


def test_proxies_of_one_gradient():
    weight, gradient, _ = by_hand()
    found = proxies.of_gradients(nn.Sequential(line()), X, Y)
    assert found["grad_norm"] == pytest.approx(float(gradient.norm()), rel=1e-5)
    assert found["snip"] == pytest.approx(float((weight * gradient).abs().sum()), rel=1e-5)
    assert found["plain"] == pytest.approx(float((weight * gradient).sum()), rel=1e-5)


def test_grasp_is_the_hessian_written_out():
    def loss(flat):
        return nn.functional.cross_entropy(X @ flat.view(2, 2).T, Y)

    flat = line().weight.detach().flatten()
    gradient = torch.autograd.functional.jacobian(loss, flat)
    hessian = torch.autograd.functional.hessian(loss, flat)
    assert proxies.grasp(nn.Sequential(line()), X, Y) == pytest.approx(
        float(-(flat * (hessian @ gradient)).sum()), rel=1e-4
    )


def test_fisher_by_hand():
    weight, _, p = by_hand()
    z = X @ weight.T
    expected = (0.5 * (z * p / 3) ** 2).mean(0).sum() * 2  # each of two channels has two weights
    assert proxies.fisher(nn.Sequential(line()), X, Y) == pytest.approx(float(expected), rel=1e-5)


def test_fisher_sums_a_channel_over_its_pixels():
    network = nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.Flatten(), nn.Linear(8, 2))
    images = torch.rand(4, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 1, 1, 0])
    z = network[0](images).detach().requires_grad_()
    out = network[2](z.flatten(1))
    out.retain_grad()
    nn.functional.cross_entropy(out, labels).backward()
    conv = (0.5 * (z * z.grad).sum((2, 3)) ** 2).mean(0).sum() * 9
    line_ = (0.5 * (out * out.grad) ** 2).mean(0).sum() * 8
    assert proxies.fisher(network, images, labels) == pytest.approx(float(conv + line_), rel=1e-4)


def test_synflow_of_a_chain_is_the_product_of_its_absolute_weights_times_its_length():
    torch.manual_seed(0)
    chain = nn.Sequential(nn.Linear(3, 4, bias=False), nn.Linear(4, 5, bias=False), nn.Linear(5, 2, bias=False))
    product = chain[2].weight.abs() @ chain[1].weight.abs() @ chain[0].weight.abs()
    assert proxies.synflow(chain, torch.zeros(1, 3)) == pytest.approx(3 * float(product.sum()), rel=1e-5)


def test_synflow_passes_over_normalisation_and_its_variant_does_not():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1, bias=False), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(32, 2)
    )
    bare = nn.Sequential(network[0], nn.Identity(), network[2], network[3])
    images = torch.rand(2, 1, 4, 4)
    assert proxies.synflow(network, images) == pytest.approx(proxies.synflow(bare, images))
    assert proxies.synflow(network, images, keep_norm=True) != pytest.approx(proxies.synflow(network, images), rel=0.01)


def test_jacob_cov_of_gradients_that_are_orthogonal_and_of_equal_ones():
    """Correlations are the identity, so every eigenvalue is 1; or all 1, so one eigenvalue is n and the others 0."""

    class Given(nn.Module):
        def __init__(self, rows):
            super().__init__()
            self.rows = torch.tensor(rows)

        def forward(self, x):
            return self.rows[: len(x)] * x

    k = proxies.JITTER
    orthogonal = Given([[1.0, -1.0, 1.0, -1.0], [1.0, 1.0, -1.0, -1.0]])
    assert proxies.jacob_cov(orthogonal, torch.ones(2, 4)) == pytest.approx(
        -2 * (math.log(1 + k) + 1 / (1 + k)), rel=1e-6
    )
    equal = Given([[1.0, -1.0, 1.0, -1.0]] * 2)
    expected = -(math.log(2 + k) + 1 / (2 + k)) - (math.log(k) + 1 / k)
    assert proxies.jacob_cov(equal, torch.ones(2, 4)) == pytest.approx(expected, rel=1e-4)
    assert proxies.jacob_cov(orthogonal, 7 * torch.ones(2, 4)) == pytest.approx(
        proxies.jacob_cov(orthogonal, torch.ones(2, 4))
    )
    louder = Given([[3.0, -3.0, 3.0, -3.0], [3.0, 3.0, -3.0, -3.0]])  # the same logits, three times as large
    assert proxies.jacob_cov(louder, torch.ones(2, 4)) == pytest.approx(proxies.jacob_cov(orthogonal, torch.ones(2, 4)))
    assert math.isnan(proxies.jacob_cov(Given([[1.0] * 4] * 2), torch.ones(2, 4)))


def test_naswot_counts_where_two_samples_agree():
    network = nn.Sequential(nn.ReLU())
    images = torch.tensor([[1.0, -1.0, 1.0], [1.0, 1.0, -1.0]])
    assert proxies.naswot(network, images) == pytest.approx(math.log(3 * 3 - 1 * 1))
    assert proxies.naswot(network, images[[0, 0]]) == -math.inf


def test_zen_of_one_convolution():
    """Without normalisation it is the log of the mean change at the classifier; with it, a deviation is added."""
    images = torch.zeros(16, 1, 6, 6)
    bare = nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.Flatten(), nn.Linear(64, 2))
    generator = torch.Generator().manual_seed(0)
    # A unit of nine Gaussian weights changes by N(0, 0.01^2 x |w|^2); mean |change| is 0.01 x E|w| x sqrt(2 / pi).
    chi = math.sqrt(2) * math.gamma(5) / math.gamma(4.5)
    assert proxies.zen(bare, images, generator) == pytest.approx(
        math.log(0.01 * chi * math.sqrt(2 / math.pi)), abs=0.15
    )
    normed = nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(64, 2))
    # What normalisation divides by comes back as its log: both scores are of the network without it.
    assert proxies.zen(normed, images, generator) == pytest.approx(proxies.zen(bare, images, generator), abs=0.25)


SMALL = Skeleton(channels=1, size=8, width=4, cells=1, stem=1, reduction="pool")


def test_counts_are_those_of_the_formulas():
    code = (3, 1, 2, 0, 4, 3)
    found = proxies.counts(StackedNetwork(code, SMALL), torch.rand(2, 1, 8, 8))
    assert found["parameters"] == parameters(code, SMALL) and found["flops"] == flops(code, SMALL)
    # Per cell: nodes 0, 1 and 2 feed a convolution each; two reductions and the last activation besides.
    assert found["relus"] == 3 * 3 + 2 + 1


def test_a_network_is_left_as_it_was_found():
    network = StackedNetwork((3, 1, 2, 0, 4, 3), SMALL)
    network.initialise([0])
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    generator = torch.Generator().manual_seed(1)
    images, labels = torch.rand(8, 1, 8, 8, generator=generator), torch.arange(8)
    found = {}
    for _, compute in proxies.every_proxy(network, images, labels, generator):
        found |= compute()
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert len(found) == 13 and all(math.isfinite(value) for value in found.values())
    assert all(p.grad is None for p in network.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
