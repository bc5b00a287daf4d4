"""Times banded attention beside torch's own: ``make bench-attention`` writes docs/attention-kernels.md.

Every arm is checked against the reference before its times count. Then the arms take turns in one process.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.nn.functional import scaled_dot_product_attention

from effbench.kernels import isa
from effbench.kernels.window_attention import attention_with_residual, bands_pay, window_attention
from effbench.kernels.window_attention.cost import band_pairs
from effbench.measure.machine import facts
from effbench.section import replace_section

THREADS = 2
TURNS = 5
"""Of each arm at least; the least and the largest ratio stand beside the median."""
SHAPE_S = 1.0
"""How long a shape is timed at least, so that short calls get more turns."""
TURN_S = 0.004
"""How long a turn of an arm is to last at least: some thousand times what the clock resolves."""
CLOSE = 1e-6
"""RMS ratio to the reference."""
ARMS = ("band", "band, residual added", "boolean mask", "full and residual")

Call = Callable[[], object]


class Shape(NamedTuple):
    """Heads of so many numbers over so many tokens, and how far a row sees to either side."""

    batch: int
    heads: int
    tokens: int
    width: int
    half_width: int

    def __str__(self) -> str:
        return f"{self.batch} x {self.heads} x {self.tokens:,} x {self.width}, {self.half_width:,}"


def shapes() -> list[Shape]:
    """Return the heads of PixArt-XL and of the embedded models, under a band of 1/4 of the keys; and one of 1/8."""
    large = [Shape(1, 16, tokens, 72, tokens // 8) for tokens in (256, 1024, 4096)]
    small = [Shape(2, 6, tokens, 32, tokens // 8) for tokens in (64, 128, 256)]
    return [*small, *large, Shape(1, 16, 1024, 72, 64)]


def arms_of(shape: Shape) -> dict[str, Call]:
    """Return arm -> call, on q, k and v as projections leave them: [B, N, H, D], seen as [B, H, N, D]."""
    generator = torch.Generator().manual_seed(shape.tokens)
    form = (shape.batch, shape.tokens, shape.heads, shape.width)
    q, k, v, residual = (torch.randn(form, generator=generator).transpose(1, 2) for _ in range(4))
    place = torch.arange(shape.tokens)
    mask = (place[:, None] - place).abs() <= shape.half_width
    band = shape.half_width
    return {
        "full": lambda: scaled_dot_product_attention(q, k, v),
        "band": lambda: window_attention(q, k, v, band),
        "band, residual added": lambda: window_attention(q, k, v, band, residual=residual),
        "boolean mask": lambda: scaled_dot_product_attention(q, k, v, attn_mask=mask),
        "full and residual": lambda: attention_with_residual(q, k, v, band),
        "exact": lambda: window_attention(q[:1, :1], k[:1, :1], v[:1, :1], band, impl="reference"),
    }


def check(shape: Shape, arms: dict[str, Call]) -> None:
    """Raise ``AssertionError`` where the band is not the reference's, in the first head."""
    exact = arms.pop("exact")()
    for arm in ("band", "boolean mask"):
        error = float((arms[arm]()[:1, :1] - exact).norm() / exact.norm())
        assert error < CLOSE, f"{shape}: {arm} is {error:.1e} off the reference"


def seconds(arms: dict[str, Call]) -> dict[str, np.ndarray]:
    """Return arm -> seconds of a call in each turn."""
    calls = {}
    for arm, call in arms.items():
        start = time.perf_counter()
        call()
        calls[arm] = max(1, round(TURN_S / (time.perf_counter() - start)))
    spent: dict[str, list[float]] = {arm: [] for arm in arms}
    begin = time.perf_counter()
    while len(spent["full"]) < TURNS or time.perf_counter() - begin < SHAPE_S:
        for arm, call in arms.items():
            start = time.perf_counter()
            for _ in range(calls[arm]):
                call()
            spent[arm].append((time.perf_counter() - start) / calls[arm])
    return {arm: np.array(values) for arm, values in spent.items()}


def section(given: list[Shape]) -> Iterator[str]:
    """Yield the lines of the section."""
    yield f"{facts()['cpu_model']} ({isa.current().vectors}), {THREADS} threads, float32, torch {torch.__version__}."
    yield ""
    yield "| batch x heads x tokens x width, w | pairs in the band | full, ms | " + " | ".join(ARMS) + " |"
    yield "|---|--:|--:|" + "--:|" * len(ARMS)
    for shape in given:
        arms = arms_of(shape)
        check(shape, arms)
        share = band_pairs(shape.tokens, shape.half_width) / shape.tokens**2
        spent = seconds(arms)
        ratios = (spent["full"] / spent[arm] for arm in ARMS)  # turn by turn
        cells = " | ".join(f"{np.median(r):.2f} ({r.min():.2f}-{r.max():.2f})" for r in ratios)
        full = np.median(spent["full"]) * 1e3
        yield f"| {shape} | {share:.1%} | {full:,.2f} | {cells} |"
    yield ""
    unpaid = [str(shape) for shape in given if not bands_pay(shape.tokens, shape.half_width)]
    yield f"`bands_pay` says no to {'; '.join(unpaid) if unpaid else 'none of these'}."


def main() -> None:
    """Print the table and write it into the page."""
    parser = argparse.ArgumentParser(prog="python -m bench_window_attention")
    parser.add_argument("--page", type=Path, help="Markdown page whose section is replaced")
    parser.add_argument("--tokens", type=int, help="only shapes of so many tokens")
    arguments = parser.parse_args()
    torch.set_num_threads(THREADS)
    lines = []
    with torch.inference_mode():
        for line in section([shape for shape in shapes() if arguments.tokens in (None, shape.tokens)]):
            print(line, flush=True)
            lines.append(line)
    if arguments.page:
        replace_section(arguments.page, "cpu", "\n".join(lines))


if __name__ == "__main__":
    main()
