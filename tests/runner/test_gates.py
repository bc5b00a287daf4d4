"""Gates: a bound within the measured spread is met, one beyond it is missed, a null always is."""

import numpy as np
import pytest

from effbench.record import Number
from effbench.replicates import Replicates, write_replicates
from effbench.runner.gates import failed_gates
from effbench.store import CellFolder, StoreView
from effbench.suite import Gate


def number(value, low=None, high=None, reason=None):
    return Number(
        name="score",
        axis="quality",
        unit="",
        value=value,
        ci_low=low,
        ci_high=high,
        higher_is_better=True,
        reason=reason,
    )


@pytest.fixture
def view(tmp_path, make_cell):
    """A reference with 0.90 [0.85, 0.95] and a method with 0.80 [0.74, 0.86]."""
    cells = (
        make_cell("reference", [number(0.90, 0.85, 0.95)], role="reference"),
        make_cell("method", [number(0.80, 0.74, 0.86)]),
    )
    return StoreView(tmp_path, "s", {"stats": {"ci": 0.95}}, cells)


def missed(view, **gate):
    return failed_gates(view, [Gate(metric="score", method="method", **gate)])


@pytest.mark.parametrize(
    "gate, is_missed",
    [
        ({"min": 0.85}, False),
        ({"min": 0.87}, True),
        ({"min": 0.85, "tolerance": "none"}, True),
        ({"max": 0.75}, False),
        ({"max": 0.73}, True),
        ({"min_ratio": 0.95}, False),
        ({"min_ratio": 0.95, "tolerance": "none"}, True),
        ({"max_ratio": 0.7}, True),
    ],
)
def test_a_bound_within_the_interval_is_met(view, gate, is_missed):
    assert bool(missed(view, **gate)) is is_missed


def test_a_null_misses_and_says_why(view):
    cells = (view.cells[0], view.cells[1].model_copy(update={"numbers": (number(None, reason="oom"),)}))
    view = StoreView(view.path, "s", view.lock, cells)
    assert missed(view, min=0) == ["task/method: score: it is null (oom)"]


def test_paired_resamples_sharpen_a_ratio(view):
    """Both vary a lot but together, so their ratio hardly does; unpaired, the same gate would pass."""
    shared = np.random.default_rng(0).uniform(0.8, 1.0, 1000)
    for cell, factor in zip(view.cells, (1.0, 0.89)):
        write_replicates(CellFolder(view.path / "cells" / cell.id), Replicates({"score": shared * factor}, "same"))
    assert missed(view, min_ratio=0.95) == ["task/method: score over the reference's is 0.8889, below 0.95"]


def test_resamples_of_other_samples_are_not_paired(view):
    for cell, name in zip(view.cells, ("these", "those")):
        write_replicates(CellFolder(view.path / "cells" / cell.id), Replicates({"score": np.full(1000, 0.5)}, name))
    assert not missed(view, min_ratio=0.95)


@pytest.mark.parametrize(
    "metric, gate", [("latency_p50_ms", {"max_ratio": 0.9}), ("throughput_per_s", {"min_ratio": 1.12})]
)
def test_a_ratio_of_times_is_that_of_the_shared_rounds(view, metric, gate):
    """Whole medians vary by a third from round to round and say nothing; within rounds the method is faster by a tenth."""
    unit, higher = ("ms", False) if metric == "latency_p50_ms" else ("1/s", True)

    def timed(value, speedup, spread):
        time = Number(
            name=metric, axis="latency", unit=unit, value=value, ci_low=0.7 * value, ci_high=1.3 * value,
            higher_is_better=higher,
        )  # fmt: skip
        ratio = Number(
            name="speedup", axis="latency", unit="x", value=speedup, ci_low=speedup - spread, ci_high=speedup + spread,
            higher_is_better=True,
        )  # fmt: skip
        return (time, ratio)

    pairs = zip(view.cells, (timed(10.0, 1.0, 0.0), timed(9.0, 1.1, 0.01)))
    view = StoreView(view.path, "s", view.lock, tuple(c.model_copy(update={"numbers": n}) for c, n in pairs))
    (said,) = failed_gates(view, [Gate(metric=metric, method="method", **gate)])
    assert ("0.9091 [0.9009, 0.9174], above 0.9" if unit == "ms" else "1.1 [1.09, 1.11], below 1.12") in said
    assert not failed_gates(view, [Gate(metric=metric, method="method", min_ratio=0.9, max_ratio=1.11)])
