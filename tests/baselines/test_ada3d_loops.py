"""Ada3D's compiled loops and its compiled predictor against torch's own words, and counted by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from effbench.kernels import isa
from effbench.kernels.cost import registered
from effbench.kernels.recording import listening
from effbench.kernels.sparse_conv import SparseTensor
from effbench.measure.compute import measure_compute
from effbench_baselines.ada3d import predictor_cpu, reference
from effbench_baselines.ada3d.importance import Ada3dFilter, ImportancePredictor
from effbench_baselines.ada3d.selecting import Guidance, best_cells, guided, in_kept_columns, occupancy, occupied


def planes_of(x: torch.Tensor) -> torch.Tensor:
    """Return features [B, 8, H, W] as the compiled predictor takes them."""
    batch, _, rows, columns = x.shape
    planes = predictor_cpu.empty_planes(batch, rows, columns)
    planes[:, 1:-1, :, predictor_cpu.SIDE : predictor_cpu.SIDE + columns] = x.permute(0, 2, 1, 3)
    return planes


def trained(classes: int) -> ImportancePredictor:
    """Return a predictor whose norms say something."""
    torch.manual_seed(classes)
    predictor = ImportancePredictor(classes)
    for norm in predictor.body:
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.running_mean.uniform_(-1, 1)  # type: ignore[union-attr]
            norm.running_var.uniform_(0.3, 2)  # type: ignore[union-attr]
            torch.nn.init.uniform_(norm.weight, 0.5, 3)
            torch.nn.init.uniform_(norm.bias, -2, 2)
    return predictor.eval()


@pytest.mark.parametrize("name", ["", "avx2", "portable"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 24, 16), (1, 5, 3), (1, 33, 70)])
def test_the_compiled_predictor_is_the_module(
    monkeypatch: pytest.MonkeyPatch, name: str, shape: tuple[int, ...]
) -> None:
    if name == "avx2" and name not in isa.available():
        pytest.skip(f"no {name} here")
    monkeypatch.setenv(isa.VARIABLE, name)
    batch, rows, columns = shape
    classes = 1 + columns % 3
    predictor = trained(classes)
    x = torch.randn(batch, 8, rows, columns) * (torch.rand(batch, 1, rows, columns) < 0.4)
    parameters = predictor_cpu.packed(predictor.body)
    found = predictor_cpu.importance(planes_of(x), parameters, classes, columns)
    with torch.no_grad():
        torch.testing.assert_close(found, predictor(x).mean(1), atol=3e-6, rtol=1e-5)


def test_without_weights_it_says_the_same_of_every_cell() -> None:
    predictor = ImportancePredictor(3).eval()
    for parameter in predictor.parameters():
        torch.nn.init.zeros_(parameter)
    found = predictor_cpu.importance(planes_of(torch.rand(1, 8, 4, 5)), predictor_cpu.packed(predictor.body), 3, 5)
    torch.testing.assert_close(found, torch.full((1, 4, 5), 0.5))


def test_threads_give_the_same_bits() -> None:
    predictor, x = trained(3), torch.randn(1, 8, 67, 40)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 4):
            torch.set_num_threads(threads)
            found.append(predictor_cpu.importance(planes_of(x), predictor_cpu.packed(predictor.body), 3, 40))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, found[0]) for one in found)


@pytest.mark.parametrize("window", [1, 3, 4, 16])
def test_guidance_and_choice_are_the_equations(window: int) -> None:
    drawn = torch.Generator().manual_seed(window)
    valid = torch.rand(3, 13, 18, generator=drawn) < torch.tensor([0.05, 0.6, 0.0])[:, None, None]
    scores = torch.rand(3, 13, 18, generator=drawn)
    ours = guided(scores, valid, Guidance(0.2, window))
    torch.testing.assert_close(ours, reference.guided(scores, valid, Guidance(0.2, window)))
    with_ties = (ours * 4).round()
    for keep in (0.0, 0.1, 0.5, 0.99):
        assert torch.equal(best_cells(with_ties, valid, keep), reference.best_cells(with_ties, valid, keep))


def test_density_by_hand() -> None:
    valid = torch.zeros(1, 2, 3, dtype=torch.bool)
    valid[0, 0, 0] = valid[0, 1, 1] = valid[0, 0, 2] = True
    found = guided(torch.ones(1, 2, 3), valid, Guidance(1.0, 2))  # squares: 2 of 4, and 1 of the 2 that are on the map
    assert found.flatten().tolist() == pytest.approx([1 / 0.5001, 0, 1 / 0.5001, 0, 1 / 0.5001, 0], rel=1e-5)


@pytest.mark.parametrize("point", ["conv1", "conv2"])
def test_importance_of_voxels_is_that_of_their_adapted_map(point: str) -> None:
    torch.manual_seed(3)
    shape = (6, 20, 28) if point == "conv1" else (3, 10, 14)
    active = torch.rand(2, *shape) < 0.15
    x = SparseTensor.from_dense(torch.randn(2, 12, *shape), active)
    drop = Ada3dFilter({point: 12}, 3, {point: 0.5}, {}).eval()
    valid = occupancy(x, 2 if point == "conv1" else 1)
    heard: list[str] = []
    with torch.no_grad(), listening(lambda name, *_: heard.append(name)):
        found = drop._importance(point, x, valid)
    assert heard[0] == "ada3d_adapter/numba" and heard[1].startswith("ada3d_predictor/")
    with torch.no_grad():
        want = drop.predictor(drop.adapted_voxels(point, x)).mean(1)
    torch.testing.assert_close(found, want, atol=3e-6, rtol=1e-5)
    cells = {(b, y // 2, c // 2) if point == "conv1" else (b, y, c) for b, _, y, c in x.sites.coordinates.tolist()}
    assert {tuple(cell) for cell in valid.nonzero().tolist()} == cells
    kept = drop.voxels(point, x)
    assert torch.equal(kept.features, in_kept_columns(x, drop.dropped[0].kept, 2 if point == "conv1" else 1).features)


def test_importance_of_cells_is_the_same_over_a_map_and_over_cells() -> None:
    torch.manual_seed(4)
    x = torch.randn(2, 12, 9, 17) * (torch.rand(2, 1, 9, 17) < 0.3)
    drop = Ada3dFilter({"bev1": 12}, 2, {}, {1: 0.5}).eval()
    with torch.no_grad():
        want = drop.predictor(drop.adapted_cells(1, x)).mean(1)
        for given in (x, SparseTensor.from_dense(x)):
            torch.testing.assert_close(drop._importance(1, given, occupied(x)), want, atol=3e-6, rtol=1e-5)


def test_a_row_that_relu_ended_is_no_occupied_cell() -> None:
    x = SparseTensor.from_coordinates(
        torch.tensor([[0, 0, 1], [0, 1, 2]]), torch.tensor([[0.0, -0.0], [0.0, 2.0]]), 1, (2, 3)
    )
    assert occupied(x).nonzero().tolist() == [[0, 1, 2]]
    assert np.array_equal(occupied(x), occupied(x.dense()))


def operations(call: Callable[[], object]) -> dict[str, int]:
    """Return the operations of the kernels that a call records, by name."""
    found: dict[str, int] = {}

    def hear(name: str, args: tuple[Any, ...], out: Any) -> None:
        found[name] = found.get(name, 0) + registered()[name].flops(*args, out=out)

    with torch.no_grad(), listening(hear):
        call()
    return found


def test_choosing_is_counted_as_by_hand() -> None:
    # Cells of a 2 x 4 map: 1 2 . . / 2 . . 3, three scores and a tie.
    scores = torch.tensor([[[1.0, 2, 0, 0], [2, 0, 0, 3]]])
    valid = scores > 0
    # 8 asked, and 8 again; 4 occupied: 3 each to select the second best (2), compared and added (2 each), compared (4). One
    # is above, so 3 are asked whether they are its equal; two are, and ask how many are left; one of them is taken.
    counted = operations(lambda: best_cells(scores, valid, 0.5))
    assert counted == {"cell_choice/top-k": 16 + 12 + 8 + 4 + 3 + 2 + 1}
    assert operations(lambda: best_cells(scores, valid, 0.2)) == {"cell_choice/top-k": 8}  # floor(0.8): nothing stays
    assert operations(lambda: best_cells(scores, valid, 1.0)) == {}
    # 8 added; both squares of 2 x 2 hold some: share, eps and power each, and a product and a division for their 8 cells.
    counted = operations(lambda: guided(scores, valid, Guidance(0.2, 2)))
    assert counted == {"cell_choice/density": 8 + 2 * 3 + 2 * 8}
    first = valid & (torch.arange(4) < 2)  # the second square is empty
    assert operations(lambda: guided(scores, first, Guidance(0.2, 2))) == {"cell_choice/density": 8 + 3 + 2 * 4}


def test_finding_and_taking_cells_is_counted_as_by_hand() -> None:
    at = torch.tensor([[0, 0, 1], [0, 1, 0], [0, 1, 2]])
    x = SparseTensor.from_coordinates(at, torch.tensor([[0.0, 2], [0, 0], [1, 5]]), 1, (2, 3))
    # The first row is looked through to its second channel, so is the second one in vain, the third to its first.
    assert operations(lambda: occupied(x)) == {"cell_choice/active": 2 + 2 + 1}
    assert operations(lambda: occupancy(x, 1)) == {"cell_choice/occupancy": 3 * 4}
    kept = torch.tensor([[[False, True, False], [False, False, True]]])
    assert operations(lambda: in_kept_columns(x, kept, 1)) == {"cell_choice/taken": 3 * (4 + 1)}


def test_a_filters_choice_is_in_the_account_and_in_what_a_call_computes() -> None:
    torch.manual_seed(6)
    x = SparseTensor.from_dense(torch.randn(1, 12, 3, 10, 14), torch.rand(1, 3, 10, 14) < 0.15)
    drop = Ada3dFilter({"conv2": 12}, 3, {"conv2": 0.5}, {}).eval()
    counted = operations(lambda: drop.voxels("conv2", x))
    assert {f"cell_choice/{name}" for name in ("occupancy", "density", "top-k", "taken")} <= set(counted)
    with torch.no_grad():
        assert measure_compute(lambda: drop.voxels("conv2", x)).flops == sum(counted.values())
