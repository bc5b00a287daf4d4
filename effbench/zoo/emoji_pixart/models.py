"""The networks of ``emoji-pixart`` beside the autoencoder: published classes at a size that two CPU cores can train."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effbench.zoo.emoji_pixart.autoencoder import LATENT_CHANNELS, LATENT_SIZE
from effbench.zoo.emoji_scenes.tokens import tokenizer
from effbench.zoo.flow import FlowDenoiser

if TYPE_CHECKING:
    from diffusers import PixArtTransformer2DModel
    from transformers import T5EncoderModel

TEXT_WIDTH = 128
"""Of the text encoder, as in ``emoji_judge``."""
HEADS, HEAD_WIDTH, LAYERS = 6, 32, 6
"""Of the transformer: as large as two CPU cores train in hours."""


def build_transformer(
    heads: int = HEADS, layers: int = LAYERS, text_width: int = TEXT_WIDTH
) -> PixArtTransformer2DModel:
    """Return the PixArt denoiser: blocks of width 32 x heads over 64 tokens, predicting flow velocity [B, 4, 16, 16]."""
    from diffusers import PixArtTransformer2DModel

    return PixArtTransformer2DModel(
        num_attention_heads=heads,
        attention_head_dim=HEAD_WIDTH,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        num_layers=layers,
        cross_attention_dim=heads * HEAD_WIDTH,
        sample_size=LATENT_SIZE,
        patch_size=2,
        caption_channels=text_width,
        use_additional_conditions=False,
    )


def build_text_encoder(
    text_width: int = TEXT_WIDTH, layers: int = 2, vocabulary_size: int | None = None
) -> T5EncoderModel:
    """Return a small T5 encoder [B, L] token ids -> [B, L, 128]; its vocabulary is that of the scenes if not given."""
    from transformers import T5Config, T5EncoderModel

    return T5EncoderModel(
        T5Config(
            vocab_size=vocabulary_size or len(tokenizer()),
            d_model=text_width,
            d_kv=32,
            d_ff=2 * text_width,
            num_layers=layers,
            num_heads=4,
            dropout_rate=0.0,
            feed_forward_proj="gated-gelu",
            pad_token_id=0,
            eos_token_id=1,
        )
    )


def build_denoiser() -> FlowDenoiser:
    """Return text encoder and transformer, untrained."""
    return FlowDenoiser(build_text_encoder(), build_transformer())
