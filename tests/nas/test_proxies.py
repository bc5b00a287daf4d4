"""Every proxy against its definition on a network that a hand can compute."""

import math

import pytest
import torch
from torch import nn

from effbench.errors import BadInput
from effbench.nas import proxies
from effbench.nas.network import StackedNetwork
from effbench.nas.probing import timed_proxies
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


class Made(nn.Module):
    """A network of named parts whose forward is a function of itself and the input."""

    def __init__(self, forward, **parts):
        super().__init__()
        self._forward = forward
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        return self._forward(self, x)


def test_a_weight_that_two_layers_share_is_counted_once():
    torch.manual_seed(0)
    first, second = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
    second.weight = first.weight
    head = nn.Linear(2, 2, bias=False)
    by_weight = nn.Sequential(first, nn.ReLU(), second, head)
    by_module = nn.Sequential(first, nn.ReLU(), first, head)
    shared, same = of_every_group(by_weight, X, Y), of_every_group(by_module, X, Y)
    assert shared == pytest.approx(same)


def test_dropout_neither_moves_a_proxy_nor_is_measured_by_zen():
    def network(p):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Dropout(p), nn.Linear(16, 2))

    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        found.append(of_every_group(network(0.5), X, Y))
    assert found[0] == found[1] == of_every_group(network(0.0), X, Y)


def test_what_a_network_draws_itself_is_drawn_from_the_seed():
    network = Made(lambda s, x: s.line(nn.functional.dropout(x, 0.5)), line=line())
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        found.append(proxies_of_once(network)["snip"])
        assert torch.initial_seed() == seed
    assert found[0] == found[1]


def proxies_of_once(network):
    return timed_values(timed_proxies(network, X, Y, seed=3, zen_repeats=1))


def timed_values(timed):
    return {name: value for name, (value, _) in timed.items()}


def test_timed_proxies_are_those_of_every_group():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 2))
    timed = timed_proxies(network, X, Y, seed=1, zen_repeats=proxies.ZEN_REPEATS)
    assert timed_values(timed) == of_every_group(network, X, Y)
    assert timed["snip"][1] == timed["plain"][1] > 0 == timed["flops"][1]


def test_a_plain_network_that_overflows_has_no_zen():
    deep = nn.Sequential(*[part for _ in range(40) for part in (nn.Linear(400, 400, bias=False), nn.ReLU())])
    assert math.isnan(proxies.zen(deep, torch.zeros(4, 400), torch.Generator().manual_seed(0), repeats=1))
    shallow = proxies.zen(deep[:6], torch.zeros(4, 400), torch.Generator().manual_seed(0), repeats=1)
    assert math.isfinite(shallow)


def test_synflow_of_a_network_with_a_mask_and_of_one_value_a_channel():
    masked = nn.Sequential(line())
    masked.register_buffer("mask", torch.ones(2, dtype=torch.bool))
    assert proxies.synflow(masked, X) == proxies.synflow(nn.Sequential(line()), X)
    pooled = nn.Sequential(line(), nn.BatchNorm1d(2))
    assert math.isnan(proxies.synflow(pooled, X, keep_norm=True)) and proxies.synflow(pooled, X) > 0


def test_a_normalisation_under_two_names_is_passed_over_under_both():
    norm, conv = nn.BatchNorm2d(2), nn.Conv2d(1, 2, 1, bias=False)
    twice = Made(lambda s, x: s.b(s.a(s.conv(x))).mean((2, 3)), conv=conv, a=norm, b=norm)
    bare = Made(lambda s, x: s.conv(x).mean((2, 3)), conv=conv)
    images = torch.rand(2, 1, 4, 4)
    assert proxies.synflow(twice, images) == proxies.synflow(bare, images)


def test_attention_by_a_function_has_every_proxy():
    def attend(s, x):
        q, k, v = s.qkv(x).chunk(3, 2)
        return s.head(torch.relu(nn.functional.scaled_dot_product_attention(q, k, v)).mean(1))

    torch.manual_seed(0)
    network = Made(attend, qkv=nn.Linear(4, 12), head=nn.Linear(4, 2))
    found = of_every_group(network, torch.randn(3, 5, 4), Y)
    assert all(math.isfinite(value) for value in found.values())
    assert found["flops"] > 2 * 5 * 4 * 12 + 2 * 4 * 2


def test_a_network_that_changes_its_input_leaves_the_batch_alone():
    images = X.clone()
    of_every_group(Made(lambda s, x: s.line(x.mul_(2)), line=line()), images, Y)
    torch.testing.assert_close(images, X)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: nn.ReLU(), "ReLU has neither a convolution nor a linear layer"),
        (lambda: nn.Sequential(line().requires_grad_(False)), "layer '0' is frozen"),
        (lambda: nn.utils.parametrizations.weight_norm(nn.Linear(2, 2)), "computed from others"),
        (lambda: nn.utils.weight_norm(nn.Linear(2, 2)), "computed from others"),
        (lambda: nn.Sequential(nn.MultiheadAttention(2, 1), line()), "0 is a MultiheadAttention, whose products"),
        (lambda: nn.LSTM(2, 2), "the network is a LSTM, whose products"),
        (lambda: Made(lambda s, x: (s.line(x), x), line=line()), "returns a tuple; proxies want its logits alone"),
        (
            lambda: Made(lambda s, x: s.line(x)[:, :, None, None].expand(3, 2, 4, 4), line=line()),
            r"\[3, 2, 4, 4\] for 3",
        ),
        (lambda: Made(lambda s, x: s.line(x).sum(0), line=line()), r"returns \[2\] for 3 samples"),
    ],
)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_network_that_proxies_cannot_tell_anything_of_gets_a_sentence(made, said):
    with pytest.raises(BadInput, match=said):
        of_every_group(made(), X, Y)


def test_layers_that_do_not_work_along_the_samples_get_a_sentence():
    turned = Made(
        lambda s, x: s.line(torch.relu(s.first(x.T))).T.mean(1)[:, None].expand(3, 2),
        line=nn.Linear(4, 3),
        first=nn.Linear(3, 4),
    )
    for compute in (lambda: proxies.fisher(turned, X, Y), lambda: proxies.naswot(turned, X)):
        with pytest.raises(BadInput, match=r"a layer works on \[2, 4\] where 3 samples were given"):
            compute()
    still = Made(lambda s, x: s.head(_without_gradients(s.first, x)), first=nn.Linear(2, 2), head=line())
    with pytest.raises(BadInput, match="runs without gradients"):
        proxies.fisher(still, X, Y)
    by_keyword = Made(lambda s, x: s.line(input=x), line=line())
    assert math.isfinite(proxies.zen(by_keyword, X, torch.Generator().manual_seed(0)))


def _without_gradients(layer, x):
    with torch.no_grad():
        return layer(x)


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
