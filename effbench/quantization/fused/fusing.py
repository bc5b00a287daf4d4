"""Which quantized layers, attention layers and blocks can run fused, and making them do so."""

from __future__ import annotations

from typing import Any

import torch
from diffusers.models.activations import GEGLU, GELU
from diffusers.models.attention import BasicTransformerBlock, FeedForward
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from torch import nn

from effbench.quantization.bos import StartTokenLinear
from effbench.quantization.fused import resnet
from effbench.quantization.fused.attention import JoinedAttention
from effbench.quantization.fused.block import JoinedBlock, JoinedFeedForward
from effbench.quantization.layers import QuantizedConv2d, QuantizedLinear
from effbench.quantization.products import side_by_side


def is_real(layer: Any) -> bool:
    """Return whether a layer is a quantized one that a kernel computes."""
    return isinstance(layer, QuantizedLinear) and layer.execution == "real"


def joined(layers: list[Any]) -> QuantizedLinear | None:
    """Return one layer whose outputs are those of several, one after the other; None where they do not read the same."""
    if not all(is_real(layer) for layer in layers):
        return None
    first = layers[0]
    if any((layer.activation, len(layer.inputs)) != (first.activation, len(first.inputs)) for layer in layers):
        return None
    states = [side_by_side(parts) for parts in zip(*(layer.states() for layer in layers), strict=True)]
    found = [state for state in states if state is not None]
    if len(found) < len(states):
        return None
    bias = None
    if any(layer.bias is not None for layer in layers):
        device = next(layer.bias.device for layer in layers if layer.bias is not None)
        zeros = [torch.zeros(layer.out_features, device=device) for layer in layers]
        bias = torch.cat([zero if layer.bias is None else layer.bias for layer, zero in zip(layers, zeros)])
    return QuantizedLinear(found, bias, first.activation, "real", first.ranges)


def fuse_attention(module: Any) -> bool:
    """Let a plain attention layer with a real layer in it run fused: one product of the projections that read the same.

    They stay apart where they differ in bits, or where some of them are in float.
    """
    if type(module) is not Attention or type(module.processor) is not AttnProcessor2_0:
        return False
    norms = ("spatial_norm", "group_norm", "norm_q", "norm_k", "norm_cross")
    is_plain = all(getattr(module, norm, None) in (None, False) for norm in norms)
    if not is_plain or module.residual_connection or module.rescale_output_factor != 1 or module.only_cross_attention:
        return False
    parts, target = (("to_k", "to_v"), "to_kv") if module.is_cross_attention else (("to_q", "to_k", "to_v"), "to_qkv")
    layers = [getattr(module, part) for part in parts]
    layer: nn.Module | None
    if all(isinstance(part, StartTokenLinear) for part in layers):
        rest = joined([part.rest for part in layers])
        layer = None if rest is None else layers[0].with_outputs_of(layers, rest)
    else:
        layer = joined(layers)
    if layer is not None:
        setattr(module, target, layer)
        for part in parts:
            delattr(module, part)
        module.fused_projections = True
    elif not any(is_real(part) for part in module.modules()):
        return False
    module.set_processor(JoinedAttention())
    return True


def fuse_feed_forward(module: Any) -> bool:
    """Let the second layer of an MLP compute the GELU before it, where that has the tanh form, or the GEGLU."""
    if type(module) is not FeedForward:
        return False
    first = module.net[0]
    if type(first) is not GEGLU and not (type(first) is GELU and first.approximate == "tanh"):
        return False
    if not (is_real(first.proj) or is_real(module.net[2])):
        return False
    module.__class__ = JoinedFeedForward
    return True


def can_be_joined(block: Any) -> bool:
    """Return whether a block has the form that ``JoinedBlock`` computes, with a fused MLP and fused attention."""
    if type(block) is not BasicTransformerBlock or type(block.ff) is not JoinedFeedForward:
        return False
    if block.pos_embed is not None or block._chunk_size is not None or hasattr(block, "fuser"):
        return False
    if block.only_cross_attention or not all(_is_joined(attn) for attn in (block.attn1, block.attn2)):
        return False
    if block.attn2 is not None and not block.attn2.is_cross_attention:
        return False
    if block.norm_type == "layer_norm":
        norms = [norm for norm in (block.norm1, block.norm2, block.norm3) if norm is not None]
        return all(type(norm) is nn.LayerNorm and norm.weight is not None and norm.bias is not None for norm in norms)
    if block.norm_type == "ada_norm_single":
        return all(_is_bare(norm) for norm in (block.norm1, block.norm2))
    is_zero = block.norm_type == "ada_norm_zero" and block.norm1.emb is not None and block.attn2 is None
    return is_zero and all(_is_bare(norm) for norm in (block.norm1.norm, block.norm3))


def _is_joined(attn: Any) -> bool:
    return attn is None or isinstance(attn.processor, JoinedAttention)


def _is_bare(norm: Any) -> bool:
    """Return whether a normalization has no weights."""
    return type(norm) is nn.LayerNorm and not norm.elementwise_affine


def fuse_blocks(denoiser: nn.Module) -> int:
    """Make fused blocks of those that can be, and return how many; a ResNet is one where a real convolution is in it."""
    blocks = [block for block in denoiser.modules() if can_be_joined(block)]
    for block in blocks:
        block.__class__ = JoinedBlock
    resnets = [block for block in denoiser.modules() if resnet.can_be_joined(block) and _has_real_convolution(block)]
    for block in resnets:
        block.__class__ = resnet.JoinedResnet
    return len(blocks) + len(resnets)


def _has_real_convolution(block: nn.Module) -> bool:
    return any(isinstance(part, QuantizedConv2d) and part.execution == "real" for part in block.modules())
