"""What is published of ViDiT-Q, with the source that was read; the paper's own tables could not be had here.

Its abstract states ranges (2 to 2.5 times less memory, 1.4 to 1.7 times less time), which are no single claim.
"""

from __future__ import annotations

from effbench.api import Claim

OPEN_SORA = "Open-Sora on an A100, against fp16"
NOTE = "arXiv 2406.02540, the row as quoted by third-party reading notes"
NO_OPEN_SORA = "Open-Sora is no model of this suite"
PEER = "README of deepcompressor (the authors of SVDQuant), PixArt-Sigma"
PIXART = "PixArt-Sigma, 20 steps, 5k prompts of MJHQ-30K, against the fp16 output"
PIXART_MODEL = "PixArt-alpha/PixArt-Sigma-XL-2-1024-MS"

W8A8 = {"weight_bits": 8, "activation_bits": 8, "mixed": None}
W4A8 = {"weight_bits": 4, "activation_bits": 8, "mixed": None, "weight_group": None, "rounding": "nearest"}
ON_PIXART = {"system": PIXART_MODEL, "steps": 20}

CLAIMS = (
    Claim("latency", 1.71, "x", f"W8A8, {OPEN_SORA}", NOTE, "speedup", holds_for=W8A8, not_comparable=NO_OPEN_SORA),
    Claim("memory", 1.99, "x", f"W8A8, {OPEN_SORA}", NOTE, not_comparable=NO_OPEN_SORA),
    Claim("latency", 1.38, "x", f"W4A8-MP, {OPEN_SORA}", NOTE, "speedup", not_comparable=NO_OPEN_SORA),
    Claim("memory", 2.42, "x", f"W4A8-MP, {OPEN_SORA}", NOTE, not_comparable=NO_OPEN_SORA),
    Claim("PSNR", 22.5, "dB", f"W8A8, {PIXART}", PEER, "psnr_db", holds_for={**W8A8, **ON_PIXART}),
    Claim("PSNR", 12.0, "dB", f"uniform W4A8, {PIXART}", PEER, "psnr_db", holds_for={**W4A8, **ON_PIXART}),
    Claim("LPIPS", 0.137, "", f"W8A8, {PIXART}", PEER, "lpips", holds_for={**W8A8, **ON_PIXART}),
    Claim("LPIPS", 0.611, "", f"uniform W4A8, {PIXART}", PEER, "lpips", holds_for={**W4A8, **ON_PIXART}),
)
