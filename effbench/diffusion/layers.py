"""The layers of a denoiser that methods change, by name, and those that stay in float."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from effbench.api import PluginError

if TYPE_CHECKING:
    from torch import nn

FLOAT_LAYERS: dict[str, tuple[str, ...]] = {
    "PixArtTransformer2DModel": ("pos_embed.*", "adaln_single.*", "caption_projection.*", "proj_out"),
    "LatteTransformer3DModel": ("pos_embed.*", "adaln_single.*", "caption_projection.*", "proj_out"),
    "DiTTransformer2DModel": ("pos_embed.*", "transformer_blocks.*.norm1.*", "proj_out_1", "proj_out_2"),
    "CogVideoXTransformer3DModel": (
        "patch_embed.*", "time_embedding.*", "ofs_embedding.*", "transformer_blocks.*.norm1.*",
        "transformer_blocks.*.norm2.*", "norm_out.*", "proj_out",
    ),
    "WanTransformer3DModel": ("patch_embedding", "condition_embedder.*", "proj_out"),
    "UNet2DConditionModel": ("time_embedding.*", "add_embedding.*", "conv_in", "conv_out"),
    "UNetMidBlock2DCrossAttn": (),
}  # fmt: skip
"""Class of a denoiser -> globs over the qualified names of layers that quantization leaves in float.

They make conditions once a step (time, caption and patch embedding, adaLN modulation) or are the output layer: little work,
and what is most sensitive. ViDiT-Q's code keeps these of DiT, PixArt and Open-Sora (``x_embedder``, ``t_block``,
``t_embedder``, ``y_embedder``, ``adaLN_modulation``, ``final_layer``); Latte, CogVideoX and Wan follow this rule. In DiT and
CogVideoX each block holds its own modulation. Of a U-Net they are the embeddings, and the two ends, which MixDQ's release
finds the most sensitive (``conv_in`` 39 dB for its input, ``conv_out`` 50 dB for its weight, at 8 bits) and protects. The
middle block of SDXL has none of them."""

AttentionKind = Literal["self", "cross", "joint"]
"""Over the image's own tokens, from them to the text, or over both in one sequence, the text first (CogVideoX)."""
JOINT_BLOCKS = ("CogVideoXBlock",)
"""Classes of blocks whose one attention sees text and video together."""


class AttentionLayer(NamedTuple):
    """An attention layer of a denoiser: its qualified name, its module (with ``processor``) and what it attends to."""

    name: str
    module: Any
    kind: AttentionKind


def float_layers_of(denoiser: Any) -> tuple[str, ...]:
    """Return the globs of a denoiser's layers that stay in float; raise ``PluginError`` for a class that is not known."""
    name = type(denoiser).__name__
    if name not in FLOAT_LAYERS:
        raise PluginError(f"{name} is no denoiser that is known here; known: {', '.join(FLOAT_LAYERS)}")
    return FLOAT_LAYERS[name]


def is_in(name: str, globs: tuple[str, ...]) -> bool:
    """Return whether a qualified name matches one of the globs, in which a star crosses dots."""
    return any(fnmatchcase(name, glob) for glob in globs)


def layers_of(denoiser: nn.Module, kinds: tuple[type, ...], left_out: tuple[str, ...]) -> list[tuple[str, Any]]:
    """Return (qualified name, module) of the layers of some classes, in the model's order, without those of some globs."""
    return [(name, m) for name, m in denoiser.named_modules() if isinstance(m, kinds) and not is_in(name, left_out)]


def attention_layers_of(denoiser: nn.Module) -> list[AttentionLayer]:
    """Return every attention layer in the model's order: what has a ``processor`` and projections, of their own or fused."""
    found = []
    for name, module in denoiser.named_modules():
        has_projections = hasattr(module, "to_k") or getattr(module, "fused_projections", False)
        if not (hasattr(module, "processor") and has_projections):
            continue
        block = denoiser.get_submodule(name.rpartition(".")[0])
        kind: AttentionKind = "cross" if module.is_cross_attention else "self"
        if type(block).__name__ in JOINT_BLOCKS:
            kind = "joint"
        found.append(AttentionLayer(name, module, kind))
    return found
