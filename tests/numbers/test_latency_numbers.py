"""Latency numbers from raw timings: percentiles that samples allow, and the cross-check that must be able to disagree."""

import numpy as np
import pytest

from effbench.numbers.latency import agree, latency_numbers
from effbench.numbers.parts import Timed
from effbench.stats.bootstrap import Interval
from effbench.timings import Timings


def timings(medians_ms, calls=20, seed=0):
    """Rounds of calls that scatter by 1 % around their medians."""
    generator = np.random.default_rng(seed)
    return Timings(
        {f"r{i:03d}": (ms * 1e6 * generator.lognormal(0, 0.01, calls)).tolist() for i, ms in enumerate(medians_ms)},
        first=[10**7],
        load_s=[0.5],
    )


def numbers(ours, reference):
    found = latency_numbers([Timed(1, ours, reference)], [1], None, 0.95, is_reference=False)
    return {number.name: number for number in found}


def test_percentiles_need_their_samples():
    few = numbers(timings([10.0], calls=28), None)
    assert (few["latency_p90_ms"].value, few["latency_p90_ms"].reason) == (None, "too_few_samples")
    many = numbers(timings([10.0], calls=59), None)
    assert many["latency_p90_ms"].value > many["latency_p50_ms"].value
    assert many["latency_p95_ms"].value is not None and many["latency_p99_ms"].reason == "too_few_samples"


def test_the_ratio_of_twenty_even_rounds_passes_the_crosscheck():
    generator = np.random.default_rng(1)
    speed = generator.lognormal(0, 0.02, (2, 20))
    found = numbers(timings(10 * speed[0], seed=2), timings(20 * speed[1], seed=3))["speedup"]
    assert found.value == pytest.approx(2.0, rel=0.03) and "crosscheck_differs" not in found.flags


@pytest.mark.parametrize(
    ("other", "alike"),
    [
        (Interval(1.01, 1.20), True),
        (Interval(0.99, 1.20), False),  # only one of the two excludes 1
        (Interval(1.01, 1.60), False),  # much wider
    ],
)
def test_intervals_agree_on_one_and_on_their_width(other, alike):
    assert agree(Interval(1.02, 1.20), other) is alike


def test_a_disagreement_is_flagged(monkeypatch):
    monkeypatch.setattr("effbench.numbers.latency.hierarchical_ratio_interval", lambda *_, **__: Interval(0.5, 4.0))
    found = numbers(timings([10.0 + 0.01 * i for i in range(20)]), timings([20.0] * 20, seed=5))["speedup"]
    assert "crosscheck_differs" in found.flags
    few = numbers(timings([10.0, 10.1, 10.2]), timings([20.0] * 3, seed=5))["speedup"]
    assert "crosscheck_differs" not in few.flags, "below 20 rounds the bootstrap is no witness"
