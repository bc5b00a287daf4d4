"""spconv's arms, in its own environment: a submanifold convolution with its index kept, and with it looked up anew."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import spconv
import spconv.pytorch as sparse
import torch

sys.path.insert(0, str(Path(__file__).parent))
from answering import answer

CALLS, MOST_SPREAD = 5, 1e-5
"""With two threads, some calls give other numbers each time: what is not repeated is not timed."""


def make(request: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    """Return the arms; what they give lies beside the operands."""
    given = np.load(request["make"])
    features, weight = torch.from_numpy(given["features"]), torch.from_numpy(given["weight"])
    cells, shape = torch.from_numpy(given["coordinates"]), given["shape"].tolist()
    inputs, outputs = weight.shape[-2:]
    layer = sparse.SubMConv3d(inputs, outputs, 3, bias=False, indice_key="frame").eval()
    layer.weight.data = weight.permute(4, 0, 1, 2, 3).contiguous()
    kept = sparse.SparseConvTensor(features, cells, shape, 1)
    found = [layer(kept).features for _ in range(CALLS)]
    spread = max(float((again - found[0]).norm() / found[0].norm()) for again in found)
    np.save(request["make"] + ".spconv.npy", found[0].numpy())
    np.save(request["make"] + ".spread.npy", spread)
    if spread > MOST_SPREAD:
        return {}
    return {
        "spconv": lambda: layer(kept),
        "spconv, map": lambda: layer(sparse.SparseConvTensor(features, cells, shape, 1)),
    }


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[1]))
    with torch.no_grad():
        answer({"spconv": spconv.__version__}, make)
