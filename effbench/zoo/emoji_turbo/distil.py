"""Distillation to four steps: the teacher's path is made straight piece by piece (PeRFlow, Yan et al. 2024).

Noise levels are cut where the four-step sampler stops. In the piece from s_k to s_k+1 a noisy latent x_k is carried along by
the guided teacher to x_k+1; the student regresses the constant velocity (x_k - x_k+1) / (s_k - s_k+1) on the straight line
between the two. It learns the guided path, so that it runs without guidance: an eighth of the calls of 16 guided steps.
"""

from __future__ import annotations

import torch
from torch import nn

from effbench.zoo.emoji_turbo.models import TurboDenoiser

STEPS = 4
"""What the student is made for: the few steps of SDXL-Turbo's kind."""
TEACHER_STEPS = 4
"""Of the teacher in one piece."""
GUIDANCE = 3.0
"""Of the teacher; the student learns its result and needs none."""

Text = tuple[torch.Tensor, torch.Tensor]


def boundaries(steps: int = STEPS) -> torch.Tensor:
    """Return the noise levels [steps + 1] where the sampler of that many steps stops, from near 1 to 0."""
    from effbench.zoo.flow import sampler

    scheduler = sampler(solver_order=1)
    scheduler.set_timesteps(steps)
    return torch.as_tensor(scheduler.sigmas, dtype=torch.float32)


@torch.no_grad()
def carry(
    teacher: TurboDenoiser, x: torch.Tensor, start: torch.Tensor, end: torch.Tensor, text: Text, empty: Text
) -> torch.Tensor:
    """Return x [B, C, h, w] carried by the guided teacher from noise levels ``start`` to ``end`` [B], in Euler steps."""
    both = tuple(torch.cat([e.expand_as(t), t]) for e, t in zip(empty, text))
    for number in range(TEACHER_STEPS):
        here, there = (torch.lerp(start, end, (number + i) / TEACHER_STEPS) for i in (0, 1))
        without, given = teacher(torch.cat([x, x]), torch.cat([here, here]), *both).chunk(2)
        velocity = without + GUIDANCE * (given - without)
        x = x + (there - here)[:, None, None, None] * velocity
    return x


def distillation_loss(
    student: TurboDenoiser,
    teacher: TurboDenoiser,
    x_0: torch.Tensor,
    ids: torch.Tensor,
    empty_ids: torch.Tensor,
    generator: torch.Generator,
) -> torch.Tensor:
    """Return the mean squared error of the student's velocity on the pieces of the teacher's path."""
    levels, count = boundaries(), len(x_0)
    piece = torch.randint(STEPS, (count,), generator=generator)
    start, end = levels[piece], levels[piece + 1]
    noise = torch.randn(x_0.shape, generator=generator)
    with torch.no_grad():
        text, empty = teacher.embed(ids), teacher.embed(empty_ids)
        x_start = torch.lerp(x_0, noise, start[:, None, None, None])
        x_end = carry(teacher, x_start, start, end, text, empty)
        velocity = (x_start - x_end) / (start - end)[:, None, None, None]
    share = torch.rand(count, generator=generator)
    s = torch.lerp(start, end, share)
    between = torch.lerp(x_start, x_end, share[:, None, None, None])
    return nn.functional.mse_loss(student(between, s, *student.embed(ids)), velocity)
