"""Spaces beyond the cells: NAS-Bench-Graph's networks, and who neighbours whom in a table that holds a part of a space."""

import pickle
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from tables_for_tests import some_cells

from effbench.api import Context, PluginError, Unsupported
from effbench.errors import BadInput
from effbench.nas.cells import canonical, every_code
from effbench.nas.graph_bench import DATA_SETS, graph_table, installed
from effbench.nas.graphs import LINKS, OPS, code_of, name_of
from effbench.nas.graphs import canonical as graph_form
from effbench.nas.network import StackedNetwork
from effbench.nas.shipped import find_table
from effbench.nas.skeleton import NAS_BENCH_201
from effbench.nas.spaces import CELLS, GRAPHS
from effbench.nas.tables import read_table
from effbench.tasks.nas_ranking.system import Architectures
from effbench.tasks.nas_ranking.task import NasRanking
from effbench.tasks.nas_search.task import NasSearch
from effbench_baselines.dele.method import Dele, NasNetwork
from effbench_baselines.nas_controls.method import NasColumns, NasRegression

needs_package = pytest.mark.skipif(installed() is None, reason="needs the package nas-bench-graph")


def network(text):
    return code_of(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("0:gcn|1:fc|1:gat|2:gin", "0:gcn|1:gat|1:fc|3:gin"),  # the order of nodes
        ("0:gcn|1:skip|2:fc|3:skip", "0:skip|1:skip|2:gcn|3:fc"),  # skips on the way
        ("0:gcn|0:fc|0:skip|0:skip", "0:skip|1:gcn|1:fc|0:skip"),  # the input beside others
        ("0:gcn|0:fc|1:gat|1:skip", "0:fc|0:gcn|2:gat|2:skip"),
    ],
)
def test_isomorphic_networks_share_a_form(one, other):
    assert graph_form(network(one)) == graph_form(network(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("0:gat|1:skip|1:skip|1:skip", "0:skip|1:gat|1:gat|1:gat"),  # one node joined thrice is not three nodes
        ("0:gcn|1:fc|2:gat|3:gin", "0:fc|1:gcn|2:gat|3:gin"),
        ("0:gcn|1:fc|1:skip|0:skip", "0:gcn|1:fc|2:skip|0:skip"),
    ],
)
def test_other_networks_do_not(one, other):
    assert graph_form(network(one)) != graph_form(network(other))


def test_graph_forms_by_hand():
    assert graph_form(network("0:gcn|1:fc|1:skip|0:skip")) == "gcn(fc(out)+out)"
    assert graph_form(network("0:skip|1:skip|2:skip|3:skip")) == "out"


def test_every_network_is_named_and_read_back_and_the_classes_are_the_benchmarks():
    codes = GRAPHS.every_code()
    assert all(code_of(name_of(code)) == code for code in codes)
    assert len({graph_form(code) for code in codes}) == 26206 + 1  # the one that does nothing was not trained
    assert len(LINKS) == 9 and len(OPS) == 9


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("0:gcn|1:fc|1:gat", "of another space: want 4 nodes"),
        ("0:gcn|1:fc|1:gatt|2:gin", "no operation 'gatt' in this space; did you mean 'gat'"),
        ("0:gcn|2:fc|1:gat|2:gin", "node 2 reads '2', want a number from 0 to 1"),
        ("|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|none~2|", "of another space"),
    ],
)
def test_a_network_of_another_space_is_refused(name, said):
    with pytest.raises(BadInput, match=said):
        code_of(name)


@pytest.mark.parametrize("code", [(9, 0, 0, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0, 9)])
def test_a_code_of_another_space_is_refused(code):
    with pytest.raises(BadInput, match="of another space than nas-bench-graph: want 5 choices out of 9, 9, 9, 9, 9"):
        GRAPHS.check(code)


def test_a_users_table_of_networks(tmp_path):
    (tmp_path / "t.yaml").write_text("{space: nas-bench-graph, rows: t.csv, truth: [acc]}", "utf-8")
    (tmp_path / "t.csv").write_text("cell,acc\n0:gcn|1:fc|1:gat|2:gin,0.5\n0:gcn|1:fc|1:gat|2:fc,0.6\n", "utf-8")
    table = read_table(tmp_path / "t.yaml")
    assert table.space is GRAPHS and [GRAPHS.name_of(code) for code in table.codes][1] == "0:gcn|1:fc|1:gat|2:fc"
    (tmp_path / "t.csv").write_text("cell,acc\n0:gcn|1:fc|1:gat|2:gin,0.5\n|none~0|,0.6\n", "utf-8")
    with pytest.raises(BadInput, match=r"t.csv: line 3: network '\|none~0\|' is of another space"):
        read_table(tmp_path / "t.yaml")


def test_a_pickled_table_is_read_and_nothing_else(tmp_path):
    rows = {12345: {"perf": 0.5, "para": np.float64(1.5), "latency": 0.1}, 88887: {"perf": 0.25, "para": 2.0}}
    file = tmp_path / "cora.bench"
    file.write_bytes(pickle.dumps(rows))
    table = graph_table(file)
    assert list(table.codes) == [(1, 2, 3, 4, 5), (8, 8, 8, 8, 7)] and table.space is GRAPHS
    assert list(table.truth) == [0.5, 0.25] and list(table.columns["parameters"]) == [1.5e6, 2e6]
    for bad in ({1: {"perf": 0.5}}, {99999: {"perf": 0.5, "para": 1.0}}, {1: {"perf": 50.0, "para": 1.0}}, [], Path):
        file.write_bytes(pickle.dumps(bad))
        with pytest.raises(BadInput, match=r"not a table of nas-bench-graph 1.4: "):
            graph_table(file)
    with pytest.raises(BadInput, match=r"none.bench: cannot be read"):
        graph_table(tmp_path / "none.bench")


def test_without_the_package_a_sentence_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("effbench.nas.shipped.graphs_installed", lambda: None)
    with pytest.raises(BadInput, match=r"comes from a package: pip install 'effbench\[nas-bench-graph\]'"):
        find_table("nas-bench-graph-cora")
    with pytest.raises(BadInput, match="did you mean 'nas-bench-graph-cora'"):
        find_table("nas-bench-graph-coda")


@needs_package
def test_our_classes_are_those_of_the_package():
    """Its numbers are one of each class; its own reduction of a network leads to the number that shares our form."""
    from nas_bench_graph.architecture import Arch

    table = graph_table(installed() / "cora.bench")
    form_of = dict(zip(table.codes, table.forms))
    assert len(set(table.forms)) == len(table.codes) == 26206
    for code in GRAPHS.every_code()[::7]:
        number = Arch(list(LINKS[code[0]]), [OPS[op] for op in code[1:]]).valid_hash()
        if number != 88888:  # which does nothing
            assert form_of[tuple(map(int, f"{number:05d}"))] == graph_form(code)


@needs_package
def test_every_data_set_of_the_package_is_read():
    for data_set in DATA_SETS:
        table = find_table(f"nas-bench-graph-{data_set}")
        assert len(table.codes) > 2000 and set(table.columns) == {"parameters"} and table.truth.min() > 0


def edit_distance(one, other):
    """Fewest places in which a code of one class differs from a code of another."""
    return min(sum(a != b for a, b in zip(x, y)) for x in members()[one] for y in members()[other])


@cache
def members():
    found = {}
    for code in every_code():
        found.setdefault(canonical(code), []).append(code)
    return found


def test_neighbours_are_an_edit_apart():
    forms = sorted(members())
    around, edits = CELLS.neighbours(forms)
    assert edits == 1
    rng = np.random.default_rng(0)
    for i in rng.integers(len(forms), size=20):
        its = set(around[i])
        assert i not in its and all(edit_distance(forms[i], forms[j]) == 1 for j in list(its)[:10])
        assert all(i in around[j] for j in its)
        assert all((edit_distance(forms[i], forms[j]) == 1) == (j in its) for j in rng.integers(len(forms), size=20))


def test_a_thinned_table_reaches_over_what_it_lacks():
    forms = sorted(members())[::40]
    around, edits = CELLS.neighbours(forms)
    assert edits == 2 and all(len(own) for own in around)
    for i, own in list(enumerate(around))[::25]:
        near = [j for j in range(len(forms)) if j != i and edit_distance(forms[i], forms[j]) <= edits]
        assert list(own) == near


def test_what_nothing_is_near_to_has_no_neighbour():
    around, edits = CELLS.neighbours([canonical((3,) * 6), canonical((4,) * 6)])
    assert edits == 3 and [list(own) for own in around] == [[], []]


@pytest.fixture
def table_of_networks(tmp_path):
    """Sixty networks whose truth counts operations that matter, and one column that knows it but for noise."""
    rng = np.random.default_rng(0)
    one_each = {graph_form(code): code for code in GRAPHS.every_code()[::97]}
    codes = list(one_each.values())[:60]
    worth = [sum(op % 3 for op in code[1:]) / 20 + 0.1 for code in codes]
    lines = [f"{name_of(code)},{w},{w + 0.05 * rng.normal()}" for code, w in zip(codes, worth)]
    (tmp_path / "t.csv").write_text("\n".join(["cell,acc,hint", *lines]) + "\n", "utf-8")
    (tmp_path / "t.yaml").write_text(
        "{space: nas-bench-graph, rows: t.csv, truth: [acc], low_fidelity: {hint: {cost_s: 1}}}", "utf-8"
    )
    return str(tmp_path / "t.yaml")


def test_networks_are_ranked_by_what_reads_any_space(table_of_networks):
    task = NasRanking(NasRanking.Params(table=table_of_networks, labels=25))
    system, samples = task.load(Context()), task.samples("evaluation")
    assert task.caption(samples[0]).count("|") == 3
    for method in (NasRegression(NasRegression.Params(model="ridge")), NasColumns()):
        made = method.apply(system, method.prepare(system, Context()))
        found = task.summariser(task.score(task.run(made, samples, 0), samples, None))(np.ones(len(samples)))
        assert found["kendall_tau"] > 0.4
        assert "label_cost" not in method.facts(made)  # the table does not tell it
    with pytest.raises(
        Unsupported, match="these networks read cells of nas-bench-201, and the table is of nas-bench-graph"
    ):
        Dele(Dele.Params()).prepare(system, Context())


def test_networks_are_searched(table_of_networks):
    task = NasSearch(NasSearch.Params(table=table_of_networks, budget=30, repeats=3))
    system = pickle.loads(pickle.dumps(task)).load(Context())
    outputs = task.run(system, task.samples("evaluation"), 0)
    assert [len(output["trained"]) for output in outputs] == [30, 30, 30]
    with pytest.raises(PluginError, match="nas-bench-graph: want 5 choices"):
        system.space.place_of((3,) * 6)


def test_one_hot_of_a_space_by_hand():
    found = GRAPHS.one_hot([(8, 0, 1, 2, 3)])
    assert found.shape == (1, 45) and list(np.flatnonzero(found[0])) == [8, 9, 19, 29, 39]
    assert list(np.flatnonzero(CELLS.one_hot([(0, 1, 2, 3, 4, 0)])[0])) == [0, 6, 12, 18, 24, 25]


def test_a_space_says_what_is_chosen_where_and_what_a_network_has():
    code = (3, 1, 2, 0, 4, 3)
    named = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|".format(*(CELLS.choices[i][op] for i, op in enumerate(code)))
    assert named == CELLS.name_of(code) and CELLS.sizes == (5,) * 6
    network = StackedNetwork(code, NAS_BENCH_201)
    assert CELLS.counts(code)["parameters"] == sum(p.numel() for p in network.parameters())
    assert CELLS.counts(code)["flops"] == CELLS.size_of(code)
    assert (
        GRAPHS.sizes == (9, 9, 9, 9, 9)
        and GRAPHS.choices[0][8] == "reads 0, 1, 2, 3"
        and GRAPHS.counts((8, 0, 1, 2, 3)) == {}
    )


def test_cells_that_nothing_passes_through_are_ranked_and_share_a_group(tmp_path):
    """Disconnected cells of a user's table: one class, on one side of the split, with a score like any other."""
    dead = [(op, 0, 0, 0, 0, 0) for op in range(5)]
    codes = dead + some_cells(60)
    lines = [f"{CELLS.name_of(code)},{0.1 if code in dead else 0.5 + i / 1000}" for i, code in enumerate(codes)]
    (tmp_path / "t.csv").write_text("\n".join(["cell,acc", *lines]) + "\n", "utf-8")
    (tmp_path / "t.yaml").write_text("{space: nas-bench-201, rows: t.csv, truth: [acc]}", "utf-8")
    task = NasRanking(NasRanking.Params(table=str(tmp_path / "t.yaml"), labels=20))
    groups = {split: [s.group for s in task.samples(split)] for split in ("calibration", "evaluation")}
    assert sorted(own.count("disconnected") for own in groups.values()) == [0, 5]
    system = task.load(Context())
    network = NasNetwork(NasNetwork.Params(layers=2, width=8, hidden=(8,), finetune_epochs=2))
    made = network.apply(system, network.prepare(system, Context()))
    scores = made.predictor.scores(Architectures(dead, {}))
    assert np.isfinite(scores).all() and len(set(scores)) == 1
    assert task.load(Context()).predictor.scores(Architectures(dead, {})).std() == 0
    search = NasSearch(NasSearch.Params(table=str(tmp_path / "t.yaml"), budget=61, repeats=1))
    search.check()  # five cells of one class are one architecture
