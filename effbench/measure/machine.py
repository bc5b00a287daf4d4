"""Which machine this is and which device a task gets; free of torch, so that planning stays instant."""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import json
import os
import platform
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from effbench.errors import BadInput

INSTRUCTIONS = (
    *("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16"),
    *("asimd", "sve", "i8mm", "bf16"),
)
"""What makes one processor many times as fast as another in low precision; a virtual machine's model name hides it."""


@cache
def cuda_devices() -> int:
    """Return how many CUDA devices torch could use here: 0 without a driver or with a CPU build of torch."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None or not any(Path(spec.origin).parent.glob("lib/libtorch_cuda*")):
        return 0
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def resolve_device(asked: str) -> str | None:
    """Return "cpu" or "cuda:N" for what a suite asked, or None where that device is not there."""
    if asked == "cpu" or (asked == "auto" and cuda_devices() == 0):
        return "cpu"
    index = int(asked.partition(":")[2] or 0)
    return f"cuda:{index}" if index < cuda_devices() else None


def physical_cores() -> int:
    """Return the physical cores this process may use."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, psutil.cpu_count(logical=False) or allowed))


def chosen_cpus(asked: Sequence[int] | None, threads: int | None) -> tuple[int, ...]:
    """Return the cores that workers are bound to: those asked for, else the first ``threads`` that this process may use.

    Raises ``BadInput`` where a core was asked for that this process may not use; empty where the system cannot bind.
    """
    if not hasattr(os, "sched_getaffinity"):
        return ()
    allowed = sorted(os.sched_getaffinity(0))
    if asked is None:
        return tuple(allowed[:threads])
    missing = sorted(set(asked) - set(allowed))
    if missing:
        raise BadInput(f"execution.cpus: core {missing[0]} is not among those of this process: {allowed}")
    return tuple(asked)


@cache
def facts() -> dict[str, Any]:
    """Return what is fixed about this machine: processor with its instructions, cores, memory, system, GPUs."""
    return {
        "cpu_model": _cpu_field("model name") or platform.processor() or "unknown",
        "cpu_generation": "/".join(_cpu_field(name) for name in ("cpu family", "model", "stepping")),
        "instructions": [name for name in INSTRUCTIONS if name in _cpu_flags()],
        "cores": physical_cores(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "os": f"{platform.system()} {platform.machine()}",
        "gpu": _gpus(),
    }


def fingerprint() -> str:
    """Return the short hash of ``facts``: times are only ever compared under the same fingerprint."""
    return hashlib.sha256(json.dumps(facts(), sort_keys=True).encode()).hexdigest()[:12]


def _cpu_field(name: str) -> str:
    """Return a field of the first processor, or "" where the system does not tell."""
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.partition(":")[0].strip() == name:
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return ""


def _cpu_flags() -> set[str]:
    return set((_cpu_field("flags") or _cpu_field("Features")).split())


def _gpus() -> list[str]:
    names = []
    for information in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        for line in information.read_text("utf-8", "replace").splitlines():
            if line.startswith("Model:"):
                names.append(line.partition(":")[2].strip())
    return names
