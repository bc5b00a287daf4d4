"""One choice for each layer under a bound on what the choices cost, solved to the proved optimum by HiGHS.

HiGHS (``scipy.optimize.milp``) computes in floating point under tolerances and by default ends 1e-4 short of the optimum.
Here it goes to the end, its status and its bound are checked, and what it chose is counted again in whole numbers: an answer
that costs too much by less than it can see is cut off and solved again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import accumulate
from typing import Any

SPAN = 1e3
"""What the largest difference of a layer's scores, and the largest cost, are scaled to. HiGHS ends within 1e-6 of the
optimum and keeps a constraint to 1e-6: a billionth of these."""
GAP_TOLERANCE = 1e-5
"""Of an answer that counts as the optimum, in scaled scores: ten times the gap at which HiGHS says that it is done."""
MOST_CUTS = 50
"""Answers that miss the bound by rounding before giving up: a choice, since one is rare already."""
TIME_LIMIT_S = 60.0
"""Of one programme; 794 layers, as many as SDXL's U-Net has, take a few seconds."""


class ProgrammeError(ValueError):
    """No choice keeps the bounds, or none was proved to be the best."""


class Programme:
    """Maximise the summed score of one bit-width a layer, its mean over sizes within [fewest, most]."""

    def __init__(
        self,
        sizes: Sequence[int],
        choices: Sequence[Sequence[int]],
        scores: Sequence[Mapping[int, float]],
        fewest: Fraction,
        most: Fraction,
        time_limit_s: float = TIME_LIMIT_S,
    ) -> None:
        """Take the size, the bit-widths and the score of each of them of every layer."""
        unit = math.gcd(*sizes)
        whole = [size // unit for size in sizes]
        self.choices, self.time_limit_s = choices, time_limit_s
        self.fewest, self.most = math.ceil(sum(whole) * fewest), math.floor(sum(whole) * most)
        self.costs = [size * width for size, widths in zip(whole, choices) for width in widths]
        lowest = [min(given.values()) for given in scores]
        spread = max(max(given.values()) - least for given, least in zip(scores, lowest))
        factor = SPAN / spread if spread > 0 else 1.0
        self.scores = [
            (given[width] - least) * factor for given, least, widths in zip(scores, lowest, choices) for width in widths
        ]
        self.ends = list(accumulate(len(widths) for widths in choices))
        self.starts = [0, *self.ends[:-1]]

    def best(self) -> list[int]:
        """Return the bit-width of each layer: of the largest score, and of those that reach it the one of the most bits.

        Raises ``ProgrammeError`` where the bounds leave no choice or the solver does not prove that it is the best.
        """
        import numpy as np

        of_score = self._solve(np.array(self.scores), None)
        reached = math.fsum(self.scores[place] for place in of_score)
        of_bits = self._solve(np.array(self.costs) * (SPAN / max(self.costs)), reached - GAP_TOLERANCE)
        return [widths[place - start] for widths, place, start in zip(self.choices, of_bits, self.starts)]

    def _solve(self, objective: Any, least_score: float | None) -> list[int]:
        """Return the variable that is chosen for each layer, among choices of a score of at least so much if given."""
        import numpy as np
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import csr_array

        count, scale, cuts = len(self.costs), SPAN / max(self.costs), list[Any]()
        layer_of = np.repeat(np.arange(len(self.choices)), [len(widths) for widths in self.choices])
        one_each = csr_array((np.ones(count), (layer_of, np.arange(count))))
        bounds = [
            LinearConstraint(one_each, 1, 1),
            LinearConstraint(np.array(self.costs)[None] * scale, self.fewest * scale, self.most * scale),
        ]
        if least_score is not None:
            bounds.append(LinearConstraint(np.array(self.scores)[None], least_score, np.inf))
        for _ in range(MOST_CUTS):
            found = milp(
                -objective,
                integrality=np.ones(count),
                bounds=Bounds(0, 1),
                constraints=[*bounds, *cuts],
                options={"mip_rel_gap": 0.0, "time_limit": self.time_limit_s},
            )
            chosen = self._proved(found)
            if self.fewest <= sum(self.costs[place] for place in chosen) <= self.most:
                return chosen
            row = np.zeros(count)
            row[chosen] = 1
            cuts.append(LinearConstraint(row[None], -np.inf, len(chosen) - 1))
        raise ProgrammeError(f"the solver gave {MOST_CUTS} answers in a row that miss the budget by rounding")

    def _proved(self, found: Any) -> list[int]:
        """Return the variable that is chosen for each layer; raise ``ProgrammeError`` unless it is proved to be the best."""
        if found.status == 2:
            raise ProgrammeError("no choice of bits has a mean within the bounds")
        if found.status != 0 or found.x is None:
            raise ProgrammeError(f"the integer programme was not solved: {found.message}")
        gap = abs(float(found.fun) - float(found.mip_dual_bound))
        if not gap <= GAP_TOLERANCE:
            raise ProgrammeError(f"the integer programme ended {gap:.2g} short of a proof that its answer is the best")
        return [start + int(found.x[start:end].argmax()) for start, end in zip(self.starts, self.ends)]
