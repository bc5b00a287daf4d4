import pytest
import torch

from effbench.errors import BadInput
from effbench.nas.cells import canonical, every_code, is_connected
from effbench.nas.network import CellBlock, StackedNetwork
from effbench.nas.skeleton import Skeleton
from effbench.nas.supernet import SharedCell, Supernet
from effbench.zoo.digits_pixart.data import Digits
from effbench.zoo.nas_micro.one_shot import accuracy_of, all_one_shot, train_supernet

SMALL = Skeleton(channels=1, size=8, width=4, cells=2, stem=1, reduction="pool")
CODES = [(3, 3, 3, 3, 3, 3), (3, 1, 4, 2, 0, 3), (0, 3, 1, 0, 2, 1), (1, 0, 0, 1, 0, 0), (3, 3, 0, 0, 0, 0)]


def digits(count=200, classes=2, seed=0):
    """Classes that a bright half tells apart."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % classes
    images = torch.randn(count, 1, 8, 8, generator=generator)
    images[labels == 1, :, :4] += 1.0
    return Digits(images, labels)


def supernet(skeleton=SMALL, seed=0):
    made = Supernet(skeleton)
    made.initialise([seed])
    return made


def alone(shared, code, skeleton=SMALL):
    """A network of the cell by itself, with the supernet's weights and statistics, part by part."""
    network = StackedNetwork(code, skeleton)
    for name in ("stem", "last", "head"):
        getattr(network, name).load_state_dict(getattr(shared, name).state_dict())
    for own, its in zip(network.body, shared.body):
        if isinstance(own, CellBlock):
            assert isinstance(its, SharedCell)
            for edge, part in own.weighted.items():
                part.load_state_dict(its.weighted[f"{edge}_{code[int(edge)]}"].state_dict())
        else:
            own.load_state_dict(its.state_dict())
    return network


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("code", CODES, ids=str)
def test_a_path_computes_what_the_network_alone_computes_with_the_same_weights(code, mode):
    shared, images = supernet(), digits(32).images
    shared.choose((3, 2, 4, 1, 2, 3))
    shared.recalibrate([images])  # statistics that are not those of a fresh network
    network = alone(shared, code)
    shared.choose(code)
    torch.testing.assert_close(getattr(shared, mode)()(images), getattr(network, mode)()(images), rtol=0, atol=0)


def test_a_shared_cell_by_hand():
    """One channel, one pixel in the middle: in evaluation a fresh normalisation is almost 1, so a cell is arithmetic."""
    cell = SharedCell(1).eval()
    for name, part in cell.weighted.items():
        edge, op = map(int, name.split("_"))
        torch.nn.init.zeros_(part[0].weight)
        part[0].weight.data[..., part[0].kernel_size[0] // 2, part[0].kernel_size[1] // 2] = edge + op / 10
    cell.code, cell.live = (3, 2, 1, 4, 3, 2), list(range(6))
    x = torch.full((1, 1, 3, 3), 2.0)
    one = (0 + 0.3) * 2  # edge 0: 3x3
    two = (1 + 0.2) * 2 + one  # edge 1: 1x1, and a skip of the first
    out = 2 + (4 + 0.3) * one + (5 + 0.2) * two  # edge 3: the pool of a constant
    torch.testing.assert_close(cell(x)[0, 0, 1, 1].item(), out, rtol=1e-4, atol=0)


def test_only_what_a_cell_uses_is_trained():
    shared, given = supernet(), digits(16)
    shared.choose((3, 0, 0, 0, 2, 0))
    torch.nn.functional.cross_entropy(shared(given.images)[:, 0], given.labels).backward()
    used = {name for name, weights in shared.named_parameters() if weights.grad is not None and ".weighted." in name}
    assert {name.split(".weighted.")[1].split(".")[0] for name in used} == {"0_3", "4_2"}


def test_statistics_of_a_path_do_not_depend_on_what_was_judged_before():
    shared, given = supernet(), digits()
    first = accuracy_of(shared, CODES[0], given, given)
    statistics = {name: tensor.clone() for name, tensor in shared.stem.state_dict().items()}
    accuracy_of(shared, CODES[1], digits(seed=5), given)
    assert accuracy_of(shared, CODES[0], given, given) == first
    for name, tensor in shared.stem.state_dict().items():
        torch.testing.assert_close(tensor, statistics[name])


def test_recalibrated_statistics_are_the_mean_over_batches():
    shared, batches = supernet(), [digits(50, seed=seed).images for seed in range(3)]
    shared.choose(CODES[0])
    shared.recalibrate(batches)
    convolution, norm = shared.stem
    with torch.no_grad():
        means = torch.stack([convolution(images).mean((0, 2, 3)) for images in batches]).mean(0)
    torch.testing.assert_close(norm.running_mean, means)
    assert norm.momentum == 0.1


@pytest.mark.proof
def test_a_supernet_is_a_function_of_its_seed_and_learns():
    train, judging = digits(200), digits(100, seed=1)
    one, cost = train_supernet(train, 8, seed=0)
    again, _ = train_supernet(train, 8, seed=0)
    other, _ = train_supernet(train, 8, seed=1)
    reached = [accuracy_of(net, CODES[0], train, judging) for net in (one, again, other)]
    assert reached[0] == reached[1] > 0.8
    assert not torch.equal(one.head.weight, other.head.weight)
    assert cost.cpu_s > 0 and cost.flops > 0


def test_paths_are_drawn_among_connected_cells_alone(monkeypatch):
    chosen = []
    usual = Supernet.choose
    monkeypatch.setattr(Supernet, "choose", lambda self, code: (chosen.append(code), usual(self, code)))
    train_supernet(digits(2000), 1)
    assert len(chosen) == 40 and len({canonical(code) for code in chosen}) > 30
    assert all(is_connected(code) for code in chosen) and set(chosen) <= set(every_code())


def test_what_the_work_folder_holds_is_not_computed_again(tmp_path, monkeypatch):
    both = digits(100), digits(60, seed=1)
    values, cost = all_one_shot(CODES[:2], both, tmp_path, epochs=1)
    file = tmp_path / "one_shot" / "accuracy.jsonl"
    file.write_text(file.read_text("utf-8") + '{"code": [1, 1', "utf-8")  # killed while it wrote
    monkeypatch.setattr("effbench.zoo.nas_micro.one_shot.train_supernet", None)
    more, same = all_one_shot(CODES[:3], both, tmp_path, epochs=1)
    assert more[:2] == values and same == cost and len(more) == 3
    assert all_one_shot(CODES[:3], both, tmp_path, epochs=1)[0] == more
    assert all(seconds > 0 and 0 <= accuracy <= 1 for accuracy, seconds in more)
    with pytest.raises(BadInput, match="trained by another recipe"):
        all_one_shot(CODES[:2], both, tmp_path, epochs=2)
