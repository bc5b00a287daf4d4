"""What is published of DiTFastAttn (arXiv 2406.08552) and of its successor; every row was measured on an A100, none here.

Tables are those of version 2 (``published.py``); the abstract of version 1 says other numbers, which stand in neither text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from effbench.api import Claim
from effbench_baselines.dit_fast_attn.published import (
    OPEN_SORA_SAVED,
    ORIGINAL_RAW,
    ORIGINAL_ROWS,
    RAW,
    ROWS,
    SEARCH_ROWS,
    TECHNIQUE_ROWS,
    TOKENS,
    Row,
)

V1 = "arXiv 2406.08552v1, abstract"
V2 = "arXiv 2406.08552v2, abstract"
PAPER = "arXiv 2406.08552v2"
TABLE = f"{PAPER}, Tables 1, 3 and 4"
SUCCESSOR = "arXiv 2503.22796, abstract, as quoted by third-party reading notes"
SETTING = "50-step DPM-Solver on an A100"
IMAGES = {"DiT-XL/2-512": "50k JPEGs", "PixArt-Sigma-1024": "30k JPEGs", "PixArt-Sigma-2K": "30k JPEGs"}
"""What FID, IS and CLIP score are of."""
SYSTEM_OF = {
    "DiT-XL/2-512": "facebook/DiT-XL-2-512",
    "PixArt-Sigma-1024": "PixArt-alpha/PixArt-Sigma-XL-2-1024-MS",
    "PixArt-Sigma-2K": "PixArt-alpha/PixArt-Sigma-XL-2-1024-MS",
}
DENOISER_2K = "PixArt-alpha/PixArt-Sigma-XL-2-2K-MS"
"""There is no pipeline at 2K: its transformer stands in the one of 1024."""
GPU = {"device_class": "cuda"}
SAMPLED = {**GPU, "steps": 50, "scheduler": "DPMSolverMultistepScheduler"}
ORIGINAL = {**GPU, "system": SYSTEM_OF["DiT-XL/2-512"], "steps": 250, "guidance": 1.5}
SPEEDUP_OF = {"DiT-XL/2-512": "speedup@b8", "PixArt-Sigma-1024": "speedup", "PixArt-Sigma-2K": "speedup"}
"""The number of the batch that was timed."""
COMPUTED = "a formula's: tests/kernels/test_window_attention.py has it within a point"
SUSPECT = "; from D3 on the table's time without attention halves, too, which sharing attention cannot do"


def _holds_for(model: str, threshold: str | int) -> dict[str, Any]:
    denoiser = DENOISER_2K if model == "PixArt-Sigma-2K" else None
    given = {"system": SYSTEM_OF[model], "denoiser": denoiser, "threshold": threshold, **SAMPLED}
    return {**given, "guidance": 4.0} if model == "DiT-XL/2-512" else given


def _of_row(row: Row) -> Iterator[Claim]:
    setting, holds_for, raw = f"{row.model}, {row.plan}, {SETTING}", _holds_for(row.model, row.plan), RAW[row.model]
    is_suspect = row.model == "DiT-XL/2-512" and row.latency_s < raw.latency_s / 2
    time_setting = f"{setting}{SUSPECT}" if is_suspect else setting
    faster, attention_faster = round(raw.latency_s / row.latency_s, 2), round(raw.attention_s / row.attention_s, 2)
    yield Claim("attention FLOPs", row.flops, "share", setting, TABLE, "attention_flops_share", holds_for=holds_for)
    yield Claim("latency", faster, "x", time_setting, TABLE, SPEEDUP_OF[row.model], holds_for=holds_for)
    yield Claim("latency of attention", attention_faster, "x", time_setting, TABLE, holds_for=holds_for)
    scores = (("FID", row.fid, raw.fid), ("IS", row.inception, raw.inception), ("CLIP score", row.clip, raw.clip))
    for metric, value, uncompressed in scores:
        if value is not None:
            said = f"{setting}, {IMAGES[row.model]} (uncompressed: {uncompressed})"
            yield Claim(metric, value, "", said, TABLE, holds_for=holds_for)


def _of_the_original_sampler() -> Iterator[Claim]:
    source, raw = f"{PAPER}, DiT with its original sampler", ORIGINAL_RAW
    for row in ORIGINAL_ROWS:
        said = f"DiT-XL/2-512, {row.plan}, 250-step IDDPM, guidance 1.5, batch 12, on an A100"
        holds_for = {**ORIGINAL, "threshold": row.plan}
        faster, attention_faster = round(raw.latency_s / row.latency_s, 2), round(raw.attention_s / row.attention_s, 2)
        yield Claim("latency", faster, "x", said, source, "speedup@b12", holds_for=holds_for)
        yield Claim("latency of attention", attention_faster, "x", said, source, holds_for=holds_for)
        yield Claim("FID", row.fid, "", f"{said} (uncompressed: {raw.fid})", source, holds_for=holds_for)
        yield Claim("IS", row.inception, "", f"{said} (uncompressed: {raw.inception})", source, holds_for=holds_for)


def _of_techniques() -> Iterator[Claim]:
    for row in TECHNIQUE_ROWS:
        for tokens, flops, latency in zip(TOKENS, row.flops, row.latency, strict=True):
            said, source = f"{row.technique}, {tokens:,} tokens, of the dense module", f"{PAPER}, Table 2"
            yield Claim("attention module, FLOPs", flops, "share", said, source, not_comparable=COMPUTED)
            yield Claim("attention module, latency", latency, "share", f"{said}, A100", source, holds_for=GPU)


def _of_searches() -> Iterator[Claim]:
    for row in SEARCH_ROWS:
        for threshold, seconds in row.seconds.items():
            said = f"{row.model}, {threshold or 'threshold 0'}, on an A100"
            holds_for = _holds_for(row.model, threshold)
            yield Claim("plan search", seconds, "s", said, PAPER, "preparation_s", holds_for=holds_for)


CLAIMS = (
    Claim("attention FLOPs saved", 0.88, "share", "2K images", V1, holds_for=GPU),
    Claim("latency", 1.6, "x", "2K images", V1, "speedup", holds_for={**GPU, "denoiser": DENOISER_2K}),
    Claim("attention FLOPs saved", 0.76, "share", "PixArt-Sigma-2K", V2, holds_for=GPU),
    Claim("latency", 1.8, "x", "PixArt-Sigma-2K", V2, "speedup", holds_for={**GPU, "denoiser": DENOISER_2K}),
    *(claim for row in ROWS for claim in _of_row(row)),
    *_of_the_original_sampler(),
    *_of_techniques(),
    *_of_searches(),
    *(
        Claim(
            "FLOPs saved",
            saved,
            "share",
            f"Open-Sora 1.1, 240p, 16 frames, threshold {threshold:g}",
            PAPER,
            holds_for=GPU,
        )
        for threshold, saved in OPEN_SORA_SAVED.items()
    ),
)
SUCCESSOR_CLAIMS = (
    Claim("attention FLOPs saved", 0.68, "share", "MMDiT, 2K images", SUCCESSOR, holds_for=GPU),
    Claim("latency", 1.5, "x", "MMDiT, 2K images", SUCCESSOR, "speedup", holds_for=GPU),
)
