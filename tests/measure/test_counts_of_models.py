"""The quick ways of counting say what the slow ones say, and every count the same: on models, operator by operator."""

import numpy as np
import plain_traffic
import pytest
import tiny_systems
import torch
from torch.utils.flop_counter import flop_registry

from effbench.measure import compute
from effbench.measure.compute import measure_compute
from effbench.measure.formulas import FORMULAS
from effbench_baselines.int8_dynamic.layer import int8_linear

CLASSES = ["PixArtSigmaPipeline", "LattePipeline", "StableDiffusionXLPipeline"]


@pytest.mark.whole
@pytest.mark.parametrize("name", CLASSES)
def test_every_operator_of_a_model_moves_what_the_plain_traffic_says(name, monkeypatch):
    task, system = tiny_systems.tiny(name)
    probe = task.probes(system, 1)[0]
    seen, quick = [], compute.traffic

    def both(operator, args, kwargs, out):
        moved = quick(operator, args, kwargs, out)
        found = sum(t.bytes for t in moved.read), sum(t.bytes for t in moved.written), [t.numel() for t in moved.fresh]
        assert found == plain_traffic.plain_traffic(operator, args, kwargs, out), operator
        seen.append(sum(found[:2]))
        return moved

    probe()
    monkeypatch.setattr(compute, "traffic", both)
    counted = measure_compute(probe)
    assert sum(seen) == counted.bytes_moved and np.count_nonzero(seen) == counted.ops > 300
    monkeypatch.undo()
    assert measure_compute(probe) == counted


def test_a_model_with_kernels_of_ours_counts_the_same_every_time():
    layer, x = int8_linear(torch.nn.Linear(64, 10)), torch.randn(3, 64)
    with torch.no_grad():
        assert measure_compute(lambda: layer(x).relu()) == measure_compute(lambda: layer(x).relu())


def test_memory_that_is_freed_and_given_out_again_is_not_taken_for_what_was_there_before():
    def call():
        total = torch.zeros(64)
        for _ in range(50):
            made = torch.ones(64) * 2
            del made  # what follows may lie in its place, and no operator says that it came
            total += torch.from_numpy(np.ones(64, np.float32))
        return total

    assert {measure_compute(call).least_bytes for _ in range(5)} == {4 * 64 * (50 + 1)}


@pytest.mark.parametrize("name", ["mm", "addmm"])
def test_our_own_formulas_of_products_are_torchs(name):
    x, w, y = torch.randn(6, 5), torch.randn(5, 7), torch.randn(6, 7)
    args = (x, w) if name == "mm" else (y, x, w)
    theirs = flop_registry[getattr(torch.ops.aten, name)](*args, out_val=y)
    assert FORMULAS[f"aten::{name}"](*args, out=y) == theirs == 2 * 6 * 5 * 7
