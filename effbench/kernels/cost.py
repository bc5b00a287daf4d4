"""What operators compute and move that torch cannot see into: packed weights, fused kernels, operators of a plugin.

Ours stand in ``COSTS`` of ``kernels/<op>/cost.py``; a plugin gives those of its own operators to ``register``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Cost(NamedTuple):
    """Formulas of one operator or recorded kernel, called with its arguments as they are, and ``out=`` its result.

    They are called once it has run, and may look at shapes, types, lengths and values. ``flops`` counts 2 per
    multiply-accumulate, ``bytes_moved`` what one call reads and writes, ``dtype`` is what multiplies ("int8"), which may
    differ from what goes in and out: a name, or what finds it from the arguments.
    """

    flops: Callable[..., int]
    bytes_moved: Callable[..., int]
    dtype: str | Callable[..., str]

    def type_of(self, *args: Any, **kwargs: Any) -> str:
        """Return the name of the type that multiplies in a call."""
        return self.dtype if isinstance(self.dtype, str) else self.dtype(*args, **kwargs)


def _nothing(*_: Any, **__: Any) -> int:
    return 0


SEEN_BY_TORCH = Cost(_nothing, _nothing, "")
"""Of a recorded kernel that is an operator of torch, which is counted under that name: twice would be too much."""

_registered: dict[str, Cost] = {}


def register(operator: str, cost: Cost) -> None:
    """Give the cost of a plugin's operator, as torch names it ("mylib::int4_linear"), or recorded kernel ("mylib/spmm").

    Raises ``ValueError`` where another cost was given for it.
    """
    if _registered.setdefault(operator, cost) != cost:
        raise ValueError(f"operator {operator} has a cost already")


def registered() -> dict[str, Cost]:
    """Return operator name -> cost of everything that plugins registered in this process."""
    return dict(_registered)
