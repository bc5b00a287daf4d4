"""The task that EffBench measures itself on: its planted costs must be what they say."""

import numpy as np
import pytest

from effbench.api import Artifact, Context
from effbench.tasks.workload.task import WorkloadTask
from effbench.testing import check_method, check_task
from effbench_baselines.planted.method import PlantedLatency, PlantedMemory, Twin

SMALL = WorkloadTask.Params(units=20, size=8)


def test_task_and_methods_keep_the_contract():
    check_task(WorkloadTask, SMALL)
    for method in (Twin, PlantedLatency, PlantedMemory):
        check_method(method, task=WorkloadTask(SMALL))


@pytest.mark.parametrize("share, units, cost", [(0.1, 22, 1.1), (0.05, 21, 1.05), (0.02, 20, 1.0), (-0.5, 10, 0.5)])
def test_the_cost_is_that_of_whole_units(share, units, cost):
    system = WorkloadTask(SMALL).load(Context())
    changed = PlantedLatency(PlantedLatency.Params(share=share)).apply(system, Artifact())
    assert (changed.units, changed.cost) == (units, pytest.approx(cost))


def test_waiting_comes_in_units_too():
    system = WorkloadTask(WorkloadTask.Params(units=100, wait_ms=0.01)).load(Context())
    changed = PlantedLatency(PlantedLatency.Params(share=0.02)).apply(system, Artifact())
    assert (changed.units, changed.wait_ms, changed.cost) == (102, 0.01, pytest.approx(1.02))
    start = np.eye(96, dtype=np.float32)
    assert changed.call(start) is start


def test_a_call_is_the_matrix_power():
    system = WorkloadTask(SMALL).load(Context())
    start = np.eye(8, dtype=np.float32)
    expected = np.linalg.matrix_power(system.matrix.astype(np.float64), 20)
    np.testing.assert_allclose(system.call(start), expected, atol=1e-4)


def test_the_ballast_has_its_size():
    system = PlantedMemory(PlantedMemory.Params(mb=3)).apply(WorkloadTask(SMALL).load(Context()), Artifact())
    assert system.ballast["array"].nbytes == 3_000_000


def test_the_probe_times_the_calls_alone(monkeypatch):
    task = WorkloadTask(SMALL)
    (probe,) = task.probes(task.load(Context()), 2)
    monkeypatch.setattr(task, "_start", None)  # a call that still drew its start would fail
    first, second = probe()
    assert first["state"].shape == (8, 8) and not np.array_equal(first["state"], second["state"])


def test_only_what_is_scored_is_kept():
    task = WorkloadTask(SMALL)
    samples = task.samples("evaluation")
    outputs = task.run(task.load(Context()), samples, 0)
    kept = [task.keep(output) for output in outputs]
    assert [set(output) for output in kept] == [{"cost"}] * len(samples)
    assert task.score(kept, samples, kept).scalars["planted_cost"].tolist() == [1.0] * len(samples)
