"""Operators of torch that this kernel adds: none, it runs outside torch. ``work.py`` counts its connections and strings."""

from __future__ import annotations

from effbench.kernels.cost import Cost

COSTS: dict[str, Cost] = {}
