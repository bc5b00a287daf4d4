"""What may be asked of banded attention, checked before any implementation is chosen."""

from __future__ import annotations

import torch

TYPES = (torch.float32, torch.float16, torch.bfloat16)


def check_request(
    operation: str,
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    half_width: int,
    residual: torch.Tensor | None = None,
) -> None:
    """Raise ``ValueError`` for operands that are not alike or not [B, H, N, D], and for a band that is none."""
    operands = {"q": q, "k": k, "v": v} | ({} if residual is None else {"residual": residual})
    forms = {name: (list(x.shape), str(x.dtype).removeprefix("torch."), str(x.device)) for name, x in operands.items()}
    if q.dim() != 4 or any(form != forms["q"] for form in forms.values()):
        found = ", ".join(f"{name} {' '.join(map(str, form))}" for name, form in forms.items())
        raise ValueError(
            f"{operation}: want {', '.join(operands)} of one shape [B, H, N, D], dtype and device; got {found}"
        )
    if q.dtype not in TYPES:
        raise ValueError(f"{operation}: want float32, float16 or bfloat16, not {forms['q'][1]}")
    for name, x in operands.items():
        if x.shape[-1] > 1 and x.stride(-1) != 1:
            raise ValueError(
                f"{operation}: the last axis of {name} must lie in one piece; it has stride {x.stride(-1)}"
            )
    if type(half_width) is not int or half_width < 0:
        raise ValueError(f"{operation}: want a half-width of 0 or more keys, not {half_width!r}")
