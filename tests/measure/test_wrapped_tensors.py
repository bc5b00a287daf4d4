"""Tensors made of others, as quantized weights of libraries are: what they keep is counted, not what they stand for."""

import torch
from torch.testing._internal.two_tensor import TwoTensor

from effbench.api import System
from effbench.measure.memory import live_tensor_bytes, parameter_bytes
from effbench.measure.traffic import parts, tensors


class One(System):
    def __init__(self, module):
        self.module = module

    def modules(self):
        return {"one": self.module}


def test_a_wrapped_weight_counts_as_its_parts():
    inner = torch.zeros(10, dtype=torch.float32), torch.ones(10, dtype=torch.float32)
    nested = TwoTensor(TwoTensor(*inner), torch.zeros(10))
    assert [part.nbytes for part in parts(nested)] == [40, 40, 40]
    assert all(a is b for a, b in zip(tensors([TwoTensor(*inner)]), inner))
    module = torch.nn.Module()
    module.weight = torch.nn.Parameter(TwoTensor(*inner), requires_grad=False)
    module.shared = torch.nn.Parameter(inner[0], requires_grad=False)
    assert parameter_bytes(One(module)) == 80  # a part that another tensor shows, too, counts once
    assert live_tensor_bytes() >= 80
