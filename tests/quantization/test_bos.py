"""Start tokens: which encoders have one, that keys and values of it stay in float, and what an outlier there then costs."""

from dataclasses import replace

import diffusion_systems as systems
import pytest
import torch
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

from effbench.api import Context, PluginError, Sample
from effbench.quantization.bos import (
    NoStartToken,
    StartTokenLinear,
    StartTokens,
    find_start_tokens,
    keep_start_tokens,
    projections_of,
)
from effbench.quantization.fake import fake_tensor
from effbench.quantization.ranges import static_range

PROMPTS = ("a dog on a red ground", "an apple on a blue ground", "a star above a cat", "two boats")


@pytest.fixture(autouse=True)
def changed_systems_are_dropped():
    """Leave no system that a test here changed to the tests that share loaded ones."""
    yield
    systems.loaded.cache_clear()


def fresh(name, guidance=1.0):
    """Return (system, context, samples) of one step, the system one that a test may change."""
    systems.loaded.cache_clear()
    task, system = systems.loaded(name, steps=1, guidance=guidance)
    data = [{"label": i} for i in range(4)] if name == "DiTPipeline" else [{"prompt": prompt} for prompt in PROMPTS]
    if name == "PixArtSigmaPipeline":
        data = [{"prompt": f"a handwritten {i}"} for i in range(4)]
    return system, Context(run=task.run), [Sample(f"s{i}", given) for i, given in enumerate(data)]


def embeddings(model, vocabulary=50):
    """Return the embeddings [4, 10, C] that a random encoder makes of four texts behind one start token."""
    tokens = torch.randint(1, vocabulary, (4, 10), generator=torch.Generator().manual_seed(0))
    tokens[:, 0] = 0
    with torch.no_grad():
        return model.eval()(input_ids=tokens).last_hidden_state


def test_the_first_token_is_the_same_over_prompts_for_clip_and_not_for_t5():
    torch.manual_seed(0)
    clip = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=50, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
            max_position_embeddings=16,
        )
    )  # fmt: skip
    t5 = T5EncoderModel(T5Config(vocab_size=50, d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2))
    of_clip, of_t5 = embeddings(clip), embeddings(t5)
    assert (of_clip[:, 0] - of_clip[0, 0]).abs().max() == 0.0 and (of_clip[1, 1] - of_clip[0, 1]).abs().max() > 0.1
    assert (of_t5[:, 0] - of_t5[0, 0]).abs().max() > 0.1


def test_two_clips_side_by_side_have_a_start_token_with_and_without_guidance():
    for guidance in (1.0, 3.0):
        system, ctx, samples = fresh("StableDiffusionXLPipeline", guidance)
        known = find_start_tokens(system, ctx, samples)
        assert known.shape == (1, system.denoiser.config.cross_attention_dim)
        assert not any(m._forward_pre_hooks for m in system.denoiser.modules())


@pytest.mark.parametrize(
    "name, said",
    [
        ("PixArtSigmaPipeline", r"first token changes with the prompt \(by up to [\d.]+% of its norm\).*not causal"),
        ("DiTPipeline", "no cross-attention"),
    ],
)
def test_other_encoders_are_refused_with_the_reason(name, said):
    with pytest.raises(NoStartToken, match=said):
        find_start_tokens(*fresh(name))


def test_too_few_prompts_cannot_tell():
    system, ctx, samples = fresh("StableDiffusionXLPipeline")
    with pytest.raises(NoStartToken, match="1 different prompts are too few"):
        find_start_tokens(system, ctx, samples[:1] * 3)


class Rounded(nn.Module):
    """A linear layer whose inputs have one static range, found on what it is given first."""

    def __init__(self, layer, text):
        super().__init__()
        self.layer, self.static = layer, static_range(float(text.min()), float(text.max()), 8)

    def forward(self, x):
        return self.layer(fake_tensor(x, self.static))


@pytest.mark.proof
@pytest.mark.parametrize("guidance", [1.0, 3.0])
@pytest.mark.parametrize("count", [1, 3])
def test_keys_and_values_of_the_start_token_are_those_in_float_for_every_batch(guidance, count):
    system, ctx, samples = fresh("StableDiffusionXLPipeline", guidance)
    texts, projections = [], projections_of(system)
    handle = projections[0][1].register_forward_pre_hook(lambda _, args: texts.append(args[0]))
    plain = ctx.run(system, samples[:count], 0)
    handle.remove()
    names = keep_start_tokens(system, find_start_tokens(system, ctx, samples))
    kept = ctx.run(system, samples[:count], 0)
    assert all(abs(a["latent"] - b["latent"]).max() < 1e-4 for a, b in zip(plain, kept))  # in float nothing changes
    assert names == [f"{name}.rest" for name, _ in projections]
    for (name, layer), changed in zip(projections, names):
        module = system.denoiser.get_submodule(changed.removesuffix(".rest"))
        module.rest = Rounded(layer, texts[0][:, 1:])
        with torch.no_grad():
            found, expected = module(texts[0]), layer(texts[0])
        assert torch.equal(found[:, 0], module.table.expand(len(found), -1)), name
        torch.testing.assert_close(found[:, 0], expected[:, 0], rtol=0, atol=2e-6)
        assert (found[:, 1:] - expected[:, 1:]).abs().max() > 1e-4  # the others are rounded
    other = ctx.run(system, samples[:count], 0)
    assert len(other) == count


@pytest.fixture
def planted():
    """Text [4, 77, 24] whose start token is 800 times the others, and a projection."""
    torch.manual_seed(0)
    layer, text = nn.Linear(24, 16), torch.randn(4, 77, 24)
    text[:, 0] = 800 * torch.randn(24)
    return layer.requires_grad_(False), text


def test_an_outlier_in_the_start_token_costs_the_others_nothing_once_it_is_kept(planted):
    layer, text = planted
    plain = text.clone()
    plain[:, 0] = text[:, 1]

    def error(module, given):
        return float((module(given)[:, 1:] - layer(given)[:, 1:]).square().mean().sqrt())

    tokens = StartTokens(text[:1, 0])
    tokens.look_up(text)
    kept = StartTokenLinear.of(layer, tokens)
    kept.rest = Rounded(layer, text[:, 1:])
    without_outlier = error(Rounded(layer, plain), plain)
    assert error(kept, text) == pytest.approx(without_outlier, rel=0.1)
    assert error(Rounded(layer, text), text) > 100 * without_outlier
    torch.testing.assert_close(kept(text)[:, 0], layer(text)[:, 0])


def test_each_half_of_guidance_has_its_own_start_token(planted):
    """SDXL gives zeros instead of an embedded empty prompt to the unconditional half."""
    layer, text = planted
    text = torch.cat([torch.zeros_like(text), text])
    tokens = StartTokens(torch.stack([text[-1, 0], text[0, 0]]))
    tokens.look_up(text)
    assert tokens.rows.tolist() == [1] * 4 + [0] * 4
    torch.testing.assert_close(StartTokenLinear.of(layer, tokens)(text), layer(text))
    swapped = text.roll(4, 0)
    tokens.look_up(swapped)
    torch.testing.assert_close(StartTokenLinear.of(layer, tokens)(swapped), layer(swapped))


def test_a_start_token_that_is_not_known_is_an_error_and_never_a_picture(planted):
    layer, text = planted
    tokens = StartTokens(text[:1, 0])
    module = StartTokenLinear.of(layer, tokens)
    with pytest.raises(PluginError, match="the denoiser was given another"):
        module(text)  # nothing was looked up
    tokens.look_up(text)
    with pytest.raises(PluginError, match="a text of 2 rows"):
        module(text[:2])
    other = text.clone()
    other[2, 0] *= 1.001
    with pytest.raises(PluginError, match="none of those"):
        tokens.look_up(other)


def test_the_system_finds_its_start_token_anew_in_every_call():
    """Calls of different batch sizes follow one another; a text of another encoder is refused."""
    system, ctx, samples = fresh("StableDiffusionXLPipeline", 3.0)
    keep_start_tokens(system, find_start_tokens(system, ctx, samples))
    alone = [ctx.run(system, [sample], 0)[0]["latent"] for sample in samples]
    together = [output["latent"] for output in ctx.run(system, samples, 0)]
    unguided = ctx.run(replace(system, guidance=1.0), samples[:2], 0)
    assert all(abs(a - b).max() < 1e-4 for a, b in zip(alone, together)) and len(unguided) == 2
    with torch.no_grad():
        for encoder in (system.pipeline.text_encoder, system.pipeline.text_encoder_2):
            encoder.get_input_embeddings().weight.add_(1.0)
    with pytest.raises(PluginError, match="none of those"):
        ctx.run(system, samples, 0)
