"""What this machine can do at most, measured: products per second by data type, and memory bandwidth.

A data sheet's peak is not what a machine gives; these are the rates that the same library reaches on large matrices. With
them every call has a shortest time, and the share of it that a method reaches says whether there is anything left to gain.
"""

from __future__ import annotations

import contextlib
import json
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from effbench.atomic import write_bytes
from effbench.cachedir import cache_folder
from effbench.measure.machine import fingerprint
from effbench.readings import Calibration

SHAPES = ((128, 384, 1536), (256, 1024, 1024), (1024, 1024, 1024))
"""(rows per thread, inner, columns) of the products on a CPU: small enough for its caches up to larger than them."""
CUDA_SHAPES = ((4096, 4096, 4096), (8192, 8192, 8192), (16384, 4096, 4096))
"""(rows, inner, columns) of the products on a GPU: large enough to fill it, square and long. A choice; the best counts."""
SECONDS_PER_PEAK, MOST_SECONDS_PER_PEAK = 0.9, 1.7
"""How long a peak is looked for, and how long at most where its best repeats have not settled. A choice: a run looks for one
per kind of number, and is not to wait for a minute."""
LEAST_REPEATS, BEST_REPEATS = 5, 5
"""A peak is the median of the five best repeats: one lucky reading of the clock does not make it, nor do slow ones."""
SETTLED_WITHIN = 0.05
"""Spread of the best repeats below which a peak is taken as reached; a machine that others use gets more time."""
LEAST_ARRAY_BYTES, MOST_ARRAY_BYTES = 64 * 2**20, 2**30
"""Of each of three arrays: the least where a machine does not tell its cache, the most so that 3 GB are never taken over."""
TIMES_THE_CACHE = 4
"""An array this many times as large as the last-level cache is read from memory but for a quarter of it at most."""
CPU_CACHES = Path("/sys/devices/system/cpu")


class Peak(NamedTuple):
    """A rate in 1e9 a second, and the spread of the repeats it comes from."""

    rate: float
    spread: float


def calibrate(threads: int, device: str = "cpu", between: Callable[[], object] = lambda: None) -> Calibration:
    """Measure the peaks of ``device`` ("cpu" or "cuda:N") in a few seconds; ``between`` is called after each of them."""
    import torch

    started = time.perf_counter()
    threads_before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            peaks = {}
            makers = _cpu_products(threads) if device == "cpu" else _cuda_products(device)
            for dtype, make in makers.items():
                with contextlib.suppress(RuntimeError):  # torch's word for a type that this device has no product for
                    peaks[dtype] = _peak(make(), device)
                between()
            cache = cache_bytes() if device == "cpu" else torch.cuda.get_device_properties(device).L2_cache_size
            bandwidth = _peak(_copies(device, cache), device)
            between()
    finally:
        torch.set_num_threads(threads_before)
    return Calibration(
        threads=threads,
        torch=version("torch"),
        gemm_gflops={dtype: peak.rate for dtype, peak in peaks.items()},
        bandwidth_gb_s=bandwidth.rate,
        seconds=time.perf_counter() - started,
        spread={name: peak.spread for name, peak in {**peaks, "bandwidth": bandwidth}.items()},
        device=device,
        cache_bytes=cache,
    )


class Job(NamedTuple):
    """Something to time: the operations or bytes of one call, and the call."""

    work: int
    call: Callable[[], object]


def _cpu_products(threads: int) -> dict[str, Callable[[], list[Job]]]:
    """Return data type -> what makes its products; int8 is the product inside our own int8 layer."""
    import torch

    from effbench.kernels.linear_w8a8 import linear_w8a8, pack_w8a8, quantize_weight
    from effbench.kernels.quantize_rows import quantize_rows

    shapes = [(rows * threads, inner, columns) for rows, inner, columns in SHAPES]

    def floating(dtype: torch.dtype) -> list[Job]:
        return [_product(shape, dtype, "cpu") for shape in shapes]

    def int8() -> list[Job]:
        jobs = []
        for rows, inner, columns in shapes:
            packed = pack_w8a8(quantize_weight(torch.randn(columns, inner)))
            codes = quantize_rows(torch.randn(rows, inner), packed.activation_bits)
            jobs.append(Job(2 * rows * inner * columns, partial(linear_w8a8, codes, packed)))
        return jobs

    return {"float32": partial(floating, torch.float32), "bfloat16": partial(floating, torch.bfloat16), "int8": int8}


def _cuda_products(device: str) -> dict[str, Callable[[], list[Job]]]:
    """Return data type -> what makes its products on a GPU; float32 as torch runs it by default, without TF32."""
    import torch

    def floating(dtype: torch.dtype) -> list[Job]:
        return [_product(shape, dtype, device) for shape in CUDA_SHAPES]

    def int8() -> list[Job]:
        jobs = []
        for rows, inner, columns in CUDA_SHAPES:
            a = torch.randint(-127, 128, (rows, inner), dtype=torch.int8, device=device)
            b = torch.randint(-127, 128, (columns, inner), dtype=torch.int8, device=device).T
            jobs.append(Job(2 * rows * inner * columns, partial(torch._int_mm, a, b)))
        return jobs

    kinds = (torch.float32, torch.float16, torch.bfloat16)
    return {str(kind).removeprefix("torch."): partial(floating, kind) for kind in kinds} | {"int8": int8}


def _product(shape: tuple[int, int, int], dtype: Any, device: str) -> Job:
    """Return the product [M, K] @ [K, N] into memory that stands already."""
    import torch

    rows, inner, columns = shape
    a, b = (torch.randn(size, device=device).to(dtype) for size in ((rows, inner), (inner, columns)))
    out = torch.empty(rows, columns, dtype=dtype, device=device)
    return Job(2 * rows * inner * columns, lambda: torch.mm(a, b, out=out))


def _copies(device: str, cache: int) -> list[Job]:
    """Return a read, a copy and a triad (a = b + s c) over float32 arrays that no cache holds."""
    import torch

    room = psutil.virtual_memory().available if device == "cpu" else torch.cuda.mem_get_info(device)[0]
    size = min(max(LEAST_ARRAY_BYTES, TIMES_THE_CACHE * cache), MOST_ARRAY_BYTES, room // 8)
    a, b, c = (torch.ones(size // 4, device=device) for _ in range(3))
    return [
        Job(size, lambda: torch.amax(a)),
        Job(2 * size, lambda: a.copy_(b)),
        Job(3 * size, lambda: torch.add(b, c, alpha=0.5, out=a)),
    ]


def _peak(jobs: Sequence[Job], device: str) -> Peak:
    """Return the best rate over jobs, each the median of its best repeats; raises ``RuntimeError`` where one cannot run.

    The jobs take turns, so that a busy second of the machine does not fall on one of them alone.
    """
    for job in jobs:
        _seconds(job.call, device)  # the first call allocates and chooses a kernel
    rates: list[list[float]] = [[] for _ in jobs]
    started = time.perf_counter()
    while True:
        for job, found in zip(jobs, rates):
            found.append(job.work / _seconds(job.call, device) / 1e9)
        spent = time.perf_counter() - started
        if spent < SECONDS_PER_PEAK or len(rates[0]) < LEAST_REPEATS:
            continue
        peak = max(_best(found) for found in rates)
        if peak.spread <= SETTLED_WITHIN or spent > MOST_SECONDS_PER_PEAK:
            return peak


def _best(rates: Sequence[float]) -> Peak:
    """Return the median of the best repeats, and their spread."""
    best = sorted(rates, reverse=True)[:BEST_REPEATS]
    middle = statistics.median(best)
    return Peak(middle, (best[0] - best[-1]) / middle)


def _seconds(call: Callable[[], object], device: str) -> float:
    """Return the seconds of one call, by the device's own clock where it is not a CPU."""
    if device == "cpu":
        started = time.perf_counter()
        call()
        return time.perf_counter() - started
    import torch

    with torch.cuda.device(device):
        before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        before.record()
        call()
        after.record()
        torch.cuda.synchronize()
        return float(before.elapsed_time(after)) / 1e3


def cache_bytes(root: Path = CPU_CACHES) -> int:
    """Return the bytes of all last-level caches of this machine together, each once; 0 where the system does not say."""
    caches: dict[tuple[int, str], int] = {}
    for index in root.glob("cpu[0-9]*/cache/index*"):
        try:
            level, size = int((index / "level").read_text("utf-8")), (index / "size").read_text("utf-8").strip()
            caches[level, (index / "shared_cpu_list").read_text("utf-8").strip()] = _kibibytes(size)
        except (OSError, ValueError):
            continue
    last = max((level for level, _ in caches), default=0)
    return sum(size for (level, _), size in caches.items() if level == last)


def _kibibytes(text: str) -> int:
    """Return the bytes of "32768K" or "32M"."""
    return int(text[:-1]) * {"K": 2**10, "M": 2**20}[text[-1]]


def calibration_file(machine: str, threads: int, device: str = "cpu") -> Path:
    """Return where the peaks of a machine (by its fingerprint) are kept, in the user's cache folder."""
    suffix = "" if device == "cpu" else f"-{device.replace(':', '')}"
    return cache_folder() / "machine" / f"{machine}-{threads}{suffix}.json"


def save(calibration: Calibration, machine: str | None = None) -> Path:
    """Keep the peaks for later runs and return the file; raises ``StoreError`` where it cannot be written.

    Of each peak the higher of what was kept and what is new stays: whatever else runs on a machine only ever lowers one.
    """
    machine = machine or fingerprint()
    path = calibration_file(machine, calibration.threads, calibration.device)
    kept = higher(load(machine, calibration.threads, calibration.device), calibration)
    write_bytes(path, json.dumps(asdict(kept), indent=1).encode())
    return path


def higher(kept: Calibration | None, new: Calibration) -> Calibration:
    """Return ``new`` with each peak of ``kept`` that is higher, and the spread that belongs to it."""
    if kept is None:
        return new
    stays = {name for name, rate in kept.gemm_gflops.items() if rate > new.gemm_gflops.get(name, 0.0)}
    rates = new.gemm_gflops | {name: kept.gemm_gflops[name] for name in stays}
    if kept.bandwidth_gb_s > new.bandwidth_gb_s:
        stays.add("bandwidth")
    spread = new.spread | {name: kept.spread[name] for name in stays if name in kept.spread}
    return replace(new, gemm_gflops=rates, bandwidth_gb_s=max(kept.bandwidth_gb_s, new.bandwidth_gb_s), spread=spread)


def load(machine: str, threads: int, device: str = "cpu") -> Calibration | None:
    """Return the peaks that were kept, or None: never measured, measured with another torch, or an unreadable file."""
    try:
        found = Calibration(**json.loads(calibration_file(machine, threads, device).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    is_usable = found.torch == version("torch") and all(math.isfinite(g) and g > 0 for g in found.gemm_gflops.values())
    return found if is_usable and found.bandwidth_gb_s > 0 else None
