"""SP-BN by its definition: the spread of the active pixels divides, nothing is shifted, zeros stay zero."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from effbench.lidar.detector.spbn import SparsityPreservingNorm, active_pixels


def sparse_map(batch: int, channels: int, rows: int, columns: int, seed: int = 0, share: float = 0.3) -> torch.Tensor:
    """Return a map [B, C, H, W], float64, with about ``share`` of its pixels active."""
    drawn = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, channels, rows, columns, generator=drawn, dtype=torch.float64) + 0.5
    return x * (torch.rand(batch, 1, rows, columns, generator=drawn) < share)


def by_definition(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    """Return SP-BN pixel by pixel, in autograd's own words."""
    pixels = [x[b, :, r, c] for b in range(len(x)) for r in range(x.shape[2]) for c in range(x.shape[3])]
    active = torch.stack([pixel for pixel in pixels if bool((pixel != 0).any())])
    variance = (active - active.mean(0)).square().mean(0)
    return x * (weight / torch.sqrt(variance + eps))[:, None, None]


@pytest.mark.parametrize("relu", [False, True])
def test_equals_the_definition_with_its_gradients(relu: bool) -> None:
    x, norm = sparse_map(2, 3, 4, 7).requires_grad_(), SparsityPreservingNorm(3).double()
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.5, -0.5, 2.0]))
    weight = norm.weight.detach().clone().requires_grad_()
    got, want = norm(x, relu=relu), by_definition(x, weight, norm.eps)
    if relu:
        want = torch.relu(want)
    torch.testing.assert_close(got, want)
    pull = torch.randn(x.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    (of_x,) = torch.autograd.grad((want * pull).sum(), x, retain_graph=True)
    (of_weight,) = torch.autograd.grad((want * pull).sum(), weight)
    got_x, got_weight = torch.autograd.grad((got * pull).sum(), (x, norm.weight))
    torch.testing.assert_close(got_x, of_x)
    torch.testing.assert_close(got_weight, of_weight)


def test_is_batch_norm_without_mean_and_bias_on_gathered_rows() -> None:
    x, norm, usual = sparse_map(3, 4, 5, 6), SparsityPreservingNorm(4).double(), nn.BatchNorm1d(4, 1e-3).double()
    rows = x.permute(0, 2, 3, 1)[active_pixels(x)]
    scale = torch.rsqrt(rows.var(0, unbiased=False) + 1e-3)
    torch.testing.assert_close(usual(rows), (rows - rows.mean(0)) * scale)
    torch.testing.assert_close(norm(x).permute(0, 2, 3, 1)[active_pixels(x)], rows * scale)


def test_zeros_stay_zero_in_training_and_evaluation() -> None:
    x, norm = sparse_map(2, 3, 6, 5), SparsityPreservingNorm(3).double()
    for mode in (True, False):
        assert torch.equal(active_pixels(norm.train(mode)(x)), active_pixels(x))
    assert norm(torch.zeros(1, 3, 4, 4, dtype=torch.float64)).abs().sum() == 0


def test_a_batch_without_an_active_pixel_changes_nothing() -> None:
    norm = SparsityPreservingNorm(3)
    assert torch.equal(norm(torch.zeros(2, 3, 4, 5)), torch.zeros(2, 3, 4, 5))
    assert torch.equal(norm.running_var, torch.ones(3))


def test_does_not_depend_on_how_samples_are_batched_or_padded() -> None:
    x = sparse_map(1, 3, 6, 10)
    halves = torch.cat([x[..., :5], x[..., 5:]])  # the same pixels as two samples with other counts of active ones
    padded = nn.functional.pad(x, (0, 4, 3, 0))
    whole, split, wide = (SparsityPreservingNorm(3).double() for _ in range(3))
    y = whole(x)
    torch.testing.assert_close(split(halves), torch.cat([y[..., :5], y[..., 5:]]))
    torch.testing.assert_close(wide(padded)[:, :, 3:, :10], y)
    torch.testing.assert_close(whole.running_var, split.running_var)
    torch.testing.assert_close(whole.running_var, wide.running_var)


def test_a_pixel_whose_channels_cancel_is_active() -> None:
    x = torch.zeros(1, 2, 2, 3, dtype=torch.float64)
    x[0, :, 0, 0], x[0, :, 1, 2] = torch.tensor([1.0, -1.0]), torch.tensor([3.0, 5.0])
    norm = SparsityPreservingNorm(2).double()
    norm(x)
    variance = torch.tensor([1.0, 9.0])  # of (1, 3) and of (-1, 5)
    torch.testing.assert_close(norm.running_var, 0.99 + 0.01 * variance.double())


@pytest.mark.parametrize("shape", [(4, 6), (6, 4), (1, 9)])
def test_maps_need_not_be_square(shape: tuple[int, int]) -> None:
    x = sparse_map(2, 3, *shape)
    y = SparsityPreservingNorm(3).double()(x)
    assert y.shape == x.shape
    turned = SparsityPreservingNorm(3).double()(x.transpose(2, 3)).transpose(2, 3)
    torch.testing.assert_close(turned, y)
    assert torch.equal(active_pixels(y), active_pixels(x))


def test_training_and_evaluation_agree_once_the_statistics_are_constant() -> None:
    x, norm = sparse_map(2, 3, 8, 5), SparsityPreservingNorm(3).double()
    for _ in range(2000):
        y = norm(x)
    torch.testing.assert_close(norm.eval()(x), y)


def test_rows_give_what_maps_give() -> None:
    x, norm, of_rows = sparse_map(2, 3, 4, 5), SparsityPreservingNorm(3).double(), SparsityPreservingNorm(3).double()
    rows = x.permute(0, 2, 3, 1).reshape(-1, 3)
    torch.testing.assert_close(of_rows(rows), norm(x).permute(0, 2, 3, 1).reshape(-1, 3))
