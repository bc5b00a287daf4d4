"""Which window a convolution looks through: kernel, stride, padding and dilation, one whole number an axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

AXES = (2, 3)
"""How many spatial axes sites may have: y, x or z, y, x."""


class Window(NamedTuple):
    """Extent of a kernel, its step, what is added before the first cell, and the distance of its taps, per axis.

    Tap k of output o reads input o * stride - padding + k * dilation, as torch's convolutions do (cross-correlation).
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]

    @property
    def taps(self) -> int:
        """How many cells the window looks at."""
        return math.prod(self.kernel)

    def over(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return the shape of what comes out of an input of ``shape``, as of torch's convolutions.

        Raises ``ValueError`` where the window is larger than the padded input.
        """
        reach = [d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True)]
        room = [n + 2 * p - r for n, p, r in zip(shape, self.padding, reach, strict=True)]
        if min(room) < 0:
            raise ValueError(
                f"sparse_conv: kernel {self.kernel} with dilation {self.dilation} is larger than {tuple(shape)}"
            )
        return tuple(n // s + 1 for n, s in zip(room, self.stride, strict=True))


def per_axis(name: str, value: int | Sequence[int], axes: int, least: int) -> tuple[int, ...]:
    """Return one whole number for each axis; raise ``ValueError`` where one is below ``least`` or some are missing."""
    numbers = (value,) * axes if isinstance(value, int) else tuple(int(v) for v in value)
    if len(numbers) != axes or min(numbers) < least:
        raise ValueError(
            f"sparse_conv: {name} {value!r}; want {axes} whole numbers from {least} on, or one for all axes"
        )
    return numbers


def window(
    kernel: int | Sequence[int],
    axes: int,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
) -> Window:
    """Return the window that numbers (for all axes, or one for each) mean; raise ``ValueError`` for impossible ones."""
    return Window(
        per_axis("kernel", kernel, axes, 1),
        per_axis("stride", stride, axes, 1),
        per_axis("padding", padding, axes, 0),
        per_axis("dilation", dilation, axes, 1),
    )


def centred(kernel: int | Sequence[int], axes: int, dilation: int | Sequence[int] = 1) -> Window:
    """Return the window of a submanifold convolution: outputs are the inputs' own cells.

    An even kernel has one more tap behind the cell than before it, as with torch's padding "same".
    """
    at_one = window(kernel, axes, dilation=dilation)
    padding = tuple(d * (k - 1) // 2 for k, d in zip(at_one.kernel, at_one.dilation, strict=True))
    return at_one._replace(padding=padding)
