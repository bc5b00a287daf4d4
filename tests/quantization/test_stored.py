"""States of layers to tensors and back: every code, scale and sign as it was."""

import numpy as np
import pytest
import torch
from operands import generator, outlier_layer

from effbench.api import PluginError
from effbench.quantization.preparing import state_of_layer
from effbench.quantization.ranges import static_range
from effbench.quantization.rotation import random_signs
from effbench.quantization.schemes import WeightScheme
from effbench.quantization.stored import codes_of, state_of, state_to_plan, state_to_tensors
from effbench.quantization.transform import Transform


@pytest.mark.parametrize("inputs", [48, 64, 7])  # 7: an odd number of codes cannot lie in pairs
@pytest.mark.parametrize(
    "scheme",
    [
        WeightScheme(8),
        WeightScheme(4),
        WeightScheme(4, symmetric=False),
        WeightScheme(2, group=16),
        WeightScheme(6),
        WeightScheme(16),
    ],
)
def test_a_state_comes_back(inputs, scheme):
    _, w = outlier_layer(inputs=inputs, outputs=9)
    signs = random_signs(inputs, "l") if inputs != 7 else None
    transform = Transform.of(torch.rand(inputs, generator=generator()) + 0.5, signs)
    state = state_of_layer(w, scheme, transform, static_range(-1, 2), low_rank=3)
    tensors = {key: value.numpy() for key, value in state_to_tensors("a/0", state).items()}
    back = state_of("a/0", tensors, state_to_plan(state))
    assert torch.equal(back.dequantized(), state.dequantized()) and back.bits == state.bits
    assert back.inputs.static == state.inputs.static
    assert torch.equal(back.inputs.transform.multiplier, transform.multiplier)
    assert back.inputs.transform.rotate == transform.rotate and back.groups == state.groups
    if scheme.is_on:
        assert torch.equal(back.inputs.branch.down, state.inputs.branch.down)
        codes = tensors["a/0/codes"]
        is_paired = scheme.bits <= 4 and inputs % 2 == 0
        assert codes.dtype == (np.uint8 if is_paired else np.int8) and codes.shape == (
            9,
            inputs // 2 if is_paired else inputs,
        )


def test_what_is_missing_is_named():
    with pytest.raises(PluginError, match=r"the artifact holds no blocks\.0/0/codes"):
        codes_of("blocks.0/0", {})
