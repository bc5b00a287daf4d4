"""How far two pictures are apart: in decibels, and pixel by pixel as a map in colours that every reader tells apart."""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from effbench.arrays import Array
from effbench.counted import counted

FULL = 255
"""The largest value of a pixel's channel in 8 bits."""

SCALE = "cividis"
"""The map's colours: perceptually uniform, and seen alike with and without red-green blindness (Nunez, Anderton and Renslow
2018, PLOS ONE 13, e0199239)."""


def unlike(shown: Array, first: Array) -> str:
    """Return why two pictures [F, H, W, 3] cannot be laid over each other, or ``""``."""
    if shown.shape == first.shape:
        return ""
    if len(shown) != len(first):
        return f"{counted(len(shown), 'frame')}, the first method has {len(first)}"
    sizes = [f"{picture.shape[2]} x {picture.shape[1]}" for picture in (shown, first)]
    return f"{sizes[0]} pixels, the first method has {sizes[1]}"


def psnr_db(shown: Array, first: Array) -> float:
    """Return 10 log10(255^2 / MSE) over all pixels, channels and frames of two pictures in 8 bits; infinite where equal."""
    error = float(np.mean((shown.astype(np.float64) - first) ** 2))
    return 10 * math.log10(FULL**2 / error) if error else math.inf


def difference_map(shown: Array, first: Array, amplification: int) -> Array:
    """Return a map [F, H, W, 3] uint8 of the absolute difference of two pictures [F, H, W, 3] uint8.

    Of a pixel, the largest difference of its three channels is taken, so that none is averaged away; multiplied by
    ``amplification``, 0 is the dark end of ``colours`` and 255 or more the bright end.
    """
    apart = np.maximum(shown, first) - np.minimum(shown, first)
    scaled = np.minimum(apart.max(axis=-1).astype(np.uint32) * amplification, FULL)
    mapped: Array = colours()[scaled]
    return mapped


def brightest(amplification: int) -> int:
    """Return the least difference, of 255, that a map of that amplification shows in its brightest colour."""
    return math.ceil(FULL / amplification)


@cache
def colours() -> Array:
    """Return the 256 colours [256, 3] uint8 of the scale, from no difference to the largest."""
    from matplotlib import colormaps

    found = np.round(colormaps[SCALE](np.arange(FULL + 1))[:, :3] * FULL).astype(np.uint8)
    found.setflags(write=False)
    return np.asarray(found)
