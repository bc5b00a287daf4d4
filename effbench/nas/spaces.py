"""What a space of architectures is to tables, tasks and searches: its codes, its isomorphs, and who neighbours whom."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

from effbench.arrays import Array
from effbench.errors import BadInput
from effbench.nas import cells, graphs
from effbench.nas.cells import Code as Code
from effbench.nas.skeleton import NAS_BENCH_201, flops, parameters

MOST_EDITS = 3
"""Places that neighbours in a thinned-out table may differ in: half of the six of a cell; beyond that, anything is near."""


@dataclass(frozen=True)
class Space:
    """Architectures as codes, at each place of which one of ``choices[place]`` is made (in the words of the space).

    ``canonical`` gives the text that isomorphs share, ``name_of`` and ``code_of`` what a table calls an architecture, and
    ``size_of`` a number that needs no label and by which the larger is expected to be the better. ``counts`` are parameters
    and FLOPs of a network in the space's own skeleton, empty where they depend on the data set.
    """

    name: str
    choices: tuple[tuple[str, ...], ...]
    canonical: Callable[[Sequence[int]], str]
    name_of: Callable[[Sequence[int]], str]
    code_of: Callable[[str], Code]
    size_of: Callable[[Sequence[int]], float]
    counts: Callable[[Sequence[int]], dict[str, float]]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Return how many choices there are at each place."""
        return tuple(map(len, self.choices))

    def one_hot(self, codes: Sequence[Code]) -> Array:
        """Return the encoding that any regression reads: float64 [n, choices of all places], a one per choice made."""
        given = np.array(codes)
        parts = [given[:, place, None] == np.arange(size) for place, size in enumerate(self.sizes)]
        return np.concatenate(parts, 1).astype(np.float64)

    def every_code(self) -> list[Code]:
        """Return all codes, sorted."""
        return list(product(*map(range, self.sizes)))

    def check(self, code: Sequence[int]) -> None:
        """Raise ``BadInput`` for what is no code of this space."""
        if len(code) != len(self.sizes) or any(choice not in range(size) for choice, size in zip(code, self.sizes)):
            raise BadInput(
                f"code {list(code)} is of another space than {self.name}: want {len(self.sizes)} choices out of "
                f"{', '.join(map(str, self.sizes))}"
            )

    def neighbours(self, forms: Sequence[str]) -> tuple[list[Array], int]:
        """Return for each of some classes the places of its neighbours among them, ascending, and the edits between them.

        ``forms`` [n] are canonical forms, each once. Two classes are neighbours where some code of one is at most so many
        edits (places with another choice) from some code of the other. That is one edit where it leaves no class without a
        neighbour, and in a table that holds a part of the space the fewest, up to ``MOST_EDITS``, that do so.
        """
        place = {form: i for i, form in enumerate(forms)}
        codes = self.every_code()
        of_class = np.array([place.get(self.canonical(code), -1) for code in codes])
        digits = np.array(codes)
        steps = np.array([math.prod(self.sizes[i + 1 :]) for i in range(len(self.sizes))])
        there = np.flatnonzero(of_class >= 0)
        pairs = np.zeros(0, np.int64)
        for edits in range(1, MOST_EDITS + 1):
            found = [pairs]
            for places in combinations(range(len(self.sizes)), edits):
                for choices in product(*(range(self.sizes[i]) for i in places)):
                    moved = there + ((np.array(choices) - digits[there][:, places]) * steps[list(places)]).sum(1)
                    mine, other = of_class[there], of_class[moved]
                    is_pair = (other >= 0) & (other != mine)
                    found.append(np.unique(mine[is_pair] * len(forms) + other[is_pair]))
            pairs = np.unique(np.concatenate(found))
            mine, other = np.divmod(pairs, len(forms))
            if len(np.unique(mine)) == len(forms):
                break
        ends = np.searchsorted(mine, np.arange(len(forms) + 1))
        return [other[ends[i] : ends[i + 1]] for i in range(len(forms))], edits


def _cell_counts(code: Sequence[int]) -> dict[str, float]:
    return {"parameters": float(parameters(code, NAS_BENCH_201)), "flops": float(flops(code, NAS_BENCH_201))}


def _cell_flops(code: Sequence[int]) -> float:
    return _cell_counts(code)["flops"]


def _no_counts(_code: Sequence[int]) -> dict[str, float]:
    return {}


CELLS = Space(
    "nas-bench-201",
    (cells.OPS,) * len(cells.EDGES),
    cells.canonical,
    cells.name_of,
    cells.code_of,
    _cell_flops,
    _cell_counts,
)
"""The cells of NAS-Bench-201; the larger is the one with more FLOPs in the benchmark's own skeleton."""
GRAPHS = Space(
    "nas-bench-graph",
    (tuple("reads " + ", ".join(map(str, links)) for links in graphs.LINKS), *(graphs.OPS,) * graphs.NODES),
    graphs.canonical,
    graphs.name_of,
    graphs.code_of,
    graphs.operations,
    _no_counts,
)
"""The networks of NAS-Bench-Graph; the larger is the one that does more than pass on, since FLOPs depend on the data set."""
SPACES: Mapping[str, Space] = {space.name: space for space in (CELLS, GRAPHS)}
"""Space by the name that the header of a table gives it."""
