"""What operators compute and move that torch cannot see into: packed weights, fused kernels, operators of a plugin.

Ours stand in ``COSTS`` of ``kernels/<op>/cost.py``; a plugin gives those of its own operators to ``register``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Cost(NamedTuple):
    """Formulas of one operator, called with its arguments, each tensor replaced by its shape, and ``out_shape=``.

    ``flops`` counts 2 per multiply-accumulate, ``bytes_moved`` what one call reads and writes, ``dtype`` is what
    multiplies ("int8"), which may differ from what goes in and out.
    """

    flops: Callable[..., int]
    bytes_moved: Callable[..., int]
    dtype: str


_registered: dict[str, Cost] = {}


def register(operator: str, cost: Cost) -> None:
    """Give the cost of a plugin's operator, named as torch names it ("mylib::int4_linear").

    Raises ``ValueError`` where another cost was given for it.
    """
    if _registered.setdefault(operator, cost) != cost:
        raise ValueError(f"operator {operator} has a cost already")


def registered() -> dict[str, Cost]:
    """Return operator name -> cost of everything that plugins registered in this process."""
    return dict(_registered)
