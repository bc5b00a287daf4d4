"""One process a job, started by fork from a server that has only imported, or spawned afresh; the parent blocks on pipes.

The server imports a task's heavy modules once and starts no thread and no CUDA, so a worker costs milliseconds instead
of the seconds that torch and diffusers take to import.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from effbench.guard import PluginFailure, diverted, strangers
from effbench.record import Reason
from effbench.runner.jobs import Failed, JobSpec, Message
from effbench.runner.worker import worker_main

START_METHODS = {"fork": "forkserver", "spawn": "spawn"}


class WorkerError(Exception):
    """The worker is gone, or was ended, without finishing its job."""

    def __init__(self, failure: Failed) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Launcher:
    """Starts workers; ``preload`` names the modules that the fork server imports once."""

    def __init__(self, start: Literal["fork", "spawn"], preload: Sequence[str], threads: int) -> None:
        # Numeric libraries read these as they are loaded. One BLAS thread in the server means none to lose by forking.
        os.environ.update(
            {"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": str(threads)}
        )
        self._context: Any = multiprocessing.get_context(START_METHODS[start])
        if start == "fork":
            self._context.set_forkserver_preload(
                ["effbench.runner.worker", "pyarrow.parquet", "safetensors.numpy", *preload]
            )

    def start(self, spec: JobSpec) -> Worker:
        """Start a worker on a job; raise ``WorkerError`` where the task or a method cannot be sent to it."""
        return Worker(self._context, spec)


class Worker:
    """A running job, seen from the parent."""

    def __init__(self, context: Any, spec: JobSpec) -> None:
        try:
            with strangers("pickling the task and its methods for a worker"):
                pickled = pickle.dumps(spec)
        except PluginFailure as failure:
            raise WorkerError(Failed("error", str(failure))) from failure
        self._ours, theirs = context.Pipe(duplex=True)
        self._kills_before = oom_kills()
        arguments = (theirs, spec.cell_path, spec.kind, pickled, os.getpid())
        self._process = context.Process(target=worker_main, args=arguments)
        # What a server or a worker inherits as stdout must not be ours: modules print as they are imported.
        with diverted():
            self._process.start()
        theirs.close()

    @property
    def pid(self) -> int:
        """Return the process id."""
        return int(self._process.pid)

    def send(self, request: object) -> None:
        """Send a request; a worker that has just died shows at the next ``receive``."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._ours.send(request)

    def receive(self, timeout_s: float) -> Message:
        """Block until the worker says something; raise ``WorkerError`` where it dies or says nothing for too long."""
        ready = multiprocessing.connection.wait([self._ours, self._process.sentinel], timeout_s)
        if not ready:
            self.kill()
            raise WorkerError(Failed("timeout", f"no answer for {timeout_s:g} s; the worker was ended"))
        if self._ours in ready or self._ours.poll():
            try:
                message: Message = self._ours.recv()
            except (EOFError, ConnectionResetError):
                pass
            else:
                return message
        self._process.join()
        raise WorkerError(self._post_mortem())

    def _post_mortem(self) -> Failed:
        code = self._process.exitcode
        if code is not None and code < 0:
            reason: Reason = "signal"
            name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
            message = f"the worker was ended by {name}"
            if -code == signal.SIGKILL and oom_kills() > self._kills_before:
                reason, message = "oom", "the kernel ended the worker: out of memory"
            return Failed(reason, message)
        return Failed("error", f"the worker left with exit code {code} before finishing")

    def kill(self) -> None:
        """End the worker now and wait until it is gone."""
        if self._process.is_alive():
            self._process.kill()
        self._process.join()
        self._ours.close()

    def finish(self) -> None:
        """Wait for a worker that has said its last word."""
        self._process.join(10)
        self.kill()


def oom_kills() -> int:
    """Return how often the kernel has killed for memory since boot (0 where it does not tell)."""
    try:
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    except OSError:
        pass
    return 0
