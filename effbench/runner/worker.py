"""The process that does one job of a cell: its limits, its threads, its log, and what its end means for the cell.

A worker writes the parts it finishes itself and tells the parent about each; it dies with its parent.
"""

from __future__ import annotations

import contextlib
import errno
import faulthandler
import io
import os
import pickle
import signal
import stat
import sys
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path

from effbench.api import WORK_VARIABLE, PluginError, Unsupported
from effbench.errors import StoreError, one_line
from effbench.guard import INTERRUPTS
from effbench.measure.layout import settled_memory
from effbench.runner import inspection, passes, quality, summary
from effbench.runner.jobs import Failed, JobKind, JobSpec


def worker_main(connection: Connection, cell_path: Path, kind: JobKind, pickled: bytes, parent_pid: int) -> None:
    """Run the pickled ``JobSpec`` and answer over ``connection``; never raises.

    Unpickling imports the plugins, which may print or raise: it comes after stdout is the log.
    """
    _die_with_parent(parent_pid)
    held: tuple[bytes, ...] = ()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides; a terminal sends it to everybody
    signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTS)  # held in the parent while it spawns
    try:
        _redirect_output(cell_path / "log.txt", kind)
        spec: JobSpec = pickle.loads(pickled)
        _limit_memory(spec.max_memory_bytes)
        _set_threads(spec)
        if spec.kind in ("prepare", "quality"):
            os.environ[WORK_VARIABLE] = str(spec.cell_path / "work" / spec.name)
        held = settled_memory() if spec.kind == "latency" else ()
        connection.send(JOBS[spec.kind](spec, connection))
    except StoreError as error:
        connection.send(Failed("error", str(error), store=True))
    except Exception as error:  # noqa: BLE001 - a stranger's method may raise anything; it is recorded as what it is
        connection.send(classify(error))
    except SystemExit as error:
        connection.send(Failed("error", f"the plugin called exit({error.code!r})"))
    except BaseException as error:  # noqa: BLE001 - likewise: SIGINT is ignored here, so nobody has interrupted it
        connection.send(classify(error))
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(ValueError, OSError, AttributeError):  # the method may have closed or replaced it
                stream.flush()
    connection.close()
    del held


def classify(error: BaseException) -> Failed:
    """Return what a raised exception means for the cell."""
    text = one_line(error)
    stack = "".join(traceback.format_exception(error))
    with contextlib.suppress(ValueError, OSError, AttributeError):
        print(stack, file=sys.stderr, flush=True)
    is_oom = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    if is_oom or (isinstance(error, RuntimeError) and "can't allocate memory" in text):
        return Failed("oom", text, stack)
    if isinstance(error, Unsupported):
        return Failed("unsupported", one_line(error, kind=False, longest=2000) or text)
    if isinstance(error, PluginError):
        return Failed("error", one_line(error, kind=False, longest=2000) or text)
    return Failed("error", text, stack)


def _die_with_parent(parent_pid: int) -> None:
    if sys.platform != "linux":
        return
    import ctypes

    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if os.getppid() != parent_pid and not Path(f"/proc/{parent_pid}").exists():
        os._exit(1)  # the parent died before the request above took effect


def _redirect_output(log: Path, kind: str) -> None:
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        # A link may lead out of the store, and a pipe has nobody who reads it: neither is followed or waited for.
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(errno.ENXIO, "no plain file")
    except OSError as error:
        is_other = error.errno in (errno.ELOOP, errno.ENXIO)
        why = "a link, pipe or device stands where the log should" if is_other else error.strerror or error
        raise StoreError(f"{log}: cannot be written: {why}") from None
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)
    for stream in (sys.stdout, sys.stderr):  # a log takes every character, whatever the locale
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    print(f"--- {kind} {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} pid {os.getpid()}", flush=True)
    faulthandler.enable(2, all_threads=False)


def _limit_memory(limit: int | None) -> None:
    if limit is None or sys.platform != "linux":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _set_threads(spec: JobSpec) -> None:
    """Bind this process to its cores and its number of threads, before any library has started one."""
    if spec.cpus and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, spec.cpus)
    os.environ["OMP_NUM_THREADS"] = str(spec.threads)
    if "torch" in spec.task.preload:
        import torch

        torch.set_num_threads(spec.threads)
        torch.set_grad_enabled(True)


JOBS = {
    "prepare": passes.prepare,
    "quality": quality.quality,
    "summary": summary.summary,
    "inspect": inspection.inspect,
    "memory": passes.memory,
    "energy": passes.energy,
    "latency": passes.latency,
    "calibrate": passes.calibrate,
}
