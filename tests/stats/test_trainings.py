"""Trainings x groups: by hand, without trainings as ever, whatever the order, and covering what they claim."""

import numpy as np
import pytest
from scipy import stats

from effbench.selfcheck.coverage_trainings import CROSSED_CASES
from effbench.stats.bootstrap import Interval, bootstrap_mean, bootstrap_replicates, intervals_of, wilson_interval
from effbench.stats.crossed import TrainingVariance, error_of, training_of_mean, two_way, widened
from effbench.stats.paired import paired_difference
from effbench.stats.permutation import sign_flip_p
from effbench.stats.resampled import (
    combined,
    placed,
    replicates_with_trainings,
    resample,
    resampled_interval,
    resampled_p,
    training_of,
)
from effbench.stats.sequential import confidence_sequence
from effbench.stats.shares import share_interval

TABLE = np.array([[1.0, 2.0, 3.0, 6.0], [2.0, 2.0, 5.0, 7.0], [3.0, 5.0, 4.0, 8.0]])


def names(trainings, groups):
    return [f"g{j:03d}" for _ in range(trainings) for j in range(groups)], [
        s for s in range(trainings) for _ in range(groups)
    ]


def scores(seed, trainings, groups, between=0.3):
    generator = np.random.default_rng(seed)
    table = generator.normal(0, between, (trainings, 1)) + generator.normal(0, 1, (1, groups))
    return (table + generator.normal(0, 0.5, (trainings, groups))).ravel()


def test_a_balanced_table_gives_the_mean_squares_of_the_analysis_of_variance():
    # by hand: row means 3, 4, 5; column means 2, 3, 4, 7; grand mean 4; residuals 0 0 0 0 / 0 -1 1 0 / 0 1 -1 0
    rows, columns, rest = two_way(TABLE)
    assert rows == pytest.approx((4 * (1 + 0 + 1) / 2) / 12)
    assert columns == pytest.approx((3 * (4 + 1 + 0 + 9) / 3) / 12)
    assert rest == pytest.approx((4 / 6) / 12)
    training = training_of_mean(TABLE.ravel(), *names(3, 4))
    assert training == pytest.approx((rows, rest, 3))


def test_the_rest_is_counted_once_and_either_end_is_student_s_t():
    assert error_of((0.5, 2), (0.7, 39), 0.2).variance == pytest.approx(0.5 + 0.7 - 0.2)
    assert error_of((0.5, 2), (0.1, 39), 0.2) == pytest.approx((0.5, 2))
    assert error_of((0.0, 2), (0.7, 39), 0.0) == pytest.approx((0.7, 39))
    assert error_of((1.0, 2), (1.0, 39), 0.0).freedom == pytest.approx(
        2**1.1 / (1 / 2 + 1 / 39)
    )  # Satterthwaite: 4 / ...
    ends = widened(1.0, (1.0, 1.0), 0.95, 40, TrainingVariance(0.04, 0.0, 3))
    assert ends == pytest.approx(stats.t.interval(0.95, 2, 1.0, 0.2))


def test_leaving_trainings_out_finds_the_mean_s_analysis_of_variance():
    clusters, trainings = names(4, 30)
    values = scores(0, 4, 30)
    found = resample(lambda w: {"m": float(values @ w / w.sum())}, clusters, 2000, trainings=trainings)["m"]
    exact, seen = training_of_mean(values, clusters, trainings), training_of(found, 30)
    assert seen.between == pytest.approx(exact.between)
    assert seen.rest == pytest.approx(exact.rest, rel=0.15)
    both = resampled_interval(found, 0.95, clusters=30, is_set=False)
    assert both == pytest.approx(bootstrap_mean(values, clusters=clusters, trainings=trainings), abs=0.05)
    alone = resampled_interval(
        resample(lambda w: {"m": float(values @ w / w.sum())}, clusters, 2000)["m"], 0.95, clusters=30, is_set=False
    )
    assert both.low < alone.low and alone.high < both.high


@pytest.mark.parametrize("trainings", [None, ["only"] * 40])
def test_without_several_trainings_everything_is_as_ever_to_the_last_bit(trainings):
    clusters, values = [f"g{i // 2:02d}" for i in range(40)], np.random.default_rng(1).gamma(1, 1, 40)

    def summarise(weights):
        return {
            "mean": float(values @ weights / weights.sum()),
            "distance": float((values @ weights / weights.sum()) ** 2),
        }

    whole = summarise(np.ones(40))
    found = resample(summarise, clusters, 500, trainings=trainings)
    draws = bootstrap_replicates(summarise, clusters, 500)
    bounds = {"distance": (0.0, 2.0)}
    before = intervals_of(draws, 0.9, {"distance": whole["distance"]}, clusters=20, bounds=bounds)
    assert all((found[name].replicates == draws[name]).all() and found[name].trainings == 0 for name in draws)
    assert resampled_interval(found["mean"], 0.9, clusters=20, is_set=False) == before["mean"]
    assert resampled_interval(found["distance"], 0.9, clusters=20, is_set=True, bounds=(0.0, 2.0)) == before["distance"]
    assert (replicates_with_trainings(found["mean"], np.random.default_rng(0), clusters=20) == draws["mean"]).all()
    assert bootstrap_mean(values, clusters=clusters, trainings=trainings) == bootstrap_mean(values, clusters=clusters)
    with_, without = (paired_difference(values, np.ones(40), clusters=clusters, trainings=t) for t in (trainings, None))
    assert with_ == without and with_.p == sign_flip_p(values - 1, clusters=clusters)


def test_trainings_that_are_all_the_same_add_nothing():
    clusters, trainings = names(3, 12)
    once = np.random.default_rng(2).normal(0.3, 1, 12)
    thrice = paired_difference(np.tile(once, 3), np.zeros(36), clusters=clusters, trainings=trainings)
    alone = paired_difference(once, np.zeros(12))
    assert (
        thrice.interval == pytest.approx(alone.interval) and thrice.p == alone.p and thrice.n_needed == alone.n_needed
    )


def test_one_lucky_training_is_no_difference_whatever_the_number_of_groups():
    clusters, trainings = names(3, 200)
    values = np.repeat([0.9, 0.1, 0.2], 200) + np.random.default_rng(0).normal(0, 0.1, 600)
    blind = paired_difference(values, np.zeros(600), clusters=clusters)
    found = paired_difference(values, np.zeros(600), clusters=clusters, trainings=trainings)
    assert blind.p < 0.001 and blind.interval.low > 0.3
    assert found.p > 0.1 and found.interval.low < 0 and found.n_needed is None
    assert found.p == pytest.approx(stats.ttest_1samp(values.reshape(3, 200).mean(1), 0).pvalue, rel=0.02)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("shift", [0.25, 0.5, 0.75])
def test_p_and_interval_agree_for_scores_and_for_sets(seed, shift):
    clusters, trainings = names(4, 20)
    a, b = scores(seed, 4, 20) + shift, scores(seed + 100, 4, 20, 0.0)
    found = paired_difference(a, b, clusters=clusters, trainings=trainings, resamples=500)
    assert (found.p <= 0.05) == (not found.interval.low <= 0 <= found.interval.high)
    ours, theirs = (
        resample(lambda w, v=v: {"m": float(v @ w / w.sum())}, clusters, 500, trainings=trainings)["m"] for v in (a, b)
    )
    difference = combined(ours, theirs)
    interval = resampled_interval(difference, 0.95, clusters=20, is_set=True)
    assert (resampled_p(difference, 0.95, clusters=20) <= 0.05) == (not interval.low <= 0 <= interval.high)
    seen = training_of(difference, 20)
    assert (seen.between, seen.trainings) == pytest.approx((found.training.between, 4))
    assert seen.rest == pytest.approx(found.training.rest, rel=0.25)


def test_a_difference_to_a_method_that_is_not_trained_holds_that_one_still():
    clusters, trainings = names(3, 20)
    a, b = scores(0, 3, 20), scores(5, 3, 20, 0.0)
    ours = resample(lambda w: {"m": float(a @ w / w.sum())}, clusters, 300, trainings=trainings)["m"]
    fixed = resample(lambda w: {"m": float(b @ w / w.sum())}, clusters, 300)["m"]
    forth, back = combined(ours, fixed), combined(fixed, ours)
    assert forth.left_out == pytest.approx(ours.left_out - fixed.value)
    assert back.left_out == pytest.approx(-forth.left_out)
    assert training_of(forth, 20) == pytest.approx(training_of(ours, 20))
    ends = resampled_interval(forth, 0.95, clusters=20, is_set=True)
    mirrored = resampled_interval(back, 0.95, clusters=20, is_set=True)
    assert (ends.low, ends.high) == pytest.approx((-mirrored.high, -mirrored.low), abs=1e-9)
    ratio = combined(ours, fixed, np.divide)
    assert ratio.value == pytest.approx(ours.value / fixed.value)
    other = resample(lambda w: {"m": 1.0}, names(4, 20)[0], 300, trainings=names(4, 20)[1])["m"]
    with pytest.raises(ValueError, match="3 and 4 trainings"):
        combined(ours, other)


def test_the_order_of_rows_and_the_names_of_trainings_and_groups_change_nothing():
    clusters, trainings = names(4, 15)
    values, other = scores(3, 4, 15), scores(4, 4, 15)
    found = paired_difference(values, other, clusters=clusters, trainings=trainings)
    order = np.random.default_rng(0).permutation(60)
    renamed = [["d", "a", "c", "b"][trainings[i]] for i in order]
    again = paired_difference(values[order], other[order], clusters=[clusters[i] for i in order], trainings=renamed)
    assert again.interval == pytest.approx(found.interval) and again.p == pytest.approx(found.p)
    assert again.n_needed == found.n_needed


def test_a_set_metric_keeps_its_bounds_and_knows_the_trainings():
    clusters, trainings = names(3, 20)
    values = scores(7, 3, 20, 0.6)
    summarise = lambda w: {"d": float((values @ w / w.sum()) ** 2)}  # noqa: E731
    found = resample(summarise, clusters, 500, trainings=trainings)["d"]
    groups = resampled_interval(
        resample(summarise, clusters, 500)["d"], 0.95, clusters=20, is_set=True, bounds=(0.0, 1.0)
    )
    both = resampled_interval(found, 0.95, clusters=20, is_set=True, bounds=(0.0, 1.0))
    assert 0 <= both.low <= groups.low and groups.high < both.high <= 1
    assert placed(found, True).replicates.min() >= 0
    wide, narrow = replicates_with_trainings(found, np.random.default_rng(0), clusters=20), found.replicates
    assert wide.std() > 1.2 * narrow.std() and np.corrcoef(wide, narrow)[0, 1] > 0.2


def test_what_cannot_be_told_is_refused_or_none():
    clusters, trainings = names(3, 8)
    values = scores(0, 3, 8)
    with pytest.raises(ValueError, match="training 2 has 7 of the 8 groups"):
        bootstrap_mean(values[:-1], clusters=clusters[:-1], trainings=trainings[:-1])
    with pytest.raises(ValueError, match="name the group of every row"):
        bootstrap_mean(values, trainings=trainings)
    few = paired_difference(values[:15], np.zeros(15), clusters=names(3, 5)[0], trainings=names(3, 5)[1])
    assert (few.interval, few.p, few.reason) == (None, None, "too_few_samples")
    undefined = resample(lambda w: {"m": float(w[:8].sum())} if w[:8].sum() else {}, clusters, 50, trainings=trainings)[
        "m"
    ]
    assert resampled_interval(undefined, 0.95, clusters=8, is_set=False) is None
    assert resampled_p(undefined, 0.95, clusters=8) is None


def test_the_samples_needed_beside_trainings_are_enough_and_one_fewer_is_not():
    clusters, trainings = names(10, 30)
    found = paired_difference(scores(1, 10, 30, 0.1) + 0.3, np.zeros(300), clusters=clusters, trainings=trainings)
    squared, stays = (found.value / found.effect) ** 2 / 30, max(found.training.between - found.training.rest, 0)

    def power(n):
        rest = found.training.rest * 30 / n
        error = error_of(
            (stays + min(found.training.between, found.training.rest) * 30 / n, 9), (squared * 30 / n, n - 1), rest
        )
        return stats.t.cdf(found.value / np.sqrt(error.variance) - stats.t.ppf(0.975, error.freedom), error.freedom)

    assert power(found.n_needed) >= 0.8 > power(found.n_needed - 1)


def test_a_share_of_dependent_answers_is_wilson_s_at_fewer_answers():
    answers = (np.random.default_rng(0).random(30) < 0.8).astype(float)
    assert share_interval(answers, 0.95) == wilson_interval(answers.sum(), 30, 0.95)
    clusters = [f"{i:02d}" for i in range(30)]
    assert share_interval(answers, 0.95, clusters=clusters) == wilson_interval(answers.sum(), 30, 0.95)
    twice = share_interval(np.repeat(answers, 2), 0.95, clusters=np.repeat(clusters, 2))
    assert twice == pytest.approx(wilson_interval(answers.sum(), 30, 0.95), abs=0.02)  # not of 60
    every = share_interval(np.ones(60), 0.95, clusters=np.repeat(clusters, 2), trainings=[0, 1] * 30)
    assert every == wilson_interval(30, 30, 0.95)
    with pytest.raises(ValueError, match="0 or 1"):
        share_interval([0.5], 0.95)


def test_rows_of_a_cluster_are_one_value_of_a_sequence_and_one_sign_of_a_test():
    values = np.random.default_rng(0).normal(1, 1, 60)
    clusters = [f"c{59 - i // 2:02d}" for i in range(60)]  # in an order that is not that of the names
    means = values.reshape(30, 2).mean(1)
    kept = {"bounds": None, "tightest_at": 30}
    assert confidence_sequence(values, 0.95, clusters=clusters, **kept) == confidence_sequence(means, 0.95, **kept)
    bounds = {"bounds": Interval(-9.0, 9.0), "tightest_at": 30}
    assert confidence_sequence(values, 0.95, clusters=clusters, **bounds) == confidence_sequence(means, 0.95, **bounds)
    assert confidence_sequence(values[:40], 0.95, clusters=clusters[:40], **kept) is None  # 20 clusters
    assert sign_flip_p([1, 2, 3, 1, 2, 3], clusters=list("abcabc")) == sign_flip_p([1, 2, 3])


@pytest.mark.proof
@pytest.mark.parametrize("case", CROSSED_CASES, ids=lambda case: f"{case.routine}, {case.setting}")
def test_each_setting_covers_what_the_table_asks_for(case):
    row = case.measure(1500, seed=1)
    assert row.holds_within(3), row
