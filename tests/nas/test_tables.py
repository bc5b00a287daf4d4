import pickle
import sys
from types import ModuleType

import numpy as np
import pytest
from tables_for_tests import write_table

from effbench.errors import BadInput
from effbench.nas.analog import analog_table, installed
from effbench.nas.cells import canonical, code_of, every_code
from effbench.nas.shipped import find_table
from effbench.nas.tables import read_table
from effbench.stats.rank import kendall_tau


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
