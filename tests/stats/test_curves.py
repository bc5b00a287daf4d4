from __future__ import annotations

import numpy as np

from effbench.stats.curves import first_within, running_mean


def test_the_time_to_a_goal_is_when_the_mean_stays_there() -> None:
    seconds, goal = np.arange(1.0, 41), -1.0
    falling = np.where(np.arange(40) < 20, 0.0, -1.5)
    assert first_within(seconds, falling, goal) == 27.0  # the mean of steps 18 to 27 is the first below
    lucky = falling.copy()
    lucky[3] = -8.0
    assert first_within(seconds, lucky, goal) == 27.0
    lost = falling.copy()
    lost[35:] = 0.0
    assert np.isnan(first_within(seconds, lost, goal)) and np.isnan(first_within(seconds, falling, -2.0))
    assert first_within(np.array([0.5]), np.array([-1.0]), goal) == 0.5
    assert np.isnan(first_within(seconds, falling, np.nan))


def test_a_running_mean_is_as_wide_as_the_curve_at_most() -> None:
    assert running_mean(np.arange(5.0), 3).tolist() == [1.0, 2.0, 3.0]
    assert running_mean(np.array([1.0, 2.0]), 10).tolist() == [1.5]
