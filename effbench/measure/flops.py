"""FLOPs of one call, counted as it runs: 1 MAC = 2 FLOPs, matrix products, convolutions and attention."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import Any

from effbench import kernels


def count_flops(call: Callable[[], Any]) -> int:
    """Return the floating-point (or integer) operations of ``call`` by ``torch.utils.flop_counter``.

    Each of our own ops brings its formula in ``kernels/<op>/cost.py``. A call that runs no counted operation (a system
    without torch) gives 0.
    """
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False, custom_mapping=custom_formulas())
    with counter:
        call()
    return int(counter.get_total_flops())


def _attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    """Operations of attention for query [B, H, N, D], key [B, H, M, D], value [B, H, M, E]: Q K^T, then P V."""
    batch, heads, queries, width = query
    return int(2 * batch * heads * queries * key[-2] * (width + value[-1]))


def custom_formulas() -> dict[Any, Callable[..., int]]:
    """Return op -> formula of every kernel folder that has a ``cost.py``."""
    import torch

    # torch counts its fused attention on every device but the CPU, where it silently gives 0.
    formulas: dict[Any, Callable[..., int]] = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention}
    for package in pkgutil.iter_modules(kernels.__path__):
        module = importlib.import_module(f"{kernels.__name__}.{package.name}.cost")
        formulas |= module.formulas()
    return formulas
