from __future__ import annotations

import math

import numpy as np
import pytest

from effbench.report.pixels import brightest, colours, difference_map, psnr_db, unlike

GREY = np.full((2, 3, 4, 3), 100, np.uint8)


def moved(by: int, channel: int | None = None) -> np.ndarray:
    changed = GREY.copy()
    changed[..., slice(None) if channel is None else channel] = 100 + by
    return changed


def test_psnr_is_that_of_pixels_in_8_bits() -> None:
    assert psnr_db(moved(5), GREY) == pytest.approx(20 * math.log10(255 / 5))
    assert psnr_db(moved(-5, 0), GREY) == pytest.approx(10 * math.log10(255**2 / (25 / 3)))
    assert psnr_db(GREY, GREY) == math.inf


def test_a_map_shows_the_largest_difference_of_the_channels_amplified() -> None:
    for by in (7, -7):  # unsigned bytes must not wrap around
        assert (difference_map(moved(by, 1), GREY, 4) == colours()[28]).all()
    assert (difference_map(GREY, GREY, 16) == colours()[0]).all()
    assert (difference_map(moved(100), GREY, 4) == colours()[255]).all()
    assert difference_map(moved(7), GREY, 1).shape == GREY.shape


@pytest.mark.parametrize("amplification", [1, 2, 4, 8, 16])
def test_the_end_of_the_scale_is_the_least_difference_that_fills_it(amplification: int) -> None:
    least = brightest(amplification)
    first = np.zeros((1, 1, 1, 3), np.uint8)
    assert (difference_map(first + np.uint8(least), first, amplification) == colours()[255]).all()
    assert not (difference_map(first + np.uint8(least - 1), first, amplification) == colours()[255]).all()


def test_the_scale_grows_evenly_in_lightness() -> None:
    linear = (colours() / 255.0) ** 2.2
    lightness = 116 * np.cbrt(linear @ [0.2126, 0.7152, 0.0722]) - 16
    steps = np.diff(lightness[::15])
    assert (steps > 0).all() and steps.max() < 2 * np.median(steps)


def test_pictures_of_other_sizes_or_lengths_are_not_laid_over_each_other() -> None:
    assert unlike(GREY, GREY) == ""
    assert unlike(GREY[:, :2], GREY) == "4 x 2 pixels, the first method has 4 x 3"
    assert unlike(GREY[:1], GREY) == "1 frame, the first method has 2"
