"""Interaction of two methods: savings that multiply and errors that add as squares have none, and what is beyond is told."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from effbench.report.interaction import quality_interaction, time_interaction
from effbench.timings import Timings

NOISE = (1.0, 1.1, 0.95, 1.02)
"""The speed of the machine in each round, which cancels."""


def rounds(ms, wobble=(1.0, 1.0, 1.0, 1.0), names=("r1", "r2", "r3", "r4")):
    found = {}
    for name, noise, own in zip(names, NOISE, wobble):
        found[name] = Timings({name: [1e6 * ms * noise * own]}, noise={name: {}}, items={name: [0]})
    return found


def cell(scores, ids=None, name="m"):
    ids = [f"s{i}" for i in range(len(scores))] if ids is None else ids
    table = SimpleNamespace(scalars={name: np.asarray(scores, float)})
    return SimpleNamespace(scalars=SimpleNamespace(scores=table, ids=ids, seeds=[0] * len(ids), groups=ids))


def test_savings_that_multiply_have_no_interaction_and_others_have_the_ratio() -> None:
    reference, half, fifth = rounds(100), rounds(50), rounds(80)
    plain = time_interaction(rounds(40), half, fifth, reference, 0.95)
    assert plain is not None
    assert (plain.together, plain.expected, plain.value, plain.n) == pytest.approx((2.5, 2.5, 1.0, 4))
    wobble = (1.0, 1.02, 0.99, 1.01)
    slower = time_interaction(rounds(50, wobble), half, fifth, reference, 0.95)
    assert slower is not None and slower.interval is not None
    logs = [math.log(0.8 / own) for own in wobble]
    low, high = ttest_1samp(logs, 0).confidence_interval(0.95)
    assert slower.value == pytest.approx(math.exp(np.mean(logs)))
    assert slower.interval == pytest.approx((math.exp(low), math.exp(high)))


def test_only_rounds_of_all_four_count() -> None:
    reference = rounds(100)
    late = rounds(50, names=("r3", "r4", "r5", "r6"))
    found = time_interaction(rounds(40), late, rounds(80), reference, 0.95)
    assert found is not None and found.n == 2
    assert time_interaction(rounds(40), rounds(50, names=("x", "y")), rounds(80), reference, 0.95) is None


def test_decibels_of_a_chain_are_held_against_both_squared_errors_together() -> None:
    errors = np.array([[1e-4, 2e-4, 4e-4, 1e-3, 3e-4, 2e-3], [2e-4, 1e-4, 5e-4, 2e-3, 1e-4, 1e-3]])
    first, second = (cell(-10 * np.log10(row)) for row in errors)
    chain = -10 * np.log10(errors.sum(axis=0))
    nothing = quality_interaction(cell(chain), first, second, cell([]), "m", "dB", 0.95)
    assert nothing is not None
    assert nothing.value == pytest.approx(0, abs=1e-9)
    better = np.array([1.0, 1.1, 0.9, 1.0, 1.2, 0.8])
    found = quality_interaction(cell(chain + better), first, second, cell([]), "m", "dB", 0.95)
    assert found is not None and found.interval is not None
    assert found.value == pytest.approx(1.0)
    assert 0.8 < found.interval.low < 1.0 < found.interval.high < 1.2


def test_other_metrics_are_held_against_the_sum_of_both_differences_sample_by_sample() -> None:
    reference, first = cell([0.8, 0.6, 0.7]), cell([0.7, 0.6, 0.6])
    second = cell([0.5, 0.75, 0.8], ids=["s2", "s0", "s1"])  # another order, matched by its ids
    expected = np.array([0.7 + 0.75 - 0.8, 0.6 + 0.8 - 0.6, 0.6 + 0.5 - 0.7])
    found = quality_interaction(cell(expected + 0.1), first, second, reference, "m", "", 0.95)
    assert found is not None
    assert found.value == pytest.approx(0.1) and found.expected == pytest.approx(expected.mean())
    assert quality_interaction(cell([math.nan] * 3), first, second, reference, "m", "", 0.95) is None
    assert quality_interaction(cell([1.0, 1.0]), first, second, reference, "other", "", 0.95) is None
