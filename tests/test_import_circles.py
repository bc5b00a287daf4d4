"""No module of ours imports itself by way of others, wherever the import stands: in a function, or for annotations alone."""

import grimp
import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

PACKAGES = ("effbench", "effbench_baselines", "effbench_leaderboard")


def circles(edges):
    """Return the sets of modules that reach one another, given (importer, imported) pairs."""
    names = sorted({name for edge in edges for name in edge})
    place = {name: i for i, name in enumerate(names)}
    rows, columns = ([place[edge[end]] for edge in edges] for end in (0, 1))
    matrix = csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(names), len(names)))
    count, label = connected_components(matrix, directed=True, connection="strong")
    found = [[names[i] for i in np.flatnonzero(label == part)] for part in range(count)]
    return [part for part in found if len(part) > 1]


def test_no_import_circle_remains():
    graph = grimp.build_graph(*PACKAGES, include_external_packages=False, exclude_type_checking_imports=False)
    edges = [
        (importer, found) for importer in graph.modules for found in graph.find_modules_directly_imported_by(importer)
    ]
    assert len(edges) > 1000
    assert circles(edges) == []


def test_a_circle_would_be_seen():
    assert circles([("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")]) == [["a", "b", "c"]]
