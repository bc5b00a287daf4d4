"""What is published of DiTFastAttn (arXiv 2406.08552) and of its successor; every row was measured on an A100, none here.

Rows are Tables 1, 3 and 4 of version 2; the abstract of version 1 says other numbers, which stand in neither text.
"""

from __future__ import annotations

from typing import NamedTuple

from effbench.api import Claim

V1 = "arXiv 2406.08552v1, abstract"
V2 = "arXiv 2406.08552v2, abstract"
TABLE = "arXiv 2406.08552v2, Tables 1, 3 and 4"
SUCCESSOR = "arXiv 2503.22796, abstract, as quoted by third-party reading notes"
NEEDS_GPU = "not measured (needs GPU)"
LEARNED_SCORES = f"{NEEDS_GPU}; of 30k to 50k JPEGs"
SETTING = "50-step DPM-Solver on an A100"


class Row(NamedTuple):
    """One row of a table: share of attention FLOPs (projections included), FID, IS, CLIP score and seconds an image batch."""

    model: str
    plan: str
    flops: float
    fid: float
    inception: float
    clip: float | None
    latency_s: float


RAW_LATENCY_S = {"DiT-XL/2-512": 6.66, "PixArt-Sigma-1024": 12.76, "PixArt-Sigma-2K": 39.86}
"""Of the uncompressed models, in the same tables."""
SYSTEM_OF = {
    "DiT-XL/2-512": "facebook/DiT-XL-2-512",
    "PixArt-Sigma-1024": "PixArt-alpha/PixArt-Sigma-XL-2-1024-MS",
    "PixArt-Sigma-2K": "PixArt-alpha/PixArt-Sigma-XL-2-2K-MS",
}
ROWS = (
    Row("DiT-XL/2-512", "D1", 0.85, 25.32, 412.24, None, 6.61),
    Row("DiT-XL/2-512", "D2", 0.69, 24.67, 412.18, None, 6.45),
    Row("DiT-XL/2-512", "D3", 0.59, 23.76, 411.74, None, 2.89),
    Row("DiT-XL/2-512", "D4", 0.49, 21.52, 391.80, None, 2.78),
    Row("DiT-XL/2-512", "D5", 0.41, 19.32, 370.07, None, 2.77),
    Row("DiT-XL/2-512", "D6", 0.34, 16.80, 352.20, None, 2.66),
    Row("PixArt-Sigma-1024", "D1", 0.90, 24.27, 55.73, 31.27, 12.55),
    Row("PixArt-Sigma-1024", "D2", 0.74, 24.25, 55.69, 31.26, 11.98),
    Row("PixArt-Sigma-1024", "D3", 0.63, 24.16, 55.61, 31.25, 11.42),
    Row("PixArt-Sigma-1024", "D4", 0.52, 24.07, 55.32, 31.24, 11.06),
    Row("PixArt-Sigma-1024", "D5", 0.44, 24.17, 54.54, 31.22, 10.73),
    Row("PixArt-Sigma-1024", "D6", 0.37, 23.94, 52.73, 31.18, 10.31),
    Row("PixArt-Sigma-2K", "D1", 0.81, 23.28, 52.34, 31.46, 35.75),
    Row("PixArt-Sigma-2K", "D2", 0.60, 22.90, 53.01, 31.32, 31.44),
    Row("PixArt-Sigma-2K", "D3", 0.46, 22.96, 52.54, 31.36, 28.99),
    Row("PixArt-Sigma-2K", "D4", 0.36, 22.95, 51.74, 31.39, 26.18),
    Row("PixArt-Sigma-2K", "D5", 0.29, 22.82, 51.21, 31.34, 23.86),
    Row("PixArt-Sigma-2K", "D6", 0.24, 22.38, 49.34, 31.28, 22.27),
)
SUSPECT = "; from D3 on the table's time without attention halves, too, which sharing attention cannot do"


def _of_row(row: Row) -> list[Claim]:
    setting = f"{row.model}, {row.plan}, {SETTING}"
    is_suspect = row.model == "DiT-XL/2-512" and row.latency_s < RAW_LATENCY_S[row.model] / 2
    time_setting = f"{setting}{SUSPECT}" if is_suspect else setting
    holds_for = {"system": SYSTEM_OF[row.model], "threshold": row.plan, "steps": 50, "device_class": "cuda"}

    def claim(metric: str, value: float, unit: str, said: str, number: str = "") -> Claim:
        why = "" if number else LEARNED_SCORES
        return Claim(metric, value, unit, said, TABLE, number, holds_for=holds_for, not_comparable=why)

    found = [
        claim("attention FLOPs", row.flops, "share", setting, "attention_flops_share"),
        claim("latency", round(RAW_LATENCY_S[row.model] / row.latency_s, 2), "x", time_setting, "speedup"),
        claim("FID", row.fid, "", setting),
        claim("IS", row.inception, "", setting),
    ]
    return found if row.clip is None else [*found, claim("CLIP score", row.clip, "", setting)]


CLAIMS = (
    Claim("attention FLOPs saved", 0.88, "share", "2K images", V1, not_comparable=NEEDS_GPU),
    Claim("latency", 1.6, "x", "2K images", V1, "speedup", not_comparable=NEEDS_GPU),
    Claim("attention FLOPs saved", 0.76, "share", "PixArt-Sigma-2K", V2, not_comparable=NEEDS_GPU),
    Claim("latency", 1.8, "x", "PixArt-Sigma-2K", V2, "speedup", not_comparable=NEEDS_GPU),
    *(claim for row in ROWS for claim in _of_row(row)),
)
SUCCESSOR_CLAIMS = (
    Claim("attention FLOPs saved", 0.68, "share", "MMDiT, 2K images", SUCCESSOR, not_comparable=NEEDS_GPU),
    Claim("latency", 1.5, "x", "MMDiT, 2K images", SUCCESSOR, "speedup", not_comparable=NEEDS_GPU),
)
