"""Multiplies quantized pixels with packed weights: the sums of a tile of channels and pixels stay in registers.

In each step a vector holds neighbouring pixels, four input channels each, and meets the four weights of an output channel in
all lanes. So the sums lie in the order of the result, [B, O, H', W'], and are finished and stored where they belong.
"""

from __future__ import annotations

from typing import NamedTuple

from llvmlite import ir

from effbench.kernels.conv2d_w8a8.image import real
from effbench.kernels.dot import add_products
from effbench.kernels.emitter import F32, I8, I32, I64, Program, Value
from effbench.kernels.isa import Isa

ADDRESSES = ("copies", "panels", "sums", "scales", "bias", "offsets", "y")
FIELDS = (
    *ADDRESSES, "image_bytes", "panel_bytes", "steps", "zero", "scale",
    "images", "channels", "pixels", "blocks", "parts", "parts_at_once",
)  # fmt: skip
"""Seven addresses, sizes in bytes or elements, float32 as bits. ``blocks`` of channels and ``parts`` of an image's pixels are
tiles; all blocks go over ``parts_at_once`` of them before the next, so that their pixels stay in the cache."""


class Tile(NamedTuple):
    """What a call of the micro-kernel computes: ``channels`` output channels times ``vectors`` vectors of pixels."""

    channels: int
    vectors: int


TILES = {"avx512-vnni": Tile(6, 4), "avx2": Tile(4, 3), "portable": Tile(4, 2)}
"""Instruction set -> the tile whose sums fill its registers, beside what a step needs."""


def write(program: Program, name: str, isa: Isa) -> None:
    """Write the function that computes a whole result, and its micro-kernels."""
    tile, lanes = TILES[isa.vectors], isa.lanes
    kernels = [_micro_kernel(program, f"{name}_{n}", isa, Tile(tile.channels, n + 1)) for n in range(tile.vectors)]
    size = lanes * tile.vectors
    with program.kernel(name, FIELDS) as (code, job):
        thread, team = job.place_in_team()
        per_image, at_once = job["blocks"] * job["parts"], job["blocks"] * job["parts_at_once"]
        units, channel_bytes = job["images"] * per_image, job["pixels"] * 4
        zero, scale = code.convert("trunc", job["zero"], I32), real(code, job["scale"])

        def compute(unit: Value) -> None:
            image = unit // per_image
            within = unit - image * per_image
            round_ = within // at_once
            width = (job["parts"] - round_ * job["parts_at_once"]).least(job["parts_at_once"])
            rest = within - round_ * at_once
            block = rest // width
            part = round_ * job["parts_at_once"] + rest - block * width
            channel, pixel = block * tile.channels, part * size
            left = job["pixels"] - pixel
            arguments = (
                job["panels"] + block * job["panel_bytes"],
                job["offsets"],
                job["steps"],
                job["copies"] + image * job["image_bytes"] + pixel * 4,
                zero,
                job["sums"] + channel * 4,
                job["scales"] + channel * 4,
                scale,
                job["bias"] + channel * 4,
                job["y"] + (image * job["channels"] + channel) * channel_bytes + pixel * 4,
                channel_bytes,
                job["channels"] - channel,
                left,
            )
            vectors = (left.least(size) + (lanes - 1)) // lanes
            for number, kernel in enumerate(kernels, start=1):
                with code.when(vectors.compared("==", number)):
                    code.call(kernel, *arguments)

        code.loop(units * thread // team, units * (thread + 1) // team, 1, compute)


def _micro_kernel(program: Program, name: str, isa: Isa, tile: Tile) -> ir.Function:
    """Return a function that computes one tile.

    Step k multiplies the pixels ``offsets[k]`` (int32) bytes after ``codes`` with the k-th weights of ``panel``, four bytes a
    channel; stored is ``y = (sum - zero * sums) * (scale * scales) + bias`` of the channels and pixels that there are.
    """
    kinds = (I64, I64, I64, I64, I32, I64, I64, F32, I64, I64, I64, I64, I64)
    with program.function(name, *kinds) as (code, arguments, function):
        function.attributes.add("noinline")
        panel, offsets, steps, codes, zero, sums, scales, scale, bias, y, channel_bytes, present, left = arguments
        lanes = isa.lanes
        bytes_, channels, places = ir.VectorType(I8, 4 * lanes), range(tile.channels), range(tile.vectors)

        def step(k: Value, *totals: Value) -> list[Value]:
            here = codes + code.convert("sext", code.load(I32, offsets + k * 4, 4), I64)
            pixels = [code.load(bytes_, here + 4 * lanes * place, 4) for place in places]
            weights = panel + k * (4 * tile.channels)
            after: list[Value] = []
            for channel in channels:
                weight = code.convert("bitcast", code.spread(code.load(I32, weights + 4 * channel, 4), lanes), bytes_)
                sums_ = totals[len(after) : len(after) + tile.vectors]
                after += [add_products(code, isa, total, vector, weight) for total, vector in zip(sums_, pixels)]
            return after

        begun = [code.spread(zero * code.load(I32, sums + 4 * channel, 4) * -1, lanes) for channel in channels]
        totals = code.loop(0, steps, 1, step, [begun[channel] for channel in channels for _ in places])
        masks = [code.first_lanes(left - lanes * place, lanes) for place in places]

        def finish(is_whole: bool) -> None:
            for channel in channels:
                with code.when(present.compared(">", channel)):
                    factor = code.spread(scale * code.load(F32, scales + 4 * channel, 4), lanes)
                    added = code.spread(code.load(F32, bias + 4 * channel, 4), lanes)
                    for place in places:
                        total = code.convert("sitofp", totals[channel * tile.vectors + place], factor.type)
                        address = y + channel_bytes * channel + 4 * lanes * place
                        if is_whole:
                            code.store(total * factor + added, address, 4)
                        else:
                            code.store_lanes(total * factor + added, address, masks[place])

        # Masked stores take many times as long as plain ones on some processors without AVX-512.
        for compared, is_whole in ((">=", True), ("<", False)):
            with code.when(left.compared(compared, lanes * tile.vectors)):
                finish(is_whole)
    return function
