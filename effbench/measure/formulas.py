"""Operations of torch's own products that ``torch.utils.flop_counter`` leaves at a silent 0, and which stay unknown.

What counts as an operation: matrix products, convolutions, attention and recurrent layers, 1 MAC = 2 FLOPs. Element-wise
work shows in the bytes moved. A formula is called with shapes in place of tensors, and ``out_shape=``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from effbench.api import PluginError

Shape = Sequence[int]
Formula = Callable[..., int]

PRODUCTS = re.compile(
    r"(^|_)(add|b|badd|addb)?(mm|mv)(_|$)|(^|_)(v?dot|matmul|linear|conv(olution)?(tbc|\dd)?|attention|transformer|rnn|lstm|gru"
    r"|linalg|fft|cholesky|lu|qr|svd|eigh?|lstsq|solve|cdist)(_|$)"
)
"""Names that stand for a product: an operator of this name without a formula is unknown, never 0."""

NO_PRODUCTS = frozenset(
    {
        "__upsample_bilinear",
        "_compute_linear_combination",
        "_cudnn_rnn_flatten_weight",
        "_fused_sdp_choice",
        "_linalg_check_errors",
        "_thnn_fused_gru_cell",
        "_thnn_fused_lstm_cell",
        "fft_fftfreq",
        "fft_rfftfreq",
        "linalg__powsum",
        "linalg_cross",
        "linalg_vector_norm",
        "lu_unpack",
    }
)
"""Operators that only sound like a product: gates of a recurrent cell, norms, bookkeeping."""


class UnknownOp(PluginError):
    """A call ran an operator whose operations nobody can count."""

    def __init__(self, operator: str, why: str = "has no formula for its operations and bytes") -> None:
        place = (
            "FORMULAS in effbench/measure/formulas.py"
            if operator.startswith("aten::")
            else "COSTS in effbench/kernels/<op>/cost.py (from a plugin: effbench.kernels.cost.register)"
        )
        super().__init__(f"operator {operator} {why}; add it to {place}")


def sounds_like_a_product(operator: str) -> bool:
    """Return whether a name of torch's own ("aten::_grouped_mm") stands for matrix products."""
    name = operator.rpartition("::")[2]
    return name not in NO_PRODUCTS and PRODUCTS.search(name) is not None


def rows_times_weight(x: Shape, *_: Any, out_shape: Shape, **__: Any) -> int:
    """Return the operations of x [..., I] -> [..., O], however the weight is packed."""
    return 2 * math.prod(x) * out_shape[-1]


def plus_product(_: Shape, x: Shape, *__: Any, out_shape: Shape, **___: Any) -> int:
    """Return the operations of y + x [M, K] times a matrix [K, N] -> [M, N]."""
    return 2 * math.prod(x) * out_shape[-1]


def matrix_times_vector(matrix: Shape, *_: Any, **__: Any) -> int:
    """Return the operations of [M, N] times [N]; of a dot product, [N] times [N]."""
    return 2 * math.prod(matrix)


def plus_matrix_times_vector(_: Shape, matrix: Shape, *__: Any, **___: Any) -> int:
    """Return the operations of y [M] + [M, N] times [N]."""
    return 2 * math.prod(matrix)


def attention(query: Shape, key: Shape, value: Shape, *_: Any, **__: Any) -> int:
    """Return the operations of query [B, H, N, D], key [B, H, M, D], value [B, H, M, E]: Q K^T, then P V."""
    batch, heads, queries, width = query
    return 2 * batch * heads * queries * key[-2] * (width + value[-1])


def attention_backward(grad: Shape, query: Shape, key: Shape, value: Shape, *_: Any, **__: Any) -> int:
    """Return the operations of its backward pass: Q K^T again, then one product for each of dV, dP, dQ and dK."""
    batch, heads, queries, width = query
    return 2 * batch * heads * queries * key[-2] * (3 * width + 2 * value[-1])


def multi_head_attention(query: Shape, key: Shape, _value: Shape, width: int, *_: Any, **__: Any) -> int:
    """Return the operations of query [B, N, D], key [B, M, D]: four projections D x D, then attention."""
    batch, queries, keys = query[0], query[1], key[1]
    return 2 * batch * (2 * queries + 2 * keys) * width**2 + 4 * batch * queries * keys * width


def transformer_layer(x: Shape, width: int, *rest: Any, **__: Any) -> int:
    """Return the operations of x [B, N, D] through self-attention and two feed-forward weights [F, D], [D, F]."""
    up, _, down = rest[12:15]
    feed_forward: int = 2 * math.prod(x[:-1]) * (math.prod(up) + math.prod(down))
    return multi_head_attention(x, x, x, width) + feed_forward


def recurrent_layer(x: Shape, input_weight: Shape, hidden_weight: Shape, *_: Any, **__: Any) -> int:
    """Return the operations of x [T, B, I] with weights [G H, I] and [G H, H], G gates."""
    return 2 * math.prod(x[:-1]) * (math.prod(input_weight) + math.prod(hidden_weight))


def recurrent_stack(x: Shape, weights: Sequence[Shape], *_: Any, **__: Any) -> int:
    """Return the operations of x [T, B, I] through every weight matrix of cuDNN's flat list; vectors are biases."""
    return 2 * math.prod(x[:-1]) * sum(math.prod(weight) for weight in weights if len(weight) == 2)


FORMULAS: dict[str, Formula] = {
    "aten::mkldnn_linear": rows_times_weight,
    "aten::_int_mm": rows_times_weight,
    "aten::_weight_int8pack_mm": rows_times_weight,
    "aten::_weight_int4pack_mm": rows_times_weight,
    "aten::_weight_int4pack_mm_for_cpu": rows_times_weight,
    "aten::_addmm_activation": plus_product,
    "aten::mv": matrix_times_vector,
    "aten::dot": matrix_times_vector,
    "aten::vdot": matrix_times_vector,
    "aten::addmv": plus_matrix_times_vector,
    "aten::_scaled_dot_product_flash_attention_for_cpu": attention,
    "aten::_scaled_dot_product_flash_attention_for_cpu_backward": attention_backward,
    "aten::_native_multi_head_attention": multi_head_attention,
    "aten::_transformer_encoder_layer_fwd": transformer_layer,
    "aten::mkldnn_rnn_layer": recurrent_layer,
    "aten::_cudnn_rnn": recurrent_stack,
}
"""Operator -> formula, beside those that ``torch.utils.flop_counter`` brings."""


def formula_of(operator: Any) -> Callable[[Any, Any, Any], int] | None:
    """Return operations as a function of (args, kwargs, result) of an ``OpOverload``, or None where there is no formula.

    An operator in place has the formula of its twin that returns a new tensor.
    """
    import torch
    from torch.utils.flop_counter import flop_registry

    namespace, _, name = operator._schema.name.rpartition("::")
    for twin in (name, name.removesuffix("_")):
        if ours := FORMULAS.get(f"{namespace}::{twin}"):
            return lambda args, kwargs, out: int(ours(*shapes(args), **shapes(kwargs), out_shape=shapes(out)))
        if torchs := flop_registry.get(getattr(getattr(torch.ops, namespace), twin, None)):
            return lambda args, kwargs, out: int(torchs(*args, **kwargs, out_val=out))
    return None


def shapes(value: Any) -> Any:
    """Return ``value`` with each tensor in it replaced by its shape."""
    from torch import Tensor
    from torch.utils._pytree import tree_map

    return tree_map(lambda leaf: tuple(leaf.shape) if isinstance(leaf, Tensor) else leaf, value)
