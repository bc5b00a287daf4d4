"""What the runner adds to a sample: hashing, checking and committing, against a bare loop that only runs and scores.

``make bench-overhead`` prints the table. The two loops take turns on the same system; the runner's own share is what its
loop takes beyond the task's ``run`` and ``score``, timed inside it, so that noise of the model does not hide it.
"""

import statistics
import time

import pytest

from effbench.api import Context
from effbench.measure.machine import physical_cores
from effbench.runner.jobs import Batch, JobSpec
from effbench.runner.passes import quality
from effbench.tasks.t2i.task import TextToImage
from effbench_baselines.reference.method import Reference

SAMPLES, BATCH, REPEATS = 16, 8, 3


class TimedTask(TextToImage):
    """The task of the quickstart, remembering how long its own work took and when."""

    def __init__(self, params=None):
        super().__init__(params)
        self.own_s, self.started, self.ended = 0.0, None, None
        self.system = None

    def load(self, ctx):
        self.system = self.system or super().load(ctx)
        return self.system

    def run(self, system, batch, seed):
        before = time.perf_counter()
        self.started = self.started or before
        outputs = super().run(system, batch, seed)
        self.own_s += time.perf_counter() - before
        return outputs

    def score(self, outputs, batch, reference):
        before = time.perf_counter()
        scores = super().score(outputs, batch, reference)
        self.own_s += time.perf_counter() - before
        return scores

    def probes(self, system, batch_size):
        return [lambda: [{}]]  # what follows the loop is not counted


class Listener:
    """Stands in for the pipe and notes when the last batch was committed."""

    def __init__(self):
        self.last = 0.0

    def send(self, message):
        self.last = time.perf_counter()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_overhead_per_sample_is_below_two_percent_of_model_time(tmp_path):
    import torch

    torch.set_num_threads(physical_cores())
    task = TimedTask(TextToImage.Params(steps=20))
    samples = task.samples("evaluation")[:SAMPLES]
    batches = tuple(Batch(0, tuple(samples[i : i + BATCH])) for i in range(0, SAMPLES, BATCH))
    system = task.load(Context(threads=physical_cores()))
    TextToImage.run(task, system, batches[0].samples, 0)
    shares, rows = [], []
    for repeat in range(REPEATS):
        before = time.perf_counter()
        for batch in batches:
            outputs = TextToImage.run(task, system, batch.samples, batch.seed)
            TextToImage.score(task, outputs, batch.samples, None)
        bare = time.perf_counter() - before
        task.own_s, task.started = 0.0, None
        listener = Listener()
        cell = tmp_path / str(repeat)
        threads = physical_cores()
        spec = JobSpec("quality", task, (Reference(),), "cpu", "float32", threads, (), cell, "v", batches=batches)
        quality(spec, listener)
        loop = listener.last - task.started
        shares.append((loop - task.own_s) / task.own_s)
        rows.append((bare, loop, (loop - task.own_s) / SAMPLES))
    print("\nbare loop [s]   runner's loop [s]   overhead per sample [ms]   overhead / model time")
    for (bare, loop, each), share in zip(rows, shares):
        print(f"{bare:13.3f}   {loop:17.3f}   {each * 1e3:24.3f}   {share:21.4%}")
    assert statistics.median(shares) < 0.02
