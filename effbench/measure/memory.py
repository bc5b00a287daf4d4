"""Memory of a system in a process of its own: weights that are resident, and the peak while it runs.

Resident memory is counted without the code of libraries (their pages are the same for every method and appear as they
are first executed). The peak is the operating system's high-water mark, reset after the system stands, so that the
copies a loader makes on its way do not count.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import gc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from effbench.api import System


@dataclass(frozen=True)
class MemoryUse:
    """Bytes; device fields are None without a device, ``parameter_bytes`` None for a system without torch modules."""

    peak_rss: int
    peak_rss_growth: int
    hwm_reset: bool
    parameter_bytes: int | None
    device_allocated: int | None = None
    device_reserved: int | None = None


def resident_bytes() -> tuple[int, int]:
    """Return (resident bytes of this process, the part of them that is library code)."""
    total = code = 0
    is_code = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
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
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def peak_resident_bytes() -> int:
    """Return the high-water mark of this process's resident memory."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise OSError("no VmHWM in /proc/self/status")


def measure_memory(build: Callable[[], tuple[System, Callable[[], Any]]], device: str, calls: int = 2) -> MemoryUse:
    """Build a system with its probe, run the probe, and return what that took."""
    resident, code = resident_bytes()
    before = resident - code
    system, probe = build()
    was_reset = reset_peak()
    if device != "cpu":
        import torch

        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
    for _ in range(calls):
        probe()
    peak = peak_resident_bytes()
    _, code_after = resident_bytes()
    allocated = reserved = None
    if device != "cpu":
        torch.cuda.synchronize(device)
        allocated, reserved = torch.cuda.max_memory_allocated(device), torch.cuda.max_memory_reserved(device)
    growth = max(0, peak - code_after - before)
    return MemoryUse(peak, growth, was_reset, parameter_bytes(system), allocated, reserved)


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
                storage = tensor.untyped_storage()
                storages[str(tensor.device), storage.data_ptr()] = storage.nbytes()
    return sum(storages.values()) + sum(packed.values())
