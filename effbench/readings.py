"""What instruments read of a machine, as data, and what follows from it: how quiet it was, and what it can do at most.

Taking the readings is ``effbench.measure``'s; making numbers of them needs none of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Grade = Literal["A", "B", "C"]

FOREIGN_A, FOREIGN_B = 0.02, 0.10
"""Share of all processor time. An idle Linux stays under 2 %; at 10 % of two cores a fifth of a core is gone, which moves
single times by more than the differences that a comparison looks for."""
STEAL_A, STEAL_B = 0.01, 0.05
"""Share of all processor time that the hypervisor gave to other guests: the same loss as foreign work, but unseen by the
scheduler, which cannot move a worker away from it."""
CLOCK_A, CLOCK_B = 0.02, 0.10
"""Relative spread of equal work. 2 % is what a warm-up must settle within; past 10 % one time stands for nothing."""


class NoiseReading(NamedTuple):
    """Shares are of all processor time; ``load`` is the 1-minute load average, our own work included; None: unreadable."""

    foreign_share: float | None
    steal_share: float | None
    clock_spread: float | None
    load: float | None
    throttled: bool | None


LIMITS: dict[str, tuple[str, float, float]] = {
    "foreign_share": ("foreign processes took {:.0%} of the processors", FOREIGN_A, FOREIGN_B),
    "steal_share": ("the hypervisor took {:.0%} of the processors", STEAL_A, STEAL_B),
    "clock_spread": ("equal work took times that spread by {:.0%}", CLOCK_A, CLOCK_B),
}
"""Field -> (what to say, most for grade A, most for grade B)."""


def grade(reading: NoiseReading) -> tuple[Grade, tuple[str, ...]]:
    """Return A (quiet), B (usable) or C (noisy), and a sentence for everything that keeps it from A.

    What could not be read keeps a grade from A too: nobody has shown that the machine was quiet. The load average counts
    our own work, so it is shown and not judged.
    """
    worst_grade: Grade = "A"
    reasons = []
    for name, (sentence, most_a, most_b) in LIMITS.items():
        value: float | None = getattr(reading, name)
        if value is not None and value <= most_a:
            continue
        reasons.append(f"{name} could not be read" if value is None else sentence.format(value))
        worst_grade = max(worst_grade, "C" if value is not None and value > most_b else "B")
    if reading.throttled or reading.throttled is None:
        reasons.append("the clock was throttled" if reading.throttled else "throttling could not be read")
        worst_grade = max(worst_grade, "C" if reading.throttled else "B")
    return worst_grade, tuple(reasons)


def worst(readings: Sequence[NoiseReading]) -> NoiseReading:
    """Return the worst of each field; what one reading lacks is lacking unless another has a value that is worse than that.

    Without readings everything is None.
    """
    shares = {name: _worst([getattr(r, name) for r in readings], limit) for name, (_, limit, _) in LIMITS.items()}
    loads = [r.load for r in readings if r.load is not None]
    throttled = [r.throttled for r in readings]
    return NoiseReading(
        **shares,
        load=max(loads, default=None),
        throttled=True if True in throttled else None if None in throttled or not throttled else False,
    )


def _worst(values: Sequence[float | None], most_a: float) -> float | None:
    known = [v for v in values if v is not None]
    highest = max(known, default=None)
    if len(known) < len(values) and highest is not None and highest <= most_a:
        return None
    return highest


@dataclass(frozen=True)
class Calibration:
    """Measured peaks of one device with so many threads: 1e9 operations (2 per MAC) and 1e9 bytes a second.

    ``spread`` is (largest - smallest) / median of the best repeats, per data type and for "bandwidth"; ``cache_bytes`` is
    what the last-level cache may keep from one call to the next; ``seconds`` is what measuring took.
    """

    threads: int
    torch: str
    gemm_gflops: dict[str, float]
    bandwidth_gb_s: float
    seconds: float = 0.0
    spread: dict[str, float] = field(default_factory=dict)
    device: str = "cpu"
    cache_bytes: int = 0

    def ridge(self, dtype: str) -> float:
        """Return the FLOPs per byte above which a call is bound by products and not by memory."""
        return self.gemm_gflops[dtype] / self.bandwidth_gb_s


def shortest_time_s(flops_by_dtype: Mapping[str, int], least_bytes: int, calibration: Calibration) -> float | None:
    """Return a time that no call with this work can beat on this machine, or None where a data type has no peak.

    All products at their peaks one after the other, or all bytes that must come from memory at its bandwidth, whichever
    takes longer. Bytes that fit into the last-level cache may still be there from the call before and are not waited for.
    """
    if any(flops and dtype not in calibration.gemm_gflops for dtype, flops in flops_by_dtype.items()):
        return None
    products = sum(n / (calibration.gemm_gflops[dtype] * 1e9) for dtype, n in flops_by_dtype.items() if n)
    from_memory = max(0, least_bytes - calibration.cache_bytes)
    return max(products, from_memory / (calibration.bandwidth_gb_s * 1e9))
