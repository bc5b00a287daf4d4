"""Which half of a guided batch is unconditional, seen by what reaches the layers of every pipeline class."""

from dataclasses import replace

import diffusion_systems as systems
import pytest
import torch

from effbench.api import PluginError
from effbench.diffusion import DenoiserCall, SamplingObserver, Step

STEP = Step(0, 1, 0, 999.0)


class Calls(SamplingObserver):
    def __init__(self):
        self.calls, self.seen = [], []

    def call_begins(self, system):
        self.calls.clear(), self.seen.clear()

    def denoiser_runs(self, call):
        self.calls.append(call)


def what_attention_gives(name, sample, **changes):
    """Return for every run of every attention layer (layer, call, output) of one sampling call."""
    task, system = systems.loaded(name)
    observer = Calls()
    system = replace(system, steps=1, **changes).observed_by(observer)
    hooks = [
        layer.module.register_forward_hook(
            lambda _, args, out, layer=layer: observer.seen.append((layer, observer.calls[-1], out))
        )
        for layer in system.attention_layers()
    ]
    try:
        task.run(system, [sample], 0)
    finally:
        for hook in hooks:
            hook.remove()
    return observer.seen


def tensors(out):
    return out if isinstance(out, tuple) else (out,)


@pytest.mark.parametrize("name", systems.NAMES)
def test_the_unconditional_rows_do_not_know_the_prompt_and_the_conditional_ones_do(name):
    """On the same noise, another prompt changes the conditional half alone, in every layer and whatever leads its batch."""
    one, other = (what_attention_gives(name, sample) for sample in systems.samples(name))
    assert len(one) == len(other) > 0
    knows = []
    for (layer, call, a), (_, _, b) in zip(one, other, strict=True):
        for x, y in zip(tensors(a), tensors(b), strict=True):
            rows, same = call.unconditional(len(x)), call.conditional(len(x))
            assert len(x[rows]) + len(x[same]) == len(x)
            torch.testing.assert_close(x[rows], y[rows], rtol=1e-5, atol=1e-5 * float(x.abs().max()), msg=layer.name)
            if len(x[same]):
                knows.append(not torch.allclose(x[same], y[same], rtol=1e-3))
    assert knows[-1] and sum(knows) >= len(knows) / 3  # layers before the text comes in cannot know it


@pytest.mark.parametrize("name", systems.NAMES)
def test_without_guidance_every_row_is_conditional(name):
    for _, call, out in what_attention_gives(name, systems.samples(name)[0], guidance=1.0):
        rows = len(tensors(out)[0])
        assert (call.conditional(rows), call.unconditional(rows)) == (slice(0, rows), slice(0, 0))


@pytest.mark.parametrize("name", systems.NAMES)
def test_the_order_is_what_the_pipeline_s_code_does(name):
    first = {"DiTPipeline": "conditional-first", "WanPipeline": "conditional-call-first"}
    _, system = systems.loaded(name)
    assert system.guidance_order == first.get(name, "unconditional-first")
    assert replace(system, guidance=1.0).guidance_order == "off"


def test_a_unet_that_takes_the_scale_as_an_input_is_never_guided():
    import tiny_pipelines

    from effbench.tasks.diffusion.images import ADAPTERS

    pipeline = tiny_pipelines.sdxl()
    adapter = ADAPTERS["StableDiffusionXLPipeline"]()
    assert adapter.guidance_order(pipeline) == "unconditional-first"
    pipeline.unet.register_to_config(time_cond_proj_dim=8)
    pipeline._guidance_scale = 3.0
    assert adapter.guidance_order(pipeline) == "off" and not pipeline.do_classifier_free_guidance


@pytest.mark.parametrize(
    ("order", "number", "conditional", "unconditional"),
    [
        ("off", 0, slice(0, 6), slice(0, 0)),
        ("unconditional-first", 0, slice(3, 6), slice(0, 3)),
        ("conditional-first", 0, slice(0, 3), slice(3, 6)),
        ("conditional-call-first", 0, slice(0, 6), slice(0, 0)),
        ("conditional-call-first", 1, slice(0, 0), slice(0, 6)),
    ],
)
def test_rows(order, number, conditional, unconditional):
    call = DenoiserCall(STEP, order, number)
    assert (call.conditional(6), call.unconditional(6)) == (conditional, unconditional)


def test_halves_that_nobody_can_tell_are_refused():
    with pytest.raises(PluginError, match="7 rows are no two halves"):
        DenoiserCall(STEP, "conditional-first").conditional(7)
    with pytest.raises(PluginError, match="does not say which half"):
        DenoiserCall(STEP, "unknown").unconditional(4)
