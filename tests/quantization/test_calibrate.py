"""Calibration: what is observed by hand-made systems, and what is refused in one sentence."""

import dataclasses

import pytest
import torch
from operands import generator

from effbench.api import Context, PluginError, Sample
from effbench.diffusion import Step
from effbench.quantization.calibrate import SAMPLES_AT_ONCE, grams, observe
from effbench.quantization.transform import Transform


class Fake:
    """A system of one sampling call of two steps, whose denoiser is a linear layer and a convolution."""

    def __init__(self):
        self.linear, self.conv = torch.nn.Linear(6, 3), torch.nn.Conv2d(2, 4, 3)
        self.observers = ()

    @property
    def layers(self):
        return [("linear", self.linear), ("conv", self.conv)]

    def observed_by(self, observer):
        watched = Fake.__new__(Fake)
        watched.linear, watched.conv, watched.observers = self.linear, self.conv, (*self.observers, observer)
        return watched


def inputs_of(samples, step):
    x = torch.stack([torch.full((5, 6), float(s.data["value"])) for s in samples])
    x[..., 2] *= -(step + 1)
    x[..., 4] = 0
    return x


def run(system, samples, seed):
    for index in range(2):
        for observer in system.observers:
            observer.step_begins(Step(index, 2, 0, 0.0))
        system.linear(inputs_of(samples, index))
        system.conv(inputs_of(samples, index)[:, :4, :4].unsqueeze(1).expand(-1, 2, -1, -1))
    return [{} for _ in samples]


def context(values, **more):
    samples = [Sample(str(i), {"value": value}) for i, value in enumerate(values)]
    return Context(calibration=lambda: samples, run=run, **more)


def test_channels_ranges_and_rows_of_each_range_of_timesteps():
    system = Fake()
    found = observe(system, context([1.0, 3.0]), system.layers, ranges=2)
    linear = found["linear"]
    assert linear.channel_max[0].tolist() == [3, 3, 3, 3, 0, 3] and linear.channel_max[1].tolist() == [3, 3, 6, 3, 0, 3]
    assert [(r.low, r.high) for r in linear.running] == [(-3.0, 3.0), (-6.0, 3.0)]
    assert linear.rows == [10, 10]
    assert found["conv"].channel_max.shape == (2, 2) and found["conv"].rows == [32, 32]
    assert not system.linear._forward_pre_hooks and not system.conv._forward_pre_hooks


def test_ranges_are_updated_once_per_batch_of_samples():
    system = Fake()
    values = [1.0] * SAMPLES_AT_ONCE + [5.0]
    running = observe(system, context(values), system.layers, ranges=2)["linear"].running[0]
    assert running.batches == 2 and running.high == pytest.approx(0.95 * 1.0 + 0.05 * 5.0)


def test_transforms_come_first():
    system = Fake()
    transform = Transform(torch.tensor([1.0, 1.0, 0.5, 1.0, 1.0, 1.0]))
    found = observe(system, context([2.0]), system.layers, transforms={"linear": [transform]})
    assert found["linear"].channel_max[0].tolist() == [2, 2, 2, 2, 0, 2]


def test_grams_are_exact_in_as_many_passes_as_memory_asks_for():
    system = Fake()
    other = torch.nn.Linear(6, 2)
    layers = [("linear", system.linear), ("other", other)]
    runs = []

    def both(system, samples, seed):
        runs.append(len(samples))
        x = torch.randn(len(samples), 5, 6, generator=generator(len(runs) % 2))
        system.linear(x)
        other(x * 2)
        return [{} for _ in samples]

    ctx = dataclasses.replace(context([1.0] * 3), run=both)
    at_once = dict(grams(system, ctx, layers))
    assert runs == [3]
    x = torch.randn(3, 5, 6, generator=generator(1)).flatten(0, 1).double()
    assert torch.allclose(at_once["linear"], x.T @ x, atol=1e-4) and torch.allclose(
        at_once["other"], 4 * x.T @ x, atol=1e-4
    )
    runs.clear()
    assert [name for name, _ in grams(system, ctx, layers, budget_mb=1e-6)] == ["linear", "other"] and runs == [3, 3]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_inputs_that_are_not_finite_are_refused_with_the_layer(value):
    system = Fake()
    for call in (
        lambda: observe(system, context([1.0, value]), system.layers),
        lambda: dict(grams(system, context([value]), system.layers[:1])),
    ):
        with pytest.raises(PluginError, match="layer linear was given NaN or infinity on the calibration samples"):
            call()
    assert not system.linear._forward_pre_hooks


def test_no_samples_and_layers_that_never_run_are_refused():
    system = Fake()
    with pytest.raises(PluginError, match="gives no calibration samples"):
        observe(system, context([]), system.layers)
    with pytest.raises(PluginError, match="layer idle never ran on the calibration samples"):
        observe(system, context([1.0]), [*system.layers, ("idle", torch.nn.Linear(2, 2))])
    with pytest.raises(PluginError, match="in range 1 of 4"):  # two steps cannot fill four ranges
        observe(system, context([1.0]), system.layers, ranges=4)


def test_progress_is_said_and_samples_are_limited():
    said = []
    system = Fake()
    ctx = context([1.0] * 9, progress=lambda done, total, text: said.append((done, total)))
    found = observe(system, ctx, system.layers, samples=6)
    assert said == [(0, 6), (SAMPLES_AT_ONCE, 6)] and found["linear"].rows == [2 * 6 * 5]
