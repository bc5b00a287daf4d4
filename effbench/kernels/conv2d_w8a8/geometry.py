"""Sizes of a convolution's operands, and the refusal of those that do not fit each other."""

from __future__ import annotations

from functools import lru_cache

from effbench.kernels.codes import StaticRange

Pair = tuple[int, int]
"""Of the rows, and of the columns."""
LEAST_SCALE = 2.0**-126
"""The smallest normal float32, whose reciprocal is one as well."""


@lru_cache(maxsize=1024)
def result_size(shape: tuple[int, ...], inputs: int, kernel: Pair, stride: Pair, padding: Pair) -> Pair:
    """Return H' and W' of images [B, I, H, W]; raise ``ValueError`` where they do not fit the kernel of ``inputs`` channels."""
    if len(shape) != 4 or not shape[2] * shape[3]:
        raise ValueError(f"conv2d_w8a8 takes images [B, I, H, W] of a pixel at least, got {list(shape)}")
    if shape[1] != inputs:
        raise ValueError(
            f"x has {shape[1]} channels and the kernel {inputs} inputs; groups of channels are not supported"
        )
    if min(stride) < 1 or min(padding) < 0:
        raise ValueError(f"a stride is 1 at least and a padding 0, got {stride} and {padding}")
    reach = [shape[2 + axis] + 2 * padding[axis] - kernel[axis] for axis in (0, 1)]
    if min(reach) < 0:
        raise ValueError(f"a kernel {kernel} is larger than an image {tuple(shape[2:])} padded by {padding}")
    return reach[0] // stride[0] + 1, reach[1] // stride[1] + 1


@lru_cache(maxsize=1024)
def check_range(static: StaticRange) -> None:
    """Raise ``ValueError`` for a range whose codes are no uint8, have none for 0 or no float32 between them."""
    if not 2 <= static.bits <= 8 or not 0 <= static.zero < 2**static.bits:
        raise ValueError(f"a static range has 2 to 8 bits and a zero point among its codes, got {static}")
    if not LEAST_SCALE <= static.scale <= 1 / LEAST_SCALE:
        raise ValueError(f"the scale of a static range is a positive float32 that has a reciprocal, got {static.scale}")
