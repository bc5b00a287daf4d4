"""Memory of a system in a process of its own: what it keeps when it stands, and the peak while it runs.

Resident memory is counted without the code of libraries (their pages are the same for every method and appear as they
are first executed). The peak is the operating system's high-water mark, reset after the system stands, so that the
copies a loader makes on its way do not count; a thread that samples the same number beside it shows where a kernel
cannot reset its mark. What a method says it keeps (``parameter_bytes``) stands beside what is really there: the bytes
resident at rest, and a census of every tensor that is alive.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import gc
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from effbench.api import System
from effbench.measure.nvml import open_gpu
from effbench.measure.traffic import parts, tensors

SAMPLE_EVERY_S = 0.003
"""A choice: a peak shorter than this may be missed, which only the kernel's own mark sees; more often takes the interpreter
from what is measured."""


@dataclass(frozen=True)
class MemoryUse:
    """Bytes; device fields are None without a device, ``parameter_bytes`` None for a system without torch modules.

    ``resident_at_rest`` is what building the system added and keeps, ``live_tensor_bytes`` all tensors of the process
    then (None where torch is not loaded), ``peak_rss_sampled`` the peak as a thread saw it, ``device_process`` what the
    driver counts for this process on the GPU (None where it cannot say).
    """

    peak_rss: int
    peak_rss_growth: int
    hwm_reset: bool
    parameter_bytes: int | None
    device_allocated: int | None = None
    device_reserved: int | None = None
    peak_rss_sampled: int | None = None
    resident_at_rest: int | None = None
    live_tensor_bytes: int | None = None
    device_process: int | None = None


class ResidentSampler:
    """While entered, a thread polls the resident bytes of this process every few milliseconds; ``peak`` is the largest."""

    def __init__(self, every_s: float = SAMPLE_EVERY_S) -> None:
        self.every_s = every_s
        self.peak = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)

    def _poll(self) -> None:
        while not self._ended.wait(self.every_s):
            self._sample()

    def _sample(self) -> None:
        pages = int(Path("/proc/self/statm").read_bytes().split()[1])
        self.peak = max(self.peak, pages * os.sysconf("SC_PAGE_SIZE"))

    def __enter__(self) -> Self:
        self._sample()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._sample()


def resident_bytes() -> tuple[int, int]:
    """Return (resident bytes of this process, the part of them that is library code)."""
    total = code = 0
    is_code = False
    for line in Path("/proc/self/smaps").read_text("utf-8", "replace").splitlines():
        first = line.split(maxsplit=1)[0]
        if "-" in first and not first.endswith(":"):
            path = line.split(maxsplit=5)[5] if len(line.split(maxsplit=5)) == 6 else ""
            name = path.rpartition("/")[2]
            is_code = ".so" in name or name.startswith("python") or path.startswith("[v")
        elif first == "Rss:":
            size = int(line.split()[1]) * 1024
            total += size
            code += size if is_code else 0
    return total, code


def reset_peak() -> bool:
    """Give freed memory back and reset the high-water mark; return whether the kernel allowed it."""
    gc.collect()
    libc = ctypes.CDLL(ctypes.util.find_library("c"))
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
    try:
        Path("/proc/self/clear_refs").write_text("5", "utf-8")
    except OSError:
        return False
    return True


def peak_resident_bytes() -> int:
    """Return the high-water mark of this process's resident memory."""
    for line in Path("/proc/self/status").read_text("utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise OSError("no VmHWM in /proc/self/status")


def measure_memory(build: Callable[[], tuple[System, Callable[[], Any]]], device: str, calls: int = 2) -> MemoryUse:
    """Build a system with its probe, run the probe, and return what that took."""
    resident, code = resident_bytes()
    before = resident - code
    system, probe = build()
    reset_peak()
    at_rest, code_at_rest = resident_bytes()
    alive = live_tensor_bytes()
    was_reset = reset_peak()
    if device != "cpu":
        import torch

        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
    with ResidentSampler() as sampler:
        for _ in range(calls):
            probe()
        peak = peak_resident_bytes()
    _, code_after = resident_bytes()
    allocated = reserved = None
    if device != "cpu":
        torch.cuda.synchronize(device)
        allocated, reserved = torch.cuda.max_memory_allocated(device), torch.cuda.max_memory_reserved(device)
    return MemoryUse(
        peak_rss=peak,
        peak_rss_growth=max(0, peak - code_after - before),
        hwm_reset=was_reset,
        parameter_bytes=parameter_bytes(system),
        device_allocated=allocated,
        device_reserved=reserved,
        peak_rss_sampled=sampler.peak,
        resident_at_rest=max(0, at_rest - code_at_rest - before),
        live_tensor_bytes=alive,
        device_process=device_process_bytes(device),
    )


def parameter_bytes(system: System) -> int | None:
    """Return the bytes of all distinct parameters and buffers, or None for a system without modules.

    A storage that several tensors share counts once; a module that packs its weights out of torch's sight says their
    size by a method ``packed_bytes()``.
    """
    modules = system.modules()
    if not modules:
        return None
    storages: dict[tuple[str, int], int] = {}
    packed: dict[int, int] = {}
    for root in modules.values():
        for module in root.modules():
            if hasattr(module, "packed_bytes"):
                packed[id(module)] = int(module.packed_bytes())
            for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
                for part in parts(tensor):
                    storage = part.untyped_storage()
                    storages[str(part.device), storage.data_ptr()] = storage.nbytes()
    return sum(storages.values()) + sum(packed.values())


def live_tensor_bytes() -> int | None:
    """Return the bytes of the distinct storages of all tensors alive in this process, or None where torch is not loaded.

    Whatever holds a tensor (an attribute, a closure, a cache) cannot hide it; memory that a library packed out of
    torch's sight is not in it.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    from torch._subclasses import FakeTensor

    storages: dict[tuple[str, int], int] = {}
    with torch._C.DisableTorchFunctionSubclass():
        for thing in gc.get_objects():
            # isinstance would run code of proxies that pretend to be something else.
            if not issubclass(type(thing), torch.Tensor) or issubclass(type(thing), FakeTensor):
                continue
            for tensor in tensors([thing, thing.grad if thing.is_leaf else None]):
                storage = tensor.untyped_storage()
                if storage.data_ptr():
                    storages[str(tensor.device), storage.data_ptr()] = storage.nbytes()
    return sum(storages.values())


def device_process_bytes(device: str) -> int | None:
    """Return the bytes that the driver counts for this process on "cuda:N", its context included.

    None for a CPU, and where the driver cannot say (no NVML, or a container that numbers processes otherwise).
    """
    gpu = open_gpu(device)
    if gpu is None:
        return None
    try:
        processes = gpu.nvml.nvmlDeviceGetComputeRunningProcesses(gpu.handle)
    except gpu.nvml.NVMLError:
        return None
    used = [process.usedGpuMemory for process in processes if process.pid == os.getpid()]
    return used[0] if used else None
