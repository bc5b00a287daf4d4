"""One linear layer as a session of ONNX Runtime: quantize, multiply in integers, scale, add the bias.

The graph is what ``onnxruntime.quantization.quantize_dynamic`` writes for a ``MatMul`` and its ``Add``: DynamicQuantizeLinear
(u8, one range for the whole input), MatMulInteger with an int8 weight, and the two scales; the runtime fuses it into one
operator.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

from effbench.kernels import record_kernel
from effbench_baselines import linear_cost
from effbench_baselines.onnxruntime_dynamic.kernel import KERNEL

OPSET, IR_VERSION = 21, 10
"""Of the graphs: older than any runtime that the extra allows, so that all of them read it."""


def quantized_weight(
    weight: torch.Tensor, *, per_channel: bool, reduce_range: bool
) -> tuple[np.ndarray[Any, np.dtype[np.int8]], np.ndarray[Any, np.dtype[np.float32]]]:
    """Return (codes [I, O] int8, scales [O] or [1]) of a weight [O, I], symmetric, a channel of zeros with scale 1."""
    levels = 63 if reduce_range else 127
    values = weight.detach().float().numpy().T  # [I, O]
    largest = np.abs(values).max(axis=0 if per_channel else None, keepdims=False).reshape(-1)
    scales = np.where(largest > 0, largest / levels, 1).astype(np.float32)
    return np.clip(np.rint(values / scales), -levels, levels).astype(np.int8), scales


def graph(
    codes: np.ndarray[Any, Any], scales: np.ndarray[Any, Any], bias: np.ndarray[Any, Any] | None
) -> onnx.ModelProto:
    """Return the model x [M, I] float32 -> y [M, O] float32."""
    inner, outer = codes.shape
    constants = {"codes": codes, "weight_scale": scales} | ({} if bias is None else {"bias": bias})
    last = "product" if bias is not None else "y"
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["x_codes", "x_scale", "x_zero"]),
        helper.make_node("MatMulInteger", ["x_codes", "codes", "x_zero"], ["sums"]),
        helper.make_node("Cast", ["sums"], ["sums_float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["x_scale", "weight_scale"], ["scale"]),
        helper.make_node("Mul", ["sums_float", "scale"], [last]),
        *([] if bias is None else [helper.make_node("Add", [last, "bias"], ["y"])]),
    ]
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "linear",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", inner])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", outer])],
            [numpy_helper.from_array(value, name) for name, value in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(model)
    return model


class LayerSession:
    """A loaded layer: called with x [..., I] float32, returns [..., O]."""

    def __init__(
        self, weight: torch.Tensor, bias: torch.Tensor | None, *, per_channel: bool, reduce_range: bool
    ) -> None:
        codes, scales = quantized_weight(weight, per_channel=per_channel, reduce_range=reduce_range)
        added = None if bias is None else bias.detach().float().numpy()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # torch computes between two layers
        self._session = onnxruntime.InferenceSession(
            graph(codes, scales, added).SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self._outer = weight.shape[0]
        self.packed_bytes = linear_cost.int8_weight_bytes(*weight.shape[::-1], len(scales)) + (
            0 if added is None else added.nbytes
        )

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Return the product; one range serves all of x."""
        rows = x.detach().reshape(-1, x.shape[-1]).contiguous()
        y = torch.from_numpy(self._session.run(["y"], {"x": rows.numpy()})[0]).reshape(*x.shape[:-1], self._outer)
        record_kernel(KERNEL, x, out=y)
        return y
