"""Memory of known holders: an array of known size, shared storages, and a module that lies about what it keeps."""

import gc
import mmap
import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from effbench.api import System
from effbench.measure import memory
from effbench.measure.memory import ResidentSampler, device_process_bytes, live_tensor_bytes, parameter_bytes
from effbench.measure.nvml import Gpu
from effbench.quantization.layers import replace_layers
from effbench_baselines.int8_dynamic.layer import int8_linear

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
MB = 1_000_000


class Modules(System):
    def __init__(self, **modules):
        self._modules = modules

    def modules(self):
        return self._modules


HOLDER = """
import sys
import numpy as np
from effbench.api import System
from effbench.measure.memory import measure_memory

def build():
    kept = np.ones({kept} * 125_000)
    return System(), lambda: np.ones({scratch} * 125_000).sum() + kept.sum()

use = measure_memory(build, "cpu")
print(use.peak_rss_growth, use.peak_rss, use.peak_rss_sampled, use.resident_at_rest)
print(use.live_tensor_bytes, use.parameter_bytes)
print("torch" in sys.modules)
"""


def holder(kept, scratch):
    code = HOLDER.format(kept=kept, scratch=scratch)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    sizes, tensors, imported = done.stdout.splitlines()
    assert imported == "False", "a system without torch does not pay for it"
    assert tensors == "None None"
    return [int(size) / MB for size in sizes.split()]


def test_an_array_of_known_size_is_seen_at_rest_and_by_both_peaks():
    (growth, peak, sampled, rest), (_, empty_peak, empty_sampled, empty_rest) = holder(80, 120), holder(0, 0)
    assert growth == pytest.approx(200, rel=0.05)
    assert peak - empty_peak == pytest.approx(200, rel=0.05)
    assert sampled - empty_sampled == pytest.approx(200, rel=0.05)
    assert rest == pytest.approx(80, rel=0.05)
    assert empty_rest < 4


def test_the_sampler_ends_with_its_block_and_saw_the_peak():
    with ResidentSampler(0.001) as sampler:
        started = sampler.peak
        block = mmap.mmap(-1, 60 * MB)  # new pages, whatever the allocator of this process has kept
        for _ in range(60):
            block.write(b"x" * MB)
        time.sleep(0.05)
        block.close()
        seen = sampler.peak
    assert seen - started == pytest.approx(60 * MB, rel=0.05)
    assert not sampler._thread.is_alive()


@pytest.fixture(autouse=True)
def no_garbage_of_other_tests():
    """A census counts what a cycle still holds: collected in the middle of a test, it would count backwards."""
    gc.collect()


def test_shared_storages_count_once():
    embedding, head = nn.Embedding(100, 16), nn.Linear(16, 100, bias=False)
    head.weight = embedding.weight
    assert parameter_bytes(Modules(a=embedding, b=head)) == 100 * 16 * 4
    before = live_tensor_bytes()
    whole = torch.ones(1000)
    views = [whole[:10], whole.view(10, 100), whole.detach()]
    assert live_tensor_bytes() - before == 4000
    del whole
    assert live_tensor_bytes() - before == 4000, "a view keeps all of it"
    views.clear()
    assert live_tensor_bytes() == before


def test_the_census_sees_gradients_and_sparse_tensors():
    before = live_tensor_bytes()
    weight = nn.Parameter(torch.ones(1000))
    weight.pow(2).sum().backward()
    assert live_tensor_bytes() - before == 2 * 4000
    sparse = torch.eye(50).to_sparse()
    assert live_tensor_bytes() - before == 2 * 4000 + 50 * (2 * 8 + 4)
    assert sparse.layout == torch.sparse_coo


class Liar(nn.Module):
    """Says it packed its weight and keeps the float one where no parameter list looks."""

    def __init__(self, linear):
        super().__init__()
        weight = linear.weight.detach()
        self._product = lambda x: x @ weight.T

    def packed_bytes(self):
        return 10

    def forward(self, x):
        return self._product(x)


def test_a_module_that_lies_about_its_bytes_shows_in_the_census():
    size = 512 * 512 * 4
    before = live_tensor_bytes()
    honest = nn.Sequential(nn.Linear(512, 512, bias=False))
    replace_layers(honest, lambda _, layer: int8_linear(layer), lambda name: False)
    packed = honest[0].packed_bytes()
    assert parameter_bytes(Modules(net=honest)) == packed == pytest.approx(size / 4, rel=0.03)
    assert live_tensor_bytes() - before == pytest.approx(packed, rel=0.01), "the codes are seen, and the floats gone"
    before = live_tensor_bytes()
    lying = nn.Sequential(Liar(nn.Linear(512, 512, bias=False)))
    assert parameter_bytes(Modules(net=lying)) == 10
    assert live_tensor_bytes() - before == pytest.approx(size, rel=0.01)


def test_memory_of_the_process_on_a_gpu(monkeypatch):
    class FakeNvml:
        NVMLError = type("NVMLError", (Exception,), {})
        table = ((1, 5), (os.getpid(), 700))

        def nvmlDeviceGetComputeRunningProcesses(self, handle):
            if handle is None:
                raise self.NVMLError
            return [SimpleNamespace(pid=pid, usedGpuMemory=used) for pid, used in self.table]

    nvml = FakeNvml()
    monkeypatch.setattr(memory, "open_gpu", {"cuda:0": Gpu(nvml, "handle"), "cuda:1": Gpu(nvml, None), "cpu": None}.get)
    assert device_process_bytes("cuda:0") == 700
    assert device_process_bytes("cuda:1") is None
    assert device_process_bytes("cpu") is None
    nvml.table = ((1, 5),)
    assert device_process_bytes("cuda:0") is None, "a container may number its processes otherwise"
    nvml.table = ((os.getpid(), None),)
    assert device_process_bytes("cuda:0") is None
