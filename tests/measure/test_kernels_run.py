"""The list of kernels holds what ran, and nothing that a method only says it ran."""

import sys
import threading
from collections import Counter

import numpy as np
import pytest
import torch
from torch import nn
from torch.profiler import record_function

from effbench.kernels import isa, record_kernel, recording
from effbench.measure.kernels_run import USER_SCOPE, KernelCount, _profiled, kernels_run, matches
from effbench_baselines.int8_dynamic.layer import int8_linear

INT8 = "quantized::linear_dynamic"


def test_the_int8_path_shows_its_kernel_and_the_simulated_one_does_not():
    linear, x = nn.Linear(64, 64), torch.randn(4, 64)
    fast, imitated = int8_linear(linear), int8_linear(linear, "simulated")
    with torch.no_grad():
        real = kernels_run(lambda: [fast(x), fast(x)])
        simulated = kernels_run(lambda: imitated(x))
    assert KernelCount(f"linear_w8a8/{isa.current().name}", 2) in real
    assert matches(["linear_w8a8/*"], real) == []
    assert matches(["linear_w8a8/*", "aten::addmm"], simulated) == ["linear_w8a8/*"]


def test_most_frequent_first():
    x = torch.randn(4, 4)
    found = kernels_run(lambda: [x.exp() for _ in range(5)] + [x.sin()])
    assert [(k.name, k.calls) for k in found] == [("aten::exp", 5), ("aten::sin", 1)]


def test_a_name_that_the_method_wrote_itself_is_no_evidence():
    def call():
        with record_function(INT8):
            return torch.ones(2, 2) @ torch.ones(2, 2)

    found = kernels_run(call)
    assert matches([INT8, "aten::mm"], found) == [INT8]


@pytest.mark.parametrize("name", [INT8, "aten::mm", "gemm", "a/b/c", "/mm", "void gemm<float>/1", "x/*"])
def test_nothing_that_a_profiler_sees_can_be_recorded_instead(name):
    with pytest.raises(ValueError, match="want OPERATION/KERNEL"):
        kernels_run(lambda: record_kernel(name))


def test_recording_costs_nothing_and_keeps_nothing_while_nobody_listens():
    array = np.ones(3)
    held = sys.getrefcount(array)
    record_kernel("toy/kernel", array, out=array)
    assert sys.getrefcount(array) == held and recording._listeners == []
    with pytest.raises(ZeroDivisionError):
        kernels_run(lambda: 1 / 0)
    assert recording._listeners == []
    found = kernels_run(lambda: [record_kernel("toy/kernel", array) for _ in range(3)])
    assert KernelCount("toy/kernel", 3) in found and sys.getrefcount(array) == held


def test_a_kernel_on_another_thread_is_heard():
    def call():
        thread = threading.Thread(target=record_kernel, args=("toy/kernel",))
        thread.start()
        thread.join()

    assert matches(["toy/kernel"], kernels_run(call)) == []


def test_nothing_ran():
    assert kernels_run(lambda: None) == ()
    assert matches(["*"], ()) == ["*"]
    assert matches([], ()) == []


def test_the_counts_are_those_of_torchs_own_events():
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5))

    def call():
        with record_function("mine"):
            net(torch.ones(2, 1, 8, 8)).logsumexp(1).sum().backward()
            torch.ones(2, 2).div_(2).add(1)

    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as watched:
        call()
    theirs = Counter(e.name for e in watched.events() if not e.is_user_annotation and e.scope != USER_SCOPE)
    assert _profiled(watched) == theirs and theirs["aten::sum"] > 0 and "mine" not in theirs
