"""Methods of the kind that are to come, written against ``effbench.diffusion`` alone, on every pipeline class."""

import dataclasses

import diffusion_systems as systems
import pytest
import torch

from effbench.api import Artifact, Context, Method
from effbench.diffusion import DiffusionSystem, SamplingObserver


class StepRanges(SamplingObserver):
    """Largest absolute input of each linear layer at each step."""

    def __init__(self):
        self.step, self.largest = None, {}

    def step_begins(self, step):
        self.step = step

    def see(self, name, x):
        rows = self.largest.setdefault(name, torch.zeros(self.step.count))
        rows[self.step.index] = max(rows[self.step.index], x.abs().max())


class PerStepCalibration(Method):
    """What a timestep-aware quantizer (ViDiT-Q, MixDQ) prepares: a range per layer and step, for one way of sampling."""

    name = "per-step-calibration"
    accepts = (DiffusionSystem,)
    tied_to = ("model", "revision", "scheduler", "steps")

    def prepare(self, system, ctx):
        ranges = StepRanges()
        hooks = [
            layer.register_forward_pre_hook(lambda _, args, name=name: ranges.see(name, args[0]))
            for name, layer in system.linear_layers()
        ]
        ctx.run(system.observed_by(ranges), ctx.calibration(), 0)
        for hook in hooks:
            hook.remove()
        return Artifact({name: rows.numpy() for name, rows in ranges.largest.items()})

    def apply(self, system, artifact):
        return system


class KeptHalf(SamplingObserver):
    """Where sampling is, for layers that run the conditional half alone."""

    call, runs = None, 0

    def denoiser_runs(self, call):
        self.call = call

    def call_ends(self):
        self.call = None


def sharing(dense, observer, wrong_half):
    """Return DiTFastAttn's sharing across guidance: attend for the conditional half and give its output to both."""

    def forward(x, **more):
        call = observer.call
        some, others = call.conditional(len(x)), call.unconditional(len(x))
        if wrong_half:
            some, others = others, some
        out = torch.empty_like(x)
        out[some] = out[others] = dense(x[some], **more)
        observer.runs += 1
        return out

    return forward


@pytest.mark.parametrize("name", systems.NAMES)
def test_a_range_per_layer_and_step_is_calibrated_without_knowing_the_pipeline(name):
    task, system = systems.loaded(name)
    system = dataclasses.replace(system, steps=3)
    context = Context(calibration=lambda: systems.samples(name), run=task.run)
    tensors = PerStepCalibration().prepare(system, context).tensors
    assert set(tensors) == {layer for layer, _ in system.linear_layers()}
    assert all(rows.shape == (3,) and (rows > 0).all() for rows in tensors.values())
    assert any(len(set(rows.tolist())) == 3 for rows in tensors.values())  # steps are told apart
    assert not any(layer._forward_pre_hooks for _, layer in system.linear_layers())


@pytest.mark.parametrize("name", ["DiTPipeline", "PixArtSigmaPipeline", "StableDiffusionXLPipeline", "LattePipeline"])
def test_sharing_across_guidance_keeps_the_conditional_half_whichever_comes_first(name):
    """At a scale just above 1 the result is the conditional half's, which must go the way that it goes without guidance."""
    task, system = systems.loaded(name)
    layers = [layer for layer in system.attention_layers() if layer.kind == "self"]
    sample, near = systems.samples(name)[:1], dataclasses.replace(system, guidance=1.0 + 1e-6)
    alone = task.run(dataclasses.replace(system, guidance=1.0), sample, 0)[0]["latent"]
    found = {}
    for wrong_half in (False, True):
        observer = KeptHalf()
        try:
            for layer in layers:
                layer.module.forward = sharing(layer.module.forward, observer, wrong_half)
            found[wrong_half] = task.run(near.observed_by(observer), sample, 0)[0]["latent"]
        finally:
            for layer in layers:
                del layer.module.forward
        assert observer.runs == len(layers) * system.steps and observer.call is None
    error = {wrong: abs(latent - alone).max() / abs(alone).max() for wrong, latent in found.items()}
    assert error[False] < 1e-3 and error[True] > 1e-2
