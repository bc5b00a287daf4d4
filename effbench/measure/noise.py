"""How quiet the machine is while something is timed: foreign work, stolen time, a clock that changes, throttling.

The parent of a latency round starts a meter, lets it ``tick`` between turns, and stops it with the CPU seconds that the
round itself spent; what was busy beyond them belongs to others.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import psutil

from effbench.measure.nvml import Gpu, open_gpu
from effbench.readings import NoiseReading

SPIN_STEPS, SPINS_PER_TICK = 20_000, 3
"""A third of a millisecond of integer work, best of three: one preemption is foreign work, three are a slow clock."""
LEAST_TICKS = 5
"""A choice: of fewer samples the 10th and the 90th percentile are all but the smallest and the largest."""
SLOWDOWN_BITS = 0x04 | 0x08 | 0x20 | 0x40 | 0x80
"""NVML's reasons for a lower clock that are no choice of ours: power cap, hardware, heat (software, hardware), brake."""


class ProcessorTime(NamedTuple):
    """Seconds since boot, summed over processors: busy for processes of this system, stolen, and all there was."""

    busy: float
    stolen: float
    total: float


@dataclass
class NoiseMeter:
    """Watches the machine between ``start`` and ``stop``; ``root`` is the file system's, for tests."""

    device: str = "cpu"
    root: Path = Path("/")
    _before: ProcessorTime | None = None
    _heat_before: dict[str, int] = field(default_factory=dict)
    _spins: list[float] = field(default_factory=list)
    _slowed: list[bool] = field(default_factory=list)

    def start(self) -> None:
        """Begin a reading."""
        self._spins, self._slowed = [], []
        self._heat_before = heat_counters(self.root)
        self._before = processor_time(self.root)

    def tick(self) -> None:
        """Take one sample of the clock (about 1 ms), and of the GPU's reasons for a lower one."""
        self._spins.append(min(_spin_s() for _ in range(SPINS_PER_TICK)))
        if (slowed := _is_slowed(open_gpu(self.device))) is not None:
            self._slowed.append(slowed)

    def ticks(self, count: int = LEAST_TICKS) -> None:
        """Take several samples in a row, where there are few occasions for them."""
        for _ in range(count):
            self.tick()

    def stop(self, own_cpu_s: float) -> NoiseReading:
        """Return what was seen since ``start``; ``own_cpu_s`` are the CPU seconds of this process and its workers."""
        after = processor_time(self.root)
        foreign = steal = None
        if self._before is not None and after is not None and (total := after.total - self._before.total) > 0:
            foreign = min(1.0, max(0.0, after.busy - self._before.busy - own_cpu_s) / total)
            steal = max(0.0, after.stolen - self._before.stolen) / total
        return NoiseReading(foreign, steal, clock_spread(self._spins), load_average(self.root), self._throttled())

    def _throttled(self) -> bool | None:
        """Return whether the processor or the GPU in use was slowed down; None where one of them cannot say."""
        if (slowed := _is_slowed(open_gpu(self.device))) is not None:
            self._slowed.append(slowed)
        after = heat_counters(self.root)
        signs: list[bool | None] = [
            any(n > self._heat_before.get(name, n) for name, n in after.items()) if after else None
        ]
        if self.device != "cpu":
            signs.append(any(self._slowed) if self._slowed else None)
        return True if True in signs else None if None in signs else False


def processor_time(root: Path = Path("/")) -> ProcessorTime | None:
    """Return the processor seconds of /proc/stat, or None where there is no such file."""
    try:
        fields = (root / "proc/stat").read_text("utf-8").split("\n", maxsplit=1)[0].split()
    except OSError:
        return None
    ticks = os.sysconf("SC_CLK_TCK")
    # The times of guests that run here, the ninth and tenth field, stand in the first two already.
    user, nice, system, idle, wait, irq, softirq, stolen = (int(n) / ticks for n in fields[1:9])
    busy = user + nice + system + irq + softirq
    return ProcessorTime(busy, stolen, busy + idle + wait + stolen)


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the CPU seconds so far of processes and of all below them, each once although it may be below another named.

    A process that has ended counts 0, so ask before.
    """
    family: dict[int, psutil.Process] = {}
    for pid in pids:
        try:
            process = psutil.Process(pid)
            family |= {member.pid: member for member in (process, *process.children(recursive=True))}
        except psutil.NoSuchProcess:
            continue
    total = 0.0
    for member in family.values():
        try:
            times = member.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def clock_spread(seconds: Sequence[float]) -> float | None:
    """Return (90th - 10th percentile) / median of equal pieces of work, or None for fewer than five."""
    if len(seconds) < LEAST_TICKS:
        return None
    deciles = statistics.quantiles(seconds, n=10, method="inclusive")
    return (deciles[8] - deciles[0]) / statistics.median(seconds)


def load_average(root: Path = Path("/")) -> float | None:
    """Return the 1-minute load average, or None where there is none."""
    try:
        return float((root / "proc/loadavg").read_text("utf-8").split()[0])
    except OSError:
        return None


def heat_counters(root: Path = Path("/")) -> dict[str, int]:
    """Return what grows when a processor is throttled, by file: counts of thermal events, and clock limits negated."""
    found = {}
    for pattern, sign in (
        ("cpu[0-9]*/thermal_throttle/*_throttle_count", 1),
        ("cpu[0-9]*/cpufreq/scaling_max_freq", -1),
        ("cpu[0-9]*/cpufreq/bios_limit", -1),
    ):
        for file in (root / "sys/devices/system/cpu").glob(pattern):
            try:
                found[str(file)] = sign * int(file.read_text("utf-8"))
            except (OSError, ValueError):
                continue  # a processor that went offline, a file for root only
    return found


def _is_slowed(gpu: Gpu | None) -> bool | None:
    if gpu is None:
        return None
    try:
        return bool(gpu.nvml.nvmlDeviceGetCurrentClocksThrottleReasons(gpu.handle) & SLOWDOWN_BITS)
    except gpu.nvml.NVMLError:
        return None


def _spin_s() -> float:
    """Return the seconds that a fixed count of integer steps takes."""
    left = SPIN_STEPS
    started = time.perf_counter()
    while left:
        left -= 1
    return time.perf_counter() - started
