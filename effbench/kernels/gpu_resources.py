"""What the Triton kernels take of a card, found without one: each is compiled ahead of time, its machine code counted.

``python -m effbench.kernels.gpu_resources --page docs/gpu-kernels.md`` writes the table of that page. The launchers say
themselves what they would launch for the shapes of real models (``written_down``), so that nothing here repeats a tile.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch

from effbench.kernels.adaln_quantize.gpu import adaln_quantize
from effbench.kernels.codes import QuantizedRows, StaticRange
from effbench.kernels.conv2d_w8a8.gpu import conv2d_w8a8
from effbench.kernels.gelu_quantize.gpu import gelu_quantize
from effbench.kernels.gpu_launch import Launch, triton, written_down
from effbench.kernels.gpu_weights import GpuWeight, PackedGpuWeight
from effbench.kernels.hadamard.gpu import hadamard
from effbench.kernels.linear_w4a8.gpu import linear_w4a8
from effbench.kernels.linear_w4a16.gpu import linear_w4a16
from effbench.kernels.linear_w8a8.gpu import linear_w8a8
from effbench.kernels.quantize_rows.gpu import quantize_rows
from effbench.kernels.sparse_conv import gpu as sparse
from effbench.kernels.sparse_conv.kernel_map import KernelMap
from effbench.kernels.window_attention.gpu import attention_with_residual, window_attention

CAPABILITIES = (80, 90)
"""Cards that the kernels are compiled for: Ampere (A100) and Hopper (H100)."""
SHARED_LIMIT = {80: 163 * 1024, 90: 227 * 1024}
"""Bytes of shared memory that one program may take (CUDA programming guide, technical specifications)."""
TENSOR_CORE = re.compile(r"\b(?:IMMA|HMMA|IGMMA|HGMMA)[\w.]*")
"""The machine instructions of the tensor cores; I for integers, G for whole groups of warps (Hopper)."""
TYPES = {
    torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16", torch.uint8: "u8", torch.int8: "i8",
    torch.int32: "i32",
}  # fmt: skip


class CompiledCase(NamedTuple):
    """A call of a launcher at the shape of a real model; ``product`` where it is a matrix product."""

    name: str
    product: bool
    call: Callable[[], object]


class KernelResources(NamedTuple):
    """What one kernel takes on one card: registers and stack a thread, shared memory a program, in bytes."""

    case: str
    kernel: str
    product: bool
    capability: int
    warps: int
    registers: int
    stack_bytes: int
    local_bytes: int
    shared_bytes: int
    tensor_core: str
    ptx: str


def _empty(*shape: int, dtype: torch.dtype = torch.float16) -> torch.Tensor:
    """Return a tensor without memory."""
    return torch.empty(shape, dtype=dtype, device="meta")


def int8_rows(*shape: int) -> QuantizedRows:
    """Return codes of rows without memory."""
    counts = (_empty(*shape[:-1], dtype=torch.int32), _empty(*shape[:-1], dtype=torch.int32))
    return QuantizedRows(_empty(*shape, dtype=torch.uint8), _empty(*shape[:-1], dtype=torch.float32), *counts)


def int8_weight(outputs: int, inputs: int) -> GpuWeight:
    """Return an 8-bit weight without memory."""
    sums = _empty(outputs, dtype=torch.int32)
    return GpuWeight(_empty(outputs, inputs, dtype=torch.int8), _empty(outputs, dtype=torch.float32), sums)


def int4_weight(outputs: int, inputs: int, groups: int) -> PackedGpuWeight:
    """Return a 4-bit weight without memory, of groups of at most 128 inputs or none."""
    scale, zero = _empty(outputs, groups, dtype=torch.float32), _empty(outputs, groups, dtype=torch.int8)
    codes, sums = _empty(outputs, inputs // 2, dtype=torch.int8), _empty(outputs, groups, dtype=torch.int32)
    return PackedGpuWeight(codes, scale, zero, sums, inputs // groups)


def heads_of(
    *, tokens: int = 4096, width: int = 72, dtype: torch.dtype = torch.float16
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return q, k and v [2, 16, N, D] without memory, as views of one fused projection."""
    fused = _empty(2, tokens, 3, 16, width, dtype=dtype)
    q, k, v = (part.transpose(1, 2) for part in fused.unbind(2))
    return q, k, v


def sparse_operands(
    inputs: int, outputs: int, *, dtype: torch.dtype = torch.float16, depthwise: bool = False
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, KernelMap, int]:
    """Return features, weight, the outputs' gradient, map and groups of 40,000 voxels, without memory."""
    voxels = 40_000
    weight = _empty(27, 1 if depthwise else inputs, outputs, dtype=dtype)
    found = KernelMap(_empty(27, voxels, dtype=torch.int32), voxels, True)
    features, gradient = (_empty(voxels, width, dtype=dtype) for width in (inputs, outputs))
    return features, weight, gradient, found, inputs if depthwise else 1


def sparse_case(name: str, *widths: int, gradient: bool = False, **more: Any) -> CompiledCase:
    """Return a sparse convolution or the gradient of its weight."""
    x, weight, back, found, groups = sparse_operands(*widths, **more)
    if gradient:
        return CompiledCase(name, groups == 1, lambda: sparse.weight_gradient(x, back, found, groups))
    return CompiledCase(name, groups == 1, lambda: sparse.convolve(x, weight, found, groups))


def cases() -> list[CompiledCase]:
    """Return calls at the shapes of PixArt-XL (1,024 tokens, guidance), its MLP, and SDXL's convolutions, in fp16."""
    x, hidden, half = _empty(2, 1024, 1152), _empty(2, 1024, 4608), torch.float16
    modulation, signs = _empty(2, 1152), _empty(1152, dtype=torch.float32)
    text, image, bias = int8_rows(1, 32, 4096), _empty(2, 320, 64, 64), _empty(4608)
    deep = int8_rows(2, 1024, 4608)
    static, at_one = StaticRange(0.1, 117), StaticRange(0.1, 1)
    return [
        CompiledCase("quantize_rows, 1,152", False, lambda: quantize_rows(x)),
        CompiledCase("adaln_quantize, 1,152", False, lambda: adaln_quantize(x, modulation, modulation)),
        CompiledCase("adaln_quantize, rotated 12 x 12 x 8", False,
             lambda: adaln_quantize(x, modulation, modulation, multiplier=signs, rotate=True)),
        CompiledCase("gelu_quantize, 4,608", False, lambda: gelu_quantize(hidden)),
        CompiledCase("gelu_quantize, rotated 12 x 12 x 32", False, lambda: gelu_quantize(hidden, rotate=True)),
        CompiledCase("hadamard, 12 x 20 x 8", False, lambda: hadamard(_empty(2, 1024, 1920))),
        CompiledCase("hadamard, 2^12", False, lambda: hadamard(_empty(2, 1024, 4096))),
        CompiledCase("linear_w8a8, many rows", True,
             lambda: linear_w8a8(int8_rows(2, 1024, 1152), int8_weight(4608, 1152), bias, dtype=half)),
        CompiledCase("linear_w8a8, gate and residual", True,
             lambda: linear_w8a8(deep, int8_weight(1152, 4608), None, gate=modulation, residual=x, dtype=half)),
        CompiledCase("linear_w8a8, few rows", True,
             lambda: linear_w8a8(text, int8_weight(1152, 4096), None, dtype=half)),
        CompiledCase("linear_w8a8, few rows, odd sizes", True,
             lambda: linear_w8a8(int8_rows(1, 7, 1151), int8_weight(997, 1151), None)),
        CompiledCase("linear_w8a8, one row", True,
             lambda: linear_w8a8(int8_rows(1, 1, 1152), int8_weight(1152, 1152), None)),
        CompiledCase("linear_w8a8, odd sizes", True,
             lambda: linear_w8a8(int8_rows(1, 1021, 1151), int8_weight(997, 1151), None)),
        CompiledCase("linear_w4a8, per channel", True,
             lambda: linear_w4a8(int8_rows(2, 1024, 1152), int4_weight(4608, 1152, 1), bias, dtype=half)),
        CompiledCase("linear_w4a8, groups of 128", True,
             lambda: linear_w4a8(int8_rows(2, 1024, 1152), int4_weight(4608, 1152, 9), bias, dtype=half)),
        CompiledCase("linear_w4a8, groups of 32", True,
             lambda: linear_w4a8(int8_rows(2, 1024, 1152), int4_weight(4608, 1152, 36), bias, dtype=half)),
        CompiledCase("linear_w4a8, few rows", True,
             lambda: linear_w4a8(text, int4_weight(1152, 4096, 32), None, dtype=half)),
        CompiledCase("linear_w4a8, odd sizes", True,
             lambda: linear_w4a8(int8_rows(1, 1021, 1150), int4_weight(997, 1150, 1), None)),
        CompiledCase("linear_w4a16, per channel", True, lambda: linear_w4a16(x, int4_weight(4608, 1152, 1), bias)),
        CompiledCase("linear_w4a16, groups of 128", True, lambda: linear_w4a16(x, int4_weight(4608, 1152, 9), bias)),
        CompiledCase("linear_w4a16, bf16", True,
             lambda: linear_w4a16(_empty(2, 1024, 1152, dtype=torch.bfloat16), int4_weight(4608, 1152, 9), bias)),
        CompiledCase("linear_w4a16, fp32", True,
             lambda: linear_w4a16(_empty(2, 1024, 1152, dtype=torch.float32), int4_weight(4608, 1152, 9), bias)),
        CompiledCase("linear_w4a16, odd sizes", True,
             lambda: linear_w4a16(_empty(1, 1021, 1150, dtype=torch.float32), int4_weight(997, 1150, 1), None)),
        CompiledCase("linear_w4a16, few rows", True,
             lambda: linear_w4a16(_empty(1, 32, 4096), int4_weight(1152, 4096, 32), None)),
        CompiledCase("conv2d_w8a8, 3 x 3", True,
             lambda: conv2d_w8a8(image, int8_weight(640, 2880), (3, 3), None, static, padding=(1, 1), dtype=half)),
        CompiledCase("conv2d_w8a8, 2 x 2 steps", True,
             lambda: conv2d_w8a8(image, int8_weight(320, 2880), (3, 3), None, StaticRange(0.1, 0), (2, 2), (1, 1))),
        CompiledCase("conv2d_w8a8, 4 channels", True,
             lambda: conv2d_w8a8(_empty(2, 4, 64, 64), int8_weight(320, 36), (3, 3), None, at_one, padding=(1, 1))),
        CompiledCase("window_attention", True, lambda: window_attention(*heads_of(), 512)),
        CompiledCase("window_attention, and residual", True,
             lambda: window_attention(*heads_of(), 512, _empty(2, 4096, 16, 72).transpose(1, 2))),
        CompiledCase("window_attention, bf16", True, lambda: window_attention(*heads_of(dtype=torch.bfloat16), 512)),
        CompiledCase("window_attention, fp32", True, lambda: window_attention(*heads_of(dtype=torch.float32), 512)),
        CompiledCase("window_attention, odd sizes", True,
             lambda: window_attention(*heads_of(tokens=1021, width=71), 127)),
        CompiledCase("window_attention, fp32, odd sizes", True,
             lambda: window_attention(*heads_of(tokens=1021, width=71, dtype=torch.float32), 127)),
        CompiledCase("window_attention, heads of 128", True, lambda: window_attention(*heads_of(width=128), 512)),
        CompiledCase("attention_with_residual", True, lambda: attention_with_residual(*heads_of(), 512)),
        CompiledCase("attention_with_residual, fp32", True,
             lambda: attention_with_residual(*heads_of(dtype=torch.float32), 512)),
        CompiledCase("attention_with_residual, odd sizes", True,
             lambda: attention_with_residual(*heads_of(tokens=1021, width=71), 127)),
        CompiledCase("attention_with_residual, fp32, odd sizes", True,
             lambda: attention_with_residual(*heads_of(tokens=1021, width=71, dtype=torch.float32), 127)),
        *(sparse_case(f"sparse_conv{name}, {kind}", *widths, dtype=dtype, gradient=gradient)
          for gradient, name in ((False, ""), (True, ", gradient of the weight"))
          for kind, widths, dtype in (
              ("64 channels", (64, 64), half), ("bf16", (64, 64), torch.bfloat16), ("fp32", (64, 64), torch.float32),
              ("odd sizes", (5, 17), half), ("fp32, odd sizes", (5, 17), torch.float32),
          )),
        sparse_case("sparse_conv, depthwise", 64, 64, depthwise=True),
        sparse_case("sparse_conv, depthwise, gradient of the weight", 64, 64, depthwise=True, gradient=True),
    ]  # fmt: skip


def launches(case: CompiledCase, capability: int) -> list[Launch]:
    """Return what a case would launch on a card."""
    with written_down(capability) as found:
        case.call()
    return found


def compiled(given: Launch, capability: int) -> Any:
    """Return what Triton compiles for a launch, specialized for its arguments as a launch on the card would be."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    signature, constants, aligned = {}, {}, {}
    for place, parameter in enumerate(given.kernel.params):
        value = given.arguments[parameter.name]
        one = type(value) is int and value == 1 and not parameter.do_not_specialize
        if parameter.is_constexpr or value is None or one:
            signature[parameter.name], constants[parameter.name] = "constexpr", value
            continue
        if isinstance(value, torch.Tensor):
            signature[parameter.name] = "*" + TYPES[value.dtype]
        else:
            signature[parameter.name] = "fp32" if isinstance(value, float) else "i32"
        if isinstance(value, torch.Tensor) or (value % 16 == 0 and not parameter.do_not_specialize):
            aligned[(place,)] = [["tt.divisibility", 16]]
    source = ASTSource(given.kernel, signature, constants, aligned)
    options = {**given.options._asdict(), "enable_fp_fusion": False}
    return triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)


def resources(case: CompiledCase, capability: int) -> Iterator[KernelResources]:
    """Compile what a case launches and count; one result a kernel, the last is what the case is named by."""
    tools = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
    for given in launches(case, capability):
        kernel = compiled(given, capability)
        with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
            file.write(kernel.asm["cubin"])
            file.flush()
            usage = _output(tools / "cuobjdump", "-res-usage", file.name)
            instructions = sorted(set(TENSOR_CORE.findall(_output(tools / "cuobjdump", "-sass", file.name))))
        found = re.search(r"REG:(\d+) STACK:(\d+) SHARED:\d+ LOCAL:(\d+)", usage)
        if found is None:
            raise ValueError(f"cuobjdump says nothing of registers: {usage!r}")
        registers, stack, local = map(int, found.groups())
        yield KernelResources(
            case.name, given.kernel.__name__.removeprefix("_"), case.product, capability, given.options.num_warps,
            registers, stack, local, kernel.metadata.shared, ", ".join(instructions), kernel.asm["ptx"],
        )  # fmt: skip


def _output(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def table(found: list[KernelResources]) -> str:
    """Return the resources as a table in Markdown, with the versions that they were found with."""
    lines = [
        "| kernel | case | card | warps | registers | stack, bytes | shared, KiB | tensor cores |",
        "|---|---|---|--:|--:|--:|--:|---|",
    ]
    for one in found:
        cells = (
            f"`{one.kernel}`", one.case, f"sm_{one.capability}", one.warps, one.registers, one.stack_bytes + one.local_bytes,
            f"{one.shared_bytes / 1024:.1f}", one.tensor_core or "none",
        )  # fmt: skip
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    versions = f"Triton {triton.__version__} with the ptxas and cuobjdump of its wheel, torch {torch.__version__}."
    return "\n".join([*lines, "", versions])


def main() -> None:
    """Compile every case for every card and print the table, or put it into a page between its markers."""
    from effbench.section import replace_section

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--page", type=Path)
    given = parser.parse_args()
    text = table([one for case in cases() for card in CAPABILITIES for one in resources(case, card)])
    if given.page is None:
        print(text)
    else:
        replace_section(given.page, "resources", text)


if __name__ == "__main__":
    main()
