"""Inputs and weights of one linear layer on which quantization is tried, and how its error is measured."""

import torch


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def outlier_layer(rows=256, inputs=144, outputs=96, outliers=4, factor=40.0, seed=0):
    """Return (x [rows, inputs], w [outputs, inputs]) with a few input channels of x larger than the others."""
    g = generator(seed)
    x = torch.randn(rows, inputs, generator=g)
    x[:, torch.randperm(inputs, generator=g)[:outliers]] *= factor
    return x, torch.randn(outputs, inputs, generator=g) / inputs**0.5


def correlated_layer(rows=512, inputs=96, outputs=64, rank=24, seed=0):
    """Return (x, w) whose inputs lie near a subspace of ``rank`` dimensions, as those of real layers do."""
    g = generator(seed)
    x = torch.randn(rows, rank, generator=g) @ torch.randn(rank, inputs, generator=g)
    return x + 0.1 * torch.randn(rows, inputs, generator=g), torch.randn(outputs, inputs, generator=g)


def sqnr_db(ours, exact):
    """Return the ratio of signal to error in dB."""
    signal, error = exact.detach().double(), (ours - exact).detach().double()
    return float(10 * torch.log10(signal.square().sum() / error.square().sum()))
