"""Each supported pipeline class, tiny and with random weights: run as published, whatever the batch."""

import pytest
import tiny_pipelines
import torch

from effbench.diffusion import DiffusionSystem
from effbench.tasks.diffusion.adapters import distinct
from effbench.tasks.diffusion.images import ADAPTERS as IMAGES
from effbench.tasks.diffusion.videos import ADAPTERS as VIDEOS

ADAPTERS = {**IMAGES, **VIDEOS}
DOG, CAT = {"prompt": "a red dog", "label": 3}, {"prompt": "a cat on blue ground", "label": 7}
SAMPLES = [DOG, CAT, DOG]


@pytest.fixture(scope="module", params=ADAPTERS)
def made(request):
    """Return (adapter, system of 2 steps, noise [3, ...])."""
    pipeline, adapter = tiny_pipelines.make(request.param), ADAPTERS[request.param]()
    is_wan = request.param == "WanPipeline"  # names no size of its own
    height, width = (16, 16) if is_wan else adapter.size(pipeline)
    frames = 5 if is_wan else adapter.frames(pipeline)
    system = DiffusionSystem(pipeline, 2, 3.0, height, width, adapter.max_prompt_tokens(pipeline), frames)
    noise = torch.randn((3, *adapter.noise_shape(system)), generator=torch.Generator().manual_seed(1))
    return adapter, system, noise


@torch.no_grad()
def generate(made, rows=(0, 1, 2), **changes):
    from dataclasses import replace

    adapter, system, noise = made
    return adapter.generate(replace(system, **changes), [SAMPLES[i] for i in rows], noise[list(rows)])


def test_shapes_and_range(made):
    adapter, system, _ = made
    pictures, latents = generate(made)
    frames = (system.frames,) if adapter.is_video else ()
    assert pictures.shape == (3, *frames, 3, system.height, system.width)
    assert latents.shape == (3, *adapter.noise_shape(system))
    assert pictures.dtype == latents.dtype == torch.float32
    assert pictures.min() >= 0 and pictures.max() <= 1


def test_a_sample_does_not_depend_on_its_batch(made):
    together = generate(made)
    for row in range(3):
        alone = generate(made, [row])
        torch.testing.assert_close(alone.pictures[0], together.pictures[row], atol=1e-4, rtol=0)
        scale = float(together.latents.abs().max())
        torch.testing.assert_close(alone.latents[0], together.latents[row], atol=1e-3 * scale, rtol=0)


def test_prompt_noise_guidance_and_steps_all_reach_the_latent(made):
    adapter, system, noise = made
    base = generate(made).latents
    assert not torch.allclose(base[0], base[2])  # the same prompt on other noise
    with torch.no_grad():
        other = adapter.generate(system, [SAMPLES[1]], noise[:1]).latents
    assert not torch.allclose(base[0], other[0])
    assert not torch.allclose(base, generate(made, guidance=1.0).latents)
    assert not torch.allclose(base, generate(made, steps=3).latents)


def test_pictures_are_what_the_pipeline_itself_gives(made):
    adapter, system, noise = made
    pipeline, name = system.pipeline, type(system.pipeline).__name__
    common = {"num_inference_steps": 2, "guidance_scale": 3.0, "output_type": "pt"}
    if name == "DiTPipeline":
        generators = [torch.Generator().manual_seed(i) for i in range(3)]
        given = torch.cat([torch.randn((1, *noise.shape[1:]), generator=g) for g in generators])
        ours = adapter.generate(system, SAMPLES, given).pictures
        generators = [torch.Generator().manual_seed(i) for i in range(3)]
        theirs = pipeline([s["label"] for s in SAMPLES], generator=generators, **common).images
    else:
        common |= {"height": system.height, "width": system.width, "latents": noise}
        if name in ("CogVideoXPipeline", "WanPipeline"):
            common |= {"num_frames": system.frames, "max_sequence_length": system.max_sequence_length}
            common |= {"negative_prompt": ""}
        if name == "LattePipeline":
            common |= {"video_length": system.frames, "clean_caption": False}
        if name == "PixArtSigmaPipeline":
            common |= {"use_resolution_binning": False, "clean_caption": False, "max_sequence_length": 16}
        # Latte's pipeline pads to 120 tokens, and embeddings of that padding are attended to.
        ours = generate(made, **({"max_sequence_length": 120} if name == "LattePipeline" else {})).pictures
        theirs = pipeline([s["prompt"] for s in SAMPLES], **common)
        theirs = theirs.images if hasattr(theirs, "images") else theirs.frames
    torch.testing.assert_close(ours, theirs.float(), atol=1e-4, rtol=0)


def test_guidance_comes_conditional_first_in_dit_and_unconditional_first_elsewhere():
    seen = {}
    for name in ("DiTPipeline", "PixArtSigmaPipeline"):
        pipeline, adapter = tiny_pipelines.make(name), ADAPTERS[name]()
        system = DiffusionSystem(pipeline, 1, 2.0, 16, 16, 16)
        pipeline.transformer.register_forward_pre_hook(
            lambda _, args, kwargs, name=name: seen.update({name: kwargs}), with_kwargs=True
        )
        with torch.no_grad():
            adapter.generate(system, SAMPLES[:1], torch.randn((1, 4, 8, 8)))
    assert seen["DiTPipeline"]["class_labels"].tolist() == [3, 1000]
    mask = seen["PixArtSigmaPipeline"]["encoder_attention_mask"]
    assert mask.sum(1).tolist() == [1, 4]  # the empty prompt first: it is one token, the end


def test_each_different_prompt_is_encoded_once():
    pipeline, adapter = tiny_pipelines.make("PixArtSigmaPipeline"), ADAPTERS["PixArtSigmaPipeline"]()
    rows = []
    pipeline.text_encoder.register_forward_hook(lambda _, args, out: rows.append(len(args[0])))
    with torch.no_grad():
        adapter.generate(DiffusionSystem(pipeline, 1, 1.0, 16, 16, 16), SAMPLES, torch.randn((3, 4, 8, 8)))
    assert sum(rows) == 2


def test_a_sampler_that_draws_noise_gives_each_sample_its_own():
    """SDXL-Turbo's sampler is ancestral: without generators a sample would depend on its batch and on the process."""
    from effbench.api import Sample
    from effbench.tasks.t2i.task import TextToImage

    torch.manual_seed(0)
    pipeline = tiny_pipelines.sdxl("EulerAncestralDiscreteScheduler")
    pipeline.set_progress_bar_config(disable=True)
    task = TextToImage(TextToImage.Params(steps=3))
    system = DiffusionSystem(pipeline, 3, 1.0, 16, 16, 12)
    batch = [Sample("a", DOG), Sample("b", CAT)]
    together, again = task.run(system, batch, 0), task.run(system, batch, 0)
    alone = task.run(system, batch[1:], 0)
    assert (together[1]["latent"] == again[1]["latent"]).all()
    torch.testing.assert_close(
        torch.tensor(alone[0]["latent"]), torch.tensor(together[1]["latent"]), atol=1e-2, rtol=1e-3
    )
    other = task.run(system, batch[1:], 1)
    assert abs(other[0]["latent"] - alone[0]["latent"]).max() > 0.1


def test_wan_keeps_its_autoencoder_and_its_noise_in_float32():
    pipeline = tiny_pipelines.make("WanPipeline").to(torch.bfloat16)
    ADAPTERS["WanPipeline"]().set_precision(pipeline)
    assert pipeline.vae.dtype == torch.float32 and pipeline.transformer.dtype == torch.bfloat16
    system, seen = DiffusionSystem(pipeline, 1, 1.0, 16, 16, 12, 5), []
    prepare = pipeline.prepare_latents
    pipeline.prepare_latents = lambda *args, **kwargs: (
        seen.append(kwargs.get("latents", args[-1])) or prepare(*args, **kwargs)
    )
    noise = torch.randn((1, *ADAPTERS["WanPipeline"]().noise_shape(system)))
    with torch.no_grad():
        ADAPTERS["WanPipeline"]().generate(system, [DOG], noise)
    assert seen[0].dtype == torch.float32 and torch.equal(seen[0], noise)


def test_distinct_keeps_order():
    assert distinct(["b", "a", "b"]) == (["b", "a"], [0, 1, 0])
