"""Timing one callable in its own process: first call, warm-up until settled, then turns that the parent gives.

Per iteration: synchronise the device, read the clock, call, synchronise, read the clock. The host clock is what a user
waits for; the CPU seconds of the process and the device's own time stand beside it.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

LONG_CALL_S = 1.0
"""A call above this gets two warm-up calls and a flag: settling would take six at the least, for little change."""
SETTLED_WITHIN = 0.02
"""Relative change between two windows' medians that ends a warm-up: a choice, between one that noise never reaches and one
that stops while a system still speeds up."""
SHORT_CALL_S = 0.05
"""A call below this gets one untimed repeat at the start of each turn: refilling caches matters to it and costs little."""
SLOW_CALL_S = 0.2
"""A call above this settles by windows of three instead of five: six calls of warm-up instead of ten."""
MOST_CALLS_A_TURN = 100
"""Rows that one turn adds to the store: a choice; more calls of one turn say little, since what varies is the round."""


@dataclass
class Iteration:
    """One timed call, in nanoseconds; ``device_ns`` is None without a device."""

    phase: str
    wall_ns: int
    cpu_ns: int
    device_ns: int | None = None


@dataclass
class Stopwatch:
    """Times ``call``; ``device`` is "cpu" or "cuda:N"."""

    call: Callable[[], Any]
    device: str = "cpu"
    flags: list[str] = field(default_factory=list)
    last_output: Any = None
    is_short: bool = True

    def once(self, phase: str) -> Iteration:
        """Time one call."""
        if self.device == "cpu":
            cpu, wall = time.process_time_ns(), time.perf_counter_ns()
            self.last_output = self.call()
            return Iteration(phase, time.perf_counter_ns() - wall, time.process_time_ns() - cpu)
        import torch

        with torch.cuda.device(self.device):
            before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            torch.cuda.synchronize()
            cpu, wall = time.process_time_ns(), time.perf_counter_ns()
            before.record()
            self.last_output = self.call()
            after.record()
            torch.cuda.synchronize()
            wall_ns, cpu_ns = time.perf_counter_ns() - wall, time.process_time_ns() - cpu
            return Iteration(phase, wall_ns, cpu_ns, round(before.elapsed_time(after) * 1e6))

    def warm_up(self, budget_s: float) -> list[Iteration]:
        """Time the first call, then call until the medians of two successive windows agree within 2 %.

        A window is five calls, three where a call takes over 0.2 s. A call of over a second gets two warm-up calls and
        the flag ``short_warmup``; a budget spent before the calls have settled leaves the flag ``unsettled``.
        """
        first = self.once("first")
        done = [first]
        started = time.perf_counter()
        walls: list[int] = []
        while True:
            done.append(self.once("warmup"))
            walls.append(done[-1].wall_ns)
            if walls[-1] > LONG_CALL_S * 1e9 and len(walls) >= 2:
                self.flags.append("short_warmup")
                break
            window = 3 if walls[-1] > SLOW_CALL_S * 1e9 else 5
            if len(walls) >= 2 * window:
                before, last = statistics.median(walls[-2 * window : -window]), statistics.median(walls[-window:])
                if abs(last - before) <= SETTLED_WITHIN * before:
                    break
            if time.perf_counter() - started > budget_s:
                self.flags.append("unsettled")
                break
        self.is_short = walls[-1] < SHORT_CALL_S * 1e9
        gc.collect()
        gc.freeze()  # what is loaded by now stays: searching it again would cost each turn about 0.1 s and the caches
        return done

    def turn(self, seconds: float) -> list[Iteration]:
        """Time calls for at least ``seconds`` (one call at the least, a hundred at the most).

        Other processes computed since the last turn, so a short call gets one untimed repeat to refill the caches; for
        a long one that would cost more than it cleans.
        """
        gc.collect()
        if self.is_short:
            self.call()
        if self.device == "cpu":
            return self._steady_on_cpu(seconds)
        done: list[Iteration] = []
        started = time.perf_counter()
        while not done or (time.perf_counter() - started < seconds and len(done) < MOST_CALLS_A_TURN):
            done.append(self.once("steady"))
        return done

    def _steady_on_cpu(self, seconds: float) -> list[Iteration]:
        """Time calls with as little between them as can be: one reading of the CPU clock, rows made afterwards.

        A call's CPU time reaches from the reading after the call before it, some microsecond earlier than its wall time.
        """
        call, clock, cpu_clock = self.call, time.perf_counter_ns, time.process_time_ns
        walls: list[int] = []
        cpus = [cpu_clock()]
        until = clock() + round(seconds * 1e9)
        while True:
            before = clock()
            self.last_output = call()
            after = clock()
            cpus.append(cpu_clock())
            walls.append(after - before)
            if after >= until or len(walls) >= MOST_CALLS_A_TURN:
                break
        return [Iteration("steady", wall, end - start) for wall, start, end in zip(walls, cpus, cpus[1:])]
