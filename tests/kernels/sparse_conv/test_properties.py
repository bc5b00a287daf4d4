"""What must hold of any sparse convolution: gradients, adjoints, order of rows, translation, batches, borders."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sparse_cases import cases, random_sparse

from effbench.kernels.sparse_conv import Sites, SparseTensor, inverse_conv, max_pool, strided_conv, submanifold_conv
from effbench.kernels.sparse_conv.geometry import centred, window
from effbench.kernels.sparse_conv.maps import strided_map, submanifold_map

QUICK = settings(max_examples=20, deadline=None)


@pytest.mark.parametrize("shape", [(4, 5), (2, 3, 3)])
@pytest.mark.parametrize("groups", [1, 4])
def test_gradients_equal_finite_differences(shape, groups):
    x = random_sparse(shape, batch=1, density=0.3, channels=4)
    features = x.features.clone().requires_grad_()
    weight, back = (
        torch.randn(*(3,) * len(shape), 4 // groups, 4, dtype=torch.float64, requires_grad=True) for _ in range(2)
    )

    def all_of_them(features, weight, back):
        given = x.with_features(features)
        down = strided_conv(given, weight, 2, 1, groups=groups)
        up = inverse_conv(down, back, x.sites, 2, 1, groups=groups)
        return submanifold_conv(given, weight, 2, groups).features, down.features, up.features

    assert torch.autograd.gradcheck(all_of_them, (features, weight, back))
    assert torch.autograd.gradcheck(lambda f: max_pool(x.with_features(f), 3, 2, 1).features, (features,))


@QUICK
@given(cases())
def test_the_gradient_is_the_adjoint(case):
    x, weight = case.x.features.clone().requires_grad_(), case.weight(4, 8).requires_grad_()
    y = strided_conv(case.x.with_features(x), weight, **case.where, groups=case.groups).features
    given = torch.randn_like(y)
    of_x, of_weight = torch.autograd.grad(y, (x, weight), given)
    inner = (given * y).sum()
    torch.testing.assert_close((of_x * x).sum(), inner)  # <y, A x> = <A^T y, x>, for either operand
    torch.testing.assert_close((of_weight * weight).sum(), inner)


@QUICK
@given(cases())
def test_the_order_of_rows_does_not_matter(case):
    order = torch.randperm(len(case.x.sites), generator=torch.Generator().manual_seed(case.seed))
    sites = case.x.sites
    again = SparseTensor.from_coordinates(
        sites.coordinates[order], case.x.features[order], sites.batch_size, sites.shape
    )
    assert torch.equal(again.sites.keys, sites.keys)
    assert torch.equal(again.features, case.x.features)


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("shift", [1, 2, 3, 4])
def test_translation_moves_what_comes_out(axes, shift):
    x = random_sparse((5,) * axes, density=0.4)
    coordinates = x.sites.coordinates.clone()
    coordinates[:, 1:] += 4
    here = SparseTensor.from_coordinates(coordinates, x.features, 2, (16,) * axes)
    coordinates[:, 1:] += shift
    there = SparseTensor.from_coordinates(coordinates, x.features, 2, (16,) * axes)
    weight = torch.randn(*(3,) * axes, 4, 4, dtype=torch.float64)
    assert torch.equal(submanifold_conv(here, weight, 2).features, submanifold_conv(there, weight, 2).features)
    first, second = (strided_conv(given, weight, 2, 1) for given in (here, there))
    same = first.features.shape == second.features.shape and torch.equal(first.features, second.features)
    assert same == (shift % 2 == 0)
    if same:
        assert torch.equal(first.sites.coordinates[:, 1:] + shift // 2, second.sites.coordinates[:, 1:])


@QUICK
@given(cases())
def test_samples_of_a_batch_do_not_meet(case):
    sites, weight = case.x.sites, case.weight(4, 4)
    whole = strided_conv(case.x, weight, **case.where, groups=case.groups)
    for sample in range(sites.batch_size):
        own = sites.coordinates[:, 0] == sample
        cells = sites.coordinates[own].clone()
        cells[:, 0] = 0
        alone = SparseTensor.from_coordinates(cells, case.x.features[own], 1, sites.shape)
        found = strided_conv(alone, weight, **case.where, groups=case.groups)
        there = whole.sites.coordinates[:, 0] == sample
        assert torch.equal(found.sites.coordinates[:, 1:], whole.sites.coordinates[there][:, 1:])
        # A product of other many rows may sum in another order: to the rounding of float64, not to the bit.
        torch.testing.assert_close(found.features, whole.features[there], rtol=1e-12, atol=1e-12)


def test_cells_on_two_borders_are_no_neighbours():
    last, first = torch.tensor([[0, 0, 4], [0, 1, 0]]), torch.tensor([[0, 3, 4], [1, 0, 0]])
    for cells in (last, first):  # keys that follow one another: a row's end, and a sample's
        x = SparseTensor.from_coordinates(cells, torch.ones(2, 1), 2, (4, 5))
        assert submanifold_conv(x, torch.ones(3, 3, 1, 1)).features.flatten().tolist() == [1, 1]


@QUICK
@given(cases(kernels=(1, 3)))
def test_the_table_of_a_symmetric_window_is_its_own_mirror_image(case):
    found = submanifold_map(case.x.sites, centred(case.kernel, len(case.kernel), case.dilation))
    assert torch.equal(found.source, found.target.flip(0))
    count = len(case.x.sites)
    assert torch.equal(found.source[len(found.source) // 2], torch.arange(count, dtype=torch.int32))


@QUICK
@given(cases())
def test_pairs_are_those_found_by_brute_force(case):
    view = window(case.kernel, len(case.kernel), case.stride, case.padding, case.dilation)
    out, found = strided_map(case.x.sites, view)
    inputs, outputs = case.x.sites.coordinates.tolist(), out.coordinates.tolist()
    taps = [()]
    for k in case.kernel:
        taps = [(*tap, i) for tap in taps for i in range(k)]
    expected = {
        (tap, i, o)
        for tap, at in enumerate(taps)
        for i, cell in enumerate(inputs)
        for o, output in enumerate(outputs)
        if cell[0] == output[0]
        and all(
            c == y * s - p + k * d
            for c, y, k, s, p, d in zip(cell[1:], output[1:], at, case.stride, case.padding, case.dilation, strict=True)
        )
    } if len(inputs) * len(outputs) * len(taps) < 50_000 else None  # fmt: skip
    pairs = {(tap, i, o) for tap, row in enumerate(found.source.tolist()) for o, i in enumerate(row) if i >= 0}
    assert expected is None or pairs == expected
    assert pairs == {(t, i, o) for t, row in enumerate(found.target.tolist()) for i, o in enumerate(row) if o >= 0}
    assert len(pairs) == found.total
    assert set(found.turned.turned.by_tap[0][0].tolist()) == set(found.by_tap[0][0].tolist())


@given(st.integers(0, 10**6))
@settings(max_examples=10, deadline=None)
def test_select_keeps_rows_and_forgets_maps(seed):
    x = random_sparse((6, 7), seed=seed)
    weight = torch.randn(3, 3, 4, 4, dtype=torch.float64)
    submanifold_conv(x, weight)
    strided_conv(x, weight, 2, 1)
    assert x.sites.own_maps and x.sites.maps
    mask = torch.rand(len(x.sites), generator=torch.Generator().manual_seed(seed)) < 0.5
    kept = x.select(mask)
    assert not kept.sites.own_maps and not kept.sites.maps
    assert torch.equal(kept.sites.coordinates, x.sites.coordinates[mask])
    torch.testing.assert_close(
        submanifold_conv(kept, weight).features, submanifold_conv(kept, weight, impl="reference").features
    )


def test_maps_are_looked_up_once(monkeypatch):
    from effbench.kernels.sparse_conv import maps

    calls = []
    between = maps._between
    monkeypatch.setattr(maps, "_between", lambda *given: calls.append(given) or between(*given))
    x = random_sparse((6, 7))
    weight = torch.randn(3, 3, 4, 4, dtype=torch.float64)
    for _ in range(2):
        down = strided_conv(submanifold_conv(x, weight), weight, 2, 1)
        inverse_conv(submanifold_conv(down, weight), weight, x.sites, 2, 1)
    assert len(calls) == 3


def test_keys_of_a_huge_grid_are_int64():
    shape = (1000, 100_000, 100_000)
    cells = torch.tensor([[1, 999, 99_999, 99_999], [0, 0, 0, 0], [1, 999, 99_999, 99_998]])
    sites, order = Sites.from_coordinates(cells, 2, shape)
    assert order.tolist() == [1, 2, 0] and sites.keys[-1] == 2 * 10**13 - 1
    x = SparseTensor(sites, torch.ones(3, 1))
    assert submanifold_conv(x, torch.ones(3, 3, 3, 1, 1)).features.flatten().tolist() == [1, 2, 2]
    down = strided_conv(x, torch.ones(3, 3, 3, 1, 1), 2, 1)
    assert down.sites.coordinates[:, 1:].max(0).values.tolist() == [499, 49_999, 49_999]
