"""The driver's own view of an NVIDIA GPU (energy, throttling, memory by process), where ``nvidia-ml-py`` is installed."""

from __future__ import annotations

import ctypes
import importlib
import uuid
from functools import cache
from typing import Any, NamedTuple


class Gpu(NamedTuple):
    """The ``pynvml`` module, started, and the handle of one device in it."""

    nvml: Any
    handle: Any


@cache
def open_gpu(device: str) -> Gpu | None:
    """Return the GPU behind "cuda:N", or None for a CPU, without ``nvidia-ml-py`` or where the driver refuses.

    The driver numbers devices otherwise than CUDA does (``CUDA_VISIBLE_DEVICES``, fastest first), so the device is found
    by its UUID.
    """
    if not device.startswith("cuda"):
        return None
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError:
        return None
    name = device_uuid(int(device.partition(":")[2] or 0))
    if name is None:
        return None
    try:
        nvml.nvmlInit()
        return Gpu(nvml, nvml.nvmlDeviceGetHandleByUUID(name))
    except nvml.NVMLError:
        return None


def device_uuid(index: int) -> str | None:
    """Return the UUID of a CUDA device as NVML writes it ("GPU-..."), or None without a driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    handle, raw = ctypes.c_int(0), (ctypes.c_ubyte * 16)()
    if driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(handle), index) or driver.cuDeviceGetUuid(raw, handle):
        return None
    return f"GPU-{uuid.UUID(bytes=bytes(raw))}"
