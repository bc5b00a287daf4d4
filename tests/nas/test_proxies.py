"""Every proxy against its definition on a network that a hand can compute."""

import math

import pytest
import torch
from torch import nn

from effbench.errors import BadInput
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
    conv = (0.5 * (z * z.grad).detach().sum((2, 3)) ** 2).mean(0).sum() * 9
    line_ = (0.5 * (out * out.grad).detach() ** 2).mean(0).sum() * 8
    assert proxies.fisher(network, images, labels) == pytest.approx(float(conv + line_), rel=1e-4)


def test_synflow_of_a_chain_is_the_product_of_its_absolute_weights_times_its_length():
    torch.manual_seed(0)
    chain = nn.Sequential(nn.Linear(3, 4, bias=False), nn.Linear(4, 5, bias=False), nn.Linear(5, 2, bias=False))
    product = chain[2].weight.abs() @ chain[1].weight.abs() @ chain[0].weight.abs()
    assert proxies.synflow(chain, torch.zeros(1, 3)) == pytest.approx(3 * float(product.sum()), rel=1e-5)


def test_fisher_takes_what_a_layer_gave_even_where_a_relu_overwrites_it():
    torch.manual_seed(0)
    conv, line_ = nn.Conv2d(1, 2, 3, bias=False), nn.Linear(8, 2)
    images, labels = torch.rand(4, 1, 4, 4), torch.tensor([0, 1, 1, 0])
    beside, over = (nn.Sequential(conv, nn.ReLU(inplace=place), nn.Flatten(), line_) for place in (False, True))
    assert proxies.fisher(over, images, labels) == pytest.approx(proxies.fisher(beside, images, labels), rel=1e-6)


def test_fisher_of_a_linear_layer_over_tokens_has_its_channels_last():
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.line = nn.Linear(3, 2, bias=False)

        def forward(self, x):
            return self.line(x).mean(1)

    torch.manual_seed(0)
    tokens, x, labels = Tokens(), torch.rand(4, 5, 3), torch.tensor([0, 1, 1, 0])
    z = tokens.line(x).detach().requires_grad_()
    nn.functional.cross_entropy(z.mean(1), labels).backward()
    expected = (0.5 * (z * z.grad).detach().sum(1) ** 2).mean(0).sum() * 3
    assert proxies.fisher(tokens, x, labels) == pytest.approx(float(expected), rel=1e-5)


def test_synflow_with_normalisation_written_out():
    """A channel's flow is normalised over its pixels, scaled and shifted by absolute parameters, and summed by the head."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1, bias=False), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(32, 2)
    )
    with torch.no_grad():
        network[1].weight.copy_(torch.tensor([-2.0, 0.5]))
        network[1].bias.copy_(torch.tensor([0.3, -0.7]))
    kernel = network[0].weight.detach().double().abs().requires_grad_()
    head = network[3].weight.detach().double().abs().requires_grad_()
    flow = nn.functional.conv2d(torch.ones(1, 1, 4, 4, dtype=torch.float64), kernel, padding=1)
    mean, variance = flow.mean((2, 3), keepdim=True), flow.var((2, 3), unbiased=False, keepdim=True)
    scale, shift = torch.tensor([2.0, 0.5]).view(1, 2, 1, 1), torch.tensor([0.3, 0.7]).view(1, 2, 1, 1)
    normal = (flow - mean) / (variance + network[1].eps).sqrt() * scale + shift
    (normal.flatten(1) @ head.T).sum().backward()
    expected = sum(float((w * w.grad).detach().abs().sum()) for w in (kernel, head))
    assert proxies.synflow(network, torch.rand(2, 1, 4, 4), keep_norm=True) == pytest.approx(expected, rel=1e-6)


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


def test_zen_adds_the_log_of_each_normalised_deviation():
    """One drawing, written out: the change at the head, and the root mean variance of what normalisation is given."""
    network = nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(64, 2))
    images = torch.zeros(16, 1, 6, 6)
    generator = torch.Generator().manual_seed(3)
    kernel = torch.randn(4, 1, 3, 3, generator=generator)
    torch.randn(2, 64, generator=generator)  # the head's, which nothing depends on
    noise = torch.randn(images.shape, generator=generator)
    moved = noise + 0.01 * torch.randn(images.shape, generator=generator)
    raw = [nn.functional.conv2d(x, kernel) for x in (noise, moved)]
    normal = [nn.functional.batch_norm(x, None, None, training=True) for x in raw]
    expected = (normal[0] - normal[1]).abs().mean().log() + raw[0].var((0, 2, 3), unbiased=False).mean().sqrt().log()
    found = proxies.zen(network, images, torch.Generator().manual_seed(3), repeats=1)
    assert found == pytest.approx(float(expected), rel=1e-4)


def of_every_group(network, images, labels):
    found = {}
    for _, compute in proxies.every_proxy(network, images, labels, torch.Generator().manual_seed(1)):
        found |= compute()
    return found


def test_a_layer_that_does_not_run_counts_for_nothing():
    class Spare(nn.Module):
        def __init__(self, spare):
            super().__init__()
            torch.manual_seed(0)
            self.first, self.head = nn.Linear(2, 4), nn.Linear(4, 2)
            self.spare = nn.Linear(2, 2) if spare else None

        def forward(self, x):
            return self.head(torch.relu(self.first(x)))

    without, beside = of_every_group(Spare(False), X, Y), of_every_group(Spare(True), X, Y)
    assert beside.pop("parameters") == without.pop("parameters") + 6
    beside.pop("zen"), without.pop("zen")  # drawn: the spare layer's weights are drawn too
    assert beside == pytest.approx(without)


def test_a_disconnected_cell_has_proxies_that_say_so():
    network = StackedNetwork((0,) * 6, SMALL)
    network.initialise([0])
    found = of_every_group(network, torch.rand(8, 1, 8, 8), torch.arange(8))
    assert found["zen"] == found["naswot"] == -math.inf and math.isnan(found["jacob_cov"])
    assert all(math.isfinite(found[name]) for name in ("grad_norm", "snip", "grasp", "fisher", "synflow", "synflow_bn"))


def test_networks_over_sequences_have_every_proxy():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv1d(3, 4, 3, bias=False), nn.BatchNorm1d(4), nn.ReLU6(), nn.Flatten(), nn.Linear(24, 2)
    )
    x, labels = torch.randn(4, 3, 8), torch.tensor([0, 1, 1, 0])
    found = of_every_group(network, x, labels)
    assert all(math.isfinite(value) for value in found.values()) and found["relus"] == 1
    alone = proxies.of_gradients(network[4], network[:4].train()(x), labels)
    assert found["snip"] > alone["snip"] > 0


def test_naswot_without_a_relu_is_no_number_and_a_relu6_counts():
    images = torch.tensor([[1.0, -1.0, 1.0], [1.0, 1.0, -1.0]])
    assert math.isnan(proxies.naswot(nn.Hardtanh(), images))
    assert proxies.naswot(nn.ReLU6(), images) == pytest.approx(math.log(3 * 3 - 1 * 1))


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: nn.ReLU(), "ReLU has neither a convolution nor a linear layer"),
        (lambda: nn.Sequential(line().requires_grad_(False)), "layer '0' is frozen"),
        (lambda: nn.utils.parametrizations.weight_norm(nn.Linear(2, 2)), "computed from others"),
    ],
)
def test_a_network_without_weights_to_derive_by_gets_a_sentence(made, said):
    with pytest.raises(BadInput, match=said):
        proxies.of_gradients(made(), X, Y)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_proxies_on_a_gpu_are_those_of_the_cpu():
    network = StackedNetwork((3, 1, 2, 0, 4, 3), SMALL)
    network.initialise([0])
    images, labels = torch.rand(8, 1, 8, 8), torch.arange(8)
    here = of_every_group(network, images, labels)
    assert of_every_group(network.cuda(), images.cuda(), labels.cuda()) == pytest.approx(here, rel=1e-2)


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
