import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from effbench.nas.network import StackedNetwork
from effbench.nas.skeleton import Skeleton, flops, parameters

SMALL = Skeleton(channels=1, size=8, width=8, cells=1, stem=1, reduction="pool")
CODES = [(3, 3, 3, 3, 3, 3), (3, 1, 4, 2, 0, 3), (0, 3, 1, 0, 2, 1), (1, 0, 0, 1, 0, 0)]


@pytest.mark.parametrize("skeleton", [SMALL, Skeleton(width=4, cells=2, size=8)], ids=["pool", "residual"])
@pytest.mark.parametrize("code", CODES, ids=str)
def test_formulas_count_what_the_network_has_and_does(code, skeleton):
    network = StackedNetwork(code, skeleton)
    assert sum(p.numel() for p in network.parameters()) == parameters(code, skeleton)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(2, skeleton.channels, skeleton.size, skeleton.size))
    assert counter.get_total_flops() == 2 * flops(code, skeleton)


@pytest.mark.parametrize("code", CODES, ids=str)
def test_stacked_networks_compute_what_each_computes_alone(code):
    images = torch.rand(16, 3, 8, 8, generator=torch.Generator().manual_seed(0))  # of three copies
    stack = StackedNetwork(code, SMALL, copies=3)
    stack.initialise([5, 6, 7])
    together = stack(images)
    for copy, seed in enumerate((5, 6, 7)):
        alone = StackedNetwork(code, SMALL)
        alone.initialise([seed])
        torch.testing.assert_close(alone(images[:, copy : copy + 1])[:, 0], together[:, copy], rtol=1e-4, atol=1e-5)


def test_a_disconnected_cell_makes_a_constant_network():
    network = StackedNetwork((3, 3, 3, 0, 0, 0), SMALL)
    network.initialise([0])
    logits = network.eval()(torch.rand(4, 1, 8, 8))[:, 0]
    torch.testing.assert_close(logits, logits[:1].expand(4, -1))


def test_as_many_seeds_as_networks():
    with pytest.raises(ValueError, match="2 networks need as many seeds, got 1"):
        StackedNetwork(CODES[0], SMALL, copies=2).initialise([0])
