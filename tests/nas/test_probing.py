"""Proxies of many cells: the same on one process and on two, computed once, refused where the file is of another recipe."""

import json
from dataclasses import replace

import numpy as np
import pytest

from effbench.errors import BadInput
from effbench.nas.kept_lines import KeptLines
from effbench.nas.probing import Probing, low_fidelity_costs, probed
from effbench.nas.proxies import TOGETHER
from effbench.nas.skeleton import Skeleton
from effbench.nas.tables import ColumnCost, paid
from effbench.tasks.nas_ranking.system import column_seconds

CODES = [(3, 1, 2, 0, 4, 3), (0, 0, 0, 2, 0, 0), (1, 1, 1, 1, 1, 1)]
TINY = Skeleton(channels=1, size=8, width=2, cells=1, stem=1, reduction="pool")


def probing(salt="test"):
    rng = np.random.default_rng(0)
    return Probing(TINY, salt, rng.normal(size=(4, 1, 8, 8)).astype(np.float32), np.arange(4) % 2, 1)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    file = tmp_path_factory.mktemp("probed") / "proxies.jsonl"
    probed(probing(), CODES, file, workers=2)
    return file


def test_two_processes_find_what_this_one_does_and_keep_it_in_order(file):
    found = probed(probing(), CODES, file)
    for code, own in found.items():
        here = probing().of(code)
        assert {n: v for n, (v, _) in own.items()} == pytest.approx({n: v for n, (v, _) in here.items()}, rel=1e-3)
        assert own["zen"][1] > 0 and own["flops"][1] == own["relus"][1] == 0
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert [tuple(line["code"]) for line in lines[1:]] == CODES


def test_what_is_there_is_not_computed_again_and_half_a_line_is(file, tmp_path, monkeypatch):
    whole = file.read_text("utf-8").splitlines(keepends=True)
    cut = tmp_path / "proxies.jsonl"
    cut.write_text("".join(whole[:3]) + whole[3][:40], "utf-8")  # killed within the third cell
    assert list(probed(probing(), CODES, cut)) == CODES
    assert cut.read_text("utf-8").splitlines(keepends=True)[:3] == whole[:3]
    monkeypatch.setattr("effbench.nas.probing.ProcessPoolExecutor", None)
    assert list(probed(probing(), CODES[::-1], cut)) == CODES[::-1]


@pytest.mark.parametrize("other", [{"salt": "else"}, {"zen_repeats": 2}, {"images": np.ones((4, 1, 8, 8), np.float32)}])
def test_a_file_of_another_recipe_is_refused(file, other):
    with pytest.raises(BadInput, match="made by another recipe"):
        probed(replace(probing(), **other), CODES, file)


def test_columns_of_one_pass_are_paid_for_once():
    values = [{"snip": (1.0, 0.4), "plain": (2.0, 0.4), "zen": (3.0, 1.0), "flops": (4.0, 0.0)}] * 2
    told = low_fidelity_costs(values)
    assert told["snip"] == {"cost_s": 0.4, "together": TOGETHER["snip"]} and told["zen"] == {"cost_s": 1.0}
    costs = {name: ColumnCost(**cost) for name, cost in told.items()}
    assert sum(cost.cost_s for cost in paid(costs, costs).values()) == pytest.approx(1.4)
    # All learned from, of 100 architectures: one pass and zen. Compared on 10 besides: nothing more.
    assert column_seconds(set(costs), {"plain"}, set(), costs, 100, 10) == pytest.approx(140)
    assert column_seconds({"snip"}, {"plain", "zen"}, set(), costs, 100, 10) == pytest.approx(100 * 0.4 + 10 * 1.0)
    assert column_seconds(set(), {"snip", "plain"}, set(), costs, 100, 10) == pytest.approx(10 * 0.4)


def test_each_price_of_a_pass_is_the_highest_that_one_of_its_columns_has():
    costs = {
        "a": ColumnCost(cost_s=1.0, cost_flops=5.0, together="supernet"),
        "b": ColumnCost(cost_s=0.5, cost_flops=7.0, shared_s=60.0, together="supernet"),
    }
    (cost,) = paid(costs, costs).values()
    assert (cost.cost_s, cost.cost_flops, cost.shared_s) == (1.0, 7.0, 60.0)
    assert column_seconds({"a"}, set(), {"b"}, costs, 100, 10) == pytest.approx(160)


def test_a_file_that_is_no_finished_work_is_left_alone(tmp_path):
    file = tmp_path / "proxies.jsonl"
    for content in ("precious notes", "precious notes\n", '{"a": 1}\nmore\n'):
        file.write_text(content, "utf-8")
        with pytest.raises(BadInput, match="another recipe"):
            probed(probing(), CODES, file)
        assert file.read_text("utf-8") == content
    recipe = json.dumps(probing().recipe(), sort_keys=True)
    file.write_text(recipe + "\n{half\n", "utf-8")
    with pytest.raises(BadInput, match="a line is not JSON"):
        probed(probing(), CODES, file)
    file.write_text(recipe[:30], "utf-8")  # killed within the first line
    assert KeptLines(file, probing().recipe()).lines == []
