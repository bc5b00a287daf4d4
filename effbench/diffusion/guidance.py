"""Where in a sampling call the denoiser is: which step, and which rows of its batch are of which guided half."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from effbench.api import PluginError

GuidanceOrder = Literal["off", "unconditional-first", "conditional-first", "conditional-call-first", "unknown"]
"""How classifier-free guidance runs its two halves: not at all; as the first and the second half of one batch; as two calls
of the denoiser, the conditional one first. ``unknown`` is that of a system whose task did not say it."""
BATCH_ORDERS: tuple[GuidanceOrder, ...] = ("unconditional-first", "conditional-first")
"""Those in which both halves are in one batch."""


@dataclass(frozen=True)
class Step:
    """A step of the solver: ``index`` of ``count``, at a noise level ``timestep`` (as the scheduler counts it).

    A solver of higher order evaluates the denoiser more than once a step; ``evaluation`` counts from 0 within the step.
    """

    index: int
    count: int
    evaluation: int
    timestep: float


@dataclass(frozen=True)
class DenoiserCall:
    """One call of the denoiser: in which step, and how its batch is made up.

    ``number`` counts the calls of one evaluation from 0; there are two where guidance runs its halves apart.
    """

    step: Step
    order: GuidanceOrder
    number: int = 0

    def conditional(self, rows: int) -> slice:
        """Return which of ``rows`` rows of a tensor in this call are conditional.

        ``rows`` is the length of a dimension that the batch leads: the batch itself, or batch times frames or tokens.
        """
        return self._halves(rows)[0]

    def unconditional(self, rows: int) -> slice:
        """Return which of ``rows`` rows are unconditional; an empty slice where none is."""
        return self._halves(rows)[1]

    def _halves(self, rows: int) -> tuple[slice, slice]:
        everything, nothing = slice(0, rows), slice(0, 0)
        if self.order == "off":
            return everything, nothing
        if self.order == "conditional-call-first":
            return (everything, nothing) if self.number == 0 else (nothing, everything)
        if self.order == "unknown":
            raise PluginError("the task of this system does not say which half of a guided batch is unconditional")
        if rows % 2:
            raise PluginError(f"{rows} rows are no two halves of a guided batch")
        first, second = slice(0, rows // 2), slice(rows // 2, rows)
        return (first, second) if self.order == "conditional-first" else (second, first)
