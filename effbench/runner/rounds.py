"""Latency rounds: fresh processes of all methods side by side, given turns in random order, one computing at a time."""

from __future__ import annotations

import os
import random
import time
from typing import TYPE_CHECKING, Any

import psutil

from effbench.measure.latency import Iteration
from effbench.measure.noise import NoiseMeter, NoiseReading, cpu_seconds
from effbench.parts import write_part
from effbench.runner.isolation import Worker, WorkerError
from effbench.runner.jobs import Done, Failed, Message, Progress, Turn
from effbench.runner.plan import Cell, TaskPlan
from effbench.timings import NOISE_COLUMNS, rounds_of

if TYPE_CHECKING:
    from effbench.runner.executor import Executor

MOST_TURNS = 20
MEMORY_SHARE = 0.7


class Member:
    """One method in one round."""

    def __init__(self, cell: Cell, worker: Worker, started: float) -> None:
        self.cell, self.worker, self.started = cell, worker, started
        self.rows: list[tuple[int, Iteration]] = []
        self.spent_s, self.turns = 0.0, 0

    def add(self, turn: int, iterations: list[Iteration]) -> None:
        """Keep the iterations of a turn."""
        self.rows += [(turn, iteration) for iteration in iterations]
        if turn:
            self.spent_s += sum(i.wall_ns for i in iterations) / 1e9
            self.turns += 1


class RoundRunner:
    """Runs the latency rounds that are missing for a task."""

    def __init__(self, executor: Executor, task: TaskPlan) -> None:
        self.executor, self.task = executor, task
        assert executor.suite.measure.latency is not None
        self.latency = executor.suite.measure.latency
        self.out: set[str] = set()
        self.struck: set[str] = set()
        """Cells whose worker a signal has ended once; a round later they get another try."""

    def run(self) -> set[str]:
        """Run what is missing and return the ids of the cells that were timed."""
        timed: set[str] = set()
        for size in self.latency.batch_sizes:
            while group := self._next_group(size):
                self.executor.report.now(f"{self.task.entry.name}: latency round of {len(group)} at batch {size}")
                timed |= self._round(group, size)
                self.executor.report.advance()
        return timed

    def _eligible(self, cell: Cell) -> bool:
        return cell.execution == "real" and cell.id not in self.out and self.executor.job_done(cell, "quality")

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
        free = psutil.virtual_memory().available * MEMORY_SHARE
        needed = sum(self._peak_bytes(cell) for cell in group)
        for cell in lacking:
            needed += 0 if cell is reference else self._peak_bytes(cell)
            if cell is not reference and (needed <= free or len(group) <= (1 if reference else 0)):
                group.append(cell)
        return group

    def _rounds(self, cell: Cell, size: int) -> set[str]:
        return set(rounds_of(self.executor.store.cell(cell.id), size, self.executor.machine))

    def _peak_bytes(self, cell: Cell) -> int:
        job = self.executor.store.cell(cell.id).job("memory")
        return int(job["data"]["peak_rss"]) if job and job["status"] == "done" else 0

    def _round(self, group: list[Cell], size: int) -> set[str]:
        """Run one round; what a member measured is written only once the whole round is over."""
        members: list[Member] = []
        struck_before = set(self.struck)
        try:
            for cell in group:
                self._start(cell, size, members)
            noise = self._take_turns(members)
            finished = [(member, done) for member in members if (done := self._finish(member)) is not None]
        finally:
            for member in members:
                member.worker.kill()
        self.out -= self.struck - struck_before
        round_id = self._round_id(group, size)
        # The reference last: a round without its rows counts for nobody, so a crash in between leaves no half of one.
        for member, done in sorted(finished, key=lambda pair: pair[0].cell.role == "reference"):
            self._write(member, done, round_id, size, noise)
        return {member.cell.id for member, _ in finished}

    def _round_id(self, group: list[Cell], size: int) -> str:
        known = [name for cell in self.task.cells for name in self._rounds(cell, size)]
        return f"r{max((int(name[1:]) for name in known), default=0) + 1:03d}"

    def _start(self, cell: Cell, size: int, members: list[Member]) -> None:
        """Start a member and wait until it is warm; it stands in ``members`` at once, so that it is ended in any case."""
        started = time.time()
        warmup_s = self.latency.warmup_s or self.latency.budget_s
        spec = self.executor.spec(self.task, cell, "latency", probe_batch_size=size, warmup_s=warmup_s)
        try:
            worker = self.executor.launcher.start(spec)
        except WorkerError as error:
            self._fail(cell, started, error.failure)
            return
        member = Member(cell, worker, started)
        members.append(member)
        message = self._listen(member)
        if isinstance(message, Progress):
            member.add(0, message.data["iterations"])

    def _listen(self, member: Member) -> Message | None:
        """Return what a member says; a failure is recorded, costs the member its place, and returns None."""
        try:
            message = member.worker.receive(self.executor.suite.execution.timeout_s)
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
        self.executor.record_latency(cell, started, failure)

    def _take_turns(self, members: list[Member]) -> NoiseReading:
        """Let the members compute one at a time, in a new random order each time, until their budgets are spent.

        Returns how quiet the machine was meanwhile: whatever this process and the members did not compute is foreign.
        """
        meter, before = NoiseMeter(self.task.device), cpu_seconds([os.getpid()])
        meter.start()
        order = random.Random(time.time_ns())
        seconds = self.latency.budget_s / MOST_TURNS
        turn = 0
        while waiting := [m for m in members if self._has_budget(m)]:
            order.shuffle(waiting)
            meter.tick()
            for member in waiting:
                turn += 1
                member.worker.send(Turn(seconds))
                message = self._listen(member)
                if isinstance(message, Progress):
                    member.add(turn, message.data["iterations"])
        return meter.stop(cpu_seconds([os.getpid()]) - before)

    def _has_budget(self, member: Member) -> bool:
        if member.cell.id in self.out:
            return False
        return member.turns < 2 or (member.spent_s < self.latency.budget_s and member.turns < MOST_TURNS)

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
            "turn": [turn for turn, _ in rows],
            "iteration": list(range(count)),
            "phase": [i.phase for _, i in rows],
            "wall_ns": [i.wall_ns for _, i in rows],
            "cpu_ns": [i.cpu_ns for _, i in rows],
            "device_ns": [i.device_ns for _, i in rows],
            "load_s": [done.data["load_s"]] * count,
            "flags": [",".join(done.data["flags"])] * count,
            "machine": [self.executor.machine] * count,
            **{name: pa.array([_plain(getattr(noise, name))] * count, pa.float64()) for name in NOISE_COLUMNS},
        }
        folder = self.executor.store.cell(member.cell.id)
        metadata = {"code_version": member.cell.code_version}
        write_part(folder.timings, f"{round_id}-b{size}", columns, metadata)
        # The hash is only comparable with the quality job's at the batch size that both probed.
        if size == self.executor.first_batch_size:
            self.executor.record_latency(member.cell, member.started, done)


def _plain(value: float | None) -> float | None:
    return None if value is None else float(value)
