"""How much of a system's time its quantizable layers take: what no kernel for them can save more than."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from effbench.diffusion import DiffusionSystem


def layer_share(system: DiffusionSystem, call: Callable[[], Any], calls: int = 5) -> float:
    """Return the share of a call's time that linear layers and convolutions take which a method may quantize.

    The median of ``calls`` calls, after one that warms up, timed around each layer.
    """
    spent = [0.0]
    started: list[float] = []

    def before(*_: Any) -> None:
        started.append(time.perf_counter())

    def after(*_: Any) -> None:
        spent[0] += time.perf_counter() - started.pop()

    layers = [layer for _, layer in (*system.linear_layers(), *system.convolutions())]
    handles = [layer.register_forward_pre_hook(before) for layer in layers]
    handles += [layer.register_forward_hook(after) for layer in layers]
    try:
        call()
        shares = []
        for _ in range(calls):
            spent[0], start = 0.0, time.perf_counter()
            call()
            shares.append(spent[0] / (time.perf_counter() - start))
    finally:
        for handle in handles:
            handle.remove()
    return statistics.median(shares)
