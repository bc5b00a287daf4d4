"""The networks of ``moving-emoji-latte``, begun from ``emoji-pixart``: its spatial blocks are Latte's, frame by frame."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from effbench.zoo.emoji_pixart.autoencoder import LATENT_CHANNELS, LATENT_SIZE
from effbench.zoo.emoji_pixart.models import HEAD_WIDTH, HEADS, LAYERS, TEXT_WIDTH, build_text_encoder
from effbench.zoo.emoji_scenes.language import vocabulary as scene_words
from effbench.zoo.moving_emoji.compose import FRAMES
from effbench.zoo.moving_emoji.language import vocabulary
from effbench.zoo.words import tokenizer_of

if TYPE_CHECKING:
    from diffusers import LatteTransformer3DModel
    from transformers import PreTrainedTokenizerBase, T5EncoderModel

MAX_TOKENS = 16
"""As in ``emoji_scenes.language``: the longest sentence and its end."""


@cache
def tokenizer() -> PreTrainedTokenizerBase:
    """Return the tokenizer of the videos' language, and of the scenes' so that their embeddings can be taken over."""
    counts = dict(scene_words())
    for word, count in vocabulary().items():
        counts[word] = counts.get(word, 0) + count
    return tokenizer_of(counts, max_tokens=MAX_TOKENS)


def build_transformer(
    heads: int = HEADS, layers: int = LAYERS, text_width: int = TEXT_WIDTH
) -> LatteTransformer3DModel:
    """Return the denoiser of latents [B, 4, 8, 8, 8] (channels, frames, height, width).

    As in the published model the output has twice the channels; the second half, a variance there, is not trained here.
    ``sample_size`` is that of the image model it begins from, since positions are relative to it; frames are half as large.
    """
    from diffusers import LatteTransformer3DModel

    return LatteTransformer3DModel(
        num_attention_heads=heads,
        attention_head_dim=HEAD_WIDTH,
        in_channels=LATENT_CHANNELS,
        out_channels=2 * LATENT_CHANNELS,
        num_layers=layers,
        cross_attention_dim=heads * HEAD_WIDTH,
        attention_bias=True,
        sample_size=LATENT_SIZE,
        patch_size=2,
        activation_fn="gelu-approximate",
        num_embeds_ada_norm=1000,
        norm_type="ada_norm_single",
        norm_elementwise_affine=False,
        norm_eps=1e-6,
        caption_channels=text_width,
        video_length=FRAMES,
    )


class VideoDenoiser(nn.Module):
    """Text encoder and transformer as one network; only exists during training."""

    def __init__(self, text_encoder: T5EncoderModel, transformer: LatteTransformer3DModel) -> None:
        super().__init__()
        self.text_encoder: Any = text_encoder
        self.transformer: Any = transformer

    def forward(
        self, x: torch.Tensor, s: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor, dropped: torch.Tensor
    ) -> torch.Tensor:
        """Velocity [B, 4, F, h, w] at noise level s [B] for token ids and mask [B, L].

        Embeddings of padding are zero and attended to, those of a ``dropped`` [B] caption are all kept: what the pipeline
        does with prompts and with the negative prompt.
        """
        text = self.text_encoder(input_ids=ids, attention_mask=mask)[0]
        text = text * torch.where(dropped[:, None], torch.ones_like(mask), mask)[..., None].to(text.dtype)
        out: torch.Tensor = self.transformer(x, timestep=s * 1000, encoder_hidden_states=text, return_dict=False)[0]
        return out[:, :LATENT_CHANNELS]


def build_denoiser() -> VideoDenoiser:
    """Return text encoder and transformer, untrained."""
    return VideoDenoiser(build_text_encoder(vocabulary_size=len(tokenizer())), build_transformer())


@torch.no_grad()
def begin_from(image: Any, image_tokenizer: PreTrainedTokenizerBase, video: VideoDenoiser) -> None:
    """Take over an image denoiser (text encoder and PixArt transformer): every frame is then drawn as an image of its own.

    Temporal blocks are made to add nothing at first; words are matched by their text.
    """
    theirs, ours = image_tokenizer.get_vocab(), tokenizer().get_vocab()
    shared = [(ours[word], theirs[word]) for word in ours if word in theirs]
    here, there = (torch.tensor(column) for column in zip(*shared))
    weights = image.text_encoder.state_dict()
    embeddings = video.text_encoder.get_input_embeddings().weight
    embeddings[here] = image.text_encoder.get_input_embeddings().weight[there]
    kept = {name: w for name, w in weights.items() if w.shape != image.text_encoder.get_input_embeddings().weight.shape}
    video.text_encoder.load_state_dict(kept, strict=False)

    transformer, source = video.transformer, image.transformer.state_dict()
    last = {name: source.pop(name) for name in ("proj_out.weight", "proj_out.bias")}
    missing = transformer.load_state_dict(source, strict=False)
    if missing.unexpected_keys:
        raise ValueError(f"weights of another kind of transformer: {missing.unexpected_keys[:5]}")
    for name, tensor in last.items():  # [patch * patch * C, ...] into [patch * patch * 2 C, ...]
        target = transformer.state_dict()[name].unflatten(0, (-1, 2 * LATENT_CHANNELS))
        target[:, :LATENT_CHANNELS] = tensor.unflatten(0, (-1, LATENT_CHANNELS))
    for block in transformer.temporal_transformer_blocks:
        for layer in (block.attn1.to_out[0], block.ff.net[2]):
            layer.weight.zero_()
            layer.bias.zero_()
