"""The cell space of NAS-Bench-201: four nodes, an operation on each of the six edges between them, 15,625 cells.

Source: NAS-Bench-201 (arXiv 2001.00326). Node 0 is the cell's input, node 3 its output; a node is the sum of what its edges
bring. A *code* lists one operation per edge of ``EDGES``, as an index into ``OPS``; a *name* is the benchmark's own text.

Cells that compute the same function under the same training are *isomorphs*. Our rule: an edge without an operation does not
exist, nor does one that lies on no path from input to output; a skip is the node that it comes from; what a node adds
together is a multiset. ``canonical`` writes that out, so isomorphs are cells with one canonical form.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from effbench.errors import BadInput, nearest

OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
"""In the benchmark's order; ``none`` comes first, which encoders rely on."""
NONE, SKIP = 0, 1  # places in OPS of what needs no computation
EDGES = ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2))
"""(to, from) of each place of a code: the order in which the benchmark's names list them."""
NODES = 4
"""Input, two inner nodes, output: NAS-Bench-201's."""

Code = tuple[int, ...]
"""One index into ``OPS`` per edge of ``EDGES``."""


def every_code() -> list[Code]:
    """Return all 15,625 codes, sorted."""
    return list(itertools.product(range(len(OPS)), repeat=len(EDGES)))


def name_of(code: Sequence[int]) -> str:
    """Return the benchmark's name of a cell: ``|op~0|+|op~0|op~1|+|op~0|op~1|op~2|``."""
    check_code(code)
    nodes: dict[int, list[str]] = {}
    for op, (to, source) in zip(code, EDGES):
        nodes.setdefault(to, []).append(f"{OPS[op]}~{source}")
    return "+".join(f"|{'|'.join(edges)}|" for edges in nodes.values())


def code_of(name: str) -> Code:
    """Return the code of a cell's name; raise ``BadInput`` for a text that names no cell of this space."""
    nodes = [node.strip("|").split("|") for node in name.split("+")]
    given = [edge for node in nodes for edge in node]
    if [len(node) for node in nodes] != [1, 2, 3]:
        raise BadInput(
            f"cell {name!r} is of another space: want 3 nodes with 1, 2 and 3 edges as in {name_of((SKIP,) * 6)!r}, "
            f"got {len(nodes)} with {', '.join(str(len(node)) for node in nodes)}"
        )
    code = []
    for edge, (_, source) in zip(given, EDGES):
        op, _, start = edge.partition("~")
        if op not in OPS:
            raise BadInput(f"cell {name!r}: no operation {op!r} in this space{nearest(op, OPS)}")
        if start != str(source):
            raise BadInput(f"cell {name!r}: edge {edge!r} stands where one from node {source} is due")
        code.append(OPS.index(op))
    return tuple(code)


def check_code(code: Sequence[int]) -> None:
    """Raise ``BadInput`` for what is no code of this space."""
    if len(code) != len(EDGES) or any(op not in range(len(OPS)) for op in code):
        raise BadInput(
            f"cell code {list(code)} is of another space: want {len(EDGES)} operations from 0 to {len(OPS) - 1}"
        )


def live_edges(code: Sequence[int]) -> list[int]:
    """Return the places of ``EDGES`` that lie on a path from the input to the output, in their order."""
    reached, needed = {0}, {NODES - 1}
    for op, (to, source) in zip(code, EDGES):  # sorted by where they end, so sources come first
        if op != NONE and source in reached:
            reached.add(to)
    for op, (to, source) in reversed(list(zip(code, EDGES))):
        if op != NONE and to in needed:
            needed.add(source)
    return [
        place
        for place, (op, (to, source)) in enumerate(zip(code, EDGES))
        if op != NONE and source in reached and to in needed
    ]


def is_connected(code: Sequence[int]) -> bool:
    """Return whether anything of the input reaches the output; where not, the network is a constant."""
    return bool(live_edges(code))


def canonical(code: Sequence[int]) -> str:
    """Return a text that two cells share exactly where they are isomorphs by the rule above; ``""`` where disconnected.

    ``0`` is the input, ``op(terms)`` an operation on a sum, terms are sorted: ``avg_pool_3x3(0)+nor_conv_3x3(0+0)``.
    """
    terms: dict[int, list[str]] = {0: ["0"]}
    for place in live_edges(code):
        to, source = EDGES[place]
        brought = terms[source] if code[place] == SKIP else [f"{OPS[code[place]]}({'+'.join(sorted(terms[source]))})"]
        terms.setdefault(to, []).extend(brought)
    return "+".join(sorted(terms.get(NODES - 1, [])))


def classes() -> dict[str, list[Code]]:
    """Return canonical form -> its cells, in the order of ``every_code``; the disconnected ones under ``""``."""
    found: dict[str, list[Code]] = {}
    for code in every_code():
        found.setdefault(canonical(code), []).append(code)
    return found
