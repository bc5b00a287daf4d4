"""Real quantized blocks that do in few passes what a model's blocks do in many; free of diffusers at import."""

from __future__ import annotations

from typing import Any


def fuse(denoiser: Any) -> int:
    """Let the quantized blocks of a denoiser run fused, in place, and return how many do.

    Q, K and V of an attention layer that read the same inputs become one product, GELU goes into the layer behind it, and
    normalization, modulation, gate and residual of a block into the layers beside them. What has another form stays.
    """
    from effbench.quantization.fused.fusing import fuse_attention, fuse_blocks, fuse_feed_forward

    for module in list(denoiser.modules()):
        fuse_attention(module)
        fuse_feed_forward(module)
    return fuse_blocks(denoiser)
