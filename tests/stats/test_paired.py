"""Paired tests: hand-counted permutations, Holm's steps, effects and the samples it takes to decide."""

import numpy as np
import pytest
from scipy import stats

from effbench.stats.holm import holm
from effbench.stats.paired import paired_difference, samples_needed
from effbench.stats.permutation import sign_flip_p


def test_small_samples_are_enumerated_by_hand():
    assert sign_flip_p([1, 2, 3]) == 2 / 8  # only +++ and --- reach 6
    assert sign_flip_p([1, 1, 1, -1]) == 10 / 16  # all but the six patterns that sum to 0
    assert sign_flip_p([5.0]) == 1.0
    assert sign_flip_p([0.0, 0.0, 0.0]) == 1.0
    assert sign_flip_p([0.1] * 6) == 2 / 64  # the sums of equal floats tie in spite of rounding


@pytest.mark.parametrize("seed", range(5))
def test_enumeration_agrees_with_scipy(seed):
    d = np.random.default_rng(seed).normal(0.4, 1, 9)
    theirs = stats.permutation_test((d,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip_p(d) == pytest.approx(theirs.pvalue)
    assert sign_flip_p(-d) == sign_flip_p(d)


def test_monte_carlo_agrees_with_enumeration_and_is_never_zero():
    d = np.random.default_rng(0).normal(0.4, 1, 16)
    exact, drawn = sign_flip_p(d, resamples=2**16), sign_flip_p(d, resamples=20_000)
    assert drawn == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 20_000))
    assert drawn != exact
    assert sign_flip_p(np.ones(200), resamples=999) == 1 / 1000


def test_monte_carlo_in_several_chunks_counts_every_resample(monkeypatch):
    monkeypatch.setattr("effbench.stats.permutation._CHUNK", 7 * 40)
    d = np.random.default_rng(1).normal(0.2, 1, 40)
    assert sign_flip_p(d, resamples=5000) == pytest.approx(stats.ttest_1samp(d, 0).pvalue, abs=0.03)


def test_holm_steps_down_and_leaves_out_what_was_not_tested():
    assert holm([0.01, 0.04, 0.03, None, 0.005]) == pytest.approx([0.03, 0.06, 0.06, None, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([0.04]) == [0.04]
    assert holm([None, None]) == [None, None] and holm([]) == []


def test_holm_keeps_a_family_of_ten_at_the_level_where_plain_p_values_do_not():
    families = np.random.default_rng(0).uniform(size=(4000, 10))
    false = np.mean([min(holm(p)) <= 0.05 for p in families.tolist()])
    assert 0.04 <= false <= 0.06
    assert (families.min(1) <= 0.05).mean() > 0.35


def test_a_difference_has_value_interval_p_effect_and_samples_needed():
    generator = np.random.default_rng(0)
    b = generator.normal(0, 1, 40)
    a = b + 0.2 + generator.normal(0, 0.4, 40)
    found = paired_difference(a, b)
    d = a - b
    assert found.value == pytest.approx(d.mean())
    assert found.effect == pytest.approx(d.mean() / d.std(ddof=1))
    assert found.interval == pytest.approx(stats.bootstrap((d,), np.mean, rng=1).confidence_interval, abs=0.03)
    assert found.p == pytest.approx(stats.ttest_rel(a, b).pvalue, abs=0.005)
    assert (found.n, found.reason) == (40, None)
    # unpaired, the spread between samples would hide it
    assert stats.ttest_ind(a, b).pvalue > 0.05 > found.p
    mirrored = paired_difference(b, a)
    assert (mirrored.value, mirrored.p, mirrored.n_needed) == (pytest.approx(-found.value), found.p, found.n_needed)


def test_seeds_of_a_prompt_are_one_sample_of_a_difference():
    generator = np.random.default_rng(1)
    d = generator.normal(0.2, 1, 30)
    once = paired_difference(d, np.zeros(30))
    prompts = [f"{i:02d}" for i in range(30) for _ in range(3)]
    thrice = paired_difference(np.repeat(d, 3), np.zeros(90), clusters=prompts)
    assert (thrice.n, thrice.p, thrice.n_needed) == (30, once.p, once.n_needed)
    assert thrice.effect == pytest.approx(once.effect)
    assert thrice.interval == pytest.approx(once.interval)


@pytest.mark.parametrize("effect", [0.05, 0.2, 0.5, 0.9])
def test_the_samples_needed_have_80_percent_power_and_hardly_more(effect):
    def power(n):
        reach, shift = stats.t.ppf(0.975, n - 1), effect * np.sqrt(n)
        return 1 - stats.nct.cdf(reach, n - 1, shift) + stats.nct.cdf(-reach, n - 1, shift)

    n = samples_needed(effect, 0.95)
    assert power(n) >= 0.799 and power(n - 2) < 0.8
    assert samples_needed(-effect, 0.95) == n


def test_the_samples_needed_are_never_fewer_than_a_sign_flip_can_decide_with():
    assert samples_needed(50.0, 0.95) == 6
    assert samples_needed(0.0, 0.95) is None
