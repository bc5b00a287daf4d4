"""The digits that EffBench-Micro trains and judges on: the MNIST sample of the zoo's digit models, as 8x8 pixels."""

from __future__ import annotations

import torch

from effbench.zoo.digits_pixart.data import Digits, load_digits

TRAINED_PER_DIGIT = 200
"""Of 400: few enough that a training takes a second, and that accuracies do not saturate; the others judge."""
MARGIN, SHRINK = 4, 3  # of 32 pixels 4 at each side are empty, and 24 / 3 = 8


def micro_digits() -> tuple[Digits, Digits]:
    """Return (2,000 digits to train on, 3,000 to judge with), both balanced, float32 [N, 1, 8, 8] in [-1, 1].

    Raises ``SystemExit`` where the package that has them is not installed, naming the extra that brings it.
    """
    train, held_out = load_digits()  # sorted by digit: 400 and 100 of each, shuffled within
    shape = (10, -1, 1, 32, 32)
    many, rest = train.images.view(shape), held_out.images.view(shape)
    trained = many[:, :TRAINED_PER_DIGIT]
    judging = torch.cat([many[:, TRAINED_PER_DIGIT:], rest], 1)
    return _shrunk(trained), _shrunk(judging)


def _shrunk(images: torch.Tensor) -> Digits:
    """Return digits [10, n, 1, 32, 32] as [10 n, 1, 8, 8], each pixel the mean of nine, with their labels."""
    inside = images.flatten(0, 1)[:, :, MARGIN:-MARGIN, MARGIN:-MARGIN]
    labels = torch.arange(10).repeat_interleave(images.shape[1])
    return Digits(torch.nn.functional.avg_pool2d(inside, SHRINK), labels)
