"""Times integer layers beside their peers: ``make bench-int8`` writes docs/quantization-kernels.md, a section for each.

Every arm is checked before its times count: ours against its reference, all against float32. Then the arms take turns.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench_int8.arms import QUANTIZED
from bench_int8.shapes import LARGE, Convolution, Linear, model_shapes
from effbench.kernels import isa
from effbench.measure.machine import facts
from effbench.section import replace_section

THREADS = 2
TURNS = 9
"""Of each arm; the least and the largest stand beside the median."""
TURN_S = 0.004
"""How long a turn of an arm is to last at least: some thousand times what the clock resolves."""
AVX2 = {
    "EFFBENCH_ISA": "avx2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "FBGEMM_ENABLE_INSTRUCTIONS": "AVX2",
}
"""What keeps every library of torch to AVX2, so that a machine with more stands for one without."""
VNNI = {"EFFBENCH_ISA": "avx512-vnni", "ONEDNN_MAX_CPU_ISA": "AVX512_CORE_VNNI"}
"""What keeps a machine with AMX to AVX-512 VNNI."""
PEERS = ("fbgemm", "onednn", "ort")


class Process:
    """A process that answers lines of JSON; between requests it stands still, since threads that wait for work may spin."""

    def __init__(self, command: Sequence[str], environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            command, env=os.environ | environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        self.about = self._read()

    def ask(self, request: dict[str, Any]) -> Any:
        """Return its answer."""
        assert self._process.stdin is not None
        self._process.send_signal(signal.SIGCONT)
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._read()
        self._process.send_signal(signal.SIGSTOP)
        return answer

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("an arm's process ended: run it by itself to see why")
        return json.loads(line)

    def close(self) -> None:
        """End it."""
        self._process.send_signal(signal.SIGCONT)
        self._process.communicate()


def seconds(processes: Sequence[Process], kind: str, shape: Linear | Convolution) -> dict[str, np.ndarray]:
    """Return arm -> seconds of a call in each turn; raise ``AssertionError`` where an arm is no such layer."""
    owner: dict[str, Process] = {}
    for process in processes:
        for arm, error in process.ask({"make": kind, "shape": list(shape)}).items():
            assert error < QUANTIZED or math.isclose(error, 0), f"{shape}: {arm} is {error:.1%} off float32"
            owner[arm] = process
    calls = {}
    for arm, process in owner.items():
        once = process.ask({"arm": arm, "calls": 3}) / 3
        calls[arm] = max(1, math.ceil(TURN_S / once))
    spent: dict[str, list[float]] = {arm: [] for arm in owner}
    for _ in range(TURNS):
        for arm, process in owner.items():
            spent[arm].append(process.ask({"arm": arm, "calls": calls[arm]}) / calls[arm])
    return {arm: np.array(values) for arm, values in spent.items()}


def row(shape: Linear | Convolution, spent: dict[str, np.ndarray], arms: Sequence[str]) -> str:
    """Return one line of the table: float32 in microseconds and GFLOP/s, then how many times as fast each arm is."""
    floating = spent["fp32"]
    median = float(np.median(floating))
    cells = [f"| {shape} | {median * 1e6:,.0f} ({2 * shape.products / median / 1e9:.0f}) "]
    for arm in arms:
        if arm not in spent:
            cells.append("| ")
            continue
        ratios = floating / spent[arm]  # turn by turn
        cells.append(f"| {np.median(ratios):.2f} ({ratios.min():.2f}-{ratios.max():.2f}) ")
    if "rotated" in spent:
        cells.append(f"| {(np.median(spent['rotated']) / np.median(spent['ours']) - 1) * 100:.0f} % ")
    elif isinstance(shape, Linear):
        cells.append("| ")
    return "".join(cells) + "|"


def geometric_mean(ratios: Sequence[float]) -> float:
    """Return it."""
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


def section(
    processes: Sequence[Process], shapes: Sequence[Linear], convolutions: Sequence[Convolution]
) -> Iterator[str]:
    """Yield the lines of one instruction set's section."""
    about = {key: value for process in processes for key, value in process.about.items()}
    peers = [peer for peer in PEERS if peer != "ort" or "onnxruntime" in about]
    versions = ", ".join(f"{name} {about[name]}" for name in ("torch", "onnxruntime") if name in about)
    codes = f"{about['isa']} ({isa.activation_bits(about['isa'])}-bit codes)"
    yield f"{facts()['cpu_model']}, {THREADS} threads, {codes}, {versions}."
    yield ""
    yield "| tokens x inputs -> outputs | fp32, us (GFLOP/s) | ours | " + " | ".join(peers) + " | rotation adds |"
    yield "|---|--:|--:|" + "--:|" * len(peers) + "--:|"
    against: dict[str, list[float]] = {peer: [] for peer in peers}
    slower = []
    for shape in shapes:
        spent = seconds(processes, "linear", shape)
        yield row(shape, spent, ("ours", *peers))
        medians = {arm: float(np.median(values)) for arm, values in spent.items()}
        for peer in peers:
            against[peer].append(medians[peer] / medians["ours"])
        if min(medians["fbgemm"], medians["onednn"]) < medians["ours"]:
            slower.append(str(shape))
    yield ""
    means = ", ".join(f"{peer} {geometric_mean(ratios):.2f}" for peer, ratios in against.items())
    yield f"Ours is so many times as fast as each peer, in the geometric mean of the shapes: {means}. "
    yield f"Shapes on which an engine of `quantize_dynamic` is faster: {'; '.join(slower) if slower else 'none'}."
    yield ""
    yield "| convolution | fp32, us (GFLOP/s) | ours |"
    yield "|---|--:|--:|"
    for form in convolutions:
        yield row(form, seconds(processes[:1], "convolution", form), ("ours",))


def main() -> None:
    """Print the tables and write them into the page."""
    parser = argparse.ArgumentParser(prog="python -m bench_int8")
    parser.add_argument("--ort-python", type=Path, default=Path(".venv-ort/bin/python"))
    parser.add_argument("--page", type=Path, help="Markdown page whose section of each instruction set is replaced")
    parser.add_argument("--only", choices=isa.LARGEST_FIRST, help="one instruction set")
    arguments = parser.parse_args()
    linears, convolutions = model_shapes()
    shapes = sorted({*linears, *(Linear(*shape) for shape in LARGE)})
    native = isa.detect()
    smaller = {"avx512-vnni": VNNI, "avx2": AVX2}
    for name in isa.LARGEST_FIRST[isa.LARGEST_FIRST.index(native) :]:
        if arguments.only not in (None, name) or (name == "portable" and native != name):
            continue
        environment = {} if name == native else smaller[name]
        processes = [Process([sys.executable, "-m", "bench_int8.arms", str(THREADS)], environment)]
        if not environment:  # nothing keeps ONNX Runtime to less
            script = str(Path(__file__).with_name("ort.py"))
            processes.append(Process([str(arguments.ort_python), script, str(THREADS)], {}))
        lines = []
        for line in section(processes, shapes, sorted(convolutions)):
            print(line, flush=True)
            lines.append(line)
        for process in processes:
            process.close()
        if arguments.page:
            replace_section(arguments.page, name, "\n".join(lines))


if __name__ == "__main__":
    main()
