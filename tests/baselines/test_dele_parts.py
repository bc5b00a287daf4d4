"""What DELE's parts promise: pairs and hinge, encoders, experts and gate, and the two steps of training."""

import time
from itertools import combinations

import pytest
import torch

from effbench.nas.cells import EDGES, NONE, every_code
from effbench_baselines.dele.encoders import Gates, Gcn, Lstm, OneHot
from effbench_baselines.dele.experts import Experts, Shape
from effbench_baselines.dele.pairs import hinge, ordered_pairs
from effbench_baselines.dele.training import finetune, pretrain

ENCODERS = [Gates(layers=3, width=8, hidden=6, embedding=4), Lstm(width=7, embedding=5), Gcn(2, 6, 4), OneHot()]
SMALL = Gates(layers=2, width=8, hidden=6, embedding=4)
CODES = torch.tensor(every_code()[100::771])


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def experts(count=3, weighting="gate", encoder=SMALL, hidden=(9,), seed=0):
    return Experts(Shape(encoder, hidden, count, weighting), seeded(seed)).eval()


def silent(done, total):
    pass


# --- pairs and their loss


def test_pairs_are_those_that_the_labels_keep_apart_worse_first():
    labels = torch.tensor([0.3, 0.1, 0.3, 0.2])
    found = {tuple(pair) for pair in ordered_pairs(labels, seeded()).tolist()}
    assert found == {(1, 0), (1, 2), (3, 0), (3, 2), (1, 3)}


def test_at_most_four_pairs_an_architecture_none_twice_and_all_alike_likely():
    labels = torch.arange(20.0)
    drawn = [ordered_pairs(labels, seeded(s)) for s in range(300)]
    assert all(len(pairs) == len(pairs.unique(dim=0)) == 80 for pairs in drawn)
    assert all((labels[pairs[:, 1]] > labels[pairs[:, 0]]).all() for pairs in drawn)
    counts = torch.stack([pairs.flatten().bincount(minlength=20) for pairs in drawn]).float().mean(0)
    torch.testing.assert_close(counts, torch.full((20,), 8.0), atol=0.5, rtol=0)


def test_pairs_that_are_drawn_rather_than_listed_are_all_alike_likely_too():
    """Of 80 rows, 20 of them tied, 320 of 2,970 pairs: each comes up in 300 draws as often as a binomial number does."""
    labels = torch.arange(80.0).clamp(max=60)
    drawn = [ordered_pairs(labels, seeded(s)) for s in range(300)]
    assert all(len(pairs) == len(pairs.unique(dim=0)) == 320 for pairs in drawn)
    assert all((labels[pairs[:, 1]] > labels[pairs[:, 0]]).all() for pairs in drawn)
    keys = torch.cat([pairs[:, 1] * 80 + pairs[:, 0] for pairs in drawn])
    counts = keys.bincount(minlength=6400)[(labels[:, None] > labels).flatten()].double()
    share = 320 / len(counts)
    assert len(counts) == 2_970
    assert float(counts.var()) == pytest.approx(300 * share * (1 - share), rel=0.15)
    assert (counts - 300 * share).abs().max() < 5 * (300 * share) ** 0.5


def test_labels_that_order_nothing_give_no_pair_and_no_loss():
    scores = torch.randn(5, requires_grad=True)
    pairs = ordered_pairs(torch.ones(5), seeded())
    assert pairs.shape == (0, 2) and ordered_pairs(torch.ones(1), seeded()).shape == (0, 2)
    hinge(scores, pairs).backward()
    assert hinge(scores, pairs) == 0 and (scores.grad == 0).all()


def test_the_hinge_is_that_of_a_loop():
    """Of nine rows, whose 36 pairs at most are all taken: four an architecture."""
    scores, labels = torch.randn(9, generator=seeded()), torch.randn(9, generator=seeded(1)).round(decimals=0)
    terms = []
    for i, j in combinations(range(9), 2):
        if labels[i] != labels[j]:
            sign = 1.0 if labels[j] > labels[i] else -1.0
            terms.append(max(0.0, 0.1 - sign * float(scores[j] - scores[i])))
    pairs = ordered_pairs(labels, seeded())
    assert 20 < len(pairs) == len(terms) < 36
    assert float(hinge(scores, pairs)) == pytest.approx(sum(terms) / len(terms))
    assert hinge(torch.arange(12.0), ordered_pairs(torch.arange(12.0), seeded())) == 0


# --- encoders


def test_the_lstm_is_torchs():
    encoder = Lstm(width=7, embedding=5)
    tensors = encoder.initial(seeded())
    theirs = torch.nn.LSTM(5, 7, batch_first=True)
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(tensors["input"].T)
        theirs.weight_hh_l0.copy_(tensors["state"].T)
        theirs.bias_ih_l0.copy_(tensors["bias_input"])
        theirs.bias_hh_l0.copy_(tensors["bias_state"])
        expected = theirs(tensors["ops"][CODES])[1][0][0]
    found = encoder.encode({name: tensor[None] for name, tensor in tensors.items()}, CODES)[0]
    torch.testing.assert_close(found, expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("encoder", ENCODERS, ids=["gates", "lstm", "gcn", "one-hot"])
def test_experts_on_a_gpu_score_as_on_the_cpu(encoder):
    network = experts(encoder=encoder)
    here = network(CODES)
    there = network.cuda()(CODES.cuda())
    for name in ("experts", "weights", "fused"):
        torch.testing.assert_close(getattr(there, name).cpu(), getattr(here, name), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("encoder", ENCODERS, ids=["gates", "lstm", "gcn", "one-hot"])
def test_a_stack_encodes_as_its_members_do_alone(encoder):
    members = [encoder.initial(seeded(s)) for s in range(3)]
    stacked = {name: torch.stack([m[name] for m in members]) for name in members[0]}
    together = encoder.encode(stacked, CODES)
    assert together.shape == (3, len(CODES), encoder.size)
    for k, member in enumerate(members):
        alone = encoder.encode({name: tensor[None] for name, tensor in member.items()}, CODES)
        torch.testing.assert_close(together[k], alone[0], rtol=1e-4, atol=1e-6)


def gates_as_the_equation_reads(encoder, tensors, codes):
    """The same, the gate sigmoid(A emb(op) + b) of every edge of every architecture computed for itself; [B, size]."""
    start = tensors["start"] @ tensors["lift.weight"] + tensors["lift.bias"]
    nodes = [start.expand(len(codes), -1)] + [tensors["lift.bias"].expand(len(codes), -1)] * 3
    for layer in range(encoder.layers):
        sent = [node @ tensors[f"flow{layer}"] for node in nodes]
        arrived = [sent[0]] + [torch.zeros_like(sent[0])] * 3
        for place, (to, source) in enumerate(EDGES):
            embedded = tensors["ops"][codes[:, place]]
            gate = torch.sigmoid(embedded @ tensors[f"gate{layer}.weight"] + tensors[f"gate{layer}.bias"])
            gate = gate * (codes[:, place] != NONE)[:, None]
            arrived[to] = arrived[to] + gate * sent[source]
        nodes = [torch.relu(node) for node in arrived] if layer + 1 < encoder.layers else arrived
    return nodes[-1]


def test_gates_by_a_table_of_operations_are_those_of_the_equation():
    tensors = SMALL.initial(seeded(2))
    torch.testing.assert_close(gates_as_the_equation_reads(SMALL, tensors, CODES), gates_of(CODES.tolist(), 2))


def gates_of(codes, seed=0, encoder=SMALL, change=None):
    tensors = {name: tensor[None].clone() for name, tensor in encoder.initial(seeded(seed)).items()}
    if change:
        change(tensors)
    return encoder.encode(tensors, torch.tensor(codes))[0]


def test_gates_by_hand_on_one_edge():
    """A cell with the edge 0 -> 3 alone: two layers of products, written out."""
    encoder = Gates(layers=2, width=3, hidden=2, embedding=2)
    t = encoder.initial(seeded(5))
    start, other = t["start"] @ t["lift.weight"] + t["lift.bias"], t["lift.bias"]
    gate = [torch.sigmoid(t["ops"][3] @ t[f"gate{i}.weight"] + t[f"gate{i}.bias"]) for i in range(2)]
    entry, out = torch.relu(start @ t["flow0"]), torch.relu(gate[0] * (start @ t["flow0"]))
    expected = gate[1] * (entry @ t["flow1"])
    assert other.shape == (2,) and out.shape == (3,)
    torch.testing.assert_close(gates_of([(0, 0, 0, 3, 0, 0)], 5, encoder)[0], expected)


def test_nothing_flows_through_nothing():
    def other(tensors):
        tensors["ops"][:, 0] += 5.0

    codes = [(0, 3, 0, 2, 1, 0), (4, 0, 3, 0, 0, 1)]
    torch.testing.assert_close(gates_of(codes), gates_of(codes, change=other), rtol=0, atol=0)


def test_cells_without_a_path_have_one_encoding_and_others_have_not():
    dead = gates_of([(0, 0, 0, 0, 0, 0), (3, 3, 2, 0, 0, 0)])
    torch.testing.assert_close(dead[0], dead[1])
    assert not torch.allclose(gates_of([(3, 3, 2, 1, 0, 0)])[0], dead[0])


def test_gates_do_not_see_how_equal_inner_nodes_are_numbered():
    """Nodes 1 and 2 without an edge between them may change their names."""
    torch.testing.assert_close(gates_of([(3, 2, 0, 1, 4, 3)])[0], gates_of([(2, 3, 0, 1, 3, 4)])[0])


def test_gradients_of_gates():
    members = {n: t[None].double().requires_grad_() for n, t in Gates(2, 3, 2, 2).initial(seeded(3)).items()}
    names = list(members)

    def encoded(*tensors):
        return Gates(2, 3, 2, 2).encode(dict(zip(names, tensors)), CODES[:4])

    assert torch.autograd.gradcheck(encoded, tuple(members.values()))


def gcn_of(code, tensors, layers=2):
    return Gcn(layers, 3, 2).encode({name: tensor[None] for name, tensor in tensors.items()}, torch.tensor([code]))[
        0, 0
    ]


def test_a_graph_convolution_by_hand_on_one_edge():
    """A cell with the edge 0 -> 3 alone: a chain of input, operation, output, one layer written out."""
    t = Gcn(1, 3, 2).initial(seeded(5))
    x = torch.stack([t["ops"][5], t["ops"][3], t["ops"][6]])
    looped = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 1.0]])
    scale = torch.diag(looped.sum(1) ** -0.5)
    expected = torch.relu(scale @ looped @ scale @ x @ t["graph0.weight"] + t["graph0.bias"]).mean(0)
    torch.testing.assert_close(gcn_of((0, 0, 0, 3, 0, 0), t, 1), expected)


def test_a_graph_convolution_does_not_see_what_nothing_is_embedded_as_nor_how_inner_nodes_are_numbered():
    t = Gcn(2, 3, 2).initial(seeded(5))
    torch.testing.assert_close(gcn_of((3, 2, 0, 1, 4, 3), t), gcn_of((2, 3, 0, 1, 3, 4), t))
    assert not torch.allclose(gcn_of((3, 2, 0, 1, 4, 3), t), gcn_of((3, 2, 1, 1, 4, 3), t))
    before = gcn_of((0, 3, 0, 2, 1, 0), t)
    t["ops"][0] += 5.0
    assert torch.equal(gcn_of((0, 3, 0, 2, 1, 0), t), before)
    assert torch.isfinite(gcn_of((0,) * 6, t)).all()


# --- experts and gate


@pytest.mark.parametrize("encoder", [Gates(2, 8, 8, 8), Gcn(2, 8, 8), Lstm(8, 8), OneHot()])
def test_everything_stays_on_the_device_of_weights_and_codes(encoder):
    """On torch's device without data, which refuses a tensor that was made elsewhere as a GPU would."""
    network = Experts(Shape(encoder, (8,), 3, "gate"), torch.Generator().manual_seed(0)).train().to("meta")
    codes = torch.empty(16, 6, dtype=torch.int64, device="meta")
    fused = network(codes[torch.tensor([3, 1, 2, 5])]).fused
    hinge(fused, torch.tensor([[0, 1], [2, 3]])).backward()
    assert fused.device.type == "meta" and network.expert_scores(codes).device.type == "meta"
    assert all(p.grad is None or p.grad.device.type == "meta" for p in network.parameters())


def test_sizes_are_those_of_the_published_networks():
    """514,377 parameters per GATES expert, 6,690,212 of twelve with their gate, 81,401 of an LSTM expert."""

    def size(network):
        return sum(p.numel() for p in network.parameters())

    assert size(experts(1, "uniform", Gates(), (300,) * 5)) == 514_377
    assert size(experts(12, "gate", Gates(), (300,) * 5)) == 6_690_212
    assert size(experts(1, "uniform", Lstm(), ())) == 81_401


@pytest.mark.parametrize("weighting", ["gate", "static", "uniform"])
def test_weights_are_shares_and_one_expert_is_its_own_mix(weighting):
    found = experts(4, weighting)(CODES)
    assert (found.weights > 0).all()
    torch.testing.assert_close(found.weights.sum(0), torch.ones(len(CODES)))
    torch.testing.assert_close(found.fused, (found.weights * found.experts).sum(0))
    alone = experts(1, weighting)(CODES)
    assert torch.equal(alone.fused, alone.experts[0])


def test_only_the_gates_weights_depend_on_the_architecture():
    assert experts(3, "gate")(CODES).weights.std(1).max() > 1e-4
    assert experts(3, "static")(CODES).weights.std(1).max() == 0


@torch.no_grad()
def test_equal_experts_make_their_own_score_whatever_the_gate():
    network = experts(3)
    for member in network.members[1:3]:
        member.load_state_dict(network.members[0].state_dict())
    found = network(CODES)
    torch.testing.assert_close(found.fused, found.experts[0])


@torch.no_grad()
def test_a_gate_forced_onto_one_expert_gives_its_score():
    network = experts(3)
    network.members[-1].get_parameter("last-weight").zero_()
    network.members[-1].get_parameter("last-bias").copy_(torch.tensor([0.0, 200.0, 0.0]))
    found = network(CODES)
    torch.testing.assert_close(found.fused, found.experts[1])


@torch.no_grad()
def test_experts_and_the_gates_outputs_may_change_places_together():
    network, other, order = experts(3), experts(3, seed=1), [2, 0, 1]
    for place, source in enumerate(order):
        other.members[place].load_state_dict(network.members[source].state_dict())
    gate = dict(network.members[3].state_dict())
    gate["last-weight"], gate["last-bias"] = gate["last-weight"][:, order], gate["last-bias"][order]
    other.members[3].load_state_dict(gate)
    torch.testing.assert_close(other(CODES).fused, network(CODES).fused)


# --- the two steps


def state(network, member):
    return [p.detach().clone() for p in network.parameters_of(member)]


def unchanged(before, after):
    return all(torch.equal(a, b) for a, b in zip(before, after))


def test_the_first_step_moves_the_experts_that_learn_something_and_nothing_else():
    network = experts(3).train()
    before = [state(network, k) for k in range(4)]
    ordered, flat = torch.arange(len(CODES)) * 1.0, torch.ones(len(CODES))
    pretrain(network, CODES, [flat, ordered, ordered], 1, 512, silent)
    after = [state(network, k) for k in range(4)]
    assert [unchanged(b, a) for b, a in zip(before, after)] == [True, False, False, True]
    pretrain(network, CODES, [flat, ordered, flat], 3, 512, silent)
    last = [state(network, k) for k in range(4)]
    assert [unchanged(b, a) for b, a in zip(after, last)] == [True, False, True, True]


def test_an_expert_without_pairs_in_one_batch_is_not_carried_on_by_its_momentum():
    """Of two batches only one orders anything: as many steps as with that batch alone."""
    codes, labels = CODES[:20], torch.cat([torch.arange(10.0), torch.zeros(10)])
    moved = []
    for part in (slice(0, 20), slice(0, 10)):
        network = experts(1, "uniform", hidden=())  # no dropout, so that both draw alike
        network.generator = FixedOrder()
        pretrain(network, codes[part], [labels[part]], 3, 10, silent)
        moved.append(state(network, 0))
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(*moved))


class FixedOrder(torch.Generator):
    """Draws like any other; the test below replaces ``randperm`` by the order given."""


@pytest.fixture(autouse=True)
def in_order(monkeypatch, request):
    if "momentum" in request.node.name:
        monkeypatch.setattr(torch, "randperm", lambda n, generator=None: torch.arange(n))


def test_the_first_step_equals_as_many_trainings_apart():
    """Without dropout and with one batch, expert k of three ends where it ends alone."""
    labels = [torch.randn(len(CODES), generator=seeded(s)) for s in range(3)]
    few = CODES[:8]  # 28 pairs, below the limit: no draw
    together = experts(3, "uniform", hidden=())
    alone = [experts(1, "uniform", hidden=()) for _ in range(3)]
    for k, network in enumerate(alone):
        network.members[0].load_state_dict(together.members[k].state_dict())
        pretrain(network, few, [labels[k][:8]], 5, 512, silent)
    pretrain(together, few, [own[:8] for own in labels], 5, 512, silent)
    for k, network in enumerate(alone):
        # The last bias has a gradient of rounding errors alone, which Adam makes steps of: only differences count.
        ours, theirs = (
            scores - scores.mean() for scores in (together.expert_scores(few)[k], network.expert_scores(few)[0])
        )
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


def test_the_second_step_moves_experts_and_gate():
    network = experts(2).train()
    before = [state(network, k) for k in range(3)]
    finetune(network, CODES, torch.arange(len(CODES)) * 1.0, 2, 512, silent)
    assert not any(unchanged(b, state(network, k)) for k, b in enumerate(before))
    after = [state(network, k) for k in range(3)]
    finetune(network, CODES, torch.ones(len(CODES)), 2, 512, silent)
    assert all(unchanged(b, state(network, k)) for k, b in enumerate(after))


def test_with_frozen_experts_only_the_gate_is_given_a_gradient():
    network = experts(3)
    for k in range(3):
        for parameter in network.parameters_of(k):
            parameter.requires_grad_(False)
    hinge(network(CODES).fused, ordered_pairs(torch.arange(len(CODES)), seeded())).backward()
    assert all(p.grad is None for k in range(3) for p in network.parameters_of(k))
    assert max(p.grad.abs().max() for p in network.parameters_of(3)) > 0


def test_a_gate_alone_cannot_turn_an_expert_that_ranks_the_wrong_way():
    """One expert: its weight is 1 whatever the gate. Several equal ones: their mix is the same one still."""
    for count in (1, 3):
        network = experts(count)
        for k in range(count):
            network.members[k].load_state_dict(network.members[0].state_dict())
            for parameter in network.parameters_of(k):
                parameter.requires_grad_(False)
        wrong = network(CODES).fused.detach()
        finetune(network, CODES, -wrong, 30, 512, silent)
        torch.testing.assert_close(network(CODES).fused.detach(), wrong, rtol=1e-4, atol=1e-5)


def test_training_ranks_what_it_was_shown():
    network = experts(1, "uniform", Gates(3, 16, 16, 8), (16,)).train()
    worth = (CODES == 3).sum(1).double()
    finetune(network, CODES, worth, 150, 512, silent)
    scores = network.eval()(CODES).fused
    pairs = ordered_pairs(worth, seeded())
    assert (scores[pairs[:, 1]] > scores[pairs[:, 0]]).double().mean() > 0.97


@pytest.mark.timing
def test_a_step_is_eight_times_cheaper_than_encoding_every_pair():
    """GATES experts of the published size: encode 256 architectures once, or both sides of their 1,024 pairs.

    Re-encoding is as the published code does it: a gate for every edge of every copy. Two experts stand for twelve: they
    share nothing, and either form's cost is that of one as often as there are experts.
    """
    network = experts(2, "uniform", Gates(), (300,) * 5)
    codes = torch.tensor(every_code())[torch.randperm(15625, generator=seeded())[:256]]
    pairs = ordered_pairs(torch.randperm(256, generator=seeded()).double(), seeded())
    assert len(pairs) == 1024

    def once():
        scores = network.expert_scores(codes)
        torch.stack([hinge(own, pairs) for own in scores]).sum().backward()

    apart = [experts(1, "uniform", Gates(), (300,) * 5) for _ in range(2)]

    def scored(one, codes):
        tensors = {n.replace("-", "."): p for n, p in one.members[0].named_parameters()}
        hidden = gates_as_the_equation_reads(Gates(), tensors, codes)
        for layer in range(5):
            hidden = torch.relu(hidden @ tensors[f"head{layer}.weight"] + tensors[f"head{layer}.bias"])
        return (hidden @ tensors["last.weight"] + tensors["last.bias"])[:, 0]

    torch.testing.assert_close(scored(apart[0], codes), apart[0].expert_scores(codes)[0], rtol=1e-3, atol=1e-5)

    def per_pair():
        total = 0.0
        for one in apart:  # every expert draws its own pairs, so each is encoded for itself
            worse, better = (scored(one, codes[pairs[:, side]]) for side in (0, 1))
            total = total + torch.relu(0.1 - (better - worse)).mean()
        total.backward()

    def seconds(form):
        started = time.process_time()
        form()
        return time.process_time() - started

    once(), per_pair()  # the first run of each allocates
    # CPU time, turn about: a busy machine slows both
    ratios = sorted(seconds(per_pair) / seconds(once) for _ in range(3))
    print(f"{ratios[1]:.1f} times, from {ratios[0]:.1f} to {ratios[-1]:.1f}")
    assert ratios[1] >= 8


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("encoder", "hidden", "epochs"),
    [(Gates(2, 32), (32,), 100), (Gates(), (300,) * 5, 200)],
    ids=["suites/nas-201.yaml", "published"],
)
def test_twelve_experts_are_trained_with_78_labels_in_five_minutes(encoder, hidden, epochs):
    """With the suite's pool of 804 cells: as many epochs on the columns as told, then two hundred on the labels."""
    network = Experts(Shape(encoder, hidden, 12, "gate"), seeded()).train()
    codes = torch.tensor(every_code())[torch.randperm(15625, generator=seeded())[:804]]
    columns = [torch.randn(len(codes), generator=seeded(s)) for s in range(12)]
    started, wall = time.process_time(), time.perf_counter()
    pretrain(network, codes, columns, epochs, 512, silent)
    finetune(network, codes[:78], columns[0][:78], 200, 512, silent)
    spent, passed = time.process_time() - started, time.perf_counter() - wall
    print(f"{spent:.0f} core seconds, {passed:.0f} s on {torch.get_num_threads()} threads")
    assert spent < 2 * 300  # two cores' five minutes, however busy the machine is
