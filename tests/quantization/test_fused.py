"""Fused blocks against the same quantized layers one by one: in whole models, in their parts, and what stays as it is."""

import copy
import dataclasses

import diffusion_systems as systems
import pytest
import torch
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from diffusers.models.resnet import ResnetBlock2D
from torch import nn

from effbench.api import Context
from effbench.kernels.codes import StaticRange
from effbench.quantization.applying import apply
from effbench.quantization.bos import StartTokenLinear, StartTokens
from effbench.quantization.facts import weight_facts
from effbench.quantization.fused import fuse
from effbench.quantization.fused.attention import JoinedAttention
from effbench.quantization.fused.block import JoinedBlock
from effbench.quantization.fused.fusing import fuse_attention, joined
from effbench.quantization.layers import QuantizedConv2d, QuantizedLinear, replace_layers
from effbench.quantization.preparing import prepare
from effbench.quantization.products import Inputs, LinearState
from effbench.quantization.recipe import Recipe, Smoothing
from effbench.quantization.rounding import quantize_weight
from effbench.quantization.schemes import ActivationScheme, WeightScheme
from effbench.quantization.siblings import same_inputs
from effbench.quantization.transform import Transform

FULL = Recipe(smoothing=Smoothing(0.3), rotation_seed=1)
CLOSE = 2e-3
"""RMS ratio of a block: a code that a last bit decides moves an output by a 255th of its row's range."""


def rms_ratio(a, b):
    return ((a - b).norm() / b.norm()).item()


def int8(layer, multiplier=None, bits=8):
    state = LinearState(quantize_weight(layer.weight, WeightScheme(bits)), bits, Inputs(Transform(multiplier)))
    return QuantizedLinear([state], layer.bias, ActivationScheme(), "real")


def quantized(module):
    replace_layers(module, lambda _, layer: int8(layer), lambda name: "norm1" in name)
    return module


def some(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def block(norm_type, **how):
    torch.manual_seed(0)
    defaults = {"norm_elementwise_affine": False, "activation_fn": "gelu-approximate", "attention_bias": True}
    more = {"num_embeds_ada_norm": 10} if norm_type == "ada_norm_zero" else {}
    return BasicTransformerBlock(64, 4, 16, norm_type=norm_type, **{**defaults, **more, **how}).eval()


def inputs(norm_type, text):
    given = {"hidden_states": some(2, 21, 64)}
    if norm_type == "ada_norm_single":
        given["timestep"] = some(2, 6 * 64)
    else:
        given |= {"timestep": torch.tensor([3, 700]), "class_labels": torch.tensor([1, 9])}
    if text:
        mask = torch.zeros(2, 1, 9)
        mask[0, 0, 5:] = -10000.0
        given |= {"encoder_hidden_states": some(2, 9, 48), "encoder_attention_mask": mask}
    return given


@pytest.mark.parametrize(
    ("norm_type", "text"), [("ada_norm_single", 48), ("ada_norm_single", None), ("ada_norm_zero", None)]
)
@torch.no_grad()
def test_a_block_gives_what_its_layers_give_one_by_one(norm_type, text):
    plain = quantized(block(norm_type, cross_attention_dim=text))
    fused = copy.deepcopy(plain)
    assert fuse(nn.ModuleList([fused])) == 1 and type(fused) is JoinedBlock
    given = inputs(norm_type, text)
    expected = plain(**given)
    assert 0 < rms_ratio(fused(**given), expected) < CLOSE or torch.equal(fused(**given), expected)
    assert torch.equal(copy.deepcopy(fused)(**given), fused(**given))
    changed = {**given, "timestep": given["timestep"].flip(0)}
    assert rms_ratio(fused(**changed), expected) > CLOSE  # the check would see a wrong modulation
    if text:
        changed = {**given, "encoder_attention_mask": torch.zeros(2, 1, 9)}
        assert rms_ratio(fused(**changed), fused(**given)) > 1e-3
        assert rms_ratio(fused(**changed), plain(**changed)) < CLOSE
    with pytest.raises(ValueError, match="takes no cross_attention_kwargs, got gligen"):
        fused(**given, cross_attention_kwargs={"gligen": {}})


@pytest.mark.parametrize("activation", ["geglu", "gelu-approximate"])
@torch.no_grad()
def test_a_block_of_a_u_net(activation):
    torch.manual_seed(0)
    plain = BasicTransformerBlock(64, 4, 16, cross_attention_dim=48, activation_fn=activation, attention_bias=False)
    for norm in (plain.norm1, plain.norm2, plain.norm3):
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    plain = quantized(plain.eval())
    fused = copy.deepcopy(plain)
    assert fuse(nn.ModuleList([fused])) == 1
    given = {"hidden_states": some(2, 21, 64), "encoder_hidden_states": some(2, 9, 48)}
    assert 0 < rms_ratio(fused(**given), plain(**given)) < CLOSE
    nn.init.normal_(fused.norm2.weight)
    assert rms_ratio(fused(**given), plain(**given)) > CLOSE


@pytest.mark.parametrize("channels", [(16, 16), (16, 24)])
@torch.no_grad()
def test_a_resnet(channels):
    torch.manual_seed(0)
    plain = ResnetBlock2D(in_channels=channels[0], out_channels=channels[1], temb_channels=32, groups=4).eval()
    for name in ("conv1", "conv2"):
        layer = getattr(plain, name)
        weight = quantize_weight(layer.weight.detach().flatten(1), WeightScheme(8))
        scheme = ActivationScheme("static-tensor", 8)
        setattr(plain, name, QuantizedConv2d(layer, weight, 8, scheme, StaticRange(0.02, 60), "real"))
    fused = copy.deepcopy(plain)
    x, temb = some(2, channels[0], 9, 7), some(2, 32)
    assert fuse(nn.ModuleList([fused])) == 1
    expected = plain(x, temb)
    assert rms_ratio(fused(x, temb), expected) < CLOSE
    assert rms_ratio(fused(x, temb.flip(0)), expected) > CLOSE
    upsampling = ResnetBlock2D(in_channels=16, temb_channels=32, groups=4, up=True)
    assert fuse(nn.ModuleList([upsampling])) == 0


@torch.no_grad()
def test_keys_and_values_of_a_start_token_are_joined():
    torch.manual_seed(0)
    plain = Attention(64, 48, heads=4, dim_head=16, bias=False)
    tokens = StartTokens(some(2, 48))
    text = torch.cat([tokens.known[[1, 0, 1], None], some(3, 8, 48)], dim=1)
    tokens.look_up(text)
    for part in ("to_k", "to_v"):
        setattr(plain, part, StartTokenLinear.of(getattr(plain, part), tokens))
    plain = quantized(plain)
    tokens_of = plain.to_k._tokens[0]
    fused = copy.deepcopy(plain)
    assert fuse_attention(fused) and isinstance(fused.to_kv, StartTokenLinear)
    x = some(3, 21, 64)
    assert torch.equal(fused(x, encoder_hidden_states=text), plain(x, encoder_hidden_states=text))
    assert tokens_of is tokens


@pytest.mark.parametrize("text", [None, 48])
@torch.no_grad()
def test_attention_with_joined_projections_is_the_same_bit_for_bit(text):
    torch.manual_seed(1)
    plain = quantized(Attention(64, text, heads=4, dim_head=16, bias=False))
    fused = copy.deepcopy(plain)
    assert fuse_attention(fused) and not hasattr(fused, "to_k")
    assert hasattr(fused, "to_q") == (text is not None)
    x, states = some(2, 21, 64), None if text is None else some(2, 9, text)
    assert torch.equal(fused(x, encoder_hidden_states=states), plain(x, encoder_hidden_states=states))
    for mask in (torch.where(some(2, 1, 9 if text else 21) > 0, 0.0, -10000.0), None):
        a, b = (layer(x, encoder_hidden_states=states, attention_mask=mask) for layer in (fused, plain))
        assert torch.allclose(a, b, atol=1e-6)
    with pytest.raises(ValueError, match="was given"):
        fused(x, encoder_hidden_states=None if text else some(2, 9, 64))


@torch.no_grad()
def test_another_processor_may_take_a_layer_of_a_fused_block_over():
    fused = quantized(block("ada_norm_single"))
    assert fuse(nn.ModuleList([fused])) == 1
    seen = []

    class Other:
        def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, temb=None):
            seen.append(hidden_states)
            return JoinedAttention()(attn, hidden_states)

    given = inputs("ada_norm_single", False)
    expected = fused(**given)
    fused.attn1.set_processor(Other())
    assert rms_ratio(fused(**given), expected) < CLOSE
    assert seen[0].shape == (2, 21, 64) and abs(seen[0].mean()) > 0


def test_what_has_another_form_stays():
    assert fuse(nn.ModuleList([block("ada_norm_single")])) == 0  # nothing is quantized
    assert fuse(nn.ModuleList([quantized(block("ada_norm_single", activation_fn="gelu"))])) == 0
    normed = quantized(Attention(64, heads=4, dim_head=16, qk_norm="layer_norm"))
    assert not fuse_attention(normed) and type(normed.processor) is AttnProcessor2_0
    a, b = nn.Linear(32, 8), nn.Linear(32, 16, bias=False)
    assert joined([int8(a), int8(b)]) is not None
    assert joined([int8(a), b]) is None
    assert joined([int8(a), int8(b, bits=4)]) is None
    assert joined([int8(a), int8(b, torch.full((32,), 2.0))]) is None
    assert joined([int8(a, torch.full((32,), 2.0)), int8(b, torch.full((32,), 2.0))]) is not None


@torch.no_grad()
def test_a_joined_layer_is_its_parts_one_after_the_other():
    for bits in (8, 4):
        layers = [int8(nn.Linear(32, 8), bits=bits), int8(nn.Linear(32, 17, bias=False), bits=bits)]
        whole, x = joined(layers), some(3, 5, 32)
        assert torch.equal(whole(x), torch.cat([layer(x) for layer in layers], -1))
        assert whole.scheme_bytes == sum(layer.scheme_bytes for layer in layers) and whole.mean_bits == bits


@pytest.mark.parametrize(
    "name", [pytest.param("DiTPipeline", marks=pytest.mark.proof), "PixArtSigmaPipeline", "CogVideoXPipeline"]
)
def test_whole_models(name):
    systems.loaded.cache_clear()
    task, system = systems.loaded(name)
    artifact = prepare(system, Context(calibration=lambda: systems.samples(name), run=task.run), FULL)
    plain, fused = copy.deepcopy(system), copy.deepcopy(system)
    apply(plain, artifact, "real", fused=False)
    apply(fused, artifact, "real")
    joined_blocks = [m for m in fused.denoiser.modules() if isinstance(m, JoinedBlock)]
    assert bool(joined_blocks) == (name != "CogVideoXPipeline")
    a, b = (task.run(one, systems.samples(name), 0) for one in (fused, plain))
    for ours, theirs in zip(a, b):
        assert abs(ours["latent"] - theirs["latent"]).max() < 0.05 * abs(theirs["latent"]).max()
    found, expected = weight_facts(fused.denoiser), weight_facts(plain.denoiser)
    assert {key: fact.value for key, fact in found.items()} == pytest.approx(
        {key: fact.value for key, fact in expected.items()}
    )
    assert len(fused.attention_layers()) == len(plain.attention_layers())


def test_layers_that_read_the_same_have_one_transform():
    systems.loaded.cache_clear()
    task, system = systems.loaded("PixArtSigmaPipeline")
    names = [name for name, _ in system.linear_layers()]
    groups = {tuple(part.rpartition(".")[2] for part in group) for group in same_inputs(system, names)}
    assert ("to_q", "to_k", "to_v") in groups and ("to_k", "to_v") in groups and ("to_q",) in groups
    artifact = prepare(
        system,
        Context(calibration=lambda: systems.samples("PixArtSigmaPipeline"), run=task.run),
        dataclasses.replace(FULL, samples=1),
    )
    of = {name: artifact.tensors[f"{name}/0/multiplier"] for name in names}
    for group in same_inputs(system, names):
        assert all(torch.equal(of[name], of[group[0]]) for name in group)
    assert not torch.equal(*(of[f"transformer_blocks.0.attn2.{part}"] for part in ("to_q", "to_k")))
