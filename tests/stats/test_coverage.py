"""Every interval routine covers what it claims, and the check that says so catches an interval that does not."""

import numpy as np
import pytest

from effbench.selfcheck.case import Case, CoverageRow, share_holding
from effbench.selfcheck.coverage import markdown, simulate
from effbench.selfcheck.coverage_cases import CASES
from effbench.selfcheck.coverage_trainings import CROSSED_CASES
from effbench.stats.bootstrap import Interval

EVERY = (*CASES, *CROSSED_CASES)
QUICK = {
    "wilson_interval": ("share 0.8, 40 samples", 4000),
    "percentile_intervals": ("mean of 40, normal", 4000),
    "bootstrap_mean": ("40, exponential", 4000),
    "paired_difference": ("40 prompts x 4 seeds", 2000),
    "sign_flip_p": ("false positives, 40 pairs", 4000),
    "quantile_interval": ("p50 of 20 calls", 4000),
    "clustered_quantile_interval": ("p50, 3 rounds of 30 calls, rounds vary 10%, calls 1%", 4000),
    "geometric_mean_ratio": ("3 rounds", 4000),
    "hierarchical_ratio_interval": ("20 rounds of 20 calls, both vary 5%", 1000),
    "mean_with_error": ("1000 steps, correlation 0.5 a step", 4000),
    "resampled_interval": ("Frechet, 3 trainings x 40 groups, 10/80/10", 1000),
    "share_interval": ("50%, 3 trainings x 40 groups, 40/50/10", 1500),
    "item_ratio": ("5 rounds x 4 items, 10/80/10", 1500),
}


@pytest.mark.parametrize("routine", QUICK)
def test_one_setting_of_each_routine_covers_within_three_binomial_deviations(routine):
    setting, simulations = QUICK[routine]
    case = next(case for case in EVERY if (case.routine, case.setting) == (routine, setting))
    row = case.measure(simulations, seed=0)
    assert row.holds_within(3), row


def test_every_routine_has_a_quick_setting_and_every_wider_bound_a_sentence():
    assert {case.routine for case in EVERY} == set(QUICK)
    for case in EVERY:
        nominal = (case.low, case.high) == pytest.approx((case.nominal - 0.01, case.nominal + 0.01))
        assert nominal == (not case.limit), case


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_the_whole_table_holds(seed):
    rows = simulate(4000, seed)
    assert len(rows) == len(EVERY) and all(row.simulations >= 4000 for row in rows)
    missed = [row for row in rows if not (row.holds if seed == 0 else row.holds_within(3))]
    assert not missed, markdown(missed)


def spread_over_root_of_replicates(values, generator):
    """lighteval's stderr: the spread of the bootstrap means, divided by the root of their number once more."""
    means = values[generator.integers(0, len(values), (1000, len(values)))].mean(1)
    half = 1.96 * means.std() / np.sqrt(len(means))
    return Interval(values.mean() - half, values.mean() + half)


def percentiles_of_three_rounds(values, generator):
    means = values[:3][generator.integers(0, 3, (1000, 3))].mean(1)
    return Interval(*np.quantile(means, [0.025, 0.975]))


def normal_for_student(values, generator):
    few = values[:8]
    half = 1.96 * few.std(ddof=1) / np.sqrt(len(few))
    return Interval(few.mean() - half, few.mean() + half)


@pytest.mark.parametrize(
    ("interval", "covers"),
    [(spread_over_root_of_replicates, 0.05), (percentiles_of_three_rounds, 0.73), (normal_for_student, 0.91)],
)
def test_an_interval_that_is_too_narrow_is_caught(interval, covers):
    def share(generator, simulations):
        data = generator.normal(0, 1, (simulations, 40))
        return share_holding((interval(values, generator) for values in data), 0.0)

    row = Case("too_narrow", "40, normal", share).measure(1000, seed=0)
    assert row.covered == pytest.approx(covers, abs=0.05)
    assert not row.holds and not row.holds_within(3)


def test_a_case_gives_the_same_row_alone_and_among_others():
    among = simulate(500, seed=3, only=["geometric_mean_ratio", "wilson_interval"])
    alone = simulate(500, seed=3, only=["geometric_mean_ratio"])
    assert alone == [row for row in among if row.routine == "geometric_mean_ratio"]
    assert [row.covered for row in alone] != [
        row.covered for row in simulate(500, seed=4, only=["geometric_mean_ratio"])
    ]


def test_the_table_numbers_its_limits_and_marks_what_missed():
    rows = [
        CoverageRow("wilson_interval", "n = 40", 0.95, 0.925, 4000, 0.92, 0.98, "Discrete."),
        CoverageRow("mean", "n = 10", 0.95, 0.9, 4000, 0.94, 0.96, ""),
    ]
    assert markdown(rows).splitlines()[2:] == [
        "| `wilson_interval` | n = 40 | 95% | 92.5% | 92.0% to 98.0% | (1) |",
        "| `mean` | n = 10 | 95% | 90.0% **missed** | 94.0% to 96.0% |  |",
        "",
        "(1) Discrete.",
    ]


def test_intervals_that_are_missing_do_not_count():
    assert share_holding([Interval(0, 2), None, Interval(2, 3)], 1.0) == 0.5
    assert np.isnan(share_holding([None], 1.0))
