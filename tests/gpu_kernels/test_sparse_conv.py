"""Sparse convolution and both of its gradients, in the interpreter, against products tap by tap in float64."""

import pytest
import torch
from comparisons import compare_depthwise, compare_sparse, sparse_map

from effbench.kernels import recording
from effbench.kernels.gpu_launch import Options
from effbench.kernels.sparse_conv import SparseTensor, gpu, strided_conv, submanifold_conv
from effbench.kernels.sparse_conv.gpu import SparseTile

SMALL = SparseTile(16, 16, 16, Options(4))
"""Several tiles each way at sizes that the interpreter can afford."""


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (5, 17), (24, 40), (33, 16)])
def test_channels_of_any_number(device, inputs, outputs, dtype):
    compare_sparse(gpu, device, inputs=inputs, outputs=outputs, dtype=dtype, tile=SMALL)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize(("shape", "stride"), [((5, 6), 1), ((7, 9), 2), ((3, 4, 3), 1), ((3, 5, 4), 2)])
def test_the_tiles_of_a_card_in_2d_and_3d(device, shape, stride, dtype):
    compare_sparse(gpu, device, shape, 8, 16, stride=stride, dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("part", [3, 1000])
def test_depthwise_and_its_gradient(device, dtype, part):
    compare_depthwise(gpu, device, dtype=dtype, part=part)


def test_frames_without_a_site_and_with_one(device):
    for count in (0, 1):
        cells = torch.zeros(count, 3, dtype=torch.int32)
        features = torch.ones(count, 4, device=device, requires_grad=True)
        x = SparseTensor.from_coordinates(cells, features, 1, (4, 5))
        weight = torch.ones(3, 3, 4, 8, device=device, requires_grad=True)
        y = strided_conv(submanifold_conv(x, weight, impl="triton"), weight.new_ones(3, 3, 8, 8), 2, 1, impl="triton")
        assert y.features.tolist() == [[32.0] * 8] * count
        y.features.sum().backward()
        assert weight.grad.sum() == 4 * 8 * 8 * count


def test_it_is_recorded_and_says_what_it_does_not_take(device):
    found, heard = sparse_map((4, 5)), []
    x, weight = torch.ones(found.inputs, 8, device=device), torch.ones(9, 8, 8, device=device)
    with recording.listening(lambda name, arguments, out: heard.append(name)):
        gpu.convolve(x, weight, found, 1)
        gpu.weight_gradient(x, gpu.convolve(x, weight, found, 1), found, 1)
    assert heard == ["sparse_conv/triton", "sparse_conv/triton", "sparse_conv/triton-gradient"]
    with pytest.raises(ValueError, match="takes float32, float16 or bfloat16"):
        gpu.convolve(x.double(), weight.double(), found, 1)
