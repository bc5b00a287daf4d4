"""Networks for tests."""

import numpy as np
import torch

from effbench_baselines.nqs_made.made import Made


def made(integrals, seed=0, order=None, spread=1.0, kind=Made, **sizes):
    """Return a network whose weights are large enough that nothing is nearly uniform."""
    order = np.arange(integrals.orbitals)[::-1].copy() if order is None else order
    network = kind(integrals, order, seed, **sizes)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += spread * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype) / 4
    return network
