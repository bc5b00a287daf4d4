import pickle
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from tables_for_tests import write_table

from effbench.errors import BadInput
from effbench.nas.analog import analog_table, installed
from effbench.nas.cells import OPS, canonical, code_of, every_code, name_of
from effbench.nas.shipped import find_table
from effbench.nas.spaces import CELLS
from effbench.nas.tables import read_table, table_of
from effbench.stats.rank import kendall_tau

SHARED = Path(__file__).parents[3] / "shared" / "data" / "nas-bench-201" / "table.npz"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/data/nas-bench-201")


def constant(codes, rng):
    return np.full(len(codes), 3.0)


def with_a_hole(codes, rng):
    return np.where(np.arange(len(codes)) == 4, np.nan, 1.0 * codes.sum(1))


def count_of_ops(codes, rng):
    return codes.sum(1)


def test_a_table_is_read_back(tmp_path):
    table = read_table(write_table(tmp_path, count=30, columns=[("sum", count_of_ops, 0.5)]))
    assert len(table.codes) == len(set(table.codes)) == 30
    np.testing.assert_array_equal(table.columns["sum"], [sum(code) for code in table.codes])
    assert table.costs["sum"].cost_s == 0.5 and table.truth_cost.cost_s == 10.0
    np.testing.assert_allclose(table.truth, table.truths.mean(1))
    assert table.ceiling == pytest.approx(kendall_tau(table.truths[:, 0], table.truths[:, 1]))
    assert table.left_out == {}


@pytest.mark.parametrize(("seeds", "noise"), [(2, 0.5), (3, 0.5), (3, 1.0), (5, 0.2)])
def test_the_ceiling_of_a_mean_is_what_knowing_the_expectation_gives(seeds, noise):
    """Drawn: worth of architectures, and trainings around it; the table sees the trainings alone."""
    rng = np.random.default_rng(0)
    worth = rng.standard_normal(3000)
    trainings = worth[:, None] + noise * rng.standard_normal((3000, seeds))
    table = table_of("drawn", every_code()[:3000], trainings, {}, {})
    assert table.ceiling_of_mean == pytest.approx(kendall_tau(worth, table.truth), abs=0.02)
    assert table.ceiling < table.ceiling_of_mean
    assert table_of("one", every_code()[:3000], trainings[:, :1], {}, {}).ceiling_of_mean is None


def test_columns_that_inform_nobody_are_left_out_and_named(tmp_path):
    columns = [("flat", constant, 1.0), ("holed", with_a_hole, 1.0), ("sum", count_of_ops, 1.0)]
    table = read_table(write_table(tmp_path, count=30, columns=columns))
    assert set(table.columns) == set(table.costs) == {"sum"}
    assert table.left_out == {"flat": "every value is 3", "holed": "1 of 30 values are not finite"}


def test_percent_is_read_as_percent(tmp_path):
    file = write_table(tmp_path, count=30)
    share = read_table(file).truth
    rows = file.with_suffix(".csv")
    lines = [line.split(",") for line in rows.read_text().splitlines()]
    rows.write_text(
        "\n".join(
            ",".join([c, *(v if i == 0 else str(100 * float(v)) for v in vs)]) for i, (c, *vs) in enumerate(lines)
        )
    )
    with pytest.raises(BadInput, match=r"made.csv: line 2: seed0 is .*want share from 0 to 1; write 'unit: percent'"):
        read_table(file)
    file.write_text(file.read_text() + "unit: percent\n")
    np.testing.assert_allclose(read_table(file).truth, share)
    with pytest.raises(BadInput, match=r"made.csv: no truth exceeds 0\.\d+ percent; write 'unit: share' in made.yaml"):
        read_table(write_table(tmp_path, count=30, unit="percent"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: [*lines, lines[3]], "line 32: the architecture of line 4 again"),
        (lambda lines: [lines[0], "|sep_conv~0|+" + lines[1], *lines[2:]], "line 2: cell .* is of another space"),
        (lambda lines: [lines[0], lines[1].rsplit(",", 1)[0], *lines[2:]], "line 2 has 2 cells, the first has 3"),
        (
            lambda lines: [lines[0], lines[1].rsplit(",", 1)[0] + ",", *lines[2:]],
            "line 2: seed1 is '', and every architecture",
        ),
        (
            lambda lines: [lines[0], lines[1].rsplit(",", 1)[0] + ",-0.5", *lines[2:]],
            "line 2: seed1 is -0.5, want share",
        ),
        (lambda lines: [lines[0].replace("seed1", "seed_1"), *lines[1:]], "no column 'seed1'; did you mean 'seed_1'"),
        (lambda lines: [lines[0].replace("seed1", "seed0"), *lines[1:]], "2 columns are called 'seed0'"),
        (
            lambda lines: [lines[0], *(f"{line.split(',')[0]},0.5,0.5" for line in lines[1:])],
            "the truth of every architecture is 0.5, which leaves nothing to rank",
        ),
        (lambda lines: lines[:2], "at least two architectures, got 2 lines"),
    ],
)
def test_wrong_rows_get_a_sentence(tmp_path, change, said):
    file = write_table(tmp_path, count=30)
    rows = file.with_suffix(".csv")
    rows.write_text("\n".join(change(rows.read_text().splitlines())) + "\n")
    with pytest.raises(BadInput, match=said):
        read_table(file)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ({"space": "darts"}, "space: input should be 'nas-bench-201'"),
        ({"truth": []}, "truth: list should have at least 1 item"),
        ({"thruth": ["seed0"]}, "thruth: .*; did you mean 'truth'"),
        ({"sha256": "0" * 64}, "its sha256 is not the one in made.yaml"),
        ({"rows": "other.csv"}, "other.csv: cannot be read"),
        ({"low_fidelity": {"sum": {"cost_s": -1}}}, "low_fidelity.sum.cost_s: input should be greater"),
    ],
)
def test_a_wrong_header_gets_a_sentence(tmp_path, header, said):
    with pytest.raises(BadInput, match=said):
        read_table(write_table(tmp_path, count=30, **header))


def test_a_file_that_is_not_yaml_gets_a_sentence(tmp_path):
    (tmp_path / "t.yaml").write_text("space: [", "utf-8")
    with pytest.raises(BadInput, match="not YAML"):
        read_table(tmp_path / "t.yaml")


def test_a_name_that_stands_for_no_table():
    with pytest.raises(BadInput, match=r"no table 'effbench-mikro'.*or give the path of a YAML file"):
        find_table("effbench-mikro")


class Architecture:
    """As the package pickles one."""

    def __init__(self, baseline_accuracy):
        self.baseline_accuracy = baseline_accuracy


def test_the_packages_codes_are_read_in_our_order(tmp_path, monkeypatch):
    """Theirs lists edges by source and operations as skip, none, 3x3, 1x1, pool."""
    module = ModuleType("analognasbench.data")
    module.Architecture = Architecture
    monkeypatch.setitem(sys.modules, "analognasbench", ModuleType("analognasbench"))
    monkeypatch.setitem(sys.modules, "analognasbench.data", module)
    monkeypatch.setattr(Architecture, "__module__", "analognasbench.data")
    given = {(2, 3, 4, 0, 1, 1): 90.0, (1, 1, 1, 0, 0, 0): 10.0}
    (tmp_path / "data.anb").write_bytes(pickle.dumps({code: Architecture(a) for code, a in given.items()}))
    table = analog_table(tmp_path / "data.anb")
    name = "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|avg_pool_3x3~0|none~1|none~2|"
    assert dict(zip(table.codes, table.truth)) == {code_of(name): 0.9, (0, 0, 1, 0, 1, 1): 0.1}


def test_a_pickle_that_holds_anything_else_is_refused(tmp_path):
    (tmp_path / "data.anb").write_bytes(pickle.dumps({(0,) * 6: np.float64(1.0)}))
    with pytest.raises(BadInput, match=r"not the table of analog-nasbench 0.1: holds numpy"):
        analog_table(tmp_path / "data.anb")
    (tmp_path / "other.anb").write_bytes(b"nothing")
    with pytest.raises(BadInput, match="not the table of analog-nasbench"):
        analog_table(tmp_path / "other.anb")


@pytest.mark.skipif(installed() is None, reason="needs the package analog-nasbench")
def test_the_packages_table_where_it_is_installed():
    table = find_table("nas-bench-201")
    assert sorted(table.codes) == every_code()
    dead = np.array([canonical(code) == "" for code in table.codes])
    assert (table.truth[dead] == 0.1).all() and (table.truth[~dead] > 0.1).all()


@needs_shared
def test_other_trainings_of_the_benchmark_are_a_users_table(tmp_path):
    """Public tables of the same 15,625 cells: another full training (three decimals), and accuracy after 12 epochs."""
    with np.load(SHARED) as given:
        codes = [tuple(map(int, code)) for code in given["codes"]]
        names = [list(given["ops"])[op] for op in range(5)]
        full = given["std"][:, list(given["std_cols"]).index("cifar10#clean")]
        early = given["acc12"][:, list(given["acc12_cols"]).index("cifar10-test")]
    cells = [tuple(OPS.index(names[op]) for op in code) for code in codes]
    lines = [f"{name_of(cell)},{100 * a:.4f},{b:.4f}" for cell, a, b in zip(cells, full, early)]
    (tmp_path / "t.csv").write_text("\n".join(["cell,full,early", *lines]) + "\n", "utf-8")
    (tmp_path / "t.yaml").write_text(
        "{space: nas-bench-201, rows: t.csv, unit: percent, truth: [full], low_fidelity: {early: {cost_s: 60}}}",
        "utf-8",
    )
    table = read_table(tmp_path / "t.yaml")
    assert sorted(table.codes) == every_code() and table.ceiling is None
    assert kendall_tau(table.columns["early"], table.truth) == pytest.approx(0.696, abs=0.002)
    dead = np.array([form == "" for form in table.forms])
    assert table.truth[dead].max() < 0.11 and np.median(table.truth[~dead]) > 0.85
    flops = np.array([CELLS.counts(code)["flops"] for code in table.codes])
    assert 0.4 < kendall_tau(flops, table.truth) < 0.7


@needs_shared
@pytest.mark.skipif(installed() is None, reason="needs the package analog-nasbench")
def test_two_trainings_of_the_benchmark_agree_as_the_page_says():
    """The package's accuracies beside another public training of the same cells: what no predictor of one of them passes."""
    from effbench.zoo.nas_micro.train import chosen

    table = find_table("nas-bench-201")
    first = dict(zip(table.codes, table.truth))
    with np.load(SHARED) as given:
        order = [OPS.index(op) for op in given["ops"]]
        again = {
            tuple(order[op] for op in code): float(value)
            for code, value in zip(given["codes"], given["std"][:, list(given["std_cols"]).index("cifar10#clean")])
        }
    cells = chosen()[:1200]
    tau = kendall_tau([first[cell] for cell in cells], [again[cell] for cell in cells])
    assert tau == pytest.approx(0.897, abs=0.002)
