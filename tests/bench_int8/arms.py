"""A process that makes layers of a shape and times them on request, on the instruction set that its environment forces.

Requests and answers are lines of JSON: {"make": "linear" or "convolution", "shape": [...]} is answered by the error of every
arm, {"arm": ..., "calls": ...} by the seconds of so many calls. The arms hold the same weight and take the same x.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch

from bench_int8.shapes import Convolution, Linear
from effbench.kernels import isa
from effbench.kernels.codes import StaticRange
from effbench.kernels.conv2d_w8a8 import conv2d_w8a8, pack_conv_w8a8
from effbench.kernels.conv2d_w8a8.reference import quantize_kernel
from effbench.kernels.hadamard import hadamard, has_rotation
from effbench.kernels.linear_w8a8 import linear_w8a8, pack_w8a8, quantize_weight

Call = Callable[[], torch.Tensor]
CLOSE = 1e-6
"""RMS ratio of our layer to its own reference."""
QUANTIZED = 0.04
"""RMS ratio of any 7-bit or 8-bit layer to float32 on Gaussian numbers: more is an arm that computes something else."""
ENGINES = ("fbgemm", "onednn")


def gaussian(shape: Linear) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return x [rows, inputs], weight [outputs, inputs] and bias, the same in every process."""
    generator = np.random.default_rng(shape.products)
    sizes = ((shape.rows, shape.inputs), (shape.outputs, shape.inputs), (shape.outputs,))
    x, weight, bias = (generator.standard_normal(size, dtype=np.float32) for size in sizes)
    return x, weight, bias


def linear_arms(shape: Linear) -> dict[str, Call]:
    """Return arm -> call; ``rotated`` is ours with the Hadamard rotation in the same call."""
    x, weight, bias = map(torch.from_numpy, gaussian(shape))
    layer = torch.nn.Linear(shape.inputs, shape.outputs)
    layer.load_state_dict({"weight": weight, "bias": bias})
    packed = pack_w8a8(quantize_weight(weight))
    arms: dict[str, Call] = {"fp32": lambda: layer(x), "ours": lambda: linear_w8a8(x, packed, bias)}
    exact = linear_w8a8(x[:64], packed, bias, impl="reference")
    assert ratio(linear_w8a8(x[:64], packed, bias), exact) < CLOSE, f"{shape}: our layer differs from its reference"
    for engine in ENGINES:
        arms[engine] = dynamic(layer, engine, x)
    if has_rotation(shape.inputs):
        turned = pack_w8a8(quantize_weight(hadamard(weight)))  # W H H x is W x
        arms["rotated"] = lambda: linear_w8a8(x, turned, bias, rotate=True)
    return arms


def dynamic(layer: torch.nn.Linear, engine: str, x: torch.Tensor) -> Call:
    """Return torch's ``quantize_dynamic`` of a layer by one of its engines."""
    torch.backends.quantized.engine = engine
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = torch.ao.quantization.quantize_dynamic(torch.nn.Sequential(layer), dtype=torch.qint8)

    def call() -> torch.Tensor:
        torch.backends.quantized.engine = engine
        return theirs(x)

    return call


def convolution_arms(shape: Convolution) -> dict[str, Call]:
    """Return arm -> call of a convolution under the static range of its input."""
    g = torch.Generator().manual_seed(shape.products % 2**31)
    x = torch.randn(shape.batch, shape.inputs, shape.side, shape.side, generator=g)
    weight = torch.randn(shape.outputs, shape.inputs, shape.kernel, shape.kernel, generator=g)
    bias, padding = torch.randn(shape.outputs, generator=g), (shape.kernel // 2,) * 2
    bits = isa.activation_bits()
    low, high = float(x.min()), float(x.max())
    scale = (high - low) / (2**bits - 1)
    static = StaticRange(scale, round(-low / scale), bits)
    packed = pack_conv_w8a8(quantize_kernel(weight), (shape.kernel,) * 2)
    stride = (shape.stride,) * 2
    ours = conv2d_w8a8(x, packed, bias, static, stride, padding)
    exact = conv2d_w8a8(x, packed, bias, static, stride, padding, impl="reference")
    assert ratio(ours, exact) < CLOSE, f"{shape}: our convolution differs from its reference"
    return {
        "fp32": lambda: torch.nn.functional.conv2d(x, weight, bias, stride, padding),
        "ours": lambda: conv2d_w8a8(x, packed, bias, static, stride, padding),
    }


def ratio(ours: torch.Tensor, exact: torch.Tensor) -> float:
    """Return the RMS of the difference over that of what is exact."""
    return float((ours - exact).norm() / exact.norm())


def main() -> None:
    """Answer requests until the input ends."""
    torch.set_num_threads(int(sys.argv[1]))
    arms: dict[str, Call] = {}
    answer({"isa": isa.current().name, "torch": torch.__version__})
    with torch.inference_mode():
        for line in sys.stdin:
            request = json.loads(line)
            if "make" in request:
                kind = request["make"]
                arms = (
                    linear_arms(Linear(*request["shape"]))
                    if kind == "linear"
                    else convolution_arms(Convolution(*request["shape"]))
                )
                exact = arms["fp32"]()
                answer({arm: ratio(call(), exact) for arm, call in arms.items()})
            else:
                call = arms[request["arm"]]
                call()  # threads that slept wake up
                start = time.perf_counter()
                for _ in range(request["calls"]):
                    call()
                answer(time.perf_counter() - start)


def answer(what: object) -> None:
    """Write one line."""
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main()
