"""The networks of ``digits-pixart``: published classes of diffusers and transformers at a size two CPU cores can train."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import torch
from torch import nn

from effbench.zoo.digits_pixart.prompts import NAMES, phrasings
from effbench.zoo.words import tokenizer_of

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, PixArtTransformer2DModel
    from transformers import PreTrainedTokenizerBase, T5EncoderModel

LATENT_CHANNELS = 4
"""As in Stable Diffusion's autoencoder."""
LATENT_SIZE = 16
"""Half of the images' side: digits are too small to be compressed more."""
TEXT_WIDTH = 64
"""Of the text encoder, whose vocabulary has 78 pieces."""
MAX_TOKENS = 16
"""Prompts are padded to so many, and a longer one is cut."""


def build_autoencoder() -> AutoencoderKL:
    """Return the KL autoencoder [B, 1, 32, 32] <-> [B, 4, 16, 16]: factor 2, so that 256 tokens remain at patch 1."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        in_channels=1,
        out_channels=1,
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
        up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
        block_out_channels=(16, 32),
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=8,
        sample_size=2 * LATENT_SIZE,
        mid_block_add_attention=False,
        scaling_factor=1.0,
    )


def build_transformer() -> PixArtTransformer2DModel:
    """Return the PixArt denoiser: 6 blocks of width 128 over 16x16 tokens, predicting flow velocity [B, 4, 16, 16]."""
    from diffusers import PixArtTransformer2DModel

    return PixArtTransformer2DModel(
        num_attention_heads=4,
        attention_head_dim=32,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        num_layers=6,
        cross_attention_dim=128,
        sample_size=LATENT_SIZE,
        patch_size=1,
        caption_channels=TEXT_WIDTH,
        use_additional_conditions=False,
    )


def build_text_encoder(vocab_size: int) -> T5EncoderModel:
    """Return a two-layer T5 encoder [B, L] token ids -> [B, L, 64]."""
    from transformers import T5Config, T5EncoderModel

    return T5EncoderModel(
        T5Config(
            vocab_size=vocab_size,
            d_model=TEXT_WIDTH,
            d_kv=16,
            d_ff=128,
            num_layers=2,
            num_heads=4,
            dropout_rate=0.0,
            feed_forward_proj="gated-gelu",
            pad_token_id=0,
            eos_token_id=1,
        )
    )


def train_tokenizer() -> PreTrainedTokenizerBase:
    """Return a T5 unigram tokenizer of the words of the training captions."""
    captions = [p.caption(digit) for p in phrasings("train") for digit in range(len(NAMES))]
    return tokenizer_of(Counter(word for caption in captions for word in caption.split()), MAX_TOKENS)


class DigitClassifier(nn.Module):
    """Small CNN that reads a digit: [B, 1, 32, 32] in [-1, 1] -> (logits [B, 10], features [B, 64])."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            *self._stage(1, 32),
            *self._stage(32, 64),
            *self._stage(64, 128),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(128 * 4 * 4, 64),
            nn.GELU(),
        )
        self.head = nn.Linear(64, 10)

    @staticmethod
    def _stage(c_in: int, c_out: int) -> tuple[nn.Module, ...]:
        return nn.Conv2d(c_in, c_out, 3, padding=1, bias=False), nn.BatchNorm2d(c_out), nn.GELU(), nn.MaxPool2d(2)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (logits, features)."""
        features = self.trunk(images)  # [B, 64]
        return self.head(features), features
