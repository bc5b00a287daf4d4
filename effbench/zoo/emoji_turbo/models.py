"""The networks of ``emoji-turbo`` beside the autoencoder: SDXL's classes at a size that two CPU cores can train.

Two causal CLIP-type encoders read the prompt, as in SDXL: their penultimate layers side by side are what the U-Net attends
to, the second one's pooled output is added to the noise level's embedding. Both begin with a start token, which sees
nothing else and is therefore the same for every prompt.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from effbench.zoo.emoji_pixart.autoencoder import LATENT_CHANNELS, LATENT_SIZE
from effbench.zoo.emoji_scenes.compose import SIDE
from effbench.zoo.emoji_scenes.language import vocabulary
from effbench.zoo.words import START, STOP, causal_tokenizer_of

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTextModelWithProjection, PreTrainedTokenizerBase

WIDTHS = (64, 96)
"""Of the two text encoders."""
MAX_TOKENS = 16
"""As in ``emoji_scenes.language``: the longest sentence and its end."""
TIME_WIDTH = 16
"""Of each of the six size numbers that SDXL is told."""


@cache
def tokenizer() -> PreTrainedTokenizerBase:
    """Return the tokenizer of both encoders."""
    return causal_tokenizer_of(vocabulary(), MAX_TOKENS)


def build_text_encoder(width: int, *, projected: bool) -> CLIPTextModel | CLIPTextModelWithProjection:
    """Return a two-layer causal encoder [B, L] token ids -> [B, L, width], and a pooled output where it is projected."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    ids = tokenizer()
    config = CLIPTextConfig(
        vocab_size=len(ids),
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=2,
        num_attention_heads=max(1, width // 32),
        max_position_embeddings=MAX_TOKENS,
        projection_dim=width,
        hidden_act="gelu",
        bos_token_id=ids.convert_tokens_to_ids(START),
        eos_token_id=ids.convert_tokens_to_ids(STOP),
        pad_token_id=ids.convert_tokens_to_ids(STOP),
    )
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)


def build_unet(
    channels: tuple[int, int] = (64, 136), heads: tuple[int, int] = (2, 4), widths: tuple[int, int] = WIDTHS
) -> UNet2DConditionModel:
    """Return the denoiser of latents [B, 4, 16, 16], predicting flow velocity; cross-attention on the 8x8 level."""
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=LATENT_SIZE,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        block_out_channels=channels,
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 1),
        attention_head_dim=heads,
        cross_attention_dim=sum(widths),
        norm_num_groups=8,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=TIME_WIDTH,
        projection_class_embeddings_input_dim=6 * TIME_WIDTH + widths[1],
    )


class TurboDenoiser(nn.Module):
    """Both text encoders and the U-Net as one network; only exists during training."""

    def __init__(self, one: CLIPTextModel, two: CLIPTextModelWithProjection, unet: UNet2DConditionModel) -> None:
        super().__init__()
        self.one: Any = one
        self.two: Any = two
        self.unet: Any = unet

    def embed(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (text [B, L, D], pooled [B, d]) of token ids [B, L], as the pipeline makes them."""
        first, second = (encoder(ids, output_hidden_states=True) for encoder in (self.one, self.two))
        text = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], dim=-1)
        return text, second.text_embeds

    def forward(self, x: torch.Tensor, s: torch.Tensor, text: torch.Tensor, pooled: torch.Tensor) -> torch.Tensor:
        """Velocity [B, C, h, w] at noise level s [B] for embedded prompts."""
        size = torch.tensor([SIDE, SIDE, 0, 0, SIDE, SIDE], dtype=x.dtype).expand(len(x), -1)
        velocity: torch.Tensor = self.unet(
            x,
            s * 1000,
            encoder_hidden_states=text,
            added_cond_kwargs={"text_embeds": pooled, "time_ids": size},
            return_dict=False,
        )[0]
        return velocity


def build_denoiser() -> TurboDenoiser:
    """Return the whole network, untrained."""
    one, two = build_text_encoder(WIDTHS[0], projected=False), build_text_encoder(WIDTHS[1], projected=True)
    return TurboDenoiser(one, two, build_unet())


def token_ids(sentences: list[str]) -> torch.Tensor:
    """Return ids [N, 16] of sentences, padded with the end token as CLIP's are."""
    encoded = tokenizer()(sentences, padding="max_length", max_length=MAX_TOKENS, truncation=True, return_tensors="pt")
    ids: torch.Tensor = encoded.input_ids
    return ids
