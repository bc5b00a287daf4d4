"""The plan of the least predicted error under a budget of operations: an integer programme over measured influences.

For each unit and step one choice c is taken::

    minimise  sum influence(c)        subject to  sum flops(c) <= budget * sum flops(full)

What is used again must have been there: an output of age a is that of age a - 1 at the step before, and of age 1 needs a step
that computed one; a window of age b needs a full step b steps before, and none since. Outputs and residuals older than were
measured are no choice. HiGHS (``scipy.optimize.milp``) solves it to a proved gap, which the plan names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from effbench.api import PluginError
from effbench.diffusion.attention_plan import LayerShape, LayerSlots
from effbench.quantization.integer_programme import SPAN
from effbench_baselines.dit_fast_attn.influence import Choice, Table, Unit

REUSED = ("ast", "c")
"""Slots that give an earlier output; all others compute one."""
FULL = ("full", "asc")
"""Slots that leave a residual."""
TIME_LIMIT_S = 120.0
"""Of one programme: six layers and twenty steps take seconds."""
GAP = 1e-6
"""Relative gap at which an answer counts as the optimum: below what influences are known to."""
BUDGET_SLACK = 1e-7
"""By which the budget is held short of, as a share: HiGHS keeps a constraint to 1e-6 of the sum in units of a slot."""

Prices = Mapping[Unit, Mapping[str, int]]
"""Unit -> slot -> operations."""


@dataclass(frozen=True)
class Optimum:
    """The choices of each unit, their summed influence, and the relative gap that was proved."""

    choices: Mapping[Unit, Sequence[Choice]]
    influence: float
    gap: float


def optimum(influences: Table, prices: Prices, budget: float) -> Optimum:
    """Return the choices of the least summed influence that cost at most ``budget`` of full attention.

    Raises ``PluginError`` where no choices are that cheap, which says how cheap they get, and where none was proved the best.
    """
    programme = _Programme(influences, prices)
    found = programme.solve(programme.influences, budget)
    if found is None:
        least = programme.solve(programme.flops, 1.0)
        assert least is not None
        cheapest = programme.flops[least[0]].sum() / programme.full
        raise PluginError(f"a budget of {budget:g} of full attention cannot be met; the least is {cheapest:.3f}")
    taken, gap = found
    choices: dict[Unit, list[Choice]] = {unit: [] for unit in influences}
    for place in np.flatnonzero(taken):
        unit, _, choice = programme.variables[place]
        choices[unit].append(choice)
    return Optimum(choices, float(programme.influences[taken].sum()), gap)


def influence_of(choices: Mapping[Unit, Sequence[Choice]], influences: Table) -> float:
    """Return the summed influence of some choices."""
    return float(
        sum(influences[unit][at][choice] for unit, taken in choices.items() for at, choice in enumerate(taken))
    )


def choices_of(slots: Sequence[str]) -> list[Choice]:
    """Return a unit's slots with the ages of what they use."""
    found: list[Choice] = []
    computed, left, shared = 0, 0, False
    for step, slot in enumerate(slots):
        if slot in REUSED:
            found.append(Choice(slot, step - computed))
            continue
        computed = step
        if slot in FULL:
            left, shared = step, slot == "asc"
        is_window = slot in ("wa-rs", "wa-rs+asc")
        found.append(Choice(slot, step - left if is_window else 0, shared and slot == "wa-rs"))
    return found


def layer_prices(shapes: Mapping[str, LayerShape]) -> dict[Unit, dict[str, int]]:
    """Return what the slots of layers cost, projections included."""
    return {
        Unit(name): {slot: shape.flops(slot) for slot in (*FULL, "ast", "wa-rs", "wa-rs+asc")}
        for name, shape in shapes.items()
    }


def head_prices(shapes: Mapping[str, LayerShape]) -> dict[Unit, dict[str, int]]:
    """Return what the letters of heads cost, without projections, which they share."""
    return {
        Unit(name, head): {letter: shape.core_flops(letter) for letter in "fwc"}
        for name, shape in shapes.items()
        for head in range(shape.heads)
    }


def planned_layers(shapes: Mapping[str, LayerShape], choices: Mapping[Unit, Sequence[Choice]]) -> dict[str, LayerSlots]:
    """Return the layers of a plan: the slots of each, or the letters of its heads."""
    layers = {}
    for name, shape in shapes.items():
        units = [unit for unit in choices if unit.layer == name]
        steps = ["".join(choice.slot for choice in at) for at in zip(*(choices[unit] for unit in units))]
        layers[name] = LayerSlots(**shape.model_dump(), steps=tuple(steps))
    return layers


class _Programme:
    """Variables and constraints, made once for several objectives."""

    def __init__(self, influences: Table, prices: Prices) -> None:
        self.variables = [(u, t, c) for u, steps in influences.items() for t, found in enumerate(steps) for c in found]
        self.place = {variable: place for place, variable in enumerate(self.variables)}
        self.influences = np.array([influences[u][t][c] for u, t, c in self.variables])
        self.flops = np.array([prices[u][c.slot] for u, _, c in self.variables], np.float64)
        self.full = float(sum(max(prices[u].values()) * len(steps) for u, steps in influences.items()))
        self.rows: list[tuple[list[int], list[float], float, float]] = []
        for unit, steps in influences.items():
            for step, found in enumerate(steps):
                self._require({self.place[unit, step, choice]: 1.0 for choice in found}, 1, 1)
                for choice in found:
                    self._link(unit, step, choice, influences[unit])

    def solve(self, objective: Any, budget: float) -> tuple[Any, float] | None:
        """Return (which variables are taken, relative gap); None where no choice is cheap enough."""
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import csr_array

        scale = SPAN / max(float(objective.max()), np.finfo(float).tiny)
        unit = float(self.flops.max())
        indices = [index for row in self.rows for index in row[0]]
        data = [value for row in self.rows for value in row[1]]
        ends = np.cumsum([0, *(len(row[0]) for row in self.rows)])
        links = csr_array((data, indices, ends), shape=(len(self.rows), len(self.variables)))
        most = budget * self.full * (1 - BUDGET_SLACK if budget < 1 else 1)
        found = milp(
            objective * scale,
            integrality=np.ones(len(self.variables)),
            bounds=Bounds(0, 1),
            constraints=[
                LinearConstraint(links, [row[2] for row in self.rows], [row[3] for row in self.rows]),
                LinearConstraint((self.flops / unit)[None], -np.inf, most / unit),
            ],
            options={"mip_rel_gap": GAP, "time_limit": TIME_LIMIT_S},
        )
        if found.status == 2:
            return None
        if found.status != 0 or found.x is None:
            raise PluginError(f"the integer programme was not solved: {found.message}")
        return found.x > 0.5, float(found.mip_gap)

    def _require(self, terms: Mapping[int, float], low: float, high: float) -> None:
        self.rows.append((list(terms), list(terms.values()), low, high))

    def _link(self, unit: Unit, step: int, choice: Choice, steps: Sequence[Mapping[Choice, float]]) -> None:
        """Require of a choice that uses something that it was there."""
        its = self.place[unit, step, choice]
        if choice.slot in REUSED:
            earlier = Choice(choice.slot, choice.age - 1)
            sources = [earlier] if choice.age > 1 else [c for c in steps[step - 1] if c.slot not in REUSED]
            self._require(
                {its: 1.0} | {self.place[unit, step - 1, c]: -1.0 for c in sources if c in steps[step - 1]}, -1, 0
            )
        elif choice.age:
            wanted = FULL if choice.slot == "wa-rs+asc" else ("asc",) if choice.from_shared else ("full",)
            at = step - choice.age
            self._require({its: 1.0} | {self.place[unit, at, c]: -1.0 for c in steps[at] if c.slot in wanted}, -1, 0)
            for between in range(at + 1, step):
                self._require(
                    {its: 1.0} | {self.place[unit, between, c]: 1.0 for c in steps[between] if c.slot in FULL}, 0, 1
                )
