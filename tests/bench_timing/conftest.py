import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench_timing.measure import LAUNCHER, OPTIMUM, OURS, TORCH


@pytest.fixture
def made_run():
    """`made_run(theirs=1.05)`: eight repeats in which every harness times alike, but for what is planted."""

    def make(theirs=1.0, busy=1.5, our_overhead_us=1.0, repeats=8):
        draw = random.Random(1)

        def process(ms):
            level = ms * draw.gauss(1, 0.008)
            return [level * draw.gauss(1, 0.004) for _ in range(40)]

        def block(harness, threads, ms, share):
            row = {"harness": harness, "workload": "block", "threads": threads, "times_ms": process(ms)}
            return {**row, "calls_per_time": 1, "parent_share": share}

        def spin(harness, workload, us, calls):
            gaps = {"median_us": us, "mean_us": us * 1.1, "own_us": 3.0}
            row = {"harness": harness, "workload": workload, "threads": 1, "times_ms": [0.0032], "gaps": gaps}
            more = {"turn_start_ms": 0.5} if harness == OURS else {}
            return {**row, "calls_per_time": calls, "parent_share": 0.0, **more}

        def one():
            rows = []
            for threads, ms in ((1, 8.0), (2, 5.0)):
                rows += [block(OURS, threads, ms, 0.0) for _ in range(4)]
                rows += [block(h, threads, ms * theirs, 0.001) for h in (TORCH, OPTIMUM) for _ in range(12)]
                rows += [block(LAUNCHER, threads, ms * theirs * (busy if threads == 2 else 1), 0.99) for _ in range(3)]
            for workload, calls in (("trivial", 10_000), ("spin", 1)):
                rows += [
                    spin(OURS, workload, our_overhead_us, 1),
                    spin(TORCH, workload, 2.0 if calls == 1 else 0.1, calls),
                ]
                rows += [spin(OPTIMUM, workload, 1.5, 1)]
            return rows

        return [one() for _ in range(repeats)]

    return make


@pytest.fixture
def description():
    """Return what stands in a run.json."""
    return {
        "plan": {"repeats": 8, "rounds": 4, "peer_processes": 12, "launches": 3, "seconds": 0.2},
        "machine": {"cpu_model": "Made-up 9000", "cores": 2, "os": "Linux"},
        "noise": {"grade": "B", "reasons": ["throttling could not be read"]},
        "versions": {"python": "3.11.7", "effbench": "0.1.0", "torch": "2.13.0"},
        "peer_versions": {"optimum-benchmark": "0.6.0", "torch": "2.13.0", "transformers": "4.57.6"},
    }
