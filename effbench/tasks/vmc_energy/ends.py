"""Whether a training ended before its end: an energy that still falls, a temperature that still pulls the state away."""

from __future__ import annotations

from effbench.arrays import Array
from effbench.stats.curves import LEAST_STEPS, last_fall

NOTABLE_FALL_HA = 5e-5
"""A fall over the last quarter of a training is said from here on: a thirtieth of chemical accuracy. Trainings that are
converged for every purpose still creep by less."""
DEAD_HA = 1e-5
"""A temperature from here on is said: the entropy that it weighs is some units, so that it can cost ten times as much."""

STILL_FALLS = "the energy still fell when training ended: more steps would lower it"
"""Remark on a curve whose end is significantly lower than what was before."""
TOO_SHORT = f"training took fewer than {LEAST_STEPS} steps: nobody can say whether it had converged"
"""Remark on a curve that is too short to be judged."""
STILL_HOT = (
    "the temperature of the annealing had not died when training ended: the energy is not the lowest of the ansatz"
)
"""Remark on a training whose objective was not yet the energy."""


def remarks_on(curve_ha: Array, temperature_ha: float | None) -> list[str]:
    """Return what has to stand beside the energy of a training, from its energies [T] in Hartree, one per step.

    ``temperature_ha`` is the last step's, None or 0 without annealing. A curve of one point is a solver without steps.
    """
    found = []
    if len(curve_ha) > 1:
        fall = last_fall(curve_ha)
        if fall is None:
            found.append(TOO_SHORT)
        elif fall.at_least > NOTABLE_FALL_HA:
            found.append(STILL_FALLS)
    if temperature_ha is not None and temperature_ha > DEAD_HA:
        found.append(STILL_HOT)
    return found
