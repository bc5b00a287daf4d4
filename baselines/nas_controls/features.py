"""What simple predictors read of an architecture: its operations as zeros and ones, and where it stands in each column.

A column enters as the share of the pool that lies below: proxies spread over many powers of ten, and only their order is said
to matter. So an architecture's features never depend on the others that are scored with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from effbench.api import PluginError
from effbench.arrays import Array
from effbench.tasks.nas_ranking.system import Architectures

Read = Literal["encoding", "columns", "both"]


def pool_columns(pool: Architectures, read: Read) -> dict[str, Array]:
    """Return the sorted values of every column that is read, by name in order; what ``features`` measures against."""
    if read == "encoding":
        return {}
    if read == "columns" and not pool.columns:
        raise PluginError("the table has no usable low-fidelity column; read the encoding alone")
    return {name: np.sort(pool.columns[name]) for name in sorted(pool.columns)}


def standing(values: Array, in_order: Array) -> Array:
    """Return for each value the share of the sorted ones that lie below, equal ones counting half [n]."""
    below = np.searchsorted(in_order, values, "left") + np.searchsorted(in_order, values, "right")
    return below / (2.0 * len(in_order))


def features(architectures: Architectures, columns: Mapping[str, Array], read: Read) -> Array:
    """Return float64 [n, features]: zeros and ones (30 of a cell), then a number per column, or one of the two parts."""
    parts: list[Array] = []
    if read != "columns":
        parts.append(architectures.space.one_hot(architectures.codes))
    parts += [standing(architectures.columns[name], known)[:, None] for name, known in columns.items()]
    return np.concatenate(parts, 1)
