"""The dual encoder: an image and a sentence become unit vectors of 192 numbers, whose product is the alignment score."""

from __future__ import annotations

import torch
from torch import nn

from effbench.zoo.emoji_scenes.language import MAX_TOKENS

WIDTH = 192
"""Of the features and of the joint space."""
TEXT_WIDTH = 128
"""Of the tower that reads sentences."""


class ImageEncoder(nn.Module):
    """CNN [B, 3, 64, 64] in [-1, 1] -> features [B, 192]; the last 4x4 map is flattened, so that places stay apart."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            *_stage(3, 32, kernel=5, stride=2),
            *_stage(32, 64, stride=2),
            *_stage(64, 128),
            nn.MaxPool2d(2),
            *_stage(128, 192),
            *_stage(192, 192),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(192 * 4 * 4, WIDTH),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the features, from which the joint space and the distances are made."""
        features: torch.Tensor = self.trunk(images)
        return features


class TextEncoder(nn.Module):
    """Two transformer blocks over token ids and mask [B, L] -> [B, 192], the mean over the tokens that are there."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, TEXT_WIDTH)
        self.places = nn.Parameter(0.02 * torch.randn(2 * MAX_TOKENS, TEXT_WIDTH))
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                TEXT_WIDTH, 4, 2 * TEXT_WIDTH, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
            )
            for _ in range(2)
        )
        self.norm = nn.LayerNorm(TEXT_WIDTH)
        self.out = nn.Linear(TEXT_WIDTH, WIDTH)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the vector of each sentence, before it is made a unit."""
        x = self.tokens(ids) + self.places[: ids.shape[1]]
        for block in self.blocks:
            x = block(x, src_key_padding_mask=mask == 0)
        weights = mask.unsqueeze(-1).to(x.dtype)
        out: torch.Tensor = self.out((self.norm(x) * weights).sum(1) / weights.sum(1))
        return out


class DualEncoder(nn.Module):
    """Both encoders with the scale of their scores in the loss."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.image, self.text = ImageEncoder(), TextEncoder(vocabulary)
        self.project = nn.Linear(WIDTH, WIDTH)
        self.log_scale = nn.Parameter(torch.tensor(2.5))

    def embed_images(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (unit vectors [B, 192], features [B, 192]) of images [B, 3, 64, 64] in [-1, 1]."""
        features = self.image(images)
        return nn.functional.normalize(self.project(nn.functional.gelu(features)), dim=-1), features

    def embed_texts(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return unit vectors [B, 192] of sentences."""
        return nn.functional.normalize(self.text(ids, mask), dim=-1)


def _stage(c_in: int, c_out: int, kernel: int = 3, stride: int = 1) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(c_in, c_out, kernel, stride=stride, padding=kernel // 2, bias=False)
    return convolution, nn.BatchNorm2d(c_out), nn.ReLU(inplace=True)
