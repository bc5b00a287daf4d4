"""A system of two layers that runs in microseconds: a content layer ``block.ff`` and a quality layer ``block.conv``."""

from types import SimpleNamespace

import torch
from torch import nn

from effbench.api import Context, Sample, noise_seed
from effbench.diffusion import DiffusionSystem

SIDE, CHANNELS = 16, 8


class Denoiser(nn.Module):
    """x [B, 8, 16, 16] -> the same shape, in a tuple as diffusers gives it."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.block = nn.ModuleDict(
            {"conv": nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1), "ff": nn.Linear(CHANNELS, CHANNELS)}
        )
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) / parameter[0].numel() ** 0.5)
        self.calls = 0

    def forward(self, x, scale=1.0):
        self.calls += 1
        y = self.block["conv"](x) * scale
        return (x + 0.5 * self.block["ff"](y.movedim(1, -1)).movedim(-1, 1).tanh(),)


def toy():
    """Return (system, context, samples): three steps, pictures in [0, 1]."""
    denoiser = Denoiser().eval()
    pipeline = SimpleNamespace(transformer=denoiser, components={"transformer": denoiser}, scheduler=None)
    system = DiffusionSystem(pipeline, 3, 1.0, SIDE, SIDE, 0, model="toy", revision="1")

    def run(system, batch, seed):
        generators = [torch.Generator().manual_seed(noise_seed(sample.id, seed)) for sample in batch]
        x = torch.stack([torch.randn(CHANNELS, SIDE, SIDE, generator=generator) for generator in generators])
        for step in range(system.steps):
            x = system.denoiser(x, scale=1 + step)[0]
        return [{"image": row[:3].sigmoid().numpy(), "latent": row.numpy()} for row in x]

    samples = [Sample(f"sample{i}") for i in range(5)]
    return system, Context(calibration=lambda: samples, run=run), samples
