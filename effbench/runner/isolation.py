"""One process a job, started by fork from a server that has only imported, or spawned afresh; the parent blocks on pipes.

The server imports a task's heavy modules once and starts no thread and no CUDA, so a worker costs milliseconds instead
of the seconds that torch and diffusers take to import.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import multiprocessing.forkserver
import os
import pickle
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import psutil

from effbench.errors import one_line
from effbench.guard import INTERRUPTS, PluginFailure, diverted, strangers
from effbench.measure.machine import fingerprint
from effbench.record import Reason
from effbench.runner.jobs import Failed, JobSpec, Message
from effbench.runner.launching import WorkerError
from effbench.runner.worker import worker_main

START_METHODS = {"fork": "forkserver", "spawn": "spawn"}
PRELOAD = ("effbench.runner.worker", "pyarrow.parquet", "safetensors.numpy")
"""What every worker needs."""
LOOK_EVERY_S = 3.0
"""While a worker says nothing: how often it is looked for, should its end not show on its pipes."""
GRACE_S = 5.0
"""How long an end that is known may take to be reported."""
STARTS = 3
"""Tries to start a worker: a server that was killed meanwhile is started again, at last without the task's modules."""


LONGEST_SOCKET = 104
"""Bytes of a Unix socket's path with its closing zero, on the strictest system (macOS; Linux takes 108)."""
SOCKET_NAME = "/pymp-xxxxxxxx/listener-xxxxxxxx"
"""What ``multiprocessing`` adds to the temporary folder."""


def socket_folder() -> str | None:
    """Return a folder for temporary files whose path is short enough for the fork server's socket; None where none is."""
    for folder in (tempfile.gettempdir(), os.environ.get("XDG_RUNTIME_DIR", ""), "/tmp", "/var/tmp", "/dev/shm"):
        is_usable = bool(folder) and Path(folder).is_dir() and os.access(folder, os.W_OK | os.X_OK)
        if is_usable and len(os.fsencode(folder + SOCKET_NAME)) < LONGEST_SOCKET:
            return folder
    return None


class LocalLauncher:
    """Starts workers; ``preload`` names the modules that the fork server imports once."""

    def __init__(self, start: Literal["fork", "spawn"], preload: Sequence[str], threads: int) -> None:
        self.machine = fingerprint()
        # Numeric libraries read these as they are loaded. One BLAS thread in the server means none to lose by forking.
        self._limits = {
            "OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": str(threads),
        }  # fmt: skip
        if start == "fork" and (folder := socket_folder()) is None:
            start = "spawn"
            print("no temporary folder has a path short enough for a socket: workers are spawned", file=sys.stderr)
        self._folder = folder if start == "fork" else None
        self._context: Any = multiprocessing.get_context(START_METHODS[start])
        self._preload = list(preload) if start == "fork" else []
        if start == "fork":
            self._context.set_forkserver_preload([*PRELOAD, *preload])

    def ready(self) -> None:
        """Start the fork server, where there is to be one and it does not run yet."""
        if self._folder is None:
            return
        usual, tempfile.tempdir = tempfile.tempdir, self._folder
        try:
            with _environment(self._limits):
                multiprocessing.forkserver.ensure_running()
        finally:
            tempfile.tempdir = usual

    def close(self) -> None:
        """End the workers that still run: one that an interrupt met while it was being started has no other owner."""
        for process in multiprocessing.active_children():
            process.kill()

    def start(self, spec: JobSpec) -> LocalWorker:
        """Start a worker on a job; raise ``WorkerError`` where that cannot be done.

        What ended the server may have been a person or the machine, so it is started again. A module named for preloading
        that ends the server would end it for all tasks: in the last try, and from then on, it is left to the workers.
        """
        for left in reversed(range(STARTS)):
            try:
                self.ready()
                with _environment(self._limits):  # a spawned worker has this process's environment
                    return LocalWorker(self._context, spec)
            except (OSError, EOFError) as error:
                if not left:
                    raise WorkerError(Failed("error", f"no worker could be started: {one_line(error)}")) from error
                if (server := _server_pid()) is not None:
                    _has_ended(server)  # until then the library takes it for alive and starts no other
                if left == 1 and self._preload:
                    self._preload = []
                    self._context.set_forkserver_preload(list(PRELOAD))
        raise AssertionError("the last try returns or raises")


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Let an interrupt wait until the block is over: a worker that was half started would print a traceback as it ends."""
    signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTS)


@contextlib.contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    """Let processes that are started inside see changed variables; this process loads libraries of its own later."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


class LocalWorker:
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
        with diverted(), _interrupts_held():
            self._process.start()
        theirs.close()
        self._server = _server_pid() if context.get_start_method() == "forkserver" else None
        try:
            self._seen: psutil.Process | None = psutil.Process(self.pid)
        except psutil.NoSuchProcess:
            self._seen = None

    @property
    def pid(self) -> int:
        """Return the process id."""
        return int(self._process.pid)

    def send(self, request: object) -> None:
        """Send a request; a worker that has just died shows at the next ``receive``."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._ours.send(request)

    @property
    def ends(self) -> tuple[Any, ...]:
        """Return what becomes ready, for ``multiprocessing.connection.wait``, when the worker speaks or ends."""
        # The ends alone do not suffice: where the server died with the worker, nobody is left to report it.
        return (self._ours, self._process.sentinel)

    def receive(self, timeout_s: float) -> Message:
        """Block until the worker says something; raise ``WorkerError`` where it dies or says nothing for too long."""
        started = time.monotonic()
        while (message := self.poll(time.monotonic() - started, timeout_s)) is None:
            left = max(0.0, timeout_s - (time.monotonic() - started))
            multiprocessing.connection.wait(self.ends, min(LOOK_EVERY_S, left))
        return message

    def poll(self, silent_s: float, timeout_s: float) -> Message | None:
        """Return what the worker has said, None where it runs and says nothing; raise ``WorkerError`` as ``receive`` does."""
        ready = multiprocessing.connection.wait(self.ends, 0.0)
        if not ready and self._runs():
            if silent_s < timeout_s:
                return None
            self.kill()
            raise WorkerError(Failed("timeout", f"no answer for {timeout_s:g} s; the worker was ended"))
        if self._ours in ready or self._ours.poll():
            try:
                message: Message = self._ours.recv()
            except (EOFError, ConnectionResetError):
                pass
            else:
                return message
        self._process.join(GRACE_S)
        raise WorkerError(self._post_mortem())

    def _runs(self) -> bool:
        """Return whether the process is there and no zombie, whoever its parent is now."""
        try:
            return self._seen is not None and self._seen.is_running() and self._seen.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def _post_mortem(self) -> Failed:
        code = self._process.exitcode
        # Workers die with the server. Then nobody reports their code; 255 or none stands for it.
        if code in (None, 255) and self._server is not None and _has_ended(self._server):
            return Failed("signal", "the fork server, from which all workers descend, was ended")
        if code is not None and code < 0:
            reason: Reason = "signal"
            name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
            message = f"the worker was ended by {name}"
            if -code == signal.SIGKILL and oom_kills() > self._kills_before:
                reason, message = "oom", "the kernel ended the worker: out of memory"
            return Failed(reason, message)
        if code is None:
            return Failed("error", "the worker closed its connection before finishing")
        return Failed("error", f"the worker left with exit code {code} before finishing")

    def kill(self) -> None:
        """End the worker now and wait until it is gone."""
        if self._process.is_alive():
            self._process.kill()
        if self._runs() and self._seen is not None:  # its server is gone, so that it passes for dead
            with contextlib.suppress(psutil.NoSuchProcess):
                self._seen.kill()
        self._process.join(GRACE_S)
        self._ours.close()

    def finish(self) -> None:
        """Wait for a worker that has said its last word."""
        self._process.join(10)
        self.kill()


def _server_pid() -> int | None:
    """Return the process id of the fork server, which the library tells nobody; None where it does not run."""
    pid: int | None = getattr(getattr(multiprocessing.forkserver, "_forkserver", None), "_forkserver_pid", None)
    return pid


def _has_ended(server: int) -> bool:
    """Return whether a fork server has ended; its pipes close a moment before it shows, hence a second's patience."""
    deadline = time.monotonic() + 1.0
    while True:
        try:
            # It is left to be reaped by the library, which asks for its end before it starts another.
            ended = os.waitid(os.P_PID, server, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:  # reaped: another has been started meanwhile
            return True
        if ended or time.monotonic() > deadline:
            return ended
        time.sleep(0.01)


def oom_kills() -> int:
    """Return how often the kernel has killed for memory since boot (0 where it does not tell)."""
    try:
        for line in Path("/proc/vmstat").read_text("utf-8").splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    except OSError:
        pass
    return 0
