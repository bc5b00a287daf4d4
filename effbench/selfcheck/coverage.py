"""What the intervals of ``effbench.stats`` really cover, on simulated data whose truth is known.

An interval routine is wrong in silence: it prints a plausible pair of numbers whatever it does. So each one is called a few
thousand times on data of known truth and the share of intervals that hold the truth is compared with the nominal level. The
sizes are those of a suite: 40 prompts, 3 to 8 rounds, 20 or 30 calls a round.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from effbench.selfcheck.case import CoverageRow
from effbench.selfcheck.coverage_cases import CASES
from effbench.selfcheck.coverage_trainings import CROSSED_CASES


def simulate(simulations: int = 4000, seed: int = 0, only: Collection[str] | None = None) -> list[CoverageRow]:
    """Return one row per case, of all routines or of those named in ``only``; about two minutes for 4,000 on one core."""
    every = (*CASES, *CROSSED_CASES)
    return [case.measure(simulations, seed) for case in every if only is None or case.routine in only]


def markdown(rows: Sequence[CoverageRow]) -> str:
    """Return the rows as a table, with the limits of those that have one numbered below it."""
    limits = list(dict.fromkeys(row.limit for row in rows if row.limit))
    lines = ["| routine | setting | nominal | measured | asked for | |", "|---|---|---|---|---|---|"]
    for row in rows:
        note = f"({limits.index(row.limit) + 1})" if row.limit else ""
        measured = f"{row.covered:.1%}" + ("" if row.holds else " **missed**")
        asked = f"{row.low:.1%} to {row.high:.1%}"
        lines.append(f"| `{row.routine}` | {row.setting} | {row.nominal:.0%} | {measured} | {asked} | {note} |")
    lines += ["", *(f"({number}) {limit}" for number, limit in enumerate(limits, 1))]
    return "\n".join(lines).rstrip() + "\n"
