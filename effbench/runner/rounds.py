"""Latency rounds: fresh processes of all methods side by side, given turns in random order, one computing at a time."""

from __future__ import annotations

import os
import random
import time
from typing import Any

import psutil

from effbench.counted import counted
from effbench.measure.latency import Iteration
from effbench.measure.noise import NoiseMeter, cpu_seconds
from effbench.parts import write_part
from effbench.readings import NoiseReading
from effbench.runner.cells import Cell, TaskPlan
from effbench.runner.jobrunner import JobRunner
from effbench.runner.jobs import Done, Failed, Message, Progress, Turn
from effbench.runner.launching import Worker, WorkerError
from effbench.timings import NOISE_COLUMNS, rounds_of

MOST_TURNS = 20
"""Turns that a budget is cut into: fewer would let one slow spell of the machine fall on one method alone."""
LEAST_TURNS = 2
"""Turns of a slow call: one alone could not show that the machine changed meanwhile."""
ROUND_SHARE = 0.7
"""Of the memory that is free, what the members of a round may hold together: less than one worker alone may take, since
their peaks were measured one by one and what they share cannot be counted."""


class Member:
    """One method in one round."""

    def __init__(self, cell: Cell, worker: Worker, started: float) -> None:
        self.cell, self.worker, self.started = cell, worker, started
        self.rows: list[tuple[int, int, Iteration]] = []
        self.spent_s, self.turns, self.items = 0.0, 0, 1

    def add(self, turn: int, item: int, iterations: list[Iteration]) -> None:
        """Keep the iterations of a turn, which called one item."""
        self.rows += [(turn, item, iteration) for iteration in iterations]
        if turn:
            self.spent_s += sum(i.wall_ns for i in iterations) / 1e9
            self.turns += 1


class RoundRunner:
    """Runs the latency rounds that are missing for a task."""

    def __init__(self, jobs: JobRunner, task: TaskPlan) -> None:
        self.jobs, self.task = jobs, task
        assert jobs.suite.measure.latency is not None
        self.latency = jobs.suite.measure.latency
        self.out: set[str] = set()
        self.struck: set[str] = set()
        """Cells whose worker a signal has ended once; a round later they get another try."""

    def run(self) -> set[str]:
        """Run what is missing and return the ids of the cells that were timed."""
        timed: set[str] = set()
        for size in self.latency.batch_sizes:
            while group := self._next_group(size):
                number = self._next_number(size)
                who = counted(len(group), "method")
                self.jobs.report.now(f"{self.task.entry.name}: latency round {number} of {who} at batch {size}")
                timed |= self._round(group, size, number)
                self.jobs.report.advance()
        return timed

    def _eligible(self, cell: Cell) -> bool:
        return cell.execution == "real" and cell.id not in self.out and self.jobs.is_done(cell, "quality")

    def _next_group(self, size: int) -> list[Cell]:
        """Return the cells of the next round: all that lack rounds, beside the reference, as far as memory holds them."""
        reference = self.task.reference
        rounds = {c.id: self._rounds(c, size) for c in self.task.cells}
        if reference is not None and not self._eligible(reference):
            reference = None
        lacking = [
            cell
            for cell in self.task.cells
            if self._eligible(cell) and len(rounds[cell.id] & rounds[(reference or cell).id]) < self.latency.rounds
        ]
        if not lacking:
            return []
        group = [reference] if reference else []
        free = psutil.virtual_memory().available * ROUND_SHARE
        needed = sum(self._peak_bytes(cell) for cell in group)
        for cell in lacking:
            needed += 0 if cell is reference else self._peak_bytes(cell)
            if cell is not reference and (needed <= free or len(group) <= (1 if reference else 0)):
                group.append(cell)
        return group

    def _rounds(self, cell: Cell, size: int) -> set[str]:
        return set(rounds_of(self.jobs.store.cell(cell.id), size, self.jobs.launcher.machine))

    def _peak_bytes(self, cell: Cell) -> int:
        job = self.jobs.store.cell(cell.id).job("memory")
        return (job.data.peak_rss or 0) if job is not None and job.status == "done" else 0

    def _round(self, group: list[Cell], size: int, number: int) -> set[str]:
        """Run one round; what a member measured is written only once the whole round is over."""
        members: list[Member] = []
        struck_before = set(self.struck)
        try:
            for cell in group:
                self._start(cell, size, members)
            noise = self._take_turns(members, LEAST_TURNS * (number - 1))
            finished = [(member, done) for member in members if (done := self._finish(member)) is not None]
        finally:
            for member in members:
                member.worker.kill()
        self.out -= self.struck - struck_before
        # The reference last: a round without its rows counts for nobody, so a crash in between leaves no half of one.
        for member, done in sorted(finished, key=lambda pair: pair[0].cell.role == "reference"):
            self._write(member, done, f"r{number:03d}", size, noise)
        return {member.cell.id for member, _ in finished}

    def _next_number(self, size: int) -> int:
        """Return 1 + the number of the last round, of which a round's name is made: ``r001``."""
        known = [name for cell in self.task.cells for name in self._rounds(cell, size)]
        return max((int(name[1:]) for name in known), default=0) + 1

    def _start(self, cell: Cell, size: int, members: list[Member]) -> None:
        """Start a member and wait until it is warm; it stands in ``members`` at once, so that it is ended in any case."""
        started = time.time()
        warmup_s = self.latency.warmup_s or self.latency.budget_s
        spec = self.jobs.spec(self.task, cell, "latency", probe_batch_size=size, warmup_s=warmup_s)
        try:
            worker = self.jobs.launcher.start(spec)
        except WorkerError as error:
            self._fail(cell, started, error.failure)
            return
        member = Member(cell, worker, started)
        members.append(member)
        message = self._listen(member)
        if isinstance(message, Progress):
            member.items = message.data["items"]
            member.add(0, 0, message.data["iterations"])

    def _listen(self, member: Member) -> Message | None:
        """Return what a member says; a failure is recorded, costs the member its place, and returns None."""
        try:
            message = member.worker.receive(self.jobs.suite.execution.timeout_s)
        except WorkerError as error:
            message = error.failure
        if isinstance(message, Failed):
            member.worker.kill()
            self._fail(member.cell, member.started, message)
            return None
        return message

    def _fail(self, cell: Cell, started: float, failure: Failed) -> None:
        """Record a failure, which costs the cell its place in this round: for good, except once where a signal struck it."""
        self.out.add(cell.id)
        again = failure.reason == "signal" and cell.id not in self.struck
        if again:
            self.struck.add(cell.id)
        self.jobs.record_latency(cell, started, failure)

    def _take_turns(self, members: list[Member], first_item: int) -> NoiseReading:
        """Let the members compute one at a time, in a new random order each time, until their budgets are spent.

        All call the same item in a sweep, the next one in the next: ratios join calls on the same samples. A round starts
        where the one before it may have stopped, so that slow systems, which take few turns, see all items over the rounds.
        Returns how quiet the machine was meanwhile: whatever this process and the members did not compute is foreign.
        """
        meter, before = NoiseMeter(self.task.device), cpu_seconds([os.getpid()])
        meter.start()
        order = random.Random(time.time_ns())
        seconds = self.latency.budget_s / MOST_TURNS
        turn, sweep = 0, first_item
        while waiting := [m for m in members if self._has_budget(m)]:
            order.shuffle(waiting)
            meter.tick()
            for member in waiting:
                turn += 1
                item = sweep % member.items
                member.worker.send(Turn(seconds, item))
                message = self._listen(member)
                if isinstance(message, Progress):
                    member.add(turn, item, message.data["iterations"])
            sweep += 1
        return meter.stop(cpu_seconds([os.getpid()]) - before)

    def _has_budget(self, member: Member) -> bool:
        if member.cell.id in self.out:
            return False
        return member.turns < LEAST_TURNS or (member.spent_s < self.latency.budget_s and member.turns < MOST_TURNS)

    def _finish(self, member: Member) -> Done | None:
        if member.cell.id in self.out:
            return None
        member.worker.send(None)
        message = self._listen(member)
        return message if isinstance(message, Done) else None

    def _write(self, member: Member, done: Done, round_id: str, size: int, noise: NoiseReading) -> None:
        import pyarrow as pa

        rows = member.rows
        count = len(rows)
        columns: dict[str, Any] = {
            "round": [round_id] * count,
            "batch_size": [size] * count,
            "turn": [turn for turn, _, _ in rows],
            "item": [item for _, item, _ in rows],
            "iteration": list(range(count)),
            "phase": [i.phase for _, _, i in rows],
            "wall_ns": [i.wall_ns for _, _, i in rows],
            "cpu_ns": [i.cpu_ns for _, _, i in rows],
            "device_ns": [i.device_ns for _, _, i in rows],
            "load_s": [done.data["load_s"]] * count,
            "flags": [",".join(done.data["flags"])] * count,
            "machine": [self.jobs.launcher.machine] * count,
            **{name: pa.array([_plain(getattr(noise, name))] * count, pa.float64()) for name in NOISE_COLUMNS},
        }
        folder = self.jobs.store.cell(member.cell.id)
        metadata = {"code_version": member.cell.code_version}
        write_part(folder.timings, f"{round_id}-b{size}", columns, metadata)
        # The hash is only comparable with the quality job's at the batch size that both probed.
        if size == self.jobs.first_batch_size:
            self.jobs.record_latency(member.cell, member.started, done)


def _plain(value: float | None) -> float | None:
    return None if value is None else float(value)
