"""Operations and bytes against hand counts, and every way an operator could slip through uncounted."""

import subprocess
import sys
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from effbench.kernels import cost, record_kernel
from effbench.measure.compute import Compute, measure_compute
from effbench.measure.formulas import UnknownOp, sounds_like_a_product
from effbench_baselines.int8_dynamic.layer import int8_linear

F32 = 4


@pytest.fixture(params=[torch.enable_grad, torch.no_grad, torch.inference_mode])
def either_mode(request):
    """Composite operators reach a counting mode whole under inference_mode and in pieces otherwise."""
    with request.param():
        yield


def test_a_linear_layer(either_mode):
    linear, x = nn.Linear(64, 10), torch.randn(2, 3, 64)
    seen = measure_compute(lambda: linear(x))
    weights = 64 * 10 + 10
    assert seen.flops_by_dtype == {"float32": 2 * 6 * 64 * 10}
    assert seen.bytes_moved == seen.least_bytes == F32 * (6 * 64 + weights + 6 * 10)
    assert seen.ops == 1
    assert seen.intensity == seen.flops / seen.bytes_moved


def test_a_strided_grouped_convolution(either_mode):
    conv, x = nn.Conv2d(8, 12, 3, stride=2, padding=1, groups=4, bias=False), torch.randn(5, 8, 16, 16)
    seen = measure_compute(lambda: conv(x))
    assert seen.flops == 2 * (5 * 12 * 8 * 8) * (8 // 4 * 3 * 3)
    assert seen.bytes_moved == F32 * (x.numel() + 12 * 2 * 9 + 5 * 12 * 8 * 8)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
def test_a_batched_product_counts_under_its_type(dtype, either_mode):
    a, b = (torch.randn(s).to(getattr(torch, dtype)) for s in ((3, 5, 7), (3, 7, 2)))
    assert measure_compute(lambda: a @ b).flops_by_dtype == {dtype: 2 * 3 * 5 * 7 * 2}


def test_the_operands_decide_and_not_the_sum_they_are_added_to():
    a, b = torch.ones(4, 16, dtype=torch.int8), torch.ones(16, 8, dtype=torch.int8)
    assert measure_compute(lambda: torch._int_mm(a, b)).flops_by_dtype == {"int8": 2 * 4 * 16 * 8}
    y, x, v = torch.zeros(4), torch.randn(4, 16), torch.randn(16)
    assert measure_compute(lambda: torch.addmv(y, x, v)).flops == 2 * 4 * 16
    assert measure_compute(lambda: x @ v).flops == 2 * 4 * 16
    assert measure_compute(lambda: v @ v).flops == 2 * 16
    assert measure_compute(lambda: torch.zeros(4, 4).addmm_(x, x.T)).flops == 2 * 4 * 16 * 4


def test_fused_attention_on_the_cpu_and_its_backward_pass():
    q, k, v = (torch.randn(2, 4, n, 32, requires_grad=True) for n in (100, 60, 60))
    products = 2 * (2 * 4 * 100 * 60 * 32)
    attention = functional.scaled_dot_product_attention
    seen = measure_compute(lambda: attention(q, k, v).detach())
    assert seen.flops == 2 * products
    logsumexp = 2 * 4 * 100
    assert seen.bytes_moved == F32 * (q.numel() + 2 * k.numel() + q.numel() + logsumexp)
    assert measure_compute(lambda: attention(q, k, v).sum().backward()).flops == (2 + 5) * products


def test_attention_in_pieces_counts_the_same():
    q, k, v = (torch.randn(2, 4, 50, 32) for _ in range(3))
    fused = measure_compute(lambda: functional.scaled_dot_product_attention(q, k, v))
    pieces = measure_compute(lambda: ((q @ k.mT) / 32**0.5).softmax(-1) @ v)
    assert pieces.flops == fused.flops
    assert pieces.bytes_moved > fused.bytes_moved, "the matrix of weights has to be written and read"
    assert pieces.least_bytes == fused.least_bytes


def test_the_int8_layer_and_its_simulation():
    linear, x = nn.Linear(64, 10), torch.randn(3, 64)
    fast, imitated = int8_linear(linear), int8_linear(linear, "simulated")
    with torch.no_grad():
        seen = measure_compute(lambda: fast(x))
        twice = measure_compute(lambda: [fast(x), fast(x)])
        assert measure_compute(lambda: imitated(x)).flops_by_dtype == {"float32": 2 * 3 * 64 * 10}
    packed = fast.packed_bytes()
    assert packed >= 64 * 10 + 10 * (4 + 4)
    assert seen.flops_by_dtype == {"int8": 2 * 3 * 64 * 10}
    assert seen.bytes_moved == seen.least_bytes == F32 * (3 * 64 + 10 + 3 * 10) + packed
    assert twice.least_bytes == seen.least_bytes + F32 * 3 * 10, "a weight has to be read once"
    other = int8_linear(nn.Linear(64, 10))
    with torch.no_grad():
        assert measure_compute(lambda: [fast(x), other(x)]).least_bytes == twice.least_bytes + packed + F32 * 10


def test_recurrent_and_transformer_layers_count_like_their_pieces():
    x = torch.randn(7, 2, 16)
    lstm, layer = nn.LSTM(16, 8), nn.TransformerEncoderLayer(16, 2, 24, batch_first=True).eval()
    with torch.no_grad():
        assert measure_compute(lambda: lstm(x)).flops == 2 * 7 * 2 * 4 * 8 * (16 + 8)
        in_one = measure_compute(lambda: layer(x))
    in_pieces = measure_compute(lambda: layer(x).sum())
    assert in_one.flops == in_pieces.flops == 2 * 14 * (4 * 16 * 16 + 2 * 16 * 24) + 4 * 7 * 2 * 2 * 16
    assert in_one.ops == 1 < in_pieces.ops


def test_a_training_step_agrees_with_torchs_own_counter():
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 6 * 6, 5))
    x = torch.randn(4, 3, 8, 8)

    def step():
        net(x).logsumexp(1).sum().backward()

    with FlopCounterMode(display=False) as theirs:
        step()
    assert measure_compute(step).flops == theirs.get_total_flops() > 0


def moved(call):
    return measure_compute(call).bytes_moved / F32


def test_views_move_nothing_and_the_rest_what_it_reads_and_writes():
    x, y = torch.randn(6, 4), torch.randn(6, 4)
    empty = measure_compute(lambda: (x.T.reshape(8, 3)[0:0], x[1:3, None].expand(2, 5, 4), x.detach(), torch.empty(9)))
    assert empty.bytes_moved == F32 * 2 * 24, "only the copy that a transposed reshape needs"
    assert moved(lambda: x.view(-1).unflatten(0, (2, 12))) == 0
    assert moved(lambda: x + y) == 3 * 24
    assert moved(lambda: x * x) == 2 * 24
    assert moved(lambda: x + y[:1]) == 24 + 4 + 24
    assert moved(lambda: x + y[:1].expand(6, 4)) == 24 + 4 + 24
    assert moved(lambda: x.add_(y)) == 3 * 24
    assert moved(lambda: x.copy_(y)) == 2 * 24
    assert moved(lambda: x.zero_()) == 24
    assert moved(lambda: torch.add(x, y, out=torch.empty(6, 4))) == 3 * 24
    assert moved(lambda: torch.cat([x, y])) == 4 * 24
    assert moved(lambda: x.to(torch.float64)) == 24 + 48


def test_lookups_and_scatters_move_rows_and_not_tables():
    table, rows = torch.randn(1000, 4), torch.tensor([3, 3, 9])
    ids, values = 3 * 2, 3 * 4  # int64 indices take two float32 each
    assert moved(lambda: functional.embedding(rows, table)) == ids + 2 * values
    assert moved(lambda: table[rows]) == ids + 2 * values
    assert moved(lambda: table.index_add_(0, rows, torch.ones(3, 4))) == ids + 3 * values + values  # ones are written
    assert measure_compute(lambda: functional.embedding(rows, table)).least_bytes == F32 * values, (
        "a table may be read from a cache"
    )


def test_least_bytes_count_each_outside_tensor_once_and_nothing_made_inside():
    w, x = torch.randn(8, 8), torch.randn(2, 8)
    seen = measure_compute(lambda: {"y": [(x @ w @ w @ w).relu()]})
    assert seen.least_bytes == F32 * (64 + 16 + 16)
    assert seen.bytes_moved == F32 * (3 * (16 + 64 + 16) + 2 * 16)


def test_an_operator_without_a_cost_is_an_error_and_with_one_it_counts():
    @torch.library.custom_op("effbench_test::twice", mutates_args=())
    def twice(x: torch.Tensor) -> torch.Tensor:
        return x * 2

    with pytest.raises(UnknownOp, match=r"effbench_test::twice has no formula.*cost\.py"):
        measure_compute(lambda: twice(torch.ones(3)))
    known = cost.Cost(lambda x, out: len(x), lambda x, out: x.nbytes + out.nbytes, "float32")
    cost.register("effbench_test::twice", known)
    assert measure_compute(lambda: twice(torch.ones(3))) == Compute({"float32": 3}, 24 + 12, 2, 12)
    with pytest.raises(ValueError, match="has a cost already"):
        cost.register("effbench_test::twice", known._replace(dtype="int8"))


def test_a_cost_looks_at_values_lengths_and_types_and_its_own_operators_do_not_count():
    @torch.library.custom_op("effbench_test::ragged", mutates_args=())
    def ragged(x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return x.clone()

    def rows(x, lengths, out):
        return int(lengths.sum())  # what a shape cannot tell

    known = cost.Cost(rows, lambda x, lengths, out: x.nbytes, lambda x, *_, out: str(x.dtype).removeprefix("torch."))
    cost.register("effbench_test::ragged", known)
    x, lengths = torch.ones(2, 8, dtype=torch.float64), torch.tensor([3, 5])
    seen = measure_compute(lambda: ragged(x, lengths))
    assert (seen.flops_by_dtype, seen.bytes_moved, seen.ops) == ({"float64": 8}, x.nbytes, 1)
    assert measure_compute(lambda: ragged(x, lengths // 2)).flops == 3


def test_products_in_groups_count_the_rows_that_the_ends_name():
    a, b, square = torch.randn(16, 8), torch.randn(2, 8, 24), torch.randn(2, 16, 8)
    a, b, square = (t.to(torch.bfloat16) for t in (a, b, square))
    for ends, rows in (([8, 16], 16), ([2, 6], 6)):
        ends = torch.tensor(ends, dtype=torch.int32)
        assert measure_compute(partial(torch._grouped_mm, a, b, ends)).flops_by_dtype == {"bfloat16": 2 * rows * 8 * 24}
        columns = measure_compute(partial(torch._grouped_mm, square, a.T.contiguous(), ends))
        assert columns.flops == 2 * 16 * 8 * rows
        inner = measure_compute(partial(torch._grouped_mm, a.T, a, ends))
        assert inner.flops == 2 * 8 * rows * 8
    assert measure_compute(lambda: torch._grouped_mm(square, b)).flops == 2 * 2 * 16 * 8 * 24


def test_a_recorded_kernel_counts_by_its_cost_in_a_system_with_and_without_torch():
    code = """
import sys
import numpy as np
from effbench.kernels import cost, record_kernel
from effbench.measure.compute import measure_compute
from effbench.measure.kernels_run import kernels_run

def products(a, b, out):
    if "torch" in sys.modules:
        import torch
        torch.ones(4, 4) @ torch.ones(4, 4)  # is not the system's work
    return 2 * int((a != 0).sum())

cost.register("toy/sparse_dot", cost.Cost(products, lambda a, b, out: a.nbytes + b.nbytes + out.nbytes, "float64"))
a, b = np.array([0.0, 2.0, 3.0]), np.ones(3)
def call():
    out = np.array(a @ b)
    record_kernel("toy/sparse_dot", a, b, out=out)
    return out
for more in (call, lambda: [call(), torch.ones(2, 2) @ torch.ones(2, 2)]):
    seen = measure_compute(more)
    print(seen.flops_by_dtype, seen.ops > 0, *(k.name for k in kernels_run(more) if k.name in ("toy/sparse_dot", "aten::mm")))
    print(seen.bytes_moved >= 56, "torch" in sys.modules)
    import torch
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert said == [
        "{'float64': 4} True toy/sparse_dot",
        "True False",
        "{'float64': 4, 'float32': 16} True aten::mm toy/sparse_dot",
        "True True",
    ]


def test_a_recorded_kernel_without_a_cost_is_an_error_even_where_it_is_swallowed():
    def call():
        try:
            record_kernel("toy/unknown", 1)
        except UnknownOp:
            return

    with pytest.raises(UnknownOp, match=r"toy/unknown has no formula.*effbench\.kernels\.cost\.register"):
        measure_compute(call)


def test_an_error_that_the_method_swallows_is_still_raised():
    packed = torch.ops.quantized.linear_dynamic

    def call():
        try:
            codes = torch.quantize_per_tensor(torch.ones(8, 64), 1.0, 0, torch.qint8)
            return packed(torch.ones(2, 64), torch.ops.quantized.linear_prepack(codes, None))
        except UnknownOp:
            return torch.ones(2)

    with pytest.raises(UnknownOp, match=r"quantized::linear_prepack"):
        measure_compute(call)


def test_a_fourier_transform_counts_five_n_log_n():
    x = torch.ones(3, 4, 8)
    both = measure_compute(lambda: torch.fft.fft2(x)).flops
    assert (
        both == 3 * 5 * 32 * 5 and measure_compute(lambda: torch.fft.fft(x.to(torch.complex64))).flops == 12 * 5 * 8 * 3
    )


@pytest.mark.filterwarnings("ignore:flex_attention called without")
def test_products_of_torchs_own_without_a_formula_are_errors():
    with pytest.raises(UnknownOp, match=r"aten::_linalg_svd.*formulas\.py"):
        measure_compute(lambda: torch.linalg.svd(torch.eye(3)))
    with pytest.raises(UnknownOp, match=r"sparse or nested"):
        measure_compute(lambda: torch.eye(4).to_sparse() @ torch.ones(4, 4))
    with pytest.raises(UnknownOp, match=r"higher_order::flex_attention"):
        from torch.nn.attention.flex_attention import flex_attention

        x = torch.randn(1, 1, 128, 16)
        measure_compute(lambda: flex_attention(x, x, x))
    for name in (
        "_grouped_mm",
        "addmm_",
        "_fft_r2c",
        "linalg_qr",
        "mkldnn_rnn_layer_backward",
        "_cudnn_rnn",
        "conv_tbc",
    ):
        assert sounds_like_a_product(f"aten::{name}"), name
    for name in ("add", "_softmax", "upsample_bilinear2d", "cummax", "linalg_vector_norm", "_fused_sdp_choice"):
        assert not sounds_like_a_product(f"aten::{name}"), name


def test_a_weight_that_unpacks_itself_counts_what_it_runs():
    class Halved(torch.Tensor):
        @staticmethod
        def __new__(cls, codes):
            return torch.Tensor._make_wrapper_subclass(cls, codes.shape, dtype=torch.float32)

        def __init__(self, codes):
            self.codes = codes

        @classmethod
        def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
            plain = [a.codes.to(torch.bfloat16) if isinstance(a, Halved) else a.to(torch.bfloat16) for a in args]
            return func(*plain, **(kwargs or {}))

    weight, x = Halved(torch.ones(8, 4, dtype=torch.int8)), torch.randn(2, 8)
    assert measure_compute(lambda: torch.mm(x, weight)).flops_by_dtype == {"bfloat16": 2 * 2 * 8 * 4}


def test_a_system_without_torch_gives_zeros_and_imports_none():
    code = (
        "import sys; from effbench.measure.compute import measure_compute; calls = []\n"
        "print(measure_compute(lambda: calls.append(1)), len(calls), 'torch' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split(") ") == ["Compute(flops_by_dtype={}, bytes_moved=0, ops=0, least_bytes=0", "1 False\n"]


def test_no_module_that_measures_imports_torch():
    code = (
        "import importlib, pkgutil, sys; import effbench.measure as m\n"
        "names = [p.name for p in pkgutil.iter_modules(m.__path__)]\n"
        "[importlib.import_module(f'effbench.measure.{name}') for name in names]\n"
        "print(len(names) > 8, 'torch' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == "True False\n"
