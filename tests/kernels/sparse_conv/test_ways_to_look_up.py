"""Three ways to look up a map (a row a cell, a bit a cell, two lists merged) find the same outputs and the same pairs."""

import pytest
import torch
from hypothesis import given, settings
from sparse_cases import cases, random_sparse

from effbench.kernels.sparse_conv import Sites, sites, submanifold_conv
from effbench.kernels.sparse_conv.geometry import centred, window
from effbench.kernels.sparse_conv.maps import map_onto, strided_map, submanifold_map

WAYS = {"rows": {}, "bits": {"MOST_ROWS": 0}, "lists": {"MOST_ROWS": 0, "MOST_BITS": 0}}


def found(monkeypatch, way, case):
    """Return keys and tables of a strided, a submanifold and an even window, looked up one way."""
    view = window(case.kernel, len(case.kernel), case.stride, case.padding, case.dilation)
    even = centred(tuple(k + 1 for k in case.kernel), len(case.kernel), case.dilation)
    with monkeypatch.context() as patch:
        for name, value in WAYS[way].items():
            patch.setattr(sites, name, value)
        fresh = Sites(case.x.sites.keys, case.x.sites.batch_size, case.x.sites.shape)
        out, strided = strided_map(fresh, view)
        again = Sites(out.keys, out.batch_size, out.shape)
        tables = [strided, submanifold_map(fresh, even), map_onto(fresh, again, view)]
        return [out.keys, *(table.source for table in tables), *(table.target for table in tables)]


@given(cases())
@settings(max_examples=30, deadline=None)
def test_all_ways_find_the_same(case):
    with pytest.MonkeyPatch.context() as patch:
        rows, bits, lists = (found(patch, way, case) for way in WAYS)
    for one, two, three in zip(rows, bits, lists, strict=True):
        assert torch.equal(one, two)
        assert torch.equal(one, three)


@pytest.mark.parametrize("way", WAYS)
def test_a_known_answer_each_way(monkeypatch, way):
    for name, value in WAYS[way].items():
        monkeypatch.setattr(sites, name, value)
    x, _ = Sites.from_coordinates(torch.tensor([[0, 0, 1], [0, 1, 2], [1, 0, 0]]), 2, (2, 3))
    out, table = strided_map(x, window((1, 3), 2, 1, (0, 1)))  # each cell of the rows that hold one
    assert out.coordinates.tolist() == [[0, 0, 0], [0, 0, 1], [0, 0, 2], [0, 1, 1], [0, 1, 2], [1, 0, 0], [1, 0, 1]]
    assert table.source.tolist() == [[-1, -1, 0, -1, -1, -1, 2], [-1, 0, -1, -1, 1, 2, -1], [0, -1, -1, 1, -1, -1, -1]]


def test_a_grid_that_is_too_large_for_rows_gives_the_same_convolution(monkeypatch):
    x = random_sparse((40, 50), density=0.4, dtype=torch.float32)
    weight = torch.randn(3, 3, 4, 4)
    ours = submanifold_conv(x, weight).features
    monkeypatch.setattr(sites, "MOST_ROWS", 0)
    again = x.select(torch.ones(len(x.sites), dtype=torch.bool))
    assert torch.equal(submanifold_conv(again, weight).features, ours)
