"""Jobs of several cells at a time: never more than there are cores for, and in each cell's order."""

import os
import time
from types import SimpleNamespace

import pytest

from effbench.runner import side_by_side as module
from effbench.runner.jobs import Done, Failed, Progress
from effbench.runner.launching import WorkerError
from effbench.runner.side_by_side import one_after_another, shared_out, side_by_side
from effbench.suite import ExecutionEntry


class Pipe:
    """A worker that says each of its messages after a while; an exception is raised as the runner's own would be."""

    def __init__(self, house, spec):
        self.house, self.spec = house, spec
        self.left, self.at, self.end = list(house.says(spec)), time.monotonic() + 0.02, os.pipe()
        house.running.append(spec.name)
        house.most = max(house.most, len(house.running))
        house.started.append((spec.name, spec.cpus))

    @property
    def ends(self):
        return ()

    def poll(self, silent_s, timeout_s):
        if time.monotonic() < self.at:
            return None
        message, self.at = self.left.pop(0), time.monotonic() + 0.02
        if isinstance(message, Exception):
            raise message
        return message

    def receive(self, timeout_s):
        while (message := self.poll(0.0, timeout_s)) is None:
            time.sleep(0.001)
        return message

    def finish(self):
        pass

    def kill(self):
        if self.spec.name in self.house.running:
            self.house.running.remove(self.spec.name)
            for end in self.end:
                os.close(end)


class House:
    """Stands in for a job runner: starts such workers and notes what was recorded of each job."""

    def __init__(self, says):
        self.says, self.running, self.started, self.ended_, self.most = says, [], [], {}, 0
        self.suite = SimpleNamespace(execution=SimpleNamespace(timeout_s=5.0))
        self.launcher = SimpleNamespace(start=lambda spec: Pipe(self, spec))
        self.report = SimpleNamespace(say=lambda text: None)

    def run(self, cell, spec):
        job = module.OpenJob(self, cell, spec)
        job.start()
        while job.succeeded is None:
            job.wait()
        return job.succeeded

    def heard(self, spec, progress):
        self.ended_.setdefault(spec.name, []).append("alive")

    def ended(self, cell, name, ended, started, earlier=()):
        self.ended_.setdefault(name, []).append((type(ended).__name__, len(earlier)))


def cell_of(name, jobs, seen):
    """Return a generator of a cell's jobs that stops at the first failure."""
    for number in range(jobs):
        spec = module.JobSpec("quality", f"{name}{number}", *[None] * 4, 1, (), *[None] * 2)
        succeeded = yield SimpleNamespace(label=name), spec
        seen.append((f"{name}{number}", succeeded))
        if not succeeded:
            return


def fine(spec):
    return [Progress("batch"), Done({})]


@pytest.fixture(autouse=True)
def polled_often(monkeypatch):
    monkeypatch.setattr(module.multiprocessing.connection, "wait", lambda ends, timeout: time.sleep(0.002))
    monkeypatch.setattr(module, "_wait_for_any", lambda running: time.sleep(0.002))


def test_both_ways_ask_for_the_same_jobs_and_record_the_same():
    alone, beside = House(fine), House(fine)
    asked, asked_beside = [], []
    one_after_another(alone, [cell_of(name, 3, asked) for name in "abcd"])
    side_by_side(beside, [cell_of(name, 3, asked_beside) for name in "abcd"], [(0,), (1,)])
    assert asked == [(f"{name}{i}", True) for name in "abcd" for i in range(3)]
    assert sorted(asked_beside) == asked and beside.ended_ == alone.ended_
    assert alone.most == 1 and beside.most == 2 and not beside.running
    for name in "abcd":  # a cell stays on its cores and keeps its order
        of_cell = [(job, cpus) for job, cpus in beside.started if job[0] == name]
        assert [job for job, _ in of_cell] == [f"{name}{i}" for i in range(3)]
        assert len({cpus for _, cpus in of_cell}) == 1
    assert {cpus for _, cpus in beside.started} == {(0,), (1,)}


def test_a_failure_ends_its_cell_and_a_signal_gets_one_more_try(monkeypatch):
    monkeypatch.setattr("effbench.runner.jobrunner._rest_of", lambda spec: spec)
    struck = [0]

    def says(spec):
        if spec.name == "a0":
            return [Failed("error", "broken")]
        if spec.name == "b1":
            struck[0] += 1
            return [WorkerError(Failed("signal", "killed"))] if struck[0] == 1 else fine(spec)
        return fine(spec)

    house, seen = House(says), []
    side_by_side(house, [cell_of(name, 2, seen) for name in "abc"], [(), ()])
    assert sorted(seen) == [("a0", False), ("b0", True), ("b1", True), ("c0", True), ("c1", True)]
    assert house.ended_["a0"] == [("Failed", 0)] and house.ended_["b1"] == ["alive", ("Done", 1)]


def test_what_is_raised_ends_all_workers():
    class Ends(House):
        def ended(self, cell, name, ended, started, earlier=()):
            raise KeyboardInterrupt

    house = Ends(fine)
    with pytest.raises(KeyboardInterrupt):
        side_by_side(house, [cell_of(name, 1, []) for name in "abc"], [(), ()])
    assert not house.running


@pytest.mark.parametrize(
    ("asked", "cores", "slots", "threads"),
    [
        ({}, 4, [(0, 1, 2, 3)], 4),
        ({"jobs": 2}, 4, [(0, 1), (2, 3)], 2),
        ({"jobs": 2, "threads": 1}, 4, [(0,), (1,)], 1),
        ({"jobs": 3}, 4, [(0,), (1,), (2,)], 1),
        ({"jobs": 8}, 4, [(0,), (1,), (2,), (3,)], 1),
        ({"jobs": 2}, 1, [(0,)], 1),
        ({"jobs": 2, "threads": 2}, 2, [(0, 1)], 2),
        ({"jobs": 2, "threads": 4}, 2, [(0, 1)], 4),
        ({"jobs": 2, "cpus": [3, 1]}, 4, [(3,), (1,)], 1),
    ],
)
def test_cores_are_shared_out(asked, cores, slots, threads, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    monkeypatch.setattr(module, "physical_cores", lambda: cores)
    assert shared_out(ExecutionEntry(**asked)) == (slots, threads)
