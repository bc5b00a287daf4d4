"""Energy of a call from the counters of the hardware: the whole GPU (NVML) or the processor packages (RAPL).

Counters are cumulative and coarse (NVML renews its own some ten times a second), so calls are repeated over windows of
at least 5 s and only the two ends are read. A counter that stands still says nothing: the result is None with a reason,
never 0.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from effbench.measure.nvml import Gpu, open_gpu

POWERCAP = Path("/sys/class/powercap")
LOOK_EVERY_S = 1.0
"""A counter that starts over must be read once a turn at least, 17 minutes for 32 bits of 61 uJ at 250 W: ample and cheap."""


@dataclass(frozen=True)
class Energy:
    """Joules of one call, idle power included; ``idle_watts`` is what the same hardware draws with the system at rest.

    ``joules_per_call`` is None for a ``reason``; ``counter`` says what was counted, work of other processes included.
    """

    joules_per_call: float | None
    calls: int
    seconds: float
    idle_watts: float | None
    counter: str = ""
    reason: str = ""


class Counter(ABC):
    """A cumulative energy counter; ``scope`` says of what."""

    scope: str
    device: str

    @abstractmethod
    def read_j(self) -> float:
        """Return joules that only ever grow; raises ``OSError`` where the counter can no longer be read."""


class NvmlCounter(Counter):
    """The counter of one GPU, board memory included."""

    scope = "GPU"

    def __init__(self, gpu: Gpu, device: str) -> None:
        self.gpu, self.device = gpu, device

    def read_j(self) -> float:
        """Return the joules since the driver was loaded."""
        try:
            return float(self.gpu.nvml.nvmlDeviceGetTotalEnergyConsumption(self.gpu.handle)) / 1e3
        except self.gpu.nvml.NVMLError as error:
            raise OSError(f"NVML: {error}") from None


class RaplCounter(Counter):
    """The counters of all processor packages together; one that starts over is seen to, once a read."""

    scope, device = "processor packages", "cpu"

    def __init__(self, packages: list[Path]) -> None:
        self.packages = packages
        self._limits = [int((package / "max_energy_range_uj").read_text("utf-8")) for package in packages]
        self._last = self._raw()
        self._sum_uj = 0

    def _raw(self) -> list[int]:
        return [int((package / "energy_uj").read_text("utf-8")) for package in self.packages]

    def read_j(self) -> float:
        """Return the joules since this object was made."""
        now = self._raw()
        for limit, before, after in zip(self._limits, self._last, now):
            self._sum_uj += after - before if after >= before else after - before + limit
        self._last = now
        return self._sum_uj / 1e6


def find_counter(device: str, root: Path = POWERCAP) -> Counter | None:
    """Return the counter of "cuda:N" (NVML) or of "cpu" (RAPL), or None where there is none that can be read."""
    try:
        if device != "cpu":
            gpu = open_gpu(device)
            counter: Counter | None = None if gpu is None else NvmlCounter(gpu, device)
        else:
            packages = [zone for zone in sorted(root.glob("intel-rapl:*")) if _is_package(zone)]
            counter = RaplCounter(packages) if packages else None
        if counter is not None:
            counter.read_j()
    except (OSError, ValueError):
        return None
    return counter


def _is_package(zone: Path) -> bool:
    """Return whether a zone is a whole package; its parts (core, dram) and the platform (psys) would be counted twice."""
    return (zone / "name").read_text("utf-8").startswith("package")


def measure_energy(call: Callable[[], Any], counter: Counter, at_least_s: float = 5.0) -> Energy:
    """Return the energy of ``call``, repeated for at least ``at_least_s``, after an idle window of the same length."""
    call()  # what happens once (compilation, allocation) is not part of it
    _synchronise(counter.device)
    try:
        idle_j, idle_s, _ = _window(lambda: time.sleep(min(0.2, at_least_s)), counter, at_least_s)
        joules, seconds, calls = _window(call, counter, at_least_s)
    except OSError as error:
        return Energy(None, 0, 0.0, None, counter.scope, f"the energy counter could not be read: {error}")
    idle_watts = idle_j / idle_s if idle_j > 0 else None
    if joules <= 0:
        why = f"the energy counter did not move in {seconds:.1f} s"
        return Energy(None, calls, seconds, idle_watts, counter.scope, why)
    return Energy(joules / calls, calls, seconds, idle_watts, counter.scope)


def _window(call: Callable[[], Any], counter: Counter, at_least_s: float) -> tuple[float, float, int]:
    """Return (joules, seconds, calls) of a window in which all work has ended.

    Once a second the counter is read in between, so that one which starts over is seen to.
    """
    calls = 0
    before = counter.read_j()
    started = looked = time.perf_counter()
    while True:
        call()
        _synchronise(counter.device)
        calls += 1
        now = time.perf_counter()
        if now - started >= at_least_s:
            return counter.read_j() - before, now - started, calls
        if now - looked > LOOK_EVERY_S:
            counter.read_j()
            looked = now


def _synchronise(device: str) -> None:
    if device != "cpu":
        import torch

        torch.cuda.synchronize(device)
