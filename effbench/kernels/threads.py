"""Runs a kernel on the threads that torch computes with, so that no second pool ever competes with torch's own.

torch's operators on a CPU run on OpenMP. Its library is in the process already; ``GOMP_parallel`` (of GNU's libgomp, and of
Intel's and LLVM's libraries, which have it for compatibility) calls a function once on each thread of a team.
"""

from __future__ import annotations

import ctypes
import struct
import warnings
from functools import cache
from pathlib import Path
from typing import NamedTuple

TORCH_LIBRARIES = ("libtorch_cpu.so", "libtorch_cpu.dylib")
"""torch's own shared library. A symbol is looked for in it and then in what it was linked to: other packages (PySCF) bring
OpenMP libraries too, whose threads would compete with torch's."""


class Team(NamedTuple):
    """Addresses of two functions of the OpenMP library: number of this thread, and of the threads in its team."""

    thread_number: int
    team_size: int


NO_TEAM = Team(0, 0)
"""What kernels are told where there is no OpenMP library: they run as thread 0 of 1."""


@cache
def _library() -> ctypes.CDLL | None:
    """Return the OpenMP library that torch loaded; None, after a warning, where none can be found."""
    import torch

    for path in (Path(torch.__file__).parent / "lib" / name for name in TORCH_LIBRARIES):
        if path.is_file() and hasattr(library := ctypes.CDLL(str(path)), "GOMP_parallel"):
            library.GOMP_parallel.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
            library.GOMP_parallel.restype = None
            return library
    warnings.warn("torch's OpenMP library was not found: integer kernels run on one thread", stacklevel=2)
    return None


@cache
def team() -> Team:
    """Return what a kernel asks for its place in the team."""
    library = _library()
    if library is None:
        return NO_TEAM
    names = (library.omp_get_thread_num, library.omp_get_num_threads)
    return Team(*(ctypes.cast(function, ctypes.c_void_p).value or 0 for function in names))


def packed(*fields: int) -> bytes:
    """Return fields as they stand in a job."""
    return struct.pack(f"{len(fields)}q", *fields)


class Kernel:
    """A compiled function ``void f(int64* job)``; ``run`` calls it on each thread of a team and returns once all are done.

    The job holds the two functions of ``Team`` first, of which a thread learns its share, so that a team of any size does
    the whole of a job.
    """

    def __init__(self, address: int, fields: int) -> None:
        self.address = address
        self._alone = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(address)
        library = _library()
        self._parallel = None if library is None else library.GOMP_parallel
        self._team = team()
        # Packed into bytes: to fill an array of ctypes takes ten times as long, more than many a kernel.
        self._job = struct.Struct(f"{len(self._team) + fields}q").pack

    def run(self, threads: int, *fields: int, tail: bytes = b"") -> None:
        """Run on ``threads`` threads (one, where there is no library); fields are 64-bit integers, addresses among them.

        ``tail`` are fields that follow them, ``packed`` before: to pack them takes longer than to copy them.
        """
        if threads == 1 or self._parallel is None:
            self._alone(self._job(*NO_TEAM, *fields) + tail)
        else:
            self._parallel(self.address, self._job(*self._team, *fields) + tail, threads, 0)
