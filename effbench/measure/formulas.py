"""Operations of torch's own products that ``torch.utils.flop_counter`` leaves at a silent 0, and which stay unknown.

What counts as an operation: matrix products, convolutions, attention and recurrent layers, 1 MAC = 2 FLOPs, and Fourier
transforms by the customary 5 N log2 N. Element-wise work shows in the bytes moved. A formula is called with the operator's
arguments as they are, and ``out=`` its result, as the formulas of a ``Cost`` are.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from effbench.api import PluginError

if TYPE_CHECKING:
    from torch import Tensor

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


def rows_times_weight(x: Tensor, *_: Any, out: Tensor, **__: Any) -> int:
    """Return the operations of x [..., I] -> [..., O], however the weight is packed."""
    return 2 * x.numel() * out.shape[-1]


def plus_product(_: Tensor, x: Tensor, *__: Any, out: Tensor, **___: Any) -> int:
    """Return the operations of y + x [M, K] times a matrix [K, N] -> [M, N]."""
    return 2 * x.numel() * out.shape[-1]


def matrix_times_vector(matrix: Tensor, *_: Any, **__: Any) -> int:
    """Return the operations of [M, N] times [N]; of a dot product, [N] times [N]."""
    return 2 * matrix.numel()


def plus_matrix_times_vector(_: Tensor, matrix: Tensor, *__: Any, **___: Any) -> int:
    """Return the operations of y [M] + [M, N] times [N]."""
    return 2 * matrix.numel()


def grouped_product(a: Tensor, b: Tensor, ends: Tensor | None = None, *_: Any, **__: Any) -> int:
    """Return the operations of products in groups, an expert each, whose rows or columns end at ``ends`` [G].

    Where a [M, K] has the groups in its rows, b is [G, K, N]; where b [K, N] has them in its columns, a is [G, M, K]; where
    a [M, K] and b [K, N] both have them along K, there are G products; a [G, M, K] times b [G, K, N] needs no ends. What lies
    behind the last end is not multiplied.
    """
    if ends is None:
        return 2 * a.numel() * b.shape[-1]
    grouped = int(ends[-1])
    if a.dim() == 2 and b.dim() == 2:
        return 2 * a.shape[0] * grouped * b.shape[1]
    rows, columns = (grouped, b.shape[-1]) if a.dim() == 2 else (a.shape[-2], grouped)
    return 2 * rows * a.shape[-1] * columns


def attention(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> int:
    """Return the operations of query [B, H, N, D], key [B, H, M, D], value [B, H, M, E]: Q K^T, then P V."""
    batch, heads, queries, width = query.shape
    return 2 * batch * heads * queries * key.shape[-2] * (width + value.shape[-1])


def attention_backward(grad: Tensor, query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> int:
    """Return the operations of its backward pass: Q K^T again, then one product for each of dV, dP, dQ and dK."""
    batch, heads, queries, width = query.shape
    return 2 * batch * heads * queries * key.shape[-2] * (3 * width + 2 * value.shape[-1])


def multi_head_attention(query: Tensor, key: Tensor, _value: Tensor, width: int, *_: Any, **__: Any) -> int:
    """Return the operations of query [B, N, D], key [B, M, D]: four projections D x D, then attention."""
    batch, queries, keys = query.shape[0], query.shape[1], key.shape[1]
    return 2 * batch * (2 * queries + 2 * keys) * width**2 + 4 * batch * queries * keys * width


def transformer_layer(x: Tensor, width: int, *rest: Any, **__: Any) -> int:
    """Return the operations of x [B, N, D] through self-attention and two feed-forward weights [F, D], [D, F]."""
    up, _, down = rest[12:15]
    feed_forward: int = 2 * math.prod(x.shape[:-1]) * (up.numel() + down.numel())
    return multi_head_attention(x, x, x, width) + feed_forward


def recurrent_layer(x: Tensor, input_weight: Tensor, hidden_weight: Tensor, *_: Any, **__: Any) -> int:
    """Return the operations of x [T, B, I] with weights [G H, I] and [G H, H], G gates."""
    return 2 * math.prod(x.shape[:-1]) * (input_weight.numel() + hidden_weight.numel())


def recurrent_stack(x: Tensor, weights: Sequence[Tensor], *_: Any, **__: Any) -> int:
    """Return the operations of x [T, B, I] through every weight matrix of cuDNN's flat list; vectors are biases."""
    return 2 * math.prod(x.shape[:-1]) * sum(weight.numel() for weight in weights if weight.dim() == 2)


def complex_fourier_transform(x: Tensor, dims: Sequence[int], *_: Any, **__: Any) -> int:
    """Return 5 N log2 N for each transform of N complex numbers over ``dims``: radix 2's count, customary for any N."""
    return round(5 * x.numel() * math.log2(math.prod(x.shape[dim] for dim in dims)))


FORMULAS: dict[str, Formula] = {
    "aten::mm": rows_times_weight,
    "aten::addmm": plus_product,
    "aten::mkldnn_linear": rows_times_weight,
    "aten::_int_mm": rows_times_weight,
    "aten::_weight_int8pack_mm": rows_times_weight,
    "aten::_weight_int4pack_mm": rows_times_weight,
    "aten::_weight_int4pack_mm_for_cpu": rows_times_weight,
    "aten::_addmm_activation": plus_product,
    "aten::_grouped_mm": grouped_product,
    "aten::mv": matrix_times_vector,
    "aten::dot": matrix_times_vector,
    "aten::vdot": matrix_times_vector,
    "aten::addmv": plus_matrix_times_vector,
    "aten::_scaled_dot_product_flash_attention_for_cpu": attention,
    "aten::_scaled_dot_product_flash_attention_for_cpu_backward": attention_backward,
    "aten::_native_multi_head_attention": multi_head_attention,
    "aten::_transformer_encoder_layer_fwd": transformer_layer,
    "aten::_fft_c2c": complex_fourier_transform,
    "aten::mkldnn_rnn_layer": recurrent_layer,
    "aten::_cudnn_rnn": recurrent_stack,
}
"""Operator -> formula, beside those that ``torch.utils.flop_counter`` brings.

Its own for the first two give the same, and take several times as long as the rest of the counting of such a call.
"""


def formula_of(operator: Any) -> Callable[[Any, Any, Any], int] | None:
    """Return operations as a function of (args, kwargs, result) of an ``OpOverload``, or None where there is no formula.

    An operator in place has the formula of its twin that returns a new tensor.
    """
    import torch
    from torch.utils.flop_counter import flop_registry

    namespace, _, name = operator._schema.name.rpartition("::")
    for twin in (name, name.removesuffix("_")):
        if ours := FORMULAS.get(f"{namespace}::{twin}"):
            return lambda args, kwargs, out: int(ours(*args, **kwargs, out=out))
        if torchs := flop_registry.get(getattr(getattr(torch.ops, namespace), twin, None)):
            return lambda args, kwargs, out: int(torchs(*args, **kwargs, out_val=out))
    return None
