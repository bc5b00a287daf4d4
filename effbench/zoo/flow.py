"""Flow matching for the zoo's PixArt models: text encoder and transformer trained together, captions dropped for guidance.

With x_s = (1 - s) x_0 + s e, e ~ N(0, I), the network regresses v = e - x_0 (Lipman et al. 2023); s = sigmoid(n),
n ~ N(0, 1) (Esser et al. 2024). ``sampler`` is the scheduler that integrates such a model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from diffusers import DPMSolverMultistepScheduler, PixArtTransformer2DModel
    from transformers import T5EncoderModel


class FlowDenoiser(nn.Module):
    """Text encoder and transformer as one network; only exists during training."""

    def __init__(self, text_encoder: T5EncoderModel, transformer: PixArtTransformer2DModel) -> None:
        super().__init__()
        self.text_encoder: Any = text_encoder
        self.transformer: Any = transformer

    def forward(self, x: torch.Tensor, s: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Velocity [B, C, h, w] at noise level s [B] for token ids and mask [B, L]."""
        text = self.text_encoder(input_ids=ids, attention_mask=mask)[0]  # [B, L, width of the text encoder]
        velocity: torch.Tensor = self.transformer(
            x,
            encoder_hidden_states=text,
            encoder_attention_mask=mask,
            timestep=s * 1000,
            added_cond_kwargs={"resolution": None, "aspect_ratio": None},
            return_dict=False,
        )[0]
        return velocity


def flow_batch(x_0: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return (x_s, s [B], velocity) of latents x_0 [B, ...] at random noise levels."""
    s = torch.randn(len(x_0), generator=generator).sigmoid()
    noise = torch.randn(x_0.shape, generator=generator)
    return torch.lerp(x_0, noise, s.view(-1, *[1] * (x_0.dim() - 1))), s, noise - x_0


def flow_loss(
    model: FlowDenoiser, x_0: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """Return the mean squared error of the velocity for latents x_0 [B, C, h, w] at random noise levels."""
    mixed, s, velocity = flow_batch(x_0, generator)
    return nn.functional.mse_loss(model(mixed, s, ids, mask), velocity)


def own_noise(shape: tuple[int, ...], count: int, seed: int) -> torch.Tensor:
    """Return noise [count, *shape] in which a sample's own depends on its place and the seed alone."""
    return torch.stack(
        [torch.randn(shape, generator=torch.Generator().manual_seed(1000 * seed + i)) for i in range(count)]
    )


def sampler(flow_shift: float = 1.0, solver_order: int = 2) -> DPMSolverMultistepScheduler:
    """Return DPM-Solver++ for flow-matching models; of first order it is Euler's method on the velocity."""
    from diffusers import DPMSolverMultistepScheduler

    return DPMSolverMultistepScheduler(
        prediction_type="flow_prediction",
        use_flow_sigmas=True,
        flow_shift=flow_shift,
        algorithm_type="dpmsolver++",
        solver_order=solver_order,
        final_sigmas_type="zero",
    )
