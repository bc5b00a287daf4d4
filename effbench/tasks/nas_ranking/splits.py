"""Which architectures are learned from and which are judged: whole classes of isomorphs, in a seeded order."""

from __future__ import annotations

from collections.abc import Sequence

from effbench.api import noise_seed
from effbench.errors import BadInput
from effbench.nas.tables import NasTable

LEAST_JUDGED = 10
"""Architectures; a rank correlation of fewer says nothing."""


def split(table: NasTable, judged: float, seed: int) -> tuple[list[int], list[int]]:
    """Return the rows of the pool and of the judged ones, each ascending.

    Classes are put in an order that hashes (seed, canonical form), so a table that grows keeps its order; the first ones are
    judged, until they hold the share ``judged`` of all rows. Raises ``BadInput`` where either side is too small.
    """
    classes: dict[str, list[int]] = {}
    for row, form in enumerate(table.forms):
        classes.setdefault(form, []).append(row)
    chosen: list[int] = []
    for form in sorted(classes, key=lambda form: (noise_seed(form, seed), form)):
        if len(chosen) >= judged * len(table.forms):
            break
        chosen.extend(classes[form])
    rest = sorted(set(range(len(table.forms))) - set(chosen))
    if len(chosen) < LEAST_JUDGED or not rest:
        raise BadInput(
            f"table {table.name!r}: {len(table.forms)} architectures in {len(classes)} classes leave {len(chosen)} to judge "
            f"(at least {LEAST_JUDGED}) and {len(rest)} to learn from (at least 1)"
        )
    return rest, sorted(chosen)


def check_budget(table: NasTable, pool: Sequence[int], labels: int) -> None:
    """Raise ``BadInput`` where more labels are asked for than the pool has."""
    if labels > len(pool):
        raise BadInput(
            f"labels: {labels} asked for, and of the {len(table.forms)} architectures of table {table.name!r} "
            f"{len(pool)} are there to learn from"
        )
