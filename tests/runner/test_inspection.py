"""What the inspection sees: kernels of an integer path, their absence in an imitation, operations, and repeated samples."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from effbench.api import Artifact, Method, Sample, Scores, System, Task
from effbench.quantization.schemes import LayerExecution
from effbench.runner.inspection import inspect, time_repeats
from effbench.runner.jobs import JobSpec
from effbench_baselines.int8_dynamic.layer import int8_linear

ROWS, WIDE, OUT = 4, 64, 32


@dataclass(frozen=True)
class Layer(System):
    layer: Any

    def modules(self):
        return {"layer": self.layer}


class LayerTask(Task):
    name = "layer"
    system_type = Layer
    preload = ("torch",)
    metrics = ()

    def load(self, ctx):
        return Layer(torch.nn.Linear(WIDE, OUT))

    def samples(self, split, subset=None):
        return [Sample(f"{split}-{i}") for i in range(5)]

    def run(self, system, batch, seed):
        with torch.no_grad():
            return [{"y": system.layer(torch.ones(ROWS, WIDE)).numpy()} for _ in batch]

    def score(self, outputs, batch, reference):
        return Scores({})


class Claimed(Method):
    """Says that it multiplies integers."""

    name = "claimed"
    accepts = (Layer,)
    kernels = ("linear_w8a8/*",)
    runs: LayerExecution = "real"

    def apply(self, system: Layer, artifact: Artifact) -> Layer:
        return Layer(int8_linear(system.layer, type(self).runs))


class Pretending(Claimed):
    """Says so too, and does not."""

    runs = "simulated"


def seen(method, tmp_path):
    spec = JobSpec(
        "inspect", "inspect", LayerTask(), (method(),), "cpu", "float32", 1, (), tmp_path, "0", count_flops=True
    )
    return inspect(spec, None).data


def test_the_integer_kernel_is_seen_where_it_ran(tmp_path):
    data = seen(Claimed, tmp_path)
    assert data["kernels_missing"] == []
    assert any(name.startswith("linear_w8a8/") for name, _ in data["kernels"])
    assert data["flops_by_dtype"] == {"int8": 2 * ROWS * WIDE * OUT}
    packed, bias, written = int8_linear(torch.nn.Linear(WIDE, OUT)).packed_bytes(), OUT * 4, ROWS * OUT * 4
    assert packed >= WIDE * OUT + OUT * 8
    assert data["least_bytes"] == packed + bias + written


def test_an_imitation_is_caught(tmp_path):
    data = seen(Pretending, tmp_path)
    assert data["kernels_missing"] == ["linear_w8a8/*"]
    assert data["flops_by_dtype"] == {"float32": 2 * ROWS * WIDE * OUT}


class Sleepy(LayerTask):
    """Takes two milliseconds on a sample that it has not seen, if ``remembers``; always otherwise."""

    def __init__(self, remembers):
        super().__init__()
        self.remembers, self.seen = remembers, set()

    def run(self, system, batch, seed):
        for sample in batch:
            if not (self.remembers and sample.id in self.seen):
                time.sleep(0.002)
            self.seen.add(sample.id)
        return [{"y": np.zeros(1)} for _ in batch]


@pytest.mark.parametrize("remembers", [False, True])
def test_repeats_tell_a_cache_from_none(remembers):
    first, again = (np.array(times) for times in time_repeats(Sleepy(remembers), Layer(None), seed=0))
    assert len(first) == len(again) == 4
    assert (np.median(again / first) < 0.5) is np.bool_(remembers)
