"""Which low-fidelity columns a predictor learns from: named ones, all, or the best or worst by the labels at hand."""

from __future__ import annotations

from collections.abc import Sequence

from effbench.api import PluginError
from effbench.errors import nearest
from effbench.stats.rank import kendall_tau
from effbench.tasks.nas_ranking.system import Labels, LearningPool


def checked(given: Sequence[str], pool: LearningPool) -> list[str]:
    """Return the columns, all of the table where none is given; raise ``PluginError`` for one that it does not have."""
    there = sorted(pool.architectures.columns)
    for name in given:
        if name not in there:
            raise PluginError(f"columns: the table has no usable low-fidelity column {name!r}{nearest(name, there)}")
    if not there:
        raise PluginError("the table has no usable low-fidelity column, and this method learns from them")
    return list(dict.fromkeys(given)) or there


def by_agreement(pool: LearningPool, labels: Labels) -> list[str]:
    """Return the columns from the best to the worst: by |tau| with the truth on the labelled architectures.

    A column that orders nothing there comes last; ties go by name.
    """
    columns = pool.architectures.columns
    agreement = {name: kendall_tau(values[labels.rows], labels.truth) or 0.0 for name, values in columns.items()}
    return sorted(columns, key=lambda name: (-abs(agreement[name]), name))
