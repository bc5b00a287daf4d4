"""The tables of DiTFastAttn (arXiv 2406.08552v2), as they stand there; all were measured on an A100.

Latency and attention latency are seconds of a batch: 8 images of DiT at 512 pixels (12 with the original sampler), one image
of PixArt-Sigma. FID, IS and CLIP score are of 50,000 images (DiT) and 30,000 (PixArt), saved as JPEG.
"""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """One row of Tables 1, 3 and 4: share of attention FLOPs (projections included), scores, seconds, those of attention."""

    model: str
    plan: str
    flops: float
    fid: float
    inception: float
    clip: float | None
    latency_s: float
    attention_s: float


class OriginalRow(NamedTuple):
    """One row of DiT-XL/2-512 with its original sampler: 250 steps of IDDPM, guidance 1.5, batches of 12."""

    plan: str
    fid: float
    inception: float
    latency_s: float
    attention_s: float


class TechniqueRow(NamedTuple):
    """One technique of Table 2: shares of the dense attention module's FLOPs and time at 1,024, 4,096 and 16,384 tokens."""

    technique: str
    flops: tuple[float, float, float]
    latency: tuple[float, float, float]


class SearchRow(NamedTuple):
    """Seconds of the plan search of a model, by threshold; at 0 nothing is accepted, so that every candidate is tried."""

    model: str
    seconds: dict[str | int, int]


RAW = {
    "DiT-XL/2-512": Row("DiT-XL/2-512", "raw", 1.0, 25.43, 408.16, None, 6.66, 2.26),
    "PixArt-Sigma-1024": Row("PixArt-Sigma-1024", "raw", 1.0, 24.33, 55.65, 31.27, 12.76, 5.30),
    "PixArt-Sigma-2K": Row("PixArt-Sigma-2K", "raw", 1.0, 23.67, 51.89, 31.47, 39.86, 27.57),
}
"""The uncompressed models, in the same tables."""
ORIGINAL_RAW = OriginalRow("raw", 3.16, 219.97, 32.62, 11.40)
"""The same of DiT with its original sampler."""
TOKENS = (1024, 4096, 16384)
"""Of Table 2."""

ROWS = (
    Row("DiT-XL/2-512", "D1", 0.85, 25.32, 412.24, None, 6.61, 2.22),
    Row("DiT-XL/2-512", "D2", 0.69, 24.67, 412.18, None, 6.45, 2.05),
    Row("DiT-XL/2-512", "D3", 0.59, 23.76, 411.74, None, 2.89, 0.91),
    Row("DiT-XL/2-512", "D4", 0.49, 21.52, 391.80, None, 2.78, 0.83),
    Row("DiT-XL/2-512", "D5", 0.41, 19.32, 370.07, None, 2.77, 0.80),
    Row("DiT-XL/2-512", "D6", 0.34, 16.80, 352.20, None, 2.66, 0.71),
    Row("PixArt-Sigma-1024", "D1", 0.90, 24.27, 55.73, 31.27, 12.55, 5.10),
    Row("PixArt-Sigma-1024", "D2", 0.74, 24.25, 55.69, 31.26, 11.98, 4.49),
    Row("PixArt-Sigma-1024", "D3", 0.63, 24.16, 55.61, 31.25, 11.42, 4.01),
    Row("PixArt-Sigma-1024", "D4", 0.52, 24.07, 55.32, 31.24, 11.06, 3.60),
    Row("PixArt-Sigma-1024", "D5", 0.44, 24.17, 54.54, 31.22, 10.73, 3.25),
    Row("PixArt-Sigma-1024", "D6", 0.37, 23.94, 52.73, 31.18, 10.31, 2.85),
    Row("PixArt-Sigma-2K", "D1", 0.81, 23.28, 52.34, 31.46, 35.75, 23.62),
    Row("PixArt-Sigma-2K", "D2", 0.60, 22.90, 53.01, 31.32, 31.44, 19.29),
    Row("PixArt-Sigma-2K", "D3", 0.46, 22.96, 52.54, 31.36, 28.99, 16.51),
    Row("PixArt-Sigma-2K", "D4", 0.36, 22.95, 51.74, 31.39, 26.18, 13.88),
    Row("PixArt-Sigma-2K", "D5", 0.29, 22.82, 51.21, 31.34, 23.86, 11.66),
    Row("PixArt-Sigma-2K", "D6", 0.24, 22.38, 49.34, 31.28, 22.27, 10.13),
)
ORIGINAL_ROWS = (
    OriginalRow("D1", 3.09, 218.20, 31.53, 10.21),
    OriginalRow("D2", 3.10, 210.36, 29.35, 8.09),
    OriginalRow("D3", 3.54, 196.05, 27.80, 6.56),
    OriginalRow("D4", 4.52, 180.34, 26.96, 5.77),
)
TECHNIQUE_ROWS = (
    TechniqueRow("ASC", (0.50, 0.50, 0.50), (0.59, 0.54, 0.52)),
    TechniqueRow("WA-RS", (0.77, 0.51, 0.33), (0.85, 0.54, 0.35)),
    TechniqueRow("WA-RS+ASC", (0.38, 0.26, 0.16), (0.51, 0.31, 0.19)),
    TechniqueRow("AST", (0.0, 0.0, 0.0), (0.04, 0.03, 0.01)),
)
SEARCH_ROWS = (
    SearchRow("DiT-XL/2-512", {0: 4 * 60 + 39, "D2": 4 * 60 + 8, "D4": 3 * 60 + 49, "D6": 3 * 60 + 14}),
    SearchRow("PixArt-Sigma-1024", {0: 22 * 60 + 2, "D2": 20 * 60 + 12, "D4": 17 * 60 + 50, "D6": 15 * 60 + 49}),
    SearchRow("PixArt-Sigma-2K", {0: 110 * 60 + 13, "D2": 106 * 60 + 4, "D4": 82 * 60 + 53, "D6": 83 * 60 + 1}),
)
OPEN_SORA_SAVED = {0.01: 0.0763, 0.02: 0.1950, 0.03: 0.3016, 0.04: 0.3766, 0.05: 0.4052}
"""Threshold -> share of the computation that was saved on Open-Sora 1.1, 16 frames at 240p; no quality was given."""
