"""The space of NAS-Bench-Graph: four computing nodes of a graph network, each with one input and one operation.

Source: NAS-Bench-Graph (arXiv 2206.09166). A node reads the input or an earlier node; nodes that nobody reads are joined
into the output. A *code* is the place of the links in ``LINKS``, then one operation per node as an index into ``OPS``. Nine
ways to link stand for all, since the order of nodes is free.

Our canonical form: a skip is the node that it reads, and what the output joins are nodes, so a node that two skips pass on is
joined twice and is not two nodes with weights of their own. Of the input itself nothing is joined beside anything else: the
benchmark holds such networks as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

from effbench.errors import BadInput, nearest

OPS = ("gat", "gcn", "gin", "cheb", "sage", "arma", "graph", "fc", "skip")
"""In the order of the benchmark's own numbers."""
SKIP = OPS.index("skip")
LINKS = (
    (0, 0, 0, 0),
    (0, 0, 0, 1),
    (0, 0, 1, 1),
    (0, 0, 1, 2),
    (0, 0, 1, 3),
    (0, 1, 1, 1),
    (0, 1, 1, 2),
    (0, 1, 2, 2),
    (0, 1, 2, 3),
)
"""What each node reads: 0 the input, i the i-th node; in the order of the benchmark's own numbers."""
NODES = 4
"""Computing nodes: NAS-Bench-Graph's."""


def canonical(code: Sequence[int]) -> str:
    """Return a text that two codes share exactly where they are isomorphs by the rule above.

    ``gcn(fc(out)+out)`` is a node whose result is joined into the output and read by another, which is joined too.
    """
    links, ops = LINKS[code[0]], code[1:]
    stands_for = [0]  # node -> the node whose result it has, the input being 0
    for node, (source, op) in enumerate(zip(links, ops), 1):
        stands_for.append(stands_for[source] if op == SKIP else node)
    parts: dict[int, list[str]] = {node: [] for node in range(NODES + 1)}
    for node in range(1, NODES + 1):
        if node not in links:
            parts[stands_for[node]].append("out")
    for node in range(NODES, 0, -1):  # what reads a node comes after it
        if stands_for[node] == node:
            parts[stands_for[links[node - 1]]].append(f"{OPS[ops[node - 1]]}({'+'.join(sorted(parts[node]))})")
    return "+".join(sorted(part for part in parts[0] if part != "out")) or "out"


def name_of(code: Sequence[int]) -> str:
    """Return a network's name in tables: ``0:gcn|1:gin|1:skip|0:fc``, what each node reads and does."""
    return "|".join(f"{source}:{OPS[op]}" for source, op in zip(LINKS[code[0]], code[1:]))


def code_of(name: str) -> tuple[int, ...]:
    """Return the code of a network's name, its nodes in any order that lists a node after what it reads.

    Raises ``BadInput`` for a text that names no network of this space.
    """
    nodes = [node.partition(":") for node in name.split("|")]
    if len(nodes) != NODES:
        raise BadInput(f"network {name!r} is of another space: want {NODES} nodes as in {name_of((8, 1, 1, 1, 1))!r}")
    links, ops = [], []
    for place, (source, _, op) in enumerate(nodes):
        if op not in OPS:
            raise BadInput(f"network {name!r}: no operation {op!r} in this space{nearest(op, OPS)}")
        if source not in map(str, range(place + 1)):
            raise BadInput(f"network {name!r}: node {place + 1} reads {source!r}, want a number from 0 to {place}")
        links.append(int(source))
        ops.append(OPS.index(op))
    for order in permutations(range(NODES)):  # new place -> node
        moved = {0: 0, **{node + 1: new + 1 for new, node in enumerate(order)}}
        linked = tuple(moved[links[node]] for node in order)
        if linked in LINKS:
            return (LINKS.index(linked), *(ops[node] for node in order))
    raise AssertionError(f"{links} is a tree of four nodes, and {LINKS} are all of them")


def operations(code: Sequence[int]) -> float:
    """Return how many nodes do more than pass on what they read."""
    return float(sum(op != SKIP for op in code[1:]))
